"""`prunescope latency`: milliseconds a sentence, dense and in sparse form."""

import argparse
from dataclasses import asdict

from prunescope.engine.cli.console import Console, latency_table
from prunescope.engine.cli.options import (
    VICTIM,
    Answer,
    Command,
    add_settings,
    reading_of,
)
from prunescope.engine.cli.settings import LatencySettings
from prunescope.engine.records import StudySpec


def add_commands(command: Command) -> None:
    """Add `latency`."""
    latency = command(
        "latency",
        _latency,
        "Measure milliseconds a sentence, dense and in sparse form.",
        examples=(
            ("The embedded model:", "latency"),
            (
                "A pruned model beside the one it was made from, in turn:",
                "latency --model ./my-model --against ./half --data reviews.csv --forms dense",
            ),
        ),
    )
    helps = {"data": "whose evaluation texts are read", "seed": "seed of the choice of texts"}
    add_settings(latency, StudySpec, *VICTIM, "seed", "device", helps=helps)
    add_settings(
        latency,
        LatencySettings,
        *("against", "forms", "sentences", "batch", "repeats", "dtype"),
    )


def _latency(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.evaluation.latency import latency_of

    comparison = latency_of(
        [name for name in (options.model, options.against) if name],
        options.data,
        options.forms,
        options.sentences,
        options.batch,
        options.repeats,
        options.dtype,
        options.seed,
        options.device,
        console.report,
        **reading_of(options),
    )
    return asdict(comparison), latency_table(comparison)
