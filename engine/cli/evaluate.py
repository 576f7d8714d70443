"""`prunescope evaluate`: one model as it is."""

import argparse
from typing import Any

from prunescope.engine.cli.console import Console, score_line
from prunescope.engine.cli.options import VICTIM, Answer, Command, add_settings, reading_of
from prunescope.engine.paths import expanded
from prunescope.engine.records import StudySpec

MEASURED = ("eval_examples", "attack", "attack_examples", "resources", "seed", "device")


def add_commands(command: Command) -> None:
    """Add `evaluate`."""
    evaluate = command(
        "evaluate",
        _evaluate,
        "Measure one model as it is. Accuracy, and accuracy under attack where asked for.",
        examples=(
            ("Accuracy on your own data:", "evaluate --model ./my-model --data reviews.csv"),
            (
                "Accuracy under attack, of 100 examples:",
                "evaluate --model ./my-model --data reviews.csv --attack deepwordbug "
                "--attack-examples 100",
            ),
        ),
    )
    helps = {
        "data": "whose evaluation examples are read",
        "attack": "how texts are changed until the model errs",
        "attack_examples": "examples that are attacked",
    }
    add_settings(evaluate, StudySpec, *VICTIM, *MEASURED, defaults={"attack": "none"}, helps=helps)


def _evaluate(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.data import load_dataset

    data = load_dataset(options.data, **reading_of(options), seed=options.seed, divide=False)
    if expanded(options.data).is_file():
        rows = len(data.evaluation)
        console.notices(
            [
                f"{data.name} is one file: all of its {rows} examples are evaluated, also those "
                "that finetune would train on."
            ]
        )
    score = score_of(
        options.model,
        data,
        options.eval_examples,
        options.attack,
        options.attack_examples,
        options,
        console,
    )
    console.notices(score["notices"])
    return {
        "model": options.model,
        "data": data.name,
        "attack": options.attack,
        **score,
    }, score_line(score) + "\n"


def score_of(
    model: str,
    data: Any,
    rows: int,
    attack: str,
    attacked: int,
    options: argparse.Namespace,
    console: Console,
) -> dict[str, Any]:
    """Accuracy and accuracy under attack of a model on so many examples, as JSON, with notices."""
    from prunescope.engine.models.victim import load_victim
    from prunescope.engine.training.selection import SelectionSpec, evaluation_selection

    spec = SelectionSpec(
        rows, attack, attacked, options.seed, resources=getattr(options, "resources", None)
    )
    victim = load_victim(model, options.device)
    selection, notices = evaluation_selection(data, spec).fitted(victim.label_names, model)
    notices = (*victim.notices, *notices)
    console.notices(notices)
    score = selection.score(victim, console.report).as_json()
    return {**score, "notices": list(dict.fromkeys((*notices, *score["notices"])))}
