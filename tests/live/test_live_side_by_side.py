"""One text and batches on several victims side by side: same candidates, steps, transfer,
importance, cancel, and refusals.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from prunescope.engine.attacks.attempt import Attempt, AttemptStep
from prunescope.engine.attacks.run import Attacker
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.data import Examples
from prunescope.engine.errors import (
    DataError,
    InputError,
    InterruptedStudy,
    ResourceError,
    SettingError,
)
from prunescope.engine.live.batch import _examples, attack_batch
from prunescope.engine.live.cross_reading import word_importance
from prunescope.engine.live.models import LiveModels
from prunescope.engine.live.ready_models import attack_ready
from prunescope.engine.live.requests import answer
from prunescope.engine.live.side_by_side import AttackRequest, open_victims
from prunescope.engine.live.side_result import AttackStep
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress, ProgressState
from prunescope.engine.records import AttackRecord, Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies import examples
from prunescope.engine.studies.run import run_study

TEXT = "a very good film of the slow cast"


@pytest.fixture(scope="module")
def study(
    steady_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Study:
    """A study without an attack at 0 and 0.5."""
    spec = StudySpec(
        model=str(steady_folder),
        data=str(data_folder),
        levels=(0.0, 0.5),
        calibration=40,
        held_out=10,
        eval_examples=50,
        attack="none",
        device="cpu",
        method="magnitude",
    )
    return run_study(spec, Store(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def models(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveModels]:
    store = Store(tmp_path_factory.mktemp("models"))
    store.save_study(study)
    yield LiveModels(store)


def request(study: Study, *sparsities: float, **more: Any) -> dict[str, Any]:
    victims = [
        {
            "name": f"{100 * sparsity:g} %" if sparsity else "Dense",
            "study": study.key,
            "sparsity": sparsity,
        }
        for sparsity in (0.0, *sparsities)
    ]
    return {
        "victims": victims,
        "attack": "deepwordbug",
        "seed": 0,
        "queries": None,
        "seconds": None,
        **more,
    }


def across(asked: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The request for transfer and importance after an attack."""
    broken = {
        side["name"]: side["perturbed"] for side in result["sides"] if side["outcome"] == "broken"
    }
    return {**asked, "do": "transfer", "truth": result["truth"], "found": broken}


@pytest.fixture(scope="module")
def found(models: LiveModels, study: Study) -> tuple[dict[str, Any], list[tuple[str, AttemptStep]]]:
    """An attack on the dense victim and three sparse ones, and its steps."""
    events: list[Any] = []
    asked = request(study, 0.5, 0.8, 0.95, do="attack", text=f"  {TEXT} ", label=None)
    result = answer(models, asked, Progress(on_event=events.append))
    result |= answer(models, across(asked, result), SILENT)
    return result, [(event.side, event.step) for event in events if isinstance(event, AttackStep)]


def test_every_victim_is_attacked_as_it_would_be_alone(
    models: LiveModels, study: Study, found: Any
) -> None:
    result, _ = found
    assert [side["name"] for side in result["sides"]] == ["Dense", "50 %", "80 %", "95 %"]
    opened = open_victims(models, AttackRequest.of(request(study, 0.5, 0.8, 0.95)))
    for side in result["sides"]:
        alone = Attacker(opened.victims[side["name"]], "deepwordbug", 0).run(
            TEXT, None, result["truth"]
        )
        assert (side["outcome"], side["queries"]) == (alone.record.outcome, alone.record.queries)
        assert side["perturbed"] == alone.perturbed
        assert [tuple(point) for point in side["path"]] == list(alone.path)
    json.dumps(result)  # it crosses a pipe


def test_every_victim_tells_its_steps_and_they_end_where_its_path_does(found: Any) -> None:
    result, steps = found
    for side in result["sides"]:
        own = [step for name, step in steps if name == side["name"]]
        assert own and own[0].kind == "start" and own[-1].queries == side["queries"]
        assert all(
            one.queries <= two.queries and one.lowest >= two.lowest for one, two in pairwise(own)
        )
    first, last = (
        next(place for place, (name, _) in enumerate(order) if name == "95 %")
        for order in (steps, steps[::-1])
    )
    assert first < len(steps) - last - 1 and {
        name for name, _ in steps[: len(result["sides"])]
    } == {side["name"] for side in result["sides"]}  # side by side, not one after the other


def test_transfer_is_what_each_victim_says_of_each_text(
    models: LiveModels, study: Study, found: Any
) -> None:
    result, _ = found
    opened = open_victims(models, AttackRequest.of(request(study, 0.5, 0.8, 0.95)))
    broken = [side for side in result["sides"] if side["outcome"] == "broken"]
    assert broken and list(result["transfer"]) == [side["name"] for side in broken]
    for side in broken:
        assert result["transfer"][side["name"]][side["name"]]["label"] != result["truth"]
        for name, victim in opened.victims.items():
            said = victim.read([side["perturbed"]])[0].double().softmax(dim=1)[0]
            assert result["transfer"][side["name"]][name]["truth"] == pytest.approx(
                float(said[result["truth"]]), abs=1e-5
            )
            assert result["transfer"][side["name"]][name]["label"] == int(said.argmax())
        assert -1 <= side["similarity"] <= 1


def test_importance_is_what_is_lost_without_each_word(victim: Victim) -> None:
    told = word_importance({"it": victim}, "Good, very good film", 1)
    assert told is not None and told["words"] == ["Good", "very", "good", "film"]
    whole, without = (
        victim.read(["Good, very good film", ", very good film"])[0]
        .double()
        .softmax(dim=1)[:, 1]
        .tolist()
    )
    assert told["falls"]["it"][0] == pytest.approx(whole - without, abs=1e-5)
    assert (
        word_importance({"it": victim}, "Good!", 1) is None
        and word_importance({"it": victim}, "good " * 61, 1) is None
    )


def test_a_budget_ends_the_attack_on_every_victim(models: LiveModels, study: Study) -> None:
    result = attack_ready(models, AttackRequest.of(request(study, 0.5, queries=3)), TEXT, None)
    assert result["budget"] == {"queries": 3, "seconds": None}
    assert all(side["outcome"] in ("exhausted", "broken", "skipped") for side in result["sides"])
    assert any(
        side["outcome"] == "exhausted" and side["reason"] == "3 queries" for side in result["sides"]
    )


def test_a_label_decides_what_counts_as_broken(
    models: LiveModels, study: Study, found: Any
) -> None:
    other = 1 - found[0]["truth"]
    result = attack_ready(models, AttackRequest.of(request(study)), TEXT, other)
    assert (
        result["truth_given"]
        and result["truth"] == other
        and result["sides"][0]["outcome"] == "skipped"
    )
    assert result["sides"][0]["similarity"] is None


@pytest.mark.parametrize("stage", ["load model", "attack", "word importance"])
def test_an_attack_is_cancelled_wherever_it_is(
    steady_folder: Path, study: Study, tmp_path: Path, stage: str
) -> None:
    store = Store(tmp_path)
    store.save_study(study)

    def stop(state: ProgressState) -> None:
        if state.stage == stage:
            raise InterruptedStudy("cancelled")

    state = torch.random.get_rng_state()
    with pytest.raises(InterruptedStudy):
        asked = request(study, 0.5, do="attack", text=TEXT, label=None)
        if stage == "word importance":
            asked |= {"do": "transfer", "truth": 1, "found": {}}
        answer(LiveModels(store), asked, Progress(stop))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"text": "?!"}, InputError, "no words to attack"),
        ({"text": "good " * 300}, InputError, "1499 characters"),
        ({"label": 2}, SettingError, "The label 2 is outside 0..1"),
        ({"label": -1}, SettingError, "The label -1 is outside 0..1"),
        ({"attack": "nonsense"}, SettingError, "'nonsense' is unknown"),
        ({"attack": "checklist"}, ResourceError, "needs flair"),
        ({"queries": 0}, SettingError, "The budget is 0 queries"),
        ({"seconds": -1.0}, SettingError, "The budget is -1.0 seconds"),
        ({"victims": []}, SettingError, "0 victims"),
        (
            {
                "victims": [
                    {"name": str(place), "study": "f" * 64, "sparsity": 0.1} for place in range(5)
                ]
            },
            SettingError,
            "5 victims",
        ),
        (
            {"victims": [{"name": "a", "study": "f" * 64, "sparsity": 0.1}] * 2},
            SettingError,
            "a name of its own",
        ),
        (
            {"victims": [{"name": "a", "study": "f" * 64, "sparsity": 0.0}]},
            DataError,
            "ffffffffffff is not in the store",
        ),
        ({"do": "batch", "count": 0}, SettingError, "A batch of 0 examples"),
        ({"do": "batch", "count": 10_000}, SettingError, "A batch of 10000 examples"),
    ],
)
def test_a_request_that_cannot_be_done_says_why(
    models: LiveModels, study: Study, change: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        answer(
            models,
            {**request(study, do="attack", text=TEXT, label=None), **change},
            SILENT,
        )


def test_victims_of_other_classes_are_refused(
    models: LiveModels, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = models.open

    def other(asked: Study, report: Any = SILENT) -> Any:
        prepared, notice = opened(asked, report)
        other.calls += 1  # type: ignore[attr-defined]
        if other.calls > 1:  # type: ignore[attr-defined]
            about = {**prepared.study.about, "label_names": ["a", "b", "c"]}
            prepared = replace(prepared, study=replace(prepared.study, about=about))
        return prepared, notice

    other.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(models, "open", other)
    with pytest.raises(DataError, match="tells apart a, b, c and Dense"):
        open_victims(models, AttackRequest.of(request(study, 0.5)))


def test_a_batch_has_rates_pairs_and_transfer_and_goes_on_where_it_stopped(
    models: LiveModels, study: Study
) -> None:
    wanted, seen = AttackRequest.of(request(study, 0.8)), 0

    def stop(state: ProgressState) -> None:
        nonlocal seen
        seen = max(seen, state.done) if state.stage == "attack" else seen
        if seen >= 5:
            raise InterruptedStudy("cancelled")

    with pytest.raises(InterruptedStudy):
        attack_batch(models, wanted, 8, Progress(stop))
    states: list[ProgressState] = []
    result = attack_batch(models, wanted, 8, Progress(states.append))
    attacked = [state.done for state in states if state.stage == "attack"]
    assert attacked[0] >= 5 and attacked[-1] == 16
    assert [victim["n"] for victim in result["victims"]] == [8, 8] and set(result["paired"]) == {
        "80 %"
    }
    for place, name in enumerate(("Dense", "80 %")):
        outcomes = [one["outcomes"][name] for one in result["examples"]]
        assert outcomes.count("broken") == result["victims"][place]["broken"]
        assert all(
            (name in one["found"]) == (one["outcomes"][name] == "broken")
            for one in result["examples"]
        )
    json.dumps(result)


def test_a_batch_without_the_studys_texts_is_refused(study: Study, tmp_path: Path) -> None:
    about = {**study.about, "spec": {**study.about["spec"], "data": None}}
    gone = replace(study, about=about)
    store = Store(tmp_path)
    store.save_study(gone)
    with pytest.raises(DataError, match="no batch to attack"):
        attack_batch(LiveModels(store), AttackRequest.of(request(gone)), 5)


def test_the_texts_of_a_study_are_its_own_or_refused(study: Study, data_folder: Path) -> None:
    texts = examples.evaluation_texts(study)
    assert texts.fingerprint() == study.identity["evaluation"] and len(texts) == 50

    def changed(**more: Any) -> Study:
        return replace(study, about={**study.about, "spec": {**study.about["spec"], **more}})

    with pytest.raises(DataError, match="are not those of the study"):
        examples.evaluation_texts(changed(seed=1))
    for place in ("/nowhere/tiny", "stanfordnlp/sst2"):
        with pytest.raises(DataError, match="not on this machine"):
            examples.evaluation_texts(changed(data=place))


def test_rows_of_pairs_are_told_whole() -> None:
    """The change may be in the second text."""
    examples = Examples(("a story", "plain"), ("warm and funny", "dull"), (1, 0))
    broken = AttackText(
        AttackRecord(0, "broken", 3, 1, 5, 0.9, 0.4),
        1,
        "a story",
        "a story",
        1,
        0,
        0.4,
        "warm and funny",
        "wam and funny",
    )
    held = AttackText(
        AttackRecord(1, "held", 3, 0, 2, 0.9, 0.8), 0, "plain", "plain", 0, 0, 0.9, "dull", "dull"
    )
    first, second = _examples({"Dense": [broken, held]}, examples, [0, 1])
    assert first["text"] == "a story | warm and funny" and first["found"] == {
        "Dense": "a story | wam and funny"
    }
    assert second["text"] == "plain | dull" and second["found"] == {}


# A batch on a study's examples


@pytest.fixture(scope="module")
def attacked(
    steady_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, Store]:
    """A study that attacked 12 of 40 examples at 0 and 0.8, with a seed of its own."""
    spec = StudySpec(
        model=str(steady_folder),
        data=str(data_folder),
        levels=(0.0, 0.8),
        calibration=40,
        held_out=10,
        eval_examples=40,
        attack_examples=12,
        device="cpu",
        method="magnitude",
        seed=3,
    )
    store = Store(tmp_path_factory.mktemp("attacked"))
    return run_study(spec, store), store


def count_attacks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The attacks that are run from now on: (text, row)."""
    ran: list[tuple[str, int]] = []
    run = Attempt.run
    monkeypatch.setattr(
        Attempt, "run", lambda self: ran.append((self.example.text, self.example.row)) or run(self)
    )
    return ran


def outcomes(result: dict[str, Any]) -> dict[str, dict[int, str]]:
    return {
        name: {one["row"]: one["outcomes"][name] for one in result["examples"]}
        for name in ("Dense", "80 %")
    }


@pytest.mark.parametrize("count", [5, 12, 20])
def test_a_batch_has_the_studys_examples_and_attacks_none_of_them_again(
    attacked: tuple[Study, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    study, store = attacked
    shutil.copytree(store.root, tmp_path / "store")
    behind = study.levels[0].attacks
    ran, asked = count_attacks(monkeypatch), request(study, 0.8, seed=3)
    result = attack_batch(LiveModels(Store(tmp_path / "store")), AttackRequest.of(asked), count)
    rows = {one["row"] for one in result["examples"]}
    of_study = {record.example for record in behind}
    assert (
        len(rows) == count
        and (rows <= of_study or rows >= of_study)
        and result["of_study"] == min(count, 12)
    )
    assert {row for _, row in ran} == rows - of_study and len(ran) == 2 * max(0, count - 12)
    for level, name in zip(study.levels, ("Dense", "80 %"), strict=True):
        measured = {record.example: record.outcome for record in level.attacks}
        assert all(
            measured.get(row, outcome) == outcome for row, outcome in outcomes(result)[name].items()
        )
    if count == 12:
        for level, victim in zip(study.levels, result["victims"], strict=True):
            assert victim["aua"] == asdict(level.aua) and victim["asr"] == asdict(level.asr)
    for one in result["examples"]:
        assert set(one["found"]) == {
            name for name, outcome in one["outcomes"].items() if outcome == "broken"
        }


def test_a_study_whose_texts_are_not_here_has_only_what_it_broke_attacked_again(
    attacked: tuple[Study, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the bundled studies, and with those of before texts were kept: their records are
    whole.
    """
    study, store = attacked
    shutil.copytree(store.root, tmp_path / "store")
    attacked_text = attack_batch(
        LiveModels(Store(tmp_path / "store")), AttackRequest.of(request(study, 0.8, seed=3)), 12
    )
    shutil.rmtree(tmp_path / "store" / "texts")
    ran = count_attacks(monkeypatch)
    result = attack_batch(
        LiveModels(Store(tmp_path / "store")), AttackRequest.of(request(study, 0.8, seed=3)), 12
    )
    assert result == attacked_text
    assert (
        len(ran)
        == sum(record.outcome == "broken" for level in study.levels for record in level.attacks)
        < 24
    )


def test_another_attack_seed_or_budget_is_attacked_anew(
    attacked: tuple[Study, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, store = attacked
    shutil.copytree(store.root, tmp_path / "store")
    ran = count_attacks(monkeypatch)
    for more in ({"seed": 4}, {"seed": 3, "queries": 5}, {"seed": 3, "attack": "hotflip"}):
        ran.clear()
        attack_batch(
            LiveModels(Store(tmp_path / "store")), AttackRequest.of(request(study, 0.8, **more)), 4
        )
        assert len(ran) == 8, more


def test_an_example_that_the_study_cannot_have_seen_so_is_told(
    attacked: tuple[Study, Store], tmp_path: Path
) -> None:
    """A record that this machine does not come to again: what came out here counts, and a notice
    says so.
    """
    study, _ = attacked
    level = study.levels[0]
    record = next(
        record
        for record in level.attacks
        if record.outcome == "held" or record.outcome == "skipped"
    )
    changed = replace(
        level,
        attacks=tuple(
            replace(one, outcome="broken") if one == record else one for one in level.attacks
        ),
    )
    other = Store(tmp_path)
    other.save_study(study), other.save_level(study, changed)
    result = attack_batch(LiveModels(other), AttackRequest.of(request(study, seed=3)), 12)
    (row,) = [one for one in result["examples"] if one["row"] == record.example]
    assert row["outcomes"]["Dense"] == record.outcome
    assert any(
        notice.startswith("Dense: 1 attacked example came out otherwise on this machine")
        for notice in result["notices"]
    )


def test_outcomes_of_two_machines_are_never_mixed(
    attacked: tuple[Study, Store], tmp_path: Path
) -> None:
    """One row that comes out otherwise makes all be attacked here, also where the run was cut short
    in between.
    """
    study, _ = attacked
    level = study.levels[0]
    broken = next(record for record in level.attacks if record.outcome == "broken")
    whole = next(record for record in level.attacks if record.outcome != "broken")
    turned = {broken.example: "held", whole.example: "broken"}  # what another machine came to
    records = tuple(
        replace(one, outcome=turned.get(one.example, one.outcome)) for one in level.attacks
    )
    other = Store(tmp_path)
    other.save_study(study), other.save_level(study, replace(level, attacks=records))

    def stop(state: ProgressState) -> None:
        # in the second part, in which all examples are due
        if state.stage == "attack" and state.total == 12 and state.done:
            raise InterruptedStudy("cancelled")

    with pytest.raises(InterruptedStudy):
        attack_batch(
            LiveModels(other), AttackRequest.of(request(study, seed=3)), 12, Progress(stop)
        )
    result = attack_batch(LiveModels(other), AttackRequest.of(request(study, seed=3)), 12)
    outcomes = {one["row"]: one["outcomes"]["Dense"] for one in result["examples"]}
    assert outcomes == {record.example: record.outcome for record in level.attacks}
    assert any(
        notice.startswith("Dense: 2 attacked examples came out otherwise")
        for notice in result["notices"]
    )


def test_more_examples_than_the_study_evaluates_are_told(
    attacked: tuple[Study, Store], tmp_path: Path
) -> None:
    study, store = attacked
    shutil.copytree(store.root, tmp_path / "store")
    result = attack_batch(
        LiveModels(Store(tmp_path / "store")),
        AttackRequest.of(request(study, seed=3, attack="deepwordbug")),
        50,
    )
    assert len(result["examples"]) == 40
    assert "The study evaluates 40 examples, so 40 are attacked and not 50." in result["notices"]
