"""Tables: what a recipe refuses, what is not done twice, and what the light reader makes of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prunescope.engine.data.draw import drawn_to_attack
from prunescope.engine.errors import DataError, InterruptedStudy, ResourceError, SettingError
from prunescope.engine.models.victim import load_victim
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.store import Store
from prunescope.engine.subnetworks import protocol as room
from prunescope.engine.subnetworks.figures import subnetwork_tables
from prunescope.engine.subnetworks.protocol import prepare, run_protocol
from prunescope.engine.subnetworks.protocol_file import SHIPPED, protocol_path, read_protocol
from prunescope.engine.training.finetune import CHECKED
from prunescope.engine.training.losses import LOSSES


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, pairs: Any, write: Any) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    write(folder / "train.tsv", pairs(48, 1))
    write(folder / "dev.tsv", pairs(20, 2))
    shifted = pairs(24, 3)
    write(
        folder / "other.tsv",
        shifted,
        heuristic=[f"h{row % 3}" for row in range(24)],
        subcase=[f"s{row % 6}" for row in range(24)],
    )
    return folder


def recipe(model_folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Pairs",
        "label_names": ["entailment", "neutral"],
        "train": "train.tsv",
        "evaluation": "dev.tsv",
        "evaluated": 16,
        "attack": {"name": "deepwordbug", "examples": 2},
        "base": str(model_folder),
        "max_tokens": 32,
        "bias": {"features": "bag"},
        "seeds": [0, 1],
        "ood": [{"data": "other.tsv", "task": "hans", "of_each": ["subcase", 2], "name": "HANS"}],
        "train_settings": {"batch_size": 16, "learning_rate": 0.01},
        "cells": [
            {"name": "full", "steps": 3, "subnetwork": {"method": "full"}},
            {
                "name": "mask-poe",
                "steps": 3,
                "start": "full",
                "subnetwork": {"loss": "poe"},
                "sparsities": [0.5, 0.9],
            },
            {
                "name": "rw",
                "steps": 10,
                "sparsities": [0.5],
                "subnetwork": {"method": "imp", "rewind": True},
            },
            {
                "name": "alone",
                "steps": 2,
                "mask_from": "rw",
                "sparsities": [0.5],
                "subnetwork": {"method": "isolated"},
            },
            {
                "name": "early",
                "steps": 2,
                "start": "full@0.34",
                "sparsities": [0.5],
                "subnetwork": {"method": "mask"},
            },
        ],
        **changes,
    }


def written(folder: Path, settings: dict[str, Any]) -> Path:
    path = folder / "pairs.json"
    path.write_text(json.dumps(settings))
    return path


def test_a_table_is_made_resumed_and_read(
    root: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    read = read_protocol(written(tmp_path, recipe(model_folder)))
    out = tmp_path / "cache" / "subnetworks" / "pairs"
    with pytest.raises(InterruptedStudy):
        run_protocol(read, root, out, seeds=(0,), report=_stops_in("2 of 6"))
    table = run_protocol(read, root, out, seeds=(0,))
    assert len(table["runs"]) == 6 and table["planned"] == 12
    monkeypatch.setattr(room, "find_subnetwork", _never)
    assert run_protocol(read, root, out, seeds=(0,)) == table  # what is done is not done again
    monkeypatch.undo()
    states: list[ProgressState] = []
    table = run_protocol(read, root, out, report=Progress(states.append))
    shares = [state.share for state in states]  # through training, reading and attacks
    assert shares == sorted(shares) and all(state.of_whole for state in states)
    assert shares[0] == 0 and shares[-1] > 0.9
    assert [(run["cell"], run["sparsity"], run["seed"]) for run in table["runs"]][:6] == [
        ("full", 0.0, 0),
        ("full", 0.0, 1),
        ("mask-poe", 0.5, 0),
        ("mask-poe", 0.5, 1),
        ("mask-poe", 0.9, 0),
        ("mask-poe", 0.9, 1),
    ]
    (found,) = subnetwork_tables(Store(tmp_path / "cache", tmp_path / "bundled"))
    assert (found.name, found.title, found.bundled, found.planned, len(found.runs)) == (
        "pairs",
        "Pairs",
        False,
        12,
        12,
    )
    alone = next(run for run in found.runs if run.cell == "alone")
    assert alone.achieved == pytest.approx(0.5, abs=1e-3) and alone.outside[0].headline.n == 12
    assert sum(alone.outside[0].correct) == round((alone.outside[0].headline.value or 0) * 12)
    assert set(alone.outside[0].groups) == {"heuristic", "subcase"} and set(alone.gaps) == {"HANS"}
    assert alone.aua is not None and alone.aua.n == 2
    masks = {
        path.name.rsplit("-", 1)[0]: load_victim(str(path), "cpu")
        for path in (out / "models").glob("0-*")
        if path.is_dir()
    }
    assert [path.name.rsplit("-", 2)[1:] for path in (out / "models").glob("0-full-*-at-*")] == [
        ["at", "1"]
    ]
    for name, weight in masks["0-rw-50"].prunable().items():
        assert bool(((weight == 0) <= (masks["0-alone-50"].prunable()[name] == 0)).all())


def _stops_in(cell: str) -> Progress:
    def stop(state: ProgressState) -> None:
        if state.stage.startswith(cell) and "loss" in state.stage:
            raise InterruptedStudy("now")

    return Progress(stop)


def _never(*_: Any) -> Any:
    raise AssertionError("it was trained again")


def test_rows_that_are_evaluated_are_never_trained_on(
    root: Path, model_folder: Path, tmp_path: Path
):
    """Not from the training file, and not through the rows of another set that a cell adds."""
    cells = [
        {
            "name": "full",
            "steps": 1,
            "subnetwork": {"method": "full"},
            "extra": [{"data": "other.tsv", "labels": [0, 1], "repeat": 3}],
        }
    ]
    ready = prepare(
        read_protocol(
            written(tmp_path, recipe(model_folder, cells=cells, train="dev.tsv", evaluated=8))
        ),
        root,
        tmp_path / "out",
    )
    keys = {
        (a, b)
        for one in (ready.inside, *ready.outside)
        for a, b in zip(one.examples.texts, one.examples.pairs or (), strict=True)
    }
    assert len(ready.shared.data) == 12 and len(ready.extra["full"]) == 36
    for part in (ready.shared.data, ready.extra["full"]):
        assert keys.isdisjoint(zip(part.texts, part.pairs or (), strict=True))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"cells": []}, SettingError, "cells need names"),
        ({"colour": 1}, SettingError, "unknown setting 'colour'"),
        (
            {"cells": [{"name": "a", "start": "b", "subnetwork": {"method": "full"}}]},
            SettingError,
            "which is no cell before it",
        ),
        ({"cells": [{"name": "a"}]}, SettingError, "a needs sparsities"),
        (
            {
                "cells": [
                    {"name": "a", "subnetwork": {"method": "full"}},
                    {"name": "b", "start": "a@2", "sparsities": [0.5]},
                ]
            },
            SettingError,
            "only a start may name a share",
        ),
        (
            {"cells": [{"name": "a", "subnetwork": {"method": "full"}, "sparsities": [0.5]}]},
            SettingError,
            "a takes no sparsities",
        ),
        (
            {
                "cells": [
                    {
                        "name": "a",
                        "subnetwork": {"growth": "gradual", "first": 0.7},
                        "sparsities": [0.5],
                    }
                ]
            },
            SettingError,
            "goes down",
        ),
        (
            {"cells": [{"name": "a", "subnetwork": {"sparsity": "x"}}]},
            SettingError,
            "sparsity is 'x'; it must be a number",
        ),
        (
            {"cells": [{"name": "a", "train": {"rank": 4}, "subnetwork": {"method": "full"}}]},
            SettingError,
            "use rank 0",
        ),
        (
            {
                "cells": [{"name": "a", "subnetwork": {"method": "full", "loss": "poe"}}],
                "bias": {"feature": "bag"},
            },
            SettingError,
            "unknown setting 'feature'",
        ),
        (
            {"ood": [{"data": "other.tsv"}], "label_names": ["a", "b", "c"]},
            DataError,
            "no row|No training row|nothing says",
        ),
        ({"ood": [{"data": "missing.tsv"}]}, Exception, "missing.tsv"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_before_any_training(
    root: Path,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    error: type[Exception],
    said: str,
):
    monkeypatch.setitem(LOSSES, "none", _never)
    with pytest.raises(error, match=said):
        run_protocol(
            read_protocol(written(tmp_path, recipe(model_folder, **changes))),
            root,
            tmp_path / "out",
        )


FULL = {"method": "full"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attack": {"name": "deepwordbug"}}, "attack: there is no examples"),
        (
            {"attack": {"name": "deepwordbug", "examples": 0}},
            "examples is 0; it must be at least 1",
        ),
        ({"attack": {"name": "worm", "examples": 2}}, "'worm' is unknown"),
        ({"attack": {"name": "none", "examples": 2}}, "'none' is unknown"),
        ({"metric": "foo"}, "metric 'foo' is unknown"),
        (
            {"metric": "f1_binary", "label_names": ["a", "b", "c"]},
            "F1 of class 1 of two, and .* has 3 classes",
        ),
        ({"columns": {"foo": "text"}}, "columns: unknown setting 'foo'"),
        ({"columns": {"text_column": 1}}, "text_column is 1; it must be text"),
        ({"evaluated": "16"}, "evaluated is '16'; it must be a whole number"),
        ({"evaluated": 0}, "evaluated is 0; it must be at least 1"),
        ({"max_tokens": "32"}, "max_tokens is '32'"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown"),
        ({"bias": {"penalty": "1"}}, "penalty is '1'; it must be a number"),
        ({"bias": {"balanced": 1}}, "balanced is 1; it must be true or false"),
        ({"bias": "bag"}, "bias is 'bag'; it must be an object"),
        ({"title": None}, "it has no title"),
        ({"seeds": "0"}, "seeds is '0'; it must be a list"),
        ({"seeds": [0.5]}, "seeds: an entry is 0.5; it must be a whole number"),
        ({"seeds": []}, "seeds are none"),
        ({"seeds": [1, 1]}, "seeds are 1, 1"),
        ({"seeds": [10**20]}, "a seed is 1000.*64 bits"),
        ({"label_names": "ab"}, "label_names is 'ab'; it must be a list"),
        ({"label_names": ["a"]}, "at least two classes"),
        ({"ood": ["other.tsv"]}, "ood: 'other.tsv' is not an object"),
        ({"ood": [{"task": "hans"}]}, "there is no data"),
        ({"ood": [{"data": "other.tsv", "task": "moon"}]}, "task 'moon' is unknown"),
        ({"ood": [{"data": "other.tsv", "metric": "foo"}]}, "metric 'foo' is unknown"),
        ({"ood": [{"data": "other.tsv", "rows": "9"}]}, "rows is '9'"),
        ({"ood": [{"data": "other.tsv", "label_map": ["0"]}]}, "label_map: an entry is '0'"),
        (
            {"ood": [{"data": "other.tsv", "task": "hans", "of_each": ["colour", 2]}]},
            "columns of the task are heuristic, subcase",
        ),
        (
            {"ood": [{"data": "other.tsv", "of_each": ["subcase", 2]}]},
            "columns of the task are none",
        ),
        (
            {"ood": [{"data": "other.tsv", "task": "hans", "of_each": ["subcase"]}]},
            "takes a column and how many",
        ),
        (
            {
                "cells": [
                    {
                        "name": "a",
                        "subnetwork": {**FULL, "loss": "reweight"},
                        "train": {"label_smoothing": 0.1},
                    }
                ]
            },
            "'a': `label_smoothing` is 0.1, and the loss reweight",
        ),
        ({"cells": [1]}, "cells: 1 is not an object"),
        ({"train_settings": [1]}, "train_settings is .1.; it must be an object"),
        (
            {"cells": [{"name": "a", "subnetwork": FULL, "steps": "3"}]},
            "steps is '3'; it must be a whole number",
        ),
        (
            {"cells": [{"name": "a", "subnetwork": FULL, "steps": 0}]},
            "steps is 0; it must be at least 1",
        ),
        (
            {"cells": [{"name": "a", "subnetwork": FULL, "train": 3}]},
            "train is 3; it must be an object",
        ),
        (
            {"cells": [{"name": "a", "sparsities": ["0.5"]}]},
            "sparsities: an entry is '0.5'; it must be a number",
        ),
        ({"cells": [{"name": "a", "subnetwork": FULL, "start": 1}]}, "start is 1; it must be text"),
        (
            {"cells": [{"name": "a", "subnetwork": FULL, "extra": [{"labels": [0]}]}]},
            "extra: there is no data",
        ),
        (
            {
                "cells": [
                    {
                        "name": "a",
                        "subnetwork": FULL,
                        "extra": [{"data": "other.tsv", "labels": [0, 2]}],
                    }
                ]
            },
            "labels has 2",
        ),
        (
            {
                "cells": [
                    {
                        "name": "a",
                        "subnetwork": FULL,
                        "extra": [{"data": "other.tsv", "repeat": "3"}],
                    }
                ]
            },
            "repeat is '3'",
        ),
        (
            {
                "cells": [
                    {"name": "a", "subnetwork": FULL, "extra": [{"data": "other.tsv", "times": 3}]}
                ]
            },
            "unknown setting 'times'",
        ),
    ],
)
def test_all_of_a_recipe_is_checked_when_it_is_read(
    model_folder: Path, tmp_path: Path, changes: dict[str, Any], said: str
):
    with pytest.raises(SettingError, match=said):
        read_protocol(written(tmp_path, recipe(model_folder, **changes)))


def test_a_recipe_that_lacks_a_part_says_which(model_folder: Path, tmp_path: Path):
    for name in ("title", "label_names", "train", "evaluation", "ood", "cells"):
        settings = recipe(model_folder)
        del settings[name]
        with pytest.raises(SettingError, match=f"it has no {name}"):
            read_protocol(written(tmp_path, settings))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(SettingError, match=r"\[\] is not an object"):
        read_protocol(tmp_path / "list.json")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"ood": [{"data": "dev.tsv", "task": "hans", "of_each": ["subcase", 2]}]},
            "no column 'subcase' to draw rows by; it has",
        ),
        (
            {
                "cells": [
                    {
                        "name": "a",
                        "subnetwork": FULL,
                        "extra": [{"data": "other.tsv", "labels": [0]}],
                    }
                ]
            },
            "other.tsv has the label 1 and the recipe says only what the labels 0 to 0 are",
        ),
    ],
)
def test_rows_that_do_not_suit_a_recipe_are_told_before_any_training(
    root: Path, model_folder: Path, tmp_path: Path, changes: dict[str, Any], said: str
):
    with pytest.raises(DataError, match=said):
        prepare(
            read_protocol(written(tmp_path, recipe(model_folder, **changes))),
            root,
            tmp_path / "out",
        )


def test_further_rows_of_another_class_are_told(
    root: Path, model_folder: Path, tmp_path: Path, pairs: Any, write: Any
):
    rows = pairs(6, 9)
    three = write(tmp_path / "three.tsv", replace(rows, labels=(0, 1, 2, 0, 1, 2)))
    cells = [{"name": "a", "subnetwork": FULL, "extra": [{"data": str(three)}]}]
    with pytest.raises(
        DataError, match=r"Row 3 of .*three.tsv has the label 2, outside the 0\.\.1 of the recipe"
    ):
        prepare(
            read_protocol(written(tmp_path, recipe(model_folder, cells=cells))),
            root,
            tmp_path / "out",
        )


def test_an_unknown_seed_or_cell_is_named(root: Path, model_folder: Path, tmp_path: Path):
    read = read_protocol(written(tmp_path, recipe(model_folder)))
    with pytest.raises(SettingError, match="no seed 7; it has 0, 1"):
        run_protocol(read, root, tmp_path / "out", seeds=(7,))
    with pytest.raises(SettingError, match="no cell imp; it has full, mask-poe"):
        run_protocol(read, root, tmp_path / "out", cells=("imp",))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_whole(path: Path):
    read = read_protocol(protocol_path(path.stem))
    assert list(read.each()) and read.ood and read.title


# P2, Tables 1, 3 and 4: training rows, further rows with OOD information, steps of warm-up, steps
# between two checks
P2 = {
    "p2-mnli": (392_702, 30_000, 3600, 1000),
    "p2-qqp": (363_849, 11_988 + 49_401, 3400, 1000),
    "p2-fever": (242_911, 10 * 708, 0, 500),
}


@pytest.mark.parametrize("name", P2)
def test_the_seed_papers_recipes_take_its_steps(name: str):
    rows, more, warmup, between = P2[name]
    for cell in read_protocol(protocol_path(name)).cells:
        if cell.subnetwork.method == "imp":
            assert (cell.train.warmup, cell.train.patience) == (0.0, 0)
            continue
        a_pass = -(-(rows + (more if cell.extra else 0) - CHECKED) // cell.train.batch_size)
        steps = cell.train.epochs * a_pass
        assert steps * cell.train.warmup == pytest.approx(warmup, abs=5)
        assert round(a_pass / cell.train.checks) == between
        assert cell.train.patience > steps / between  # it never stops early: the best check is kept
        if cell.subnetwork.method == "mask":
            assert steps * cell.subnetwork.every == pytest.approx(between, rel=0.005)
            assert cell.subnetwork.keep_from == (0.7 if cell.start else 0.0)


def test_a_recipe_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(SettingError, match=r"There is no recipe nope; .* nli-small"):
        protocol_path("nope")


def test_a_damaged_table_is_a_notice(tmp_path: Path):
    (tmp_path / "subnetworks" / "x").mkdir(parents=True)
    (tmp_path / "subnetworks" / "x" / "table.json").write_text("{")
    store = Store(tmp_path, tmp_path / "bundled")
    assert subnetwork_tables(store) == [] and len(store.notices) == 1


def test_a_model_that_is_there_already_counts_once_for_all_seeds(
    root: Path, model_folder: Path, tmp_path: Path
):
    cells = [{"name": "given", "model": str(model_folder), "subnetwork": {"method": "full"}}]
    read = read_protocol(written(tmp_path, recipe(model_folder, cells=cells, seeds=[0, 1])))
    table = run_protocol(read, root, tmp_path / "out")
    assert [(run["cell"], run["seed"]) for run in table["runs"]] == [("given", 0)] and table[
        "planned"
    ] == 1


def test_class_names_in_the_files_say_what_numbers_would(
    root: Path, model_folder: Path, pairs: Any, write: Any, tmp_path: Path
):
    """Sorted they would stand the other way round."""
    for name, seed, rows in (("train.tsv", 1, 48), ("dev.tsv", 2, 20), ("other.tsv", 3, 24)):
        told = pairs(rows, seed)
        write(
            tmp_path / "rows" / name,
            told,
            gold_label=[("neutral", "Entailment")[label] for label in told.labels],
        )
        lines = (tmp_path / "rows" / name).read_text().splitlines()
        (tmp_path / "rows" / name).write_text(
            "\n".join("\t".join(line.split("\t")[i] for i in (0, 1, 3)) for line in lines)
        )
    cells = [
        {
            "name": "full",
            "steps": 1,
            "subnetwork": {"method": "full"},
            "extra": [{"data": "other.tsv"}],
        }
    ]
    more = {"cells": cells, "ood": [{"data": "other.tsv"}], "bias": {"features": "bag"}}
    read = read_protocol(
        written(tmp_path, recipe(model_folder, label_names=["neutral", "entailment"], **more))
    )
    numbered, named = (
        prepare(read, rows, tmp_path / f"out-{rows.name}") for rows in (root, tmp_path / "rows")
    )
    assert named.shared.data.labels == numbered.shared.data.labels
    assert named.extra["full"].labels == numbered.extra["full"].labels
    assert named.inside.examples.labels == numbered.inside.examples.labels
    assert named.outside[0].examples.labels == numbered.outside[0].examples.labels
    with pytest.raises(
        DataError, match="calls its classes Entailment, neutral, and the recipe calls them no, yes"
    ):
        other = read_protocol(written(tmp_path, recipe(model_folder, label_names=["no", "yes"])))
        prepare(other, tmp_path / "rows", tmp_path / "x")


def test_the_rows_that_are_attacked_are_drawn(root: Path, model_folder: Path, tmp_path: Path):
    ready = prepare(
        read_protocol(
            written(tmp_path, recipe(model_folder, attack={"name": "deepwordbug", "examples": 4}))
        ),
        root,
        tmp_path / "out",
    )
    assert ready.attack is not None and ready.attack["examples"] == list(
        drawn_to_attack(16, 4, 0)
    ) != [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("attack", "error", "said"),
    [
        ("nonsense", SettingError, "nonsense"),
        ("textfooler", ResourceError, "textfooler"),
    ],
)
def test_an_attack_that_cannot_run_is_refused_before_any_training(
    root: Path,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attack: str,
    error: type[Exception],
    said: str,
):
    monkeypatch.setitem(LOSSES, "none", _never)
    path = written(tmp_path, recipe(model_folder, attack={"name": attack, "examples": 2}))
    with pytest.raises(error, match=said):
        run_protocol(read_protocol(path), root, tmp_path / "out")


def test_two_cells_that_are_the_same_model_are_two_rows(
    root: Path, model_folder: Path, tmp_path: Path
):
    cells = [
        {"name": name, "model": str(model_folder), "subnetwork": {"method": "full"}}
        for name in ("first", "second")
    ]
    table = run_protocol(
        read_protocol(written(tmp_path, recipe(model_folder, cells=cells, seeds=[0]))),
        root,
        tmp_path / "out",
    )
    assert [run["cell"] for run in table["runs"]] == ["first", "second"]


def test_steps_are_steps_with_early_stopping_too(root: Path, model_folder: Path, tmp_path: Path):
    cells = [
        {"name": "full", "steps": 7, "train": {"patience": 9}, "subnetwork": {"method": "full"}}
    ]
    read = read_protocol(
        written(tmp_path, recipe(model_folder, cells=cells, seeds=[0], attack=None))
    )
    run_protocol(read, root, tmp_path / "out")
    (record,) = (tmp_path / "out" / "models").glob("*/prunescope.json")
    assert json.loads(record.read_text())["steps"] == 7


def test_a_bias_model_by_other_vectors_is_made_anew(root: Path, model_folder: Path, tmp_path: Path):
    hashes = set()
    for text in ("dog 1 0\ncat 0 1\n", "dog 0 1\ncat 1 0\n", None):
        bias = {"features": "overlap"}
        if text:
            (tmp_path / "v.vec").write_text(text)
            bias["vectors"] = str(tmp_path / "v.vec")
        for _ in range(2):
            ready = prepare(
                read_protocol(written(tmp_path, recipe(model_folder, bias=bias))),
                root,
                tmp_path / "out",
            )
        assert ready.bias is not None
        hashes.add(ready.bias.sha256)
    assert len(hashes) == 3
