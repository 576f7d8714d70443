"""Studies: what they record, that they resume, and that the same study is the same bytes."""

import contextlib
import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prunescope.engine.attacks.attempt import Attempt
from prunescope.engine.attacks.run import IN_FLIGHT
from prunescope.engine.data import Dataset, Examples
from prunescope.engine.errors import (
    DataError,
    InterruptedStudy,
    ModelError,
    ResourceError,
    SettingError,
    StoreError,
)
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.maintenance import remove_study
from prunescope.engine.studies import attack as attack_module
from prunescope.engine.studies import level as level_module
from prunescope.engine.studies import pruned as pruned_module
from prunescope.engine.studies import run as run_module
from prunescope.engine.studies.examples import split
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.run import run_study

LEVELS = (0.0, 0.5, 0.875)
# 2 blocks of 4 × 32·32 (q, k, v, attention output) and 2 × 32·64
PRUNABLE = 2 * (4 * 32 * 32 + 2 * 32 * 64)


@pytest.fixture
def spec(model_folder: Path, data_folder: Path) -> StudySpec:
    return StudySpec(
        model=str(model_folder),
        data=str(data_folder),
        levels=LEVELS,
        calibration=40,
        held_out=10,
        eval_examples=50,
        attack="none",
        device="cpu",
    )


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[[str], Store]:
    """Makes a store in a folder of its own, over an empty bundled one."""
    return lambda name: Store(tmp_path / name, tmp_path / "none")


def test_a_level_whose_answers_are_not_finite_is_named_and_not_kept(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
):
    """Weights stay finite and attention overflows."""
    prune_levels = pruned_module.prune_levels

    def blown_up(*given: Any) -> Iterator[Pruned]:
        for pruned in prune_levels(*given):
            for name, weight in pruned.victim.prunable().items():
                if pruned.sparsity and ("query" in name or "key" in name):
                    weight *= 1e30
            yield pruned

    monkeypatch.setattr(pruned_module, "prune_levels", blown_up)
    store = new_store("blown")
    for attack in ("none", "deepwordbug"):
        with pytest.raises(
            ModelError, match=r"tiny-bert at 50 % answers with NaN or infinity to .* prune less"
        ):
            run_study(replace(spec, levels=(0.0, 0.5), attack=attack, attack_examples=3), store)
    wholes = [store.study(study.key) for study in store.studies()]
    assert [[level.sparsity for level in study.levels] for study in wholes if study] == [
        [0.0],
        [0.0],
    ]
    assert not list((store.root / "victims").glob("*.safetensors"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_level_whose_weights_are_not_finite_is_not_kept(
    spec: StudySpec,
    new_store: Callable[[str], Store],
    monkeypatch: pytest.MonkeyPatch,
    value: float,
):
    prune_levels = pruned_module.prune_levels

    def damaged(*given: Any) -> Iterator[Pruned]:
        for pruned in prune_levels(*given):
            if pruned.sparsity:
                pruned.victim.model.bert.encoder.layer[1].output.dense.bias.data[0] = value
            yield pruned

    monkeypatch.setattr(pruned_module, "prune_levels", damaged)
    store = new_store("damaged")
    with pytest.raises(
        ModelError, match=r"tiny-bert at 50 % cannot be used: 1 of the 32 values of .* prune less"
    ):
        run_study(replace(spec, levels=(0.5,)), store)
    assert not list((store.root / "victims").glob("*.safetensors"))


def without_times(store: Store) -> dict[str, bytes]:
    """Every entry of every study, byte for byte, `seconds` left out."""
    found = {}
    for path in sorted((store.root / "studies").rglob("*.json*")):
        entry = json.loads(path.read_bytes())
        entry.pop("seconds", None)
        found[str(path.relative_to(store.root))] = json.dumps(entry, indent=1).encode()
    return found


def stop_at(stage: str) -> Progress:
    """Interrupts the work as soon as a stage is reported."""

    def stop(state: ProgressState) -> None:
        if state.stage.startswith(stage):
            raise InterruptedStudy(state.stage)

    return Progress(stop)


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    calls: list[Any] = []
    real = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


# The same bytes


def test_the_same_study_twice_is_the_same_bytes(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    first, second = new_store("first"), new_store("second")
    run_study(spec, first)
    random.seed(99)  # the state of the process does not matter
    run_study(spec, second)
    assert len(without_times(first)) == 1 + len(LEVELS)
    assert without_times(first) == without_times(second)


def test_levels_of_one_run_are_the_levels_of_runs_apart(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    together, apart = new_store("together"), new_store("apart")
    run_study(spec, together)
    for level in reversed(LEVELS):
        run_study(replace(spec, levels=(level,)), apart)
    assert without_times(apart) == without_times(together)


def test_zero_as_an_integer_is_the_same_level(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    integer, fraction = new_store("integer"), new_store("fraction")
    run_study(replace(spec, levels=(0,)), integer)
    run_study(replace(spec, levels=(-0.0,)), fraction)
    assert without_times(integer) == without_times(fraction)
    assert b'"sparsity": 0.0' in b"".join(without_times(integer).values())


def test_a_second_run_computes_nothing(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store("cache")
    first = run_study(spec, store)
    before = without_times(store)
    pruned, measured = (
        count_calls(monkeypatch, pruned_module, "prune_levels"),
        count_calls(monkeypatch, level_module, "read"),
    )
    assert run_study(spec, store) == first
    assert (pruned, measured) == ([], [])
    assert without_times(store) == before


def test_a_level_measured_on_a_cached_victim_is_the_same_bytes(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store("cache")
    study = run_study(spec, store)
    before = without_times(store)
    for path in (store.root / "studies" / study.key).glob("*.json"):
        path.unlink()
    calls = count_calls(monkeypatch, pruned_module, "prune_levels")
    run_study(spec, store)
    # the dense level alone; the others come from the cache
    assert [call[4] for call in calls] == [(0.0,)]
    assert without_times(store) == before


# Resuming


@pytest.mark.parametrize(
    "stage", ["50%: evaluate", "50%: layer errors", "87.5%: evaluate", "87.5%: layer errors"]
)
def test_an_interrupted_study_keeps_its_levels_and_resumes(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    broken, whole = new_store("broken"), new_store("whole")
    with pytest.raises(InterruptedStudy):
        run_study(spec, broken, stop_at(stage))
    study = broken.study(prepare(spec).study.key)
    assert study is not None
    assert [level.sparsity for level in study.levels] == [
        level for level in LEVELS if 100 * level < float(stage.split("%")[0])
    ]
    calls = count_calls(monkeypatch, level_module, "read")
    run_study(spec, broken)
    measured = len(calls) - 1  # the dense one is read once more, for the [CLS] error
    assert measured == len(LEVELS) - len(study.levels)
    monkeypatch.undo()
    run_study(spec, whole)
    assert without_times(broken) == without_times(whole)


@pytest.mark.parametrize(
    "stage", ["importance", "block 1: query key value, sparsity 2", "block 2: forward", "pruned"]
)
def test_a_study_interrupted_while_it_solves_keeps_the_dense_level_and_resumes(
    spec: StudySpec, new_store: Callable[[str], Store], stage: str
) -> None:
    broken, whole = new_store("broken"), new_store("whole")
    with pytest.raises(InterruptedStudy):
        run_study(spec, broken, stop_at(stage))
    study = broken.study(prepare(spec).study.key)
    assert study is not None and [level.sparsity for level in study.levels] == [0.0]
    assert not (broken.root / "victims").exists()
    run_study(spec, broken)
    run_study(spec, whole)
    assert without_times(broken) == without_times(whole)


def test_solved_levels_wait_in_the_cache_while_the_first_is_measured(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store("cache")
    with pytest.raises(InterruptedStudy):
        run_study(spec, store, stop_at("50%: evaluate"))
    assert len(list((store.root / "victims").iterdir())) == 2
    calls = count_calls(monkeypatch, pruned_module, "prune_levels")
    run_study(spec, store)
    assert calls == []


def digests(store: Store) -> dict[str, str]:
    """The SHA-256 of every pruned victim's file in the cache."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (store.root / "victims").iterdir()
    }


@pytest.mark.parametrize(
    ("at_once", "solved"),
    [
        (1, [(0.3,), (0.5,), (0.7,), (0.875,)]),
        (3, [(0.3, 0.5, 0.7), (0.875,)]),
        (8, [(0.3, 0.5, 0.7, 0.875)]),
    ],
)
@pytest.mark.parametrize("method", ["adaptive:centre=on", "paper"])
def test_levels_solved_together_are_those_solved_one_by_one(
    spec: StudySpec,
    new_store: Callable[[str], Store],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    at_once: int,
    solved: list[tuple[float, ...]],
) -> None:
    spec = replace(spec, method=method, levels=(0.875, 0.0, 0.3, 0.7, 0.5))
    together, apart = new_store("together"), new_store("apart")
    monkeypatch.setattr(run_module, "PRUNED_TOGETHER", at_once)
    calls = count_calls(monkeypatch, pruned_module, "prune_levels")
    run_study(spec, together)
    assert [tuple(call[4]) for call in calls] == [(0.0,), *solved]
    monkeypatch.undo()
    for level in spec.levels:
        run_study(replace(spec, levels=(level,)), apart)
    assert without_times(apart) == without_times(together)
    assert digests(apart) == digests(together) and len(digests(apart)) == 4


@pytest.mark.parametrize("method", ["adaptive:centre=on", "paper"])
def test_a_cached_victim_answers_as_the_solved_one(
    spec: StudySpec, new_store: Callable[[str], Store], method: str
) -> None:
    store, prepared = new_store("cache"), prepare(replace(spec, method=method))
    solved = pruned_module.pruned_at(prepared, 0.5, store)
    cached = pruned_module.pruned_at(prepared, 0.5, store)
    texts = prepared.evaluation.texts
    assert cached.victim is not solved.victim
    assert all(
        torch.equal(one, other)
        for one, other in zip(cached.victim.read(texts), solved.victim.read(texts), strict=True)
    )


def test_what_the_pruner_had_to_say_is_recorded_and_told_once(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    store = new_store("cache")
    study = run_study(replace(spec, calibration=8), store)
    assert [len(level.notices) for level in study.levels] == [0, 1, 1]
    assert "below about 3 the statistics are noisy" in study.levels[1].notices[0]
    assert store.notices == list(study.levels[1].notices)
    assert (
        run_study(replace(spec, calibration=8), new_store("cache")).levels[2].notices
        == study.levels[1].notices
    )


def test_progress_never_goes_back_and_ends_complete(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    states: list[ProgressState] = []
    run_study(spec, new_store("cache"), Progress(states.append))
    work = [state for state in states if not state.stage.startswith("load")]
    assert [state.done for state in work] == sorted(state.done for state in work)
    assert all(state.of_whole for state in work)
    assert (states[-1].stage, states[-1].share) == ("done", 1.0)


# What is recorded


def test_the_exact_sparsities_are_recorded(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    study = run_study(replace(spec, levels=(0.875, 0.0, 0.5, 0.5)), new_store("cache"))
    assert [level.sparsity for level in study.levels] == list(LEVELS)
    for level in study.levels:
        assert level.achieved == level.sparsity  # each layer's weights divide by 8
        zeros = sum(layer["zeros"] for layer in level.layers)
        assert zeros == PRUNABLE * level.sparsity
        assert level.achieved_model == zeros / study.about["parameters"]
        assert level.packed_bytes == 4 * (PRUNABLE - zeros) + PRUNABLE // 8
        assert level.dense_bytes == 4 * PRUNABLE == 4 * study.about["prunable"]


def test_an_odd_sparsity_is_met_to_the_weight(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    whole = run_study(replace(spec, levels=(0.333,)), new_store("cache")).levels[0]
    apart = run_study(
        replace(spec, levels=(0.333,), allocation="uniform"), new_store("cache")
    ).levels[0]
    assert whole.sparsity == apart.sparsity == 0.333
    assert [layer["zeros"] for layer in apart.layers] == [
        round(layer["weights"] * 0.333) for layer in apart.layers
    ]
    total = sum(layer["weights"] for layer in whole.layers)
    assert (
        sum(layer["zeros"] for layer in whole.layers) == round(total * 0.333)
        and whole.layers != apart.layers
    )


def test_the_dense_level_has_no_error_and_pruning_has_some(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    dense, half, most = run_study(spec, new_store("cache")).levels
    assert dense.cls_error == 0 and set(dense.layer_errors.values()) == {0.0}
    assert 0 < half.cls_error < most.cls_error
    assert all(0 < half.layer_errors[name] < error for name, error in most.layer_errors.items())


def test_accuracy_counts_the_rows_that_are_right(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    (level,) = run_study(replace(spec, levels=(0.5,)), new_store("cache")).levels
    assert (level.acc.hits, level.acc.n) == (len(level.correct), 50)
    assert (level.aua, level.asr, level.attacks) == (None, None, ())


def test_more_than_there_is_takes_all_and_the_counts_say_so(spec: StudySpec) -> None:
    greedy = replace(
        spec,
        calibration=10_000,
        held_out=10_000,
        eval_examples=10_000,
        attack="deepwordbug",
        attack_examples=10_000,
    )
    counts = prepare(greedy).study.about["counts"]
    assert counts == {"calibration": 160, "held_out": 40, "evaluation": 60, "attacked": 60}


def test_a_study_runs_with_more_asked_for_than_there_is(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    study = run_study(replace(spec, calibration=10_000, levels=(0.5,)), new_store("cache"))
    assert study.about["counts"]["calibration"] == 190
    assert study.levels[0].layers[0]["tokens"] == study.about["calibration_tokens"]


def test_a_very_small_calibration_set_is_refused_unless_forced(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    few = replace(spec, calibration=2, held_out=1, levels=(0.5,))
    with pytest.raises(SettingError, match="below one the statistics are singular"):
        run_study(few, new_store("cache"))
    (level,) = run_study(replace(few, force=True), new_store("cache")).levels
    assert level.achieved == 0.5 and "noisy" in level.notices[0]


def test_texts_at_the_limit_are_counted(spec: StudySpec, data_folder: Path, tmp_path: Path) -> None:
    # 62 words with [CLS] and [SEP] are the model's 64 tokens; 61 are not.
    rows = [f"{'film ' * words}\t{words % 2}" for words in (61, 62, 63, 200)]
    (tmp_path / "validation.tsv").write_text(
        "\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8"
    )
    (tmp_path / "train.tsv").write_bytes((data_folder / "train.tsv").read_bytes())
    about = prepare(replace(spec, data=str(tmp_path))).study.about
    assert (about["at_limit"], about["max_tokens"]) == (3, 64)


DECIDES = [
    {"seed": 1},
    {"method": "sequential"},
    {"method": "adaptive:refit=none"},
    {"pattern": "row"},
    {"layers": "0=0"},
    {"allocation": "uniform"},
    {"precision": "bf16"},
    {"eval_examples": 49},
    {"calibration": 39},
    {"held_out": 9},
    {"attack": "deepwordbug"},
]


@pytest.mark.parametrize("change", DECIDES, ids=str)
def test_what_decides_a_study_enters_its_key(spec: StudySpec, change: dict[str, Any]) -> None:
    assert prepare(replace(spec, **change)).study.key != prepare(spec).study.key


def test_the_texts_of_all_three_parts_enter_the_key(spec: StudySpec) -> None:
    prepared = prepare(spec)
    for part in ("calibration", "held_out", "evaluation"):
        assert prepared.study.identity[part] == getattr(prepared, part).fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"levels": (0.1,)},
        {"device": "auto"},
        {"force": True},
        {"attack_examples": 7},
        {"resources": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_decide_a_study_does_not_enter_its_key(
    spec: StudySpec, change: dict[str, Any]
) -> None:
    assert prepare(replace(spec, **change)).study.key == prepare(spec).study.key


# The split


def a_dataset(train: int, evaluation: int, shared: int = 0) -> Dataset:
    texts = tuple(f"text {number}" for number in range(train + evaluation))
    trained, tested = texts[:train], texts[train - shared : train - shared + evaluation]
    return Dataset(
        "made",
        Examples(trained, None, tuple(n % 2 for n in range(train))),
        Examples(tested, None, tuple(n % 2 for n in range(evaluation))),
        None,
        "made",
    )


def test_the_three_parts_are_disjoint_and_as_large_as_asked_for() -> None:
    spec = StudySpec(calibration=20, held_out=7, eval_examples=15)
    parts = split(a_dataset(60, 30, shared=10), spec)
    assert [len(part) for part in parts] == [20, 7, 15]
    texts = [text for part in parts for text in part.texts]
    assert len(set(texts)) == len(texts) == 42


def test_calibration_text_of_the_evaluation_set_and_repeated_text_are_dropped() -> None:
    data = a_dataset(20, 10, shared=5)
    assert data.train is not None
    doubled = replace(data, train=data.train.take([*range(20), *range(20)]))
    calibration, held_out, evaluation = split(
        doubled, StudySpec(calibration=100, held_out=2, eval_examples=10)
    )
    kept = sorted(calibration.texts + held_out.texts)
    assert kept == sorted(set(data.train.texts) - set(evaluation.texts)) and len(kept) == 15


def test_pairs_are_told_apart_by_both_texts() -> None:
    train = Examples(("a", "a", "b", "b"), ("x", "y", "x", "y"), (0, 1, 0, 1))
    data = Dataset("pairs", train, Examples(("a",), ("x",), (0,)), None, "made")
    calibration, held_out, _ = split(data, StudySpec())
    kept = [
        pair
        for part in (calibration, held_out)
        for pair in zip(part.texts, part.pairs or (), strict=True)
    ]
    assert sorted(kept) == [("a", "y"), ("b", "x"), ("b", "y")]


def test_where_text_is_scarce_a_fifth_is_held_out() -> None:
    calibration, held_out, _ = split(a_dataset(20, 5), StudySpec(calibration=512, held_out=128))
    assert (len(calibration), len(held_out)) == (16, 4)


def test_another_seed_draws_other_text() -> None:
    spec = StudySpec(calibration=20, held_out=7, eval_examples=15)
    first, again, other = (split(a_dataset(60, 30), replace(spec, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_data_without_a_training_split_is_refused() -> None:
    with pytest.raises(DataError, match="made has no training split"):
        split(replace(a_dataset(5, 5), train=None), StudySpec())


def test_data_that_leaves_too_little_to_calibrate_is_refused() -> None:
    with pytest.raises(DataError, match="made leaves 1 calibration texts"):
        split(a_dataset(5, 10, shared=4), StudySpec())


# Bad input


def with_labels(folder: Path, source: Path, labels: list[int]) -> str:
    folder.mkdir()
    (folder / "train.tsv").write_bytes((source / "train.tsv").read_bytes())
    rows = [f"a film of number {number}\t{label}" for number, label in enumerate(labels)]
    (folder / "validation.tsv").write_text(
        "\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8"
    )
    return str(folder)


@pytest.mark.parametrize("drawn", [1, 3])
def test_a_draw_of_one_class_is_measured_and_says_so(
    spec: StudySpec, new_store: Callable[[str], Store], drawn: int
) -> None:
    """One row has one class, and so may a few: that is no fault of the data, which has both."""
    draws = (replace(spec, eval_examples=drawn, seed=seed, levels=(0.0, 0.5)) for seed in range(99))
    labels, draw = next(
        (labels, draw) for draw in draws if len(set(labels := prepare(draw).evaluation.labels)) == 1
    )
    events: list[Any] = []
    study = run_study(draw, new_store("one"), Progress(on_event=events.append))
    (opened,), label = events, labels[0]
    who = (
        "The one example drawn for the evaluation has"
        if drawn == 1
        else "All 3 examples drawn for the evaluation have"
    )
    said = (
        f"{who} the label {label}; the figures say nothing of the model's other classes, so "
        "evaluate more examples."
    )
    assert opened.notices == (said,) and all(
        said in level.notices and level.acc.n == drawn for level in study.levels
    )
    assert not any("drawn for" in notice for notice in prepare(spec).notices)


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1, 2], "label 2, outside the 0..1 of tiny-bert"), ([1, 1, 1], "one class only")],
)
def test_labels_the_model_cannot_have_are_refused_before_any_work(
    spec: StudySpec,
    data_folder: Path,
    tmp_path: Path,
    new_store: Callable[[str], Store],
    labels: list[int],
    message: str,
) -> None:
    store = new_store("cache")
    with pytest.raises(DataError, match=message):
        run_study(replace(spec, data=with_labels(tmp_path / "bad", data_folder, labels)), store)
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "guess"}, "'guess' is unknown"),
        ({"method": "adaptive:refit=some"}, "refit=some"),
        ({"pattern": "5:3"}, "'5:3'"),
        ({"pattern": "1:4"}, "1:4 has a sparsity of 0.75 and cannot reach 0.5"),
        ({"layers": "9=0"}, "no layer '9'"),
        ({"allocation": "fair"}, "'fair' is unknown"),
        ({"precision": "fp8"}, "'fp8' is unknown"),
        ({"attack": "shout"}, "'shout' is unknown"),
        ({"device": "gpu9"}, "'gpu9'"),
    ],
)
def test_unknown_names_are_refused(spec: StudySpec, change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        prepare(replace(spec, **change))


def test_an_attack_that_lacks_something_is_refused_before_any_work(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLAIR_CACHE_ROOT", str(tmp_path))
    with pytest.raises(ResourceError, match="checklist needs flair's English name tagger"):
        prepare(replace(spec, attack="checklist"))


# With the attack


@pytest.fixture
def attacked(spec: StudySpec) -> StudySpec:
    return replace(spec, levels=(0.0, 0.5), attack="deepwordbug", attack_examples=4)


def test_an_attack_cut_short_resumes_and_ends_with_the_same_bytes(
    attacked: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = new_store("broken"), new_store("whole")
    monkeypatch.setitem(IN_FLIGHT, "cpu", 1)
    with pytest.raises(InterruptedStudy):
        run_study(attacked, broken, stop_at("50%: attack 2 of 4"))
    monkeypatch.undo()
    head = prepare(attacked)
    kept = broken.unfinished_attacks(head.study, 0.5)
    assert tuple(record.example for record in kept) == head.attacked[:2]
    random.seed(99)  # the state of the process does not matter
    calls = count_calls(monkeypatch, Attempt, "run")
    run_study(attacked, broken)
    assert [call[0].example.row for call in calls] == list(head.attacked[2:])
    monkeypatch.undo()
    study = run_study(attacked, whole)
    assert without_times(broken) == without_times(whole)
    for level in study.levels:
        assert tuple(record.example for record in level.attacks) == head.attacked
        assert level.aua is not None and level.aua.n == 4 and level.asr is not None
        right = [record for record in level.attacks if record.outcome != "skipped"]
        assert {record.example for record in right} == set(head.attacked) & set(level.correct)
        assert level.asr.n == len(right) == level.aua.hits + level.asr.hits


@pytest.mark.parametrize("failing", [3, 4])
def test_attacks_that_fail_are_told_and_a_level_without_any_other_is_refused(
    spec: StudySpec,
    new_store: Callable[[str], Store],
    monkeypatch: pytest.MonkeyPatch,
    failing: int,
) -> None:
    wanted = replace(spec, attack="deepwordbug", attack_examples=4, levels=(0.0,))
    rows = prepare(wanted).attacked[:failing]

    def sick(example: Any) -> str:
        if example.row in rows:
            raise ValueError("the example is odd")
        return ""

    monkeypatch.setattr("prunescope.engine.attacks.attempt.nothing_to_try", sick)
    store = new_store("one")
    if failing == 4:
        with pytest.raises(
            DataError,
            match=r"None of the 4 examples could be attacked.*ValueError: the example is odd",
        ):
            run_study(wanted, store)
        return
    (level,) = run_study(wanted, store).levels
    told = (
        "The attack failed on 3 of 4 examples; they count against Aua and are left out of Asr. The "
        "first: ValueError: the "
        "example is odd"
    )
    assert level.notices[-1] == told and told in store.notices
    assert level.aua is not None and level.asr is not None and level.aua.n == 4 and level.asr.n <= 1


def test_data_without_a_word_to_attack_is_refused_before_any_work(
    spec: StudySpec,
    new_store: Callable[[str], Store],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, rows in (
        ("train", [f"good film {n}" for n in range(30)]),
        ("validation", ["!" * n for n in range(1, 13)]),
    ):
        lines = "".join(f"{text}\t{place % 2}\n" for place, text in enumerate(rows))
        (tmp_path / f"{name}.tsv").write_text(f"text\tlabel\n{lines}")
    store = new_store("none")
    with pytest.raises(
        DataError, match="None of the 4 examples that were drawn to be attacked holds a word"
    ):
        run_study(replace(spec, data=str(tmp_path), attack="deepwordbug", attack_examples=4), store)
    assert not (store.root / "studies").exists()


def test_examples_with_nothing_to_try_are_told_and_withstood_where_the_model_is_right(
    spec: StudySpec, new_store: Callable[[str], Store], tmp_path: Path
) -> None:
    rows = [f"a {word} film" for word in ("good", "bad", "slow", "warm")] + [
        "!" * n for n in range(1, 9)
    ]
    for name, texts in (("train", [f"good film {n}" for n in range(30)]), ("validation", rows)):
        lines = "".join(f"{text}\t{place % 2}\n" for place, text in enumerate(texts))
        (tmp_path / f"{name}.tsv").write_text(f"text\tlabel\n{lines}")
    (level,) = run_study(
        replace(spec, data=str(tmp_path), attack="deepwordbug", attack_examples=12, levels=(0.0,)),
        new_store("one"),
    ).levels
    held = [record for record in level.attacks if record.untried and record.outcome == "held"]
    assert {record.example for record in level.attacks if record.untried} == set(
        range(4, 12)
    ) and held
    assert {record.example for record in level.attacks if record.outcome != "skipped"} == set(
        level.correct
    )
    assert (
        f"8 of 12 examples gave the attack nothing to try, as in TextAttack: {len(held)} that"
        in level.notices[-1]
    )


def test_levels_attacked_together_have_the_records_of_levels_attacked_apart(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(
        spec, attack="deepwordbug", attack_examples=12, levels=(0.0, 0.3, 0.5, 0.6, 0.7, 0.875)
    )
    together, apart = new_store("together"), new_store("apart")
    calls = count_calls(monkeypatch, attack_module, "attack_many")
    run_study(wanted, together)
    # the fifth sparse level is alone, as the dense one is
    assert [len(call[0].names) for call in calls] == [4]
    monkeypatch.setattr(run_module, "_attack_ahead", lambda *_: None)
    run_study(wanted, apart)
    assert without_times(together) == without_times(apart)


def test_a_budget_is_part_of_a_study_and_ends_attacks(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    wanted = replace(spec, attack="deepwordbug", attack_examples=12, levels=(0.0,))
    assert prepare(wanted).study.key != prepare(replace(wanted, max_queries=3)).study.key
    assert "budget" not in prepare(wanted).study.identity["attack"]
    (level,) = run_study(replace(wanted, max_queries=3), new_store("one")).levels
    assert {record.outcome for record in level.attacks} & {"exhausted"}
    assert max(record.queries for record in level.attacks) <= 3
    with pytest.raises(SettingError, match="`max_queries` is 0; it must be a whole number above 0"):
        replace(wanted, max_queries=0)


# One computes, the others find it


def test_the_dense_level_of_another_method_is_not_measured_again(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store("store")
    first = run_study(replace(spec, method="magnitude", levels=(0.0,)), store)
    measured = count_calls(monkeypatch, level_module, "layer_errors")
    second = run_study(replace(spec, method="wanda", levels=(0.0,)), store)
    assert measured == [] and second.key != first.key and second.levels == first.levels
    assert store.study(second.key) == second


def test_two_that_want_the_same_study_at_once_solve_and_measure_it_once(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    solved = count_calls(monkeypatch, pruned_module, "prune_levels")
    measured = count_calls(monkeypatch, level_module, "layer_errors")
    run_study(spec, alone := new_store("alone"))
    wanted = len(solved), len(measured)
    solved.clear(), measured.clear()
    ready = [prepare(spec) for _ in range(3)]  # its loader is not made for threads
    monkeypatch.setattr(run_module, "prepare", lambda *_: ready.pop())
    with ThreadPoolExecutor(3) as pool:  # a lock is held against threads as it is against processes
        studies = list(pool.map(lambda _: run_study(spec, new_store("together")), range(3)))
    assert (len(solved), len(measured)) == wanted
    assert studies[0] == studies[1] == studies[2] and without_times(
        new_store("together")
    ) == without_times(alone)


def test_a_stored_study_is_read_where_nothing_can_be_written(
    spec: StudySpec, new_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store("one")
    made = run_study(spec, store)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("prunescope.engine.store.atomic.os.replace", full)
    assert run_study(spec, store) == made
    with pytest.raises(StoreError, match="No space left"):
        run_study(replace(spec, seed=1), store)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
        )
        if (shutil.which("mount") and sys.platform == "linux")
        else None
    )
    if done is None or done.returncode != 0:
        pytest.skip("no small disk can be mounted here; the injected errors stand for it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_keeps_what_was_done(
    spec: StudySpec, small_disk: Path, tmp_path: Path
) -> None:
    store = Store(small_disk, tmp_path / "none")
    (made,) = run_study(replace(spec, levels=(0.0,)), store).levels
    with contextlib.suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(StoreError, match="No space left on device"):
        run_study(spec, store)
    (small_disk / "fill").unlink()
    assert run_study(replace(spec, levels=(0.0,)), store).levels == (made,) and store.notices == []
    assert [level.sparsity for level in run_study(spec, store).levels] == list(LEVELS)
    assert not list(small_disk.rglob(".*"))


def test_a_study_cannot_be_removed_while_it_runs(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    store, refused = new_store("running"), list[str]()

    def remove(state: ProgressState) -> None:
        if state.stage.startswith("50%"):
            with pytest.raises(StoreError, match="is being measured") as error:
                remove_study(store, next((store.root / "studies").iterdir()).name)
            refused.append(str(error.value))

    found = run_study(replace(spec, levels=(0.0, 0.5), method="magnitude"), store, Progress(remove))
    assert refused
    remove_study(store, found.key)


def test_levels_whose_files_were_taken_away_are_there_in_the_end(
    spec: StudySpec, new_store: Callable[[str], Store]
) -> None:
    store, gone = new_store("cleaned"), list[str]()

    def clean(state: ProgressState) -> None:
        if not gone and state.stage.startswith("50%"):
            gone.extend(path.name for path in (store.root / "studies").rglob("*.json"))
            shutil.rmtree(store.root / "studies")

    found = run_study(replace(spec, levels=(0.0, 0.5), method="magnitude"), store, Progress(clean))
    kept = store.study(found.key)
    assert len(gone) == 2 and kept is not None and kept.levels == found.levels
