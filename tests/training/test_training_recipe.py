"""Recipe files: what they may hold, and a sentence for everything else."""

import json
from pathlib import Path
from typing import Any

import pytest

from prunescope.engine.errors import SettingError
from prunescope.engine.training.recipe import Finish, read_recipe, recipe_path
from prunescope.engine.training.spec import TrainSpec

ONE = {"name": "one", "seed": 1, "learning_rate": 0.01}
TWO = {"name": "two", "seed": 2, "learning_rate": 0.01, "adversarial": "freelb"}


def write(folder: Path, *members: Any, **shared: Any) -> Path:
    path = folder / "recipe.json"
    path.write_text(json.dumps({**shared, "members": list(members)}))
    return path


def test_a_recipe_is_read(tmp_path: Path):
    found = read_recipe(
        write(
            tmp_path,
            ONE,
            TWO,
            head_seed=7,
            about="x",
            max_tokens=33,
            finish={"data": "d", "replay": 2},
        )
    )
    assert found.members == (TrainSpec(**ONE), TrainSpec(**TWO))  # type: ignore[arg-type]
    assert (found.head_seed, found.about, found.max_tokens, found.finish) == (
        7,
        "x",
        33,
        Finish("d", replay=2),
    )


def test_a_shipped_recipe_has_a_name(tmp_path: Path):
    path = write(tmp_path, ONE)
    assert recipe_path(str(path)) == path
    assert len(read_recipe(recipe_path("p1-table8")).members) == 10
    with pytest.raises(
        SettingError,
        match=r"There is no recipe nowhere; give .* shipped recipe: p1-small, p1-table8",
    ):
        recipe_path("nowhere")


def test_missing_recipe(tmp_path: Path):
    with pytest.raises(SettingError, match=r"nothing\.json is not a recipe"):
        read_recipe(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"members": 3}', '{"members": [3]}', '{"members": {"a": 1}}']
)
def test_file_that_is_no_recipe(tmp_path: Path, content: str):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(SettingError, match="is not a recipe"):
        read_recipe(tmp_path / "recipe.json")


@pytest.mark.parametrize(
    ("members", "shared", "message"),
    [
        ([], {}, "members need names"),
        ([ONE, ONE], {}, "each its own"),
        ([{**ONE, "colour": 1}], {}, "unknown setting 'colour'"),
        ([{**ONE, "name": "../out"}], {}, "cannot name a member"),
        ([{**ONE, "name": 5}], {}, "cannot name a member"),
        ([{"seed": 1, "learning_rate": 0.01}], {}, "cannot name a member"),
        ([{"name": "one"}], {}, "there is no seed; give a number"),
        ([{**ONE, "rank": "wide"}], {}, "it must be a whole number"),
        ([{**ONE, "rank": -1}], {}, "must be a whole number of at least 0"),
        ([ONE], {"head_seed": "x"}, "head_seed is 'x'; it must be a whole number"),
        ([ONE], {"max_tokens": 1.5}, "max_tokens is 1.5"),
        ([ONE], {"colour": 1}, "unknown setting 'colour'; the settings are members, about"),
        ([ONE], {"finish": {"data": "x", "colour": 1}}, r"finish: unknown setting 'colour'"),
        ([ONE], {"finish": 3}, "finish is 3; it must be an object"),
        ([ONE], {"finish": {}}, "finish: there is no data; give text"),
        (
            [ONE, {**TWO, "rank": 0}],
            {"finish": {"data": "x"}},
            "two has the rank 0 and `finish` goes on from adapters only",
        ),
    ],
)
def test_recipes_that_cannot_be_used(
    tmp_path: Path, members: list[Any], shared: dict[str, Any], message: str
):
    with pytest.raises(SettingError, match=message):
        read_recipe(write(tmp_path, *members, **shared))
