"""Settings of stored studies, under which today's names give the same weights."""

from dataclasses import replace

import pytest

from prunescope.engine.live.on_reviews import plan_of, spec_of
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.reading.commands import repeat_command
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.store.listing import study_rows
from prunescope.engine.studies.estimate import estimate
from prunescope.engine.studies.stored import stored_settings

STUDIES = [
    study
    for study in Store("/nowhere").studies()
    if str(study.about["method"]).startswith("adaptive")
]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.key[:8])
def test_a_bundled_study_is_pruned_on_as_it_was(study: Study):
    assert plan_of(spec_of(study)).identity() == study.identity["plan"]


def test_a_study_of_the_first_joint_solver_names_it():
    study = STUDIES[0]
    assert study.identity["plan"]["method"]["solver"] == "joint"
    assert "solver=joint-grouped" in stored_settings(study)["method"]
    assert any("solver=joint-grouped" in word for word in repeat_command(study, [0.5]))


def test_a_level_of_the_first_joint_solver_is_no_level_of_todays():
    rows, spec = study_rows(Store("/nowhere")), StudySpec(levels=(0.0, 0.5))
    stored = "Every level is stored already."
    assert estimate(spec, rows).about != stored
    assert estimate(replace(spec, method="adaptive:solver=joint-grouped"), rows).about == stored


def test_a_study_of_today_keeps_its_words():
    identity = {**STUDIES[0].identity, "plan": Plan.named("adaptive").identity()}
    study = replace(STUDIES[0], identity=identity)
    assert stored_settings(study) == study.about["spec"]
    older = replace(study, identity={})
    assert stored_settings(older) == study.about["spec"]
