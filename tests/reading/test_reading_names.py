"""Names of studies: no two read alike in any list, and what differs is said."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine import Study, StudySpec, full_names, short_names, study_names
from prunescope.engine.paths import BUNDLED
from prunescope.engine.reading.names import spec_title
from prunescope.engine.reading.titles import method_name_title
from prunescope.engine.store import Store, key_of


def a_study(**changes: Any) -> Study:
    """A study with changed settings: of `about`, of its `counts`, or of its `spec`."""
    spec = {"model": "embedded", "data": "embedded", "max_queries": None, "force": False}
    counts = {"calibration": 8, "held_out": 2, "evaluation": 100, "attacked": 20}
    about = {
        "model": "Tiny",
        "data": "sst2",
        "method": "adaptive",
        "pattern": "unstructured",
        "attack": "deepwordbug",
        "seed": 0,
    }
    for name, value in changes.items():
        parts = [part for part in (counts, spec) if name in part and name not in ("model", "data")]
        (parts or [about])[0][name] = value
    spec |= {name: changes[f"{name}_at"] for name in ("model", "data") if f"{name}_at" in changes}
    about = {**about, "counts": counts, "spec": spec}
    return Study(key_of(changes), changes, about)


def test_bundled_studies_have_distinct_names_full_and_short() -> None:
    studies = Store(BUNDLED.parent / "none").studies()
    assert len(studies) >= 20
    for names in (full_names(studies), short_names(studies)):
        assert len(set(names)) == len(studies) and not any("·" in name for name in names)


def test_every_stored_study_has_a_name_of_its_own_also_beside_those_of_the_evidence() -> None:
    folders = [BUNDLED, *sorted(path for path in (BUNDLED / "evidence").iterdir() if path.is_dir())]
    stores = [Store(BUNDLED.parent / "none", bundled=folder) for folder in folders]
    studies = list({study.key: study for store in stores for study in store.studies()}.values())
    assert len(studies) > 60
    for names in (full_names(studies), short_names(studies)):
        assert len(set(names)) == len(studies)
        assert not any("·" in name for name in names), "a setting tells them apart, not a key"


def test_a_study_of_the_first_joint_solver_is_told_from_one_of_today() -> None:
    former = a_study(plan={"method": {"solver": "joint"}})
    today = a_study(plan={"method": {"solver": "joint-relaxed"}})
    others = [a_study(method="sparsegpt"), former]
    expected = ["first joint solver", "new joint solver"]
    assert full_names([former, today]) == [f"{full_names([today])[0]}, {word}" for word in expected]
    assert short_names([former, today]) == expected
    assert not any("solver" in name for name in [*full_names(others), *short_names(others)])


def test_a_method_is_called_as_in_the_literature_under_its_old_name_too() -> None:
    titles = {
        "adaptive": "Adaptive",
        "adaptive:refit=none,importance=off": "Adaptive (refit=none, importance=off)",
        "sequential": "SparseGPT",
        "sparsegpt": "SparseGPT",
        "paper": "P1",
        "static": "SparseGPT with dense inputs",
        "wanda": "Wanda",
        "magnitude": "magnitude",
        "of-a-newer-version": "of-a-newer-version",
    }
    assert {name: method_name_title(name) for name in titles} == titles


def test_a_study_that_is_asked_for_is_named_by_every_setting_that_is_not_the_usual_one() -> None:
    assert spec_title(StudySpec(levels=(0.0, 0.5))) == (
        "MiniLM-L6 on PruneScope reviews, Adaptive, DeepWordBug, at 0, 50%"
    )
    spec = StudySpec("/a/run-1/", "/data/sst2", "paper", "2:4", attack="none", seed=3, force=True)
    assert (
        spec_title(spec)
        == "run-1 on SST-2, P1 2:4, no attack, seed 3, force, at 20 levels from 0 to 95%"
    )


WORDS = {"pattern": "4:8", "recover": "block"}  # of settings that do not take any word


@pytest.mark.parametrize("field", [field.name for field in fields(StudySpec)])
def test_two_jobs_that_differ_in_one_setting_have_different_titles(field: str) -> None:
    other = {
        int: 7,
        float: 7.0,
        bool: True,
        tuple: (0.0, 0.25),
    }.get(type(getattr(StudySpec(), field)), WORDS.get(field, "other"))
    if field in ("max_queries", "max_seconds"):
        other = 7
    assert spec_title(StudySpec(**{field: other})) != spec_title(StudySpec())


def test_two_folders_of_one_name_are_called_by_the_path_that_tells_them_apart() -> None:
    one = a_study(model="checkpoint-500", model_at="/home/me/run-a/checkpoint-500")
    two = a_study(model="checkpoint-500", model_at="/home/me/run-b/checkpoint-500", method="wanda")
    assert full_names([one, two]) == [
        "run-a/checkpoint-500 on SST-2, Adaptive, DeepWordBug, 20 attacked",
        "run-b/checkpoint-500 on SST-2, Wanda, DeepWordBug, 20 attacked",
    ]
    assert full_names([one])[0].startswith("checkpoint-500 on")
    three = a_study(model="checkpoint-500", model_at="/mnt/run-a/checkpoint-500")
    assert [name.model for name in study_names([one, two, three])] == [
        "me/run-a/checkpoint-500",
        "run-b/checkpoint-500",
        "mnt/run-a/checkpoint-500",
    ]
    assert short_names([one, three]) == ["me/run-a/checkpoint-500", "mnt/run-a/checkpoint-500"]


def test_data_of_one_name_in_two_places_is_told_apart() -> None:
    names = full_names([a_study(data_at="/a/sst2"), a_study(data_at="/b/sst2")])
    assert [name.partition(",")[0] for name in names] == ["Tiny on a/sst2", "Tiny on b/sst2"]


def test_the_one_setting_that_differs_is_named_and_others_are_not() -> None:
    usual = a_study()
    for changes, told in (
        ({"seed": 3}, "seed 3"),
        ({"calibration": 16}, "16 calibration texts"),
        ({"force": True}, "force"),
        ({"evaluation": 50}, "50 evaluated"),
        ({"max_queries": 9}, "max queries 9"),
    ):
        other, third = a_study(**changes), a_study(method="wanda")
        names = full_names([usual, other, third])
        assert names[1].endswith(f", 20 attacked, {told}") and names[2].endswith(
            "Wanda, DeepWordBug, 20 attacked"
        )
        assert short_names([usual, other])[1] == told


def test_a_key_tells_apart_what_no_setting_does_with_as_many_digits_as_it_takes() -> None:
    studies = [
        Study(key, {}, a_study().about) for key in ("ab" * 32, "ab" * 5 + "c" * 54, "f" * 64)
    ]
    names = full_names(studies)
    assert [name.rpartition(" · ")[2] for name in names] == ["abababababa", "abababababc", "f" * 11]
    assert full_names([studies[0], studies[0]])[0].endswith("20 attacked"), (
        "the same study twice is one study"
    )


SETTINGS = {
    "seed": st.integers(0, 1),
    "method": st.sampled_from(["adaptive", "wanda"]),
    "calibration": st.sampled_from([8, 16]),
    "model_at": st.sampled_from(["/a/x", "/b/x", "embedded"]),
    "pattern": st.sampled_from(["unstructured", "2:4"]),
    "attack": st.sampled_from(["none", "deepwordbug"]),
    "max_queries": st.sampled_from([None, 5]),
}


@given(
    st.lists(
        st.fixed_dictionaries(SETTINGS),
        min_size=1,
        max_size=8,
        unique_by=lambda chosen: key_of(chosen),
    )
)
def test_different_studies_never_read_alike_and_no_key_is_needed_where_settings_differ(
    rows: list[dict[str, Any]],
) -> None:
    studies = [a_study(**row) for row in rows]
    for names in (full_names(studies), short_names(studies)):
        assert len(set(names)) == len(studies) and not any("·" in name for name in names)
