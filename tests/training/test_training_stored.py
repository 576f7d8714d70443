"""Sets of members as a page reads them: bundled first, damaged ones named and left out, nothing
heavy imported.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_members import write_members

from prunescope.engine import Store, member_sets, paths


def test_a_set_is_read_with_its_averages(tmp_path: Path) -> None:
    write_members(tmp_path / "cache" / "members" / "mine")
    (result,) = member_sets(Store(tmp_path / "cache", tmp_path / "bundled"))
    assert (result.name, result.bundled, result.training_rows) == ("mine", False, 4000)
    assert [(m.name, m.status, m.averaged) for m in result.members] == [
        ("ce-1", "trained", True),
        ("freelb-1", "trained", True),
        ("ce-2", "trained", False),
        ("wild", "diverged", False),
    ]
    assert result.members[0].score is not None and result.members[0].score.acc.value == 0.9
    assert (
        result.members[-1].score is None and result.members[-1].reason == "wild diverged at step 3."
    )
    assert list(result.averages) == ["uniform", "acc", "aua"]
    built = result.averages["aua"]
    assert built.ingredients == ("freelb-1", "ce-1")
    assert [(step.member, step.taken) for step in built.steps] == [
        ("freelb-1", True),
        ("ce-1", True),
        ("ce-2", False),
    ]
    assert built.score.aua is not None and built.score.aua.hits == 23


def test_sets_without_an_attack_have_no_aua(tmp_path: Path) -> None:
    write_members(tmp_path / "members" / "mine", attacked=False, averages=("acc",))
    (result,) = member_sets(Store(tmp_path, tmp_path / "bundled"))
    assert result.averages["acc"].score.aua is None
    assert all(member.score is None or member.score.aua is None for member in result.members)


def test_bundled_sets_come_first(tmp_path: Path) -> None:
    write_members(tmp_path / "cache" / "members" / "a")
    write_members(tmp_path / "bundled" / "members" / "b")
    result = member_sets(Store(tmp_path / "cache", tmp_path / "bundled"))
    assert [(item.name, item.bundled) for item in result] == [("b", True), ("a", False)]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"members": [3]}', '{"members": []}'])
def test_a_damaged_set_is_named_and_the_rest_is_read(tmp_path: Path, content: str) -> None:
    write_members(tmp_path / "members" / "good")
    (write_members(tmp_path / "members" / "bad") / "members.json").write_text(content)
    store = Store(tmp_path, tmp_path / "bundled")
    assert [item.name for item in member_sets(store)] == ["good"]
    assert len(store.notices) == 1 and "bad cannot be read" in store.notices[0]


def test_an_average_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = write_members(tmp_path / "members" / "mine")
    record = json.loads((folder / "average-aua.json").read_text())
    del record["steps"][0]["acc"]
    (folder / "average-aua.json").write_text(json.dumps(record))
    store = Store(tmp_path, tmp_path / "bundled")
    assert member_sets(store) == [] and "KeyError" in store.notices[0]


def test_reading_sets_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys, engine\nengine.member_sets(engine.Store(sys.argv[1]))\nprint(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=paths.PROJECT,
    )
    assert {"torch", "transformers", "peft"}.isdisjoint(result.stdout.split())
