"""What stands in for a study whose texts are not on this machine: the same model, calibrated on the
embedded reviews.
"""

from dataclasses import replace
from typing import Any

from prunescope.engine.data import fit_dataset, load_dataset
from prunescope.engine.pruning.plan import Plan
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import SCHEMA
from prunescope.engine.studies.examples import split
from prunescope.engine.studies.stored import stored_settings
from prunescope.engine.training.recovery_spec import recovery_of


def on_reviews(spec: StudySpec) -> StudySpec:
    """The study on the embedded reviews.

    Their labels do not matter, and the victim may name its classes otherwise: they are matched by
    number.
    """
    return replace(
        spec,
        data="embedded",
        text_column=None,
        pair_column=None,
        label_column=None,
        label_map="0=0,1=1",
        calibration_data="",
    )


def identity_on_reviews(study: Study) -> dict[str, Any]:
    """What decides the weights of a study's pruned victims when they are calibrated on the reviews,
    for `victim_key`, without loading the dense one.
    """
    spec = on_reviews(spec_of(study))
    data = load_dataset(spec.data, **spec.reading, seed=spec.seed)
    data, _ = fit_dataset(data, study.about["label_names"], study.about["model"])
    calibration, held_out, _ = split(data, spec)
    recovery = recovery_of(spec)
    tuning = {} if recovery is None else {"recovery": recovery.identity()}
    return {
        "schema": SCHEMA,
        "victim": study.identity["victim"],
        "calibration": calibration.fingerprint(),
        "held_out": held_out.fingerprint(),
        "max_tokens": study.identity["max_tokens"],
        "plan": plan_of(spec).identity(),
        **tuning,
    }


def spec_of(study: Study) -> StudySpec:
    """A study's settings, with one level that any pattern has."""
    return StudySpec(**{**stored_settings(study), "data": study.about["data"]}, levels=(0.0,))


def needs_text(spec: StudySpec) -> bool:
    """Whether the pruned models of a study are made with calibration text."""
    return plan_of(spec).method.calibrated or spec.recover != "off"


def plan_of(spec: StudySpec) -> Plan:
    """How a study prunes."""
    return Plan.named(
        spec.method, spec.pattern, spec.allocation, spec.layers, spec.precision, spec.force
    )
