"""`prunescope ood` and `subnetworks`: models in and out of distribution, and whole tables."""

import argparse

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    list_of,
    names_of,
    reading_of,
)
from prunescope.engine.cli.settings import Places, ShiftSettings, TableSettings
from prunescope.engine.cli.subnetwork_tables import ood_table, protocol_table
from prunescope.engine.config.describe import settings_of
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded, user_cache
from prunescope.engine.records import READING, StudySpec


def add_commands(command: Command) -> None:
    """Add `ood` and `subnetworks`."""
    ood = command(
        "ood",
        _ood,
        "Measure one model in and out of distribution. Accuracy and F1 with intervals, the gap "
        "between them, and groups of examples.",
        examples=(
            (
                "Reviews of films, and of books:",
                "ood --model ./my-model --data reviews.csv --ood books.csv",
            ),
            (
                "A model of natural language inference on HANS:",
                "ood --model ./nli-model --data nli.csv --ood hans.csv --task hans",
            ),
        ),
    )
    labels = settings_of(StudySpec)["label_map"].setting.help
    add_settings(
        ood,
        StudySpec,
        *("model", "data", *READING, "eval_examples", "device"),
        defaults={"eval_examples": 2000},
        required=("model", "data"),
        helps={
            "data": "whose evaluation examples are in distribution",
            "eval_examples": "examples of each, at most",
            "label_map": f"{labels}. Or, for each class of the model, the class of the examples of "
            "`ood`, −1 for none, as in 0,1,1",
        },
    )
    add_settings(ood, ShiftSettings, "ood", "task", "metric")
    table = command(
        "subnetworks",
        _subnetworks,
        "Make a table of full models and subnetworks. Each is measured in and out of "
        "distribution; what is done is not done again.",
        examples=(
            (
                "The small table of natural language inference:",
                "subnetworks --recipe nli-small --data ./nli",
            ),
            (
                "One seed of your own recipe:",
                "subnetworks --recipe table.json --data ./nli --seeds 0",
            ),
        ),
    )
    add_settings(table, TableSettings, "recipe", "data", "seeds", "cells")
    add_settings(table, StudySpec, "resources", "device")
    add_settings(table, Places, "cache")
    add_settings(
        table,
        Places,
        "out",
        helps={"out": "the folder to write"},
        optional={
            "out": "subnetworks/ and the recipe's name in the cache, where the dashboard finds it"
        },
    )


def _ood(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.data import fit_dataset, load_dataset, sample
    from prunescope.engine.evaluation.shift import generalisation, load_shifted, own_set
    from prunescope.engine.models.victim import load_victim

    victim = load_victim(options.model, options.device)
    # A list of numbers gives the model's classes on the other examples; anything else gives the
    # meaning of labels.
    of_classes = (
        options.label_map is not None
        and "=" not in options.label_map
        and "{" not in options.label_map
    )
    label_map = _class_numbers(options.label_map) if of_classes else options.label_map
    reading = {**reading_of(options), "label_map": None if of_classes else options.label_map}
    data = load_dataset(options.data, **reading, divide=False)
    data, notices = fit_dataset(data, victim.label_names, options.model)
    rows = data.evaluation.take(sample(data.evaluation, options.eval_examples, 0))
    outside = load_shifted(
        options.ood,
        victim.label_names,
        task=options.task,
        label_map=label_map,
        metric=options.metric,
        pairs=rows.pairs is not None,
    )
    notices = (*notices, *_seen(options.model))
    console.notices((*victim.notices, *notices, *outside.notices))
    outside = outside.take(sample(outside.examples, options.eval_examples, 0))
    inside = own_set(data.name, rows, victim.num_labels, outside.metric)
    result = generalisation(victim, inside, [outside], console.report).payload()
    return {
        "model": options.model,
        "notices": [*victim.notices, *notices, *outside.notices],
        **result,
    }, ood_table(result)


def _seen(model: str) -> tuple[str, ...]:
    """A notice where a model read further texts when it was pruned: they are not unseen."""
    from prunescope.engine.export.folder import further_data

    if not (files := further_data(model)):
        return ()
    return (
        f"{model} was pruned on texts of {', '.join(files)} too; examples from where these come "
        "are not out of distribution for it.",
    )


def _class_numbers(label_map: str) -> tuple[int, ...]:
    """`"0,0,1"` → (0, 0, 1). Raises SettingError."""
    try:
        return list_of(label_map, int)
    except argparse.ArgumentTypeError as error:
        raise SettingError(f"`label_map`: {error}; correct it.") from error


def _subnetworks(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.subnetworks.protocol import run_protocol
    from prunescope.engine.subnetworks.protocol_file import protocol_path, read_protocol

    path = protocol_path(options.recipe)
    root = expanded(options.cache) if options.cache else user_cache()
    out = expanded(options.out) if options.out else root / "subnetworks" / path.stem

    table = run_protocol(
        read_protocol(path),
        expanded(options.data),
        out,
        seeds=options.seeds,
        cells=names_of(options.cells),
        device=options.device,
        resources=options.resources,
        report=console.report,
        say=console.say,
    )
    return {**table, "out": str(out)}, protocol_table(table) + f"{out}\n"
