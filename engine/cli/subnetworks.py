"""The commands about subnetworks and dataset bias: biasmodel, masktrain, imp, retrain, ood,
subnetworks.
"""

import argparse
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from prunescope.engine.attacks.catalogue import RESOURCES_HELP
from prunescope.engine.cli.console import LABEL_MAP_HELP, Console, reading_of, reading_options
from prunescope.engine.cli.subnetwork_tables import ood_table, protocol_table
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded, user_cache

Answer = tuple[dict[str, Any], str]
OF_MASKS = {
    "sparsity": "zeros / weights of every matrix at the end",
    "init": "of the scores: hard or soft",
    "growth": "of the sparsity: fixed, or gradual: cubic from --first to --sparsity",
    "first": "sparsity at the start of a gradual schedule",
    "every": "share of the steps between two resets of the thresholds",
    "head": "pooler and classifier: masked, trained or frozen",
    "phi": "first threshold of the hard initialisation",
    "alpha": "kept scores start at alpha times phi",
    "keep_from": "with early stopping: share of the steps before which no model is chosen",
    "penalty": "hard-concrete: weight of the expected share kept",
    "keep": "hard-concrete: chance of being kept at the start",
}
OF_IMP = {
    "sparsity": OF_MASKS["sparsity"],
    "stride": "share of the weights removed at once",
    "interval": "share of the steps between two removals",
    "head": "pooler and classifier: masked too, or not (trained)",
}


def add_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add this file's commands to the parser."""
    bias = command(
        "biasmodel",
        _biasmodel,
        "Train a logistic regression on shallow features and keep its predictions for the "
        "training rows, for the losses poe, reweight and confreg.",
    )
    _rows(bias)
    bias.add_argument(
        "--features",
        default="overlap",
        help="overlap of two texts; claim: word vectors of the first; bag: its "
        "words (default: overlap)",
    )
    bias.add_argument(
        "--penalty",
        type=float,
        default=1.0,
        metavar="X",
        help="ridge on the weights (default: 1.0)",
    )
    bias.add_argument(
        "--unbalanced", action="store_true", help="classes weigh as many rows as they have"
    )
    bias.add_argument(
        "--folds",
        type=int,
        default=0,
        metavar="N",
        help="predict rows by models that have not seen them",
    )
    bias.add_argument(
        "--vectors",
        default="embedded",
        metavar="FILE",
        help="word vectors in fastText's text format (default: "
        "the embedded base's input embeddings)",
    )
    bias.add_argument("--out", required=True, metavar="DIR", help="the folder to write")

    mask = command(
        "masktrain",
        _masktrain,
        "Learn which weights of a model to keep, its weights frozen. Without --start the "
        "pretrained checkpoint is masked and never fine-tuned.",
    )
    mask.add_argument(
        "--method",
        choices=("mask", "hard-concrete"),
        default="mask",
        help="straight-through scores, or RobustT's drawn masks (default: mask)",
    )
    _search(mask, OF_MASKS)
    imp = command(
        "imp",
        _imp,
        "Iterative magnitude pruning: train, and remove the smallest weights at intervals.",
    )
    imp.add_argument(
        "--rewind", action="store_true", help="return the start's own weights under the mask found"
    )
    _search(imp, OF_IMP)
    again = command(
        "retrain",
        _retrain,
        "Train all weights with any loss; with --mask-from, in isolation: the zeros of that "
        "model stay.",
    )
    again.add_argument("--mask-from", metavar="M", help="a subnetwork whose zeros are kept")
    again.add_argument(
        "--snapshots",
        metavar="LIST",
        help="shares of the steps at which the model is also written: 0.2,0.4",
    )
    _search(
        again,
        {
            "head": "with --mask-from: masked keeps zeros of pooler and classifier too; trained or "
            "frozen do not"
        },
    )

    ood = command(
        "ood",
        _ood,
        "Measure one model in and out of distribution: accuracy and F1 with intervals, the gap, "
        "and "
        "groups.",
    )
    ood.add_argument(
        "--model", required=True, metavar="M", help="embedded, a hub name, or a local folder"
    )
    ood.add_argument(
        "--data", required=True, metavar="D", help="whose evaluation rows are in distribution"
    )
    ood.add_argument(
        "--ood", required=True, metavar="D", help="a file, folder or hub name with the other rows"
    )
    ood.add_argument(
        "--task",
        metavar="NAME",
        help="hans, paws, fever-symmetric or imdb-counterfactual: its classes and groups",
    )
    ood.add_argument(
        "--metric",
        metavar="NAME",
        help="what counts: accuracy, f1_weighted or f1_binary (default: the task's)",
    )
    ood.add_argument(
        "--eval-examples",
        type=int,
        default=2000,
        metavar="N",
        help="rows of each, at most (default: 2000)",
    )
    ood.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    for name in ("text", "pair", "label"):
        ood.add_argument(
            f"--{name}-column",
            metavar="NAME",
            help=f"the {name} column of --data, if it is not detected",
        )
    ood.add_argument(
        "--label-map",
        metavar="LIST",
        help=LABEL_MAP_HELP + ". Or, for each class of the model, the class of "
        "--ood's rows, −1 for none, as in 0,1,1",
    )

    table = command(
        "subnetworks",
        _subnetworks,
        "Make a table of full models and subnetworks, each measured in and out of "
        "distribution. What is done is not done again.",
    )
    table.add_argument(
        "--recipe",
        required=True,
        metavar="FILE",
        help="JSON, or a shipped recipe such as nli-small or p2-mnli",
    )
    table.add_argument(
        "--data", required=True, metavar="DIR", help="the folder under which the recipe's files are"
    )
    table.add_argument(
        "--out",
        metavar="DIR",
        help="the folder to write (default: subnetworks/ and the recipe's name in the "
        "cache, where the dashboard finds it)",
    )
    table.add_argument(
        "--cache", metavar="DIR", help="where results are kept (default: cache/user)"
    )
    table.add_argument(
        "--seeds",
        metavar="LIST",
        help="some of the recipe's seeds; several processes may share a table",
    )
    table.add_argument("--cells", metavar="LIST", help="some of the recipe's cells, by name")
    table.add_argument("--resources", metavar="DIR", help=RESOURCES_HELP)
    table.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")


def _rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        required=True,
        metavar="D",
        help="hub name, local folder or file with training rows",
    )
    parser.add_argument(
        "--allow-overlap", action="store_true", help="train on rows that are also evaluated"
    )
    reading_options(parser)


def _search(parser: argparse.ArgumentParser, settings: dict[str, str]) -> None:
    from prunescope.engine.cli.training import HELP, NOT_OPTIONS
    from prunescope.engine.subnetworks.spec import SubnetworkSpec
    from prunescope.engine.training.spec import TrainSpec

    _rows(parser)
    parser.add_argument(
        "--model",
        default="embedded",
        metavar="BASE",
        help="the pretrained checkpoint (default: embedded)",
    )
    parser.add_argument(
        "--start",
        metavar="M",
        help="a fine-tuned model to start from, instead of the pretrained one",
    )
    parser.add_argument(
        "--label-names", metavar="LIST", help="names of the labels 0, 1, …, e.g. negative,positive"
    )
    parser.add_argument("--loss", default="ce", help="ce, poe, reweight or confreg (default: ce)")
    parser.add_argument(
        "--bias", metavar="DIR", help="bias predictions, made by `biasmodel` on the same rows"
    )
    parser.add_argument(
        "--teacher", metavar="M", help="with confreg: a model fine-tuned with cross-entropy"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the model folder to write")
    known = {field.name: field for field in fields(SubnetworkSpec)}
    for name, about in settings.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=known[name].type,
            default=known[name].default,
            metavar="X",
            help=f"{about} (default: {known[name].default})",
        )
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=5e-5,
        metavar="X",
        help="highest rate (default: 5e-05)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--head-seed",
        type=int,
        default=0,
        metavar="N",
        help="of the fresh head of a pretrained checkpoint",
    )
    parser.add_argument(
        "--max-tokens",
        type=int,
        default=128,
        metavar="N",
        help="longer texts are cut (default: 128)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    parser.add_argument(
        "--precision",
        default="auto",
        help="of the forward passes: auto, fp32 or bf16 (default: auto)",
    )
    for field in fields(TrainSpec):
        if field.name not in NOT_OPTIONS:
            assert field.default is not MISSING
            default = 0.0 if field.name == "weight_decay" else field.default
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=field.type,
                default=default,
                metavar="X",
                help=f"{HELP[field.name]} (default: {default})",
            )


def _shares(text: str | None, option: str, kind: type = float) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise SettingError(
            f"{option} is {text!r}, not a list of numbers such as 0,1; correct it."
        ) from None


def _biasmodel(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.data import load_dataset
    from prunescope.engine.store.atomic import new_folder
    from prunescope.engine.subnetworks.bias import BiasSpec, make_bias
    from prunescope.engine.training.members import named_data
    from prunescope.engine.training.selection import rows_to_train_on

    out = new_folder(options.out)
    spec = BiasSpec(
        options.features, options.penalty, not options.unbalanced, options.folds, options.vectors
    )
    data, _, notices = named_data(load_dataset(options.data, **reading_of(options)))
    console.notices(notices)
    record = make_bias(
        spec, rows_to_train_on(data, options.allow_overlap), data.evaluation, out, console.report
    )
    acc = record["acc"]
    line = (
        f"{out}: predictions of {record['rows']} rows; alone it is right on "
        f"{100 * acc['value']:.1f} % "
        f"[{100 * acc['low']:.1f}, {100 * acc['high']:.1f}] of the evaluation rows\n"
    )
    return {**record, "out": str(out)}, line


def _masktrain(options: argparse.Namespace, console: Console) -> Answer:
    return _found(options, console, options.method)


def _imp(options: argparse.Namespace, console: Console) -> Answer:
    return _found(options, console, "imp", rewind=options.rewind)


def _retrain(options: argparse.Namespace, console: Console) -> Answer:
    return _found(options, console, "isolated" if options.mask_from else "full")


def _found(options: argparse.Namespace, console: Console, method: str, **more: Any) -> Answer:
    from prunescope.engine.data import load_dataset
    from prunescope.engine.models.base import open_base
    from prunescope.engine.models.victim import pick_device
    from prunescope.engine.store.atomic import new_folder
    from prunescope.engine.subnetworks.bias import read_bias
    from prunescope.engine.subnetworks.run import Inputs, find_subnetwork
    from prunescope.engine.subnetworks.spec import SubnetworkSpec
    from prunescope.engine.training.finetune import Shared
    from prunescope.engine.training.members import named_data
    from prunescope.engine.training.selection import rows_to_train_on
    from prunescope.engine.training.spec import TrainSpec

    out = new_folder(options.out)
    given = {
        field.name: getattr(options, field.name)
        for field in fields(SubnetworkSpec)
        if hasattr(options, field.name)
    }
    spec = SubnetworkSpec(**{**given, **more, "method": method})
    steps = {
        field.name: getattr(options, field.name)
        for field in fields(TrainSpec)
        if hasattr(options, field.name)
    }
    train = TrainSpec(**{"name": out.name, "rank": 0, **steps})
    data = load_dataset(options.data, **reading_of(options))
    named = (
        tuple(name.strip() for name in options.label_names.split(","))
        if options.label_names
        else None
    )
    data, names, notices = named_data(data, named)
    rows = rows_to_train_on(data, options.allow_overlap)
    console.notices(notices)
    base = open_base(options.model)
    console.notices(base.notices)
    shared = Shared(
        base,
        rows,
        names,
        options.head_seed,
        options.max_tokens,
        str(pick_device(options.device)),
        options.precision,
    )
    inputs = Inputs(
        shared,
        options.start,
        getattr(options, "mask_from", None),
        read_bias(options.bias) if options.bias else None,
        options.teacher,
        _shares(getattr(options, "snapshots", None), "--snapshots"),
    )
    pruned, record = find_subnetwork(spec, train, inputs, out, console.report, console.say)
    line = (
        f"{out}: {record['steps']} steps, loss {record['final_loss']:.3f}, sparsity "
        f"{pruned.achieved:.4f} of the prunable "
        "weights\n"
    )
    return {**record, "out": str(out)}, line


def _ood(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.data import fit_dataset, load_dataset, sample
    from prunescope.engine.evaluation.shift import generalisation, load_shifted, own_set
    from prunescope.engine.models.victim import load_victim

    victim = load_victim(options.model, options.device)
    # A list of numbers says what the model's classes are on the other rows, anything else what
    # labels mean
    of_classes = (
        options.label_map is not None
        and "=" not in options.label_map
        and "{" not in options.label_map
    )
    label_map = _shares(options.label_map, "--label-map", int) if of_classes else options.label_map
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
    console.notices((*victim.notices, *notices, *outside.notices))
    outside = outside.take(sample(outside.examples, options.eval_examples, 0))
    inside = own_set(data.name, rows, victim.num_labels, outside.metric)
    found = generalisation(victim, inside, [outside], console.report).payload()
    return {
        "model": options.model,
        "notices": [*victim.notices, *notices, *outside.notices],
        **found,
    }, ood_table(found)


def _subnetworks(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.subnetworks.protocol import run_protocol
    from prunescope.engine.subnetworks.protocol_file import protocol_path, read_protocol

    path = protocol_path(options.recipe)
    root = expanded(options.cache) if options.cache else user_cache()
    out = expanded(options.out) if options.out else root / "subnetworks" / path.stem
    seeds = _shares(options.seeds, "--seeds", int) or None
    cells = tuple(options.cells.split(",")) if options.cells else None
    table = run_protocol(
        read_protocol(path),
        expanded(options.data),
        out,
        seeds=seeds,
        cells=cells,
        device=options.device,
        resources=options.resources,
        report=console.report,
        say=console.say,
    )
    return {**table, "out": str(out)}, protocol_table(table) + f"{out}\n"
