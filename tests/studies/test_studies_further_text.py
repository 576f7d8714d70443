"""Studies that calibrate on further files, or tune their pruned models: keys, rounds, records."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_models import write_reviews

from prunescope.engine.cli.main import main
from prunescope.engine.data import load_dataset
from prunescope.engine.errors import DataError, InterruptedStudy
from prunescope.engine.export.folder import further_data
from prunescope.engine.export.pruned_models import load_pruned
from prunescope.engine.live.models import LiveModels
from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.pruning.pipeline import prune_levels
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.reading.titles import method_title
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.listing import study_rows
from prunescope.engine.studies import adding, examples
from prunescope.engine.studies.estimate import estimate
from prunescope.engine.studies.examples import rounds_of, split
from prunescope.engine.studies.prepare import check_sources, prepare
from prunescope.engine.studies.run import run_study
from prunescope.engine.training import recovery_spec

LEVELS = (0.0, 0.5, 0.8)


@pytest.fixture
def spec(model_folder: Path, data_folder: Path) -> StudySpec:
    return StudySpec(
        model=str(model_folder),
        data=str(data_folder),
        levels=LEVELS,
        calibration=120,
        held_out=40,
        eval_examples=50,
        attack="none",
        device="cpu",
    )


@pytest.fixture
def further(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "further.tsv", 500, seed=7)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", tmp_path / "none")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recoveries of a few steps, and rounds that begin with a few texts."""
    monkeypatch.setattr(recovery_spec.Recovery.__init__, "__defaults__", (60, 32))
    monkeypatch.setattr(examples, "FIRST", 10)


# Further files


def test_own_texts_come_first_and_further_ones_fill_up(spec: StudySpec, further: Path) -> None:
    data = load_dataset(spec.data)
    own, held_out, evaluation = split(data, replace(spec, calibration=10_000))
    more = replace(spec, calibration=10_000, calibration_data=str(further))
    calibration, *others = split(data, more)
    assert others == [held_out, evaluation]
    assert calibration.texts[: len(own)] == own.texts
    assert len(calibration) > len(own) + 400
    keys = [set(part.row_keys()) for part in (calibration, held_out, evaluation)]
    assert len(keys[0]) == len(calibration) and not keys[0] & (keys[1] | keys[2])
    assert (
        split(data, replace(more, calibration=len(own) + 5))[0].texts
        == (calibration.texts[: len(own) + 5])
    )


def test_files_that_are_not_needed_change_no_key(
    spec: StudySpec, further: Path, tmp_path: Path
) -> None:
    plain = prepare(spec)
    for files in (str(further), str(tmp_path / "never-read.tsv")):
        other = prepare(replace(spec, calibration_data=files))
        assert other.study.key == plain.study.key
    assert not {"adding", "recovery"} & set(plain.study.identity)
    about = plain.study.about
    assert not {"recover", "calibration_data"} & {*about, *about["spec"]}
    more = prepare(replace(spec, calibration=10_000, calibration_data=str(further)))
    assert more.study.key != plain.study.key and more.study.identity["adding"] == examples.RULE


def test_files_of_which_no_text_is_used_have_a_notice(spec: StudySpec, further: Path) -> None:
    named = replace(spec, calibration_data=str(further))
    assert any("is not read" in notice for notice in prepare(named).notices)
    train = str(Path(spec.data) / "train.tsv")
    nothing_new = replace(named, calibration=10_000, calibration_data=train)
    assert any("has no text that" in notice for notice in prepare(nothing_new).notices)
    used = prepare(replace(named, calibration=10_000))
    assert not any("further" in notice for notice in (*prepare(spec).notices, *used.notices))


@pytest.mark.parametrize(
    ("own", "total", "counts"),
    [
        (512, 512, [512]),
        (512, 600, [512, 600]),
        (600, 5000, [600, 1200, 2400, 4800, 5000]),
        (3, 40, [10, 20, 40]),
        (3, 5, [5]),
    ],
)
def test_rounds_double(own: int, total: int, counts: list[int]) -> None:
    assert rounds_of(own, total) == counts


def test_text_is_added_as_long_as_it_helps_at_each_sparsity_by_itself(
    spec: StudySpec, further: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(
        replace(spec, calibration=480, calibration_data=str(further), levels=(0.5, 0.8))
    )
    assert prepared.data.own == 160
    seen: list[tuple[int, tuple[float, ...], Any]] = []
    # of both sparsities, round by round
    errors = iter([0.2, 0.4, 0.199, 0.3, 0.35])

    def spy(victim: Any, texts: Any, pairs: Any, plan: Any, levels: Any, *more: Any) -> Any:
        seen.append((len(texts), tuple(levels), more[-1]))
        return prune_levels(victim, texts, pairs, plan, levels, *more)

    monkeypatch.setattr(adding, "prune_levels", spy)
    monkeypatch.setattr(adding, "relative_error", lambda *given: next(errors))
    first, second = adding.prune_on_further(prepared, (0.5, 0.8), Progress())
    assert [part[:2] for part in seen] == [(160, (0.5, 0.8)), (320, (0.5, 0.8)), (480, (0.8,))]
    assert seen[0][2] is seen[1][2] is seen[2][2] is prepared.known
    for pruned, level in ((first, 0.5), (second, 0.8)):  # the second round's was the best
        text = prepared.calibration.take(range(320))
        (expected,) = prune_levels(
            prepared.victim, text.texts, None, prepared.plan, (level,), Progress(), prepared.known
        )
        assert weights_sha256(pruned.victim.model) == weights_sha256(expected.victim.model)
        assert pruned.notices[-1].startswith("Pruned on 160 texts of the study's data and 160 of f")
    assert "0.400 on 160, 0.300 on 320, 0.350 on 480 texts" in second.notices[-1]


def test_the_record_says_how_much_text_was_used(
    spec: StudySpec, further: Path, store: Store
) -> None:
    study = run_study(replace(spec, calibration=300, calibration_data=str(further)), store)
    for level in study.levels[1:]:
        (said,) = (text for text in level.notices if text.startswith("Pruned on"))
        assert "on 160" in said and "of further files" in said
    assert study.about["counts"]["calibration"] == 300
    assert study.about["calibration_data"] == ["further.tsv"]


def test_a_model_of_further_text_says_what_it_has_seen(
    spec: StudySpec, further: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its card, in its record, and where it would be called out of distribution."""
    words = ["--model", spec.model, "--data", spec.data, "--device", "cpu"]
    text = ["--calibration", "300", "--held-out", "40", "--calibration-data", str(further)]
    for name, more in (("plain", text[:4]), ("more", text)):
        out = ["--sparsity", "0.5", "--out", str(tmp_path / name), "--cache", str(store.root)]
        assert main(["export", *words, *more, *out]) == 0
    assert further_data(str(tmp_path / "more")) == ("further.tsv",)
    assert further_data(str(tmp_path / "plain")) == further_data(spec.model) == ()
    card = (tmp_path / "more" / "README.md").read_text(encoding="utf-8")
    assert "300 texts of tiny and further.tsv" in card and str(tmp_path) not in card
    assert "--calibration-data PATH/TO/further.tsv" in card
    capsys.readouterr()
    for name, said in (("plain", False), ("more", True)):
        model = ["--model", str(tmp_path / name), *words[2:]]
        assert main(["ood", *model, "--ood", str(further)]) == 0
        assert ("was pruned on texts of further.tsv too" in capsys.readouterr().err) is said


def test_further_files_are_looked_for_before_a_job_waits(spec: StudySpec, tmp_path: Path) -> None:
    missing = replace(spec, calibration_data=str(tmp_path / "missing.tsv"))
    with pytest.raises(DataError, match=r"There is no folder or file .*missing\.tsv"):
        check_sources(missing)


# Recovery


@pytest.mark.parametrize("method", ["adaptive", "magnitude"])
def test_a_tuned_study_is_one_of_its_own_from_the_same_pruned_models(
    spec: StudySpec, store: Store, method: str
) -> None:
    plain = run_study(replace(spec, method=method), store)
    tuned = run_study(replace(spec, method=method, recover="global"), store)
    assert tuned.key != plain.key and "recovery" not in plain.identity
    assert tuned.levels[0].correct == plain.levels[0].correct
    for before, after in zip(plain.levels[1:], tuned.levels[1:], strict=True):
        assert after.achieved == before.achieved
        assert after.cls_error < before.cls_error or method == "adaptive"
        assert any("Tuned without labels (global)" in notice for notice in after.notices)
        assert after.seconds["recover"] > 0
        assert after.seconds["prune"] == 0 or method == "magnitude"  # from the cache
    assert method_title(tuned.about) == f"{method_title(plain.about)} + unlabelled tuning"
    again = run_study(replace(spec, method=method, recover="block"), store)
    assert method_title(again.about).endswith("+ unlabelled tuning (block)")
    assert len({plain.key, tuned.key, again.key}) == 3


def test_held_out_text_enters_the_key_of_a_tuned_model_alone(spec: StudySpec) -> None:
    for recover, same in (("off", True), ("affine", False)):
        keys = {
            victim_key(
                {**prepare(replace(spec, recover=recover)).study.identity, "held_out": name}, 0.5
            )
            for name in ("one", "other")
        }
        assert (len(keys) == 1) is same


def weights_at(store: Store, study: Study, spec: StudySpec) -> dict[float, str]:
    prepared = prepare(spec)
    found = {}
    for level in spec.levels[1:]:
        pruned = load_pruned(store, victim_key(study.identity, level), prepared.victim)
        assert isinstance(pruned, Pruned)
        found[level] = weights_sha256(pruned.victim.model)
    return found


def test_a_tuned_study_that_is_stopped_goes_on_to_the_same_bytes(
    spec: StudySpec, tmp_path: Path
) -> None:
    spec = replace(spec, recover="global")
    whole, broken = (Store(tmp_path / name, tmp_path / "none") for name in ("whole", "broken"))
    study = run_study(spec, whole)

    def stops() -> Iterator[Progress]:
        for reports in (1, 9, 30):
            left = [reports]

            def listen(state: ProgressState, left: list[int] = left) -> None:
                left[0] -= "recovery" in state.stage
                if left[0] == 0:
                    raise InterruptedStudy

            yield Progress(listen)

    for stop in stops():
        with pytest.raises(InterruptedStudy):
            run_study(spec, broken, stop)
        assert list((broken.root / "victims").glob("*.checkpoint"))
    resumed = run_study(spec, broken)
    assert resumed.levels == study.levels
    assert weights_at(broken, study, spec) == weights_at(whole, study, spec)
    assert not list((broken.root / "victims").glob("*.checkpoint"))


def test_the_live_page_gets_the_tuned_model(
    spec: StudySpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a method that needs no text without tuning, from the cache and anew."""
    spec = replace(spec, method="magnitude", recover="affine", levels=(0.0, 0.5))
    study = run_study(spec, store)
    expected = weights_at(store, study, spec)[0.5]
    models = LiveModels(store)
    models.begin()
    assert models.ready.has(study, 0.5) and not models.ready.has(study, 0.6)
    assert weights_sha256(models.sparse(study, 0.5).victim.model) == expected
    for path in (store.root / "victims").iterdir():
        path.unlink()
    anew = LiveModels(store)
    anew.begin()
    assert not anew.ready.has(study, 0.5)
    assert weights_sha256(anew.sparse(study, 0.5).victim.model) == expected


def test_the_time_of_a_recovery_is_in_the_estimate(spec: StudySpec, store: Store) -> None:
    run_study(spec, store)
    rows, others = study_rows(store), replace(spec, levels=(0.0, 0.5, 0.8, 0.9))
    plain = estimate(others, rows)
    tuned = estimate(replace(others, recover="global"), rows)
    assert plain.seconds is not None and tuned.seconds is not None
    assert tuned.seconds > plain.seconds
    assert estimate(spec, rows).about == "Every level is stored already."


@pytest.mark.parametrize("setting", ["recover", "calibration_data"])
def test_one_held_out_text_decides_nothing(spec: StudySpec, further: Path, setting: str):
    value = {"recover": "global", "calibration_data": str(further)}[setting]
    short_of_text = replace(spec, held_out=1, calibration=600)
    prepare(short_of_text)
    with pytest.raises(DataError, match=f"how far `{setting}` goes, and .* leaves 1 text for it"):
        prepare(replace(short_of_text, **{setting: value}))
    prepare(replace(short_of_text, held_out=2, **{setting: value}))
