"""`prunescope biasmodel`, `masktrain`, `imp` and `retrain`: subnetworks and dataset bias."""

import argparse
from typing import Any

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.finetune import STEPS, training_setup
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    names_of,
    reading_of,
    reading_options,
    record_of,
)
from prunescope.engine.cli.settings import Places
from prunescope.engine.cli.settings_training import (
    BiasSettings,
    MaskSettings,
    SearchSettings,
    TrainingSettings,
)
from prunescope.engine.formatting import format_rate
from prunescope.engine.records import StudySpec
from prunescope.engine.subnetworks.spec import SubnetworkSpec
from prunescope.engine.training.spec import TrainSpec

ROWS = ("data", "allow_overlap")
INPUTS = ("model", "label_names", "head_seed", "max_tokens", "precision")
OF_MASKS = (
    *("sparsity", "init", "growth", "first", "every", "head", "phi", "alpha", "keep_from"),
    *("penalty", "keep"),
)
OF_IMP = ("sparsity", "stride", "interval", "head")
OF_STEPS = tuple(name for name in STEPS if name != "rank")


def add_commands(command: Command) -> None:
    """Add `biasmodel`, `masktrain`, `imp` and `retrain`."""
    bias = command(
        "biasmodel",
        _biasmodel,
        "Train a model of a data set's bias. It is a logistic regression on shallow features; its "
        "predictions of the training examples serve the losses poe, reweight and confreg.",
        examples=(
            (
                "By the words that two texts share:",
                "biasmodel --data nli.csv --features overlap --out bias",
            ),
            ("By the words of one text:", "biasmodel --data reviews.csv --features bag --out bias"),
        ),
    )
    add_settings(bias, TrainingSettings, *ROWS)
    reading_options(bias)
    add_settings(bias, BiasSettings, "features", "penalty", "unbalanced", "folds", "vectors")
    add_settings(bias, Places, "out")
    mask = command(
        "masktrain",
        _masktrain,
        "Learn which weights of a model to keep, with its weights frozen. Without --start the "
        "pretrained checkpoint is masked and never fine-tuned.",
        examples=(
            (
                "A subnetwork of a fine-tuned model, with 70% zeros:",
                "masktrain --data nli.csv --start ./full --sparsity 0.7 --out mask",
            ),
            (
                "The same, against the bias of the data:",
                "masktrain --data nli.csv --start ./full --loss poe --bias ./bias --out mask",
            ),
        ),
    )
    add_settings(mask, MaskSettings, "method")
    _search(mask, OF_MASKS)
    imp = command(
        "imp",
        _imp,
        "Train, and remove the smallest weights at intervals. This is iterative magnitude "
        "pruning (IMP).",
        examples=(
            ("Half of the weights go:", "imp --data nli.csv --sparsity 0.5 --out ticket"),
            (
                "The mask found, with the weights that it began with:",
                "imp --data nli.csv --start ./full --rewind --out ticket",
            ),
        ),
    )
    add_settings(imp, SubnetworkSpec, "rewind")
    _search(imp, OF_IMP, {"head": "pooler and classifier: masked too, or not (trained)"})
    again = command(
        "retrain",
        _retrain,
        "Train all weights, or those that a mask leaves. With --mask-from the zeros of that model "
        "stay.",
        examples=(
            ("A full model, to start from:", "retrain --data nli.csv --out full"),
            (
                "What is left of a subnetwork, alone:",
                "retrain --data nli.csv --start ./full --mask-from ./mask --out alone",
            ),
        ),
    )
    add_settings(again, SearchSettings, "mask_from", "snapshots")
    head = (
        "with `mask_from`: masked keeps zeros of pooler and classifier too; trained or frozen do "
        "not"
    )
    _search(again, ("head",), {"head": head})


def _search(
    parser: argparse.ArgumentParser, settings: tuple[str, ...], helps: dict[str, str] | None = None
) -> None:
    """The options of a search with these settings of a subnetwork."""
    add_settings(parser, TrainingSettings, *ROWS, *INPUTS)
    reading_options(parser)
    add_settings(parser, SearchSettings, "start", "bias", "teacher")
    add_settings(parser, SubnetworkSpec, "loss", *settings, helps=helps)
    usual = {"seed": 0, "learning_rate": 5e-5, "weight_decay": 0.0}
    add_settings(parser, TrainSpec, *OF_STEPS, defaults=usual)
    add_settings(parser, StudySpec, "device")
    add_settings(parser, Places, "out", helps={"out": "the model folder to write"})


def _biasmodel(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.data import load_dataset
    from prunescope.engine.store.atomic import new_folder
    from prunescope.engine.subnetworks.bias import BiasSpec, make_bias
    from prunescope.engine.training.class_names import named_data
    from prunescope.engine.training.selection import training_split

    out = new_folder(options.out)
    spec = BiasSpec(
        options.features, options.penalty, not options.unbalanced, options.folds, options.vectors
    )
    data, _, notices = named_data(load_dataset(options.data, **reading_of(options)))
    console.notices(notices)
    record = make_bias(
        spec, training_split(data, options.allow_overlap), data.evaluation, out, console.report
    )
    acc = record["acc"]
    line = (
        f"{out}: predictions of {record['rows']} examples; alone it is right on "
        f"{format_rate(acc['value'], acc['low'], acc['high'])} of the evaluation examples\n"
    )
    return {**record, "out": str(out)}, line


def _masktrain(options: argparse.Namespace, console: Console) -> Answer:
    return _search_and_write(options, console, options.method)


def _imp(options: argparse.Namespace, console: Console) -> Answer:
    return _search_and_write(options, console, "imp", rewind=options.rewind)


def _retrain(options: argparse.Namespace, console: Console) -> Answer:
    return _search_and_write(options, console, "isolated" if options.mask_from else "full")


def _search_and_write(
    options: argparse.Namespace, console: Console, method: str, **more: Any
) -> Answer:
    from prunescope.engine.data import load_dataset
    from prunescope.engine.store.atomic import new_folder
    from prunescope.engine.subnetworks.bias import read_bias
    from prunescope.engine.subnetworks.run import find_subnetwork
    from prunescope.engine.subnetworks.search_inputs import SearchInputs
    from prunescope.engine.training.class_names import named_data
    from prunescope.engine.training.selection import training_split

    out = new_folder(options.out)
    spec = record_of(SubnetworkSpec, options, **more, method=method)
    train = record_of(TrainSpec, options, name=out.name, rank=0)
    data = load_dataset(options.data, **reading_of(options))
    data, names, notices = named_data(data, names_of(options.label_names))
    rows = training_split(data, options.allow_overlap)
    console.notices(notices)
    shared = training_setup(options, rows, names, console)
    inputs = SearchInputs(
        shared,
        options.start,
        getattr(options, "mask_from", None),
        read_bias(options.bias) if options.bias else None,
        options.teacher,
        getattr(options, "snapshots", None) or (),
    )
    pruned, record = find_subnetwork(spec, train, inputs, out, console.report, console.say)
    line = (
        f"{out}: {record['steps']} steps, loss {record['final_loss']:.3f}, sparsity "
        f"{pruned.achieved:.4f} of the prunable weights\n"
    )
    return {**record, "out": str(out)}, line
