"""The commands that make dense models: finetune, members, average, evaluate."""

import argparse
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from prunescope.engine.attacks.catalogue import ATTACK_HELP, RESOURCES_HELP
from prunescope.engine.cli.console import (
    Console,
    average_table,
    members_table,
    reading_of,
    reading_options,
    score_line,
)
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded, user_cache

Command = Callable[..., argparse.ArgumentParser]
NOT_OPTIONS = ("name", "seed", "learning_rate", "rank")
HELP = {
    "epochs": "passes over the training rows",
    "batch_size": "rows a step",
    "accumulation": "pieces that a step is read in",
    "optimizer": "adamw, adam or sgd",
    "momentum": "of sgd",
    "weight_decay": "of the optimizer",
    "schedule": "linear, cosine or constant",
    "warmup": "share of the steps in which the rate rises",
    "clip": "largest norm of a gradient",
    "label_smoothing": "in [0, 1)",
    "adversarial": "none, freelb, pgd or smart",
    "adv_steps": "ascent steps K",
    "adv_lr": "length of an ascent step",
    "adv_init": "size of the random start",
    "adv_max_norm": "largest perturbation of a row, 0 for any",
    "adv_weight": "of SMART's smoothness term",
    "patience": "early stopping on held-out training rows: checks without improvement, 0 for none",
    "checks": "checks a pass, with early stopping",
}


def add_commands(command: Command) -> None:
    """Add this file's commands to the parser."""
    tune = command(
        "finetune",
        _finetune,
        "Fine-tune a classifier from a pretrained checkpoint, plainly or adversarially. The "
        "same command goes on where it was stopped.",
    )
    _start(tune)
    tune.add_argument("--out", required=True, metavar="DIR", help="the model folder to write")
    tune.add_argument(
        "--learning-rate",
        type=float,
        default=2e-5,
        metavar="X",
        help="highest rate (default: 2e-05)",
    )
    tune.add_argument(
        "--rank",
        type=int,
        default=0,
        metavar="R",
        help="of LoRA adapters; 0 trains all weights (default: 0)",
    )
    tune.add_argument(
        "--seed", type=int, default=0, help="of the order of rows and all draws (default: 0)"
    )
    tune.add_argument(
        "--head-seed",
        type=int,
        default=0,
        metavar="N",
        help="of the fresh head; models to be averaged share it (default: 0)",
    )
    _spec_options(tune)
    tune.add_argument(
        "--max-tokens",
        type=int,
        default=128,
        metavar="N",
        help="longer texts are cut (default: 128)",
    )

    members = command(
        "members",
        _members,
        "Fine-tune the members of a recipe and judge each by accuracy and accuracy under "
        "attack on held-out training rows; a finished member is not redone.",
    )
    _start(members)
    members.add_argument(
        "--recipe",
        required=True,
        metavar="FILE",
        help="JSON with the members' settings, or p1-table8",
    )
    members.add_argument(
        "--out",
        metavar="DIR",
        help="the folder that receives one folder a member (default: members/ and the "
        "data's name in the cache, where the dashboard finds them)",
    )
    members.add_argument(
        "--cache", metavar="DIR", help="where results are kept (default: cache/user)"
    )
    _judging(members)

    average = command(
        "average",
        _average,
        "Average members into one dense model, uniformly or greedily by accuracy or by "
        "accuracy under attack on rows that are neither trained on nor evaluated.",
    )
    average.add_argument(
        "--members",
        metavar="DIR",
        help="a folder made by `members`, or its name in the cache; it knows its judging rows",
    )
    average.add_argument(
        "--cache", metavar="DIR", help="where results are kept (default: cache/user)"
    )
    average.add_argument(
        "--member",
        action="append",
        metavar="M",
        default=[],
        help="a fine-tuned model of one base (a hub name "
        "or folder); repeat it, instead of --members",
    )
    average.add_argument("--by", default="aua", help="uniform, acc or aua (default: aua)")
    average.add_argument(
        "--out",
        metavar="DIR",
        help="the model folder to write (default with --members: average-BY in it)",
    )
    average.add_argument("--data", metavar="D", help="with --member: whose training rows judge")
    average.add_argument(
        "--allow-overlap",
        action="store_true",
        help="with --member: judge by rows that are also evaluated",
    )
    _judging(average)
    reading_options(average)
    average.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")

    evaluate = command(
        "evaluate",
        _evaluate,
        "Measure one model as it is: accuracy, and accuracy under attack where asked for.",
    )
    evaluate.add_argument(
        "--model", default="embedded", metavar="M", help="embedded, a hub name, or a local folder"
    )
    evaluate.add_argument(
        "--data",
        default="embedded",
        metavar="D",
        help="whose evaluation rows are read (default: embedded)",
    )
    evaluate.add_argument(
        "--eval-examples",
        type=int,
        default=872,
        metavar="N",
        help="examples for accuracy (default: 872)",
    )
    evaluate.add_argument(
        "--attack", default="none", metavar="NAME", help=ATTACK_HELP + "; or none (default: none)"
    )
    evaluate.add_argument(
        "--attack-examples",
        type=int,
        default=200,
        metavar="N",
        help="examples attacked (default: 200)",
    )
    evaluate.add_argument("--resources", metavar="DIR", help=RESOURCES_HELP)
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    reading_options(evaluate)


def _start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="embedded",
        metavar="BASE",
        help="the pretrained checkpoint: embedded, a hub name or "
        "a local folder (default: embedded)",
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="D",
        help="hub name, local folder or file with training rows",
    )
    parser.add_argument(
        "--label-names", metavar="LIST", help="names of the labels 0, 1, …, e.g. negative,positive"
    )
    parser.add_argument(
        "--allow-overlap", action="store_true", help="train on rows that are also evaluated"
    )
    parser.add_argument(
        "--precision", default="auto", help="fp32 or bf16; auto is bf16 on CUDA (default: auto)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    reading_options(parser)


def _judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--select",
        metavar="D",
        help="rows that judge members, of which none is trained on (default: held out "
        "of the training rows)",
    )
    parser.add_argument(
        "--select-rows",
        type=int,
        default=500,
        metavar="N",
        help="of them, for accuracy (default: 500)",
    )
    parser.add_argument(
        "--attack",
        default="deepwordbug",
        metavar="NAME",
        help="the attack that judges: " + ATTACK_HELP + "; or none (default: deepwordbug)",
    )
    parser.add_argument(
        "--attack-examples", type=int, default=100, metavar="N", help="rows attacked (default: 100)"
    )
    parser.add_argument("--resources", metavar="DIR", help=RESOURCES_HELP)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of judging rows")


def _spec_options(parser: argparse.ArgumentParser) -> None:
    from prunescope.engine.training.spec import TrainSpec

    for field in fields(TrainSpec):
        if field.name not in NOT_OPTIONS:
            assert field.default is not MISSING
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=field.type,
                default=field.default,
                metavar="X",
                help=f"{HELP[field.name]} (default: {field.default})",
            )


def _kept(cache: str | None, name: str) -> Path:
    """Where members of this name are in the cache."""
    return (expanded(cache) if cache else user_cache()) / "members" / name


def _label_names(options: argparse.Namespace) -> tuple[str, ...] | None:
    return (
        tuple(name.strip() for name in options.label_names.split(","))
        if options.label_names
        else None
    )


def _selection_spec(options: argparse.Namespace) -> Any:
    from prunescope.engine.training.selection import SelectionSpec

    return SelectionSpec(
        options.select_rows,
        options.attack,
        options.attack_examples,
        options.seed,
        options.select,
        options.resources,
    )


def _finetune(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], str]:
    from prunescope.engine.data import check_labels, load_dataset
    from prunescope.engine.models.base import open_base
    from prunescope.engine.models.victim import pick_device
    from prunescope.engine.training.finetune import Shared, finetune
    from prunescope.engine.training.members import named_data
    from prunescope.engine.training.selection import rows_to_train_on
    from prunescope.engine.training.spec import TrainSpec

    out = expanded(options.out)
    chosen = {
        field.name: getattr(options, field.name)
        for field in fields(TrainSpec)
        if hasattr(options, field.name)
    }
    spec = TrainSpec(**{"name": out.name, **chosen})
    data = load_dataset(
        options.data, **reading_of(options)
    )  # one file is divided as `evaluate` divides it
    data, names, notices = named_data(data, _label_names(options))
    rows = rows_to_train_on(data, options.allow_overlap)
    if expanded(options.data).is_file():
        notices = (
            *notices,
            f"{options.data} is one file: {len(rows)} of its rows are trained on, and "
            f"{len(data.evaluation)} "
            "others are evaluated here. `evaluate` reads all of them.",
        )
    console.notices(notices)
    check_labels(
        data.evaluation, len(names), f"{data.name}, evaluation"
    )  # before the long work, not after it
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
    record = finetune(spec, shared, out, report=console.report, say=console.say)
    score = _scored(str(out.resolve()), data, 10**9, "none", 1, options, console)
    line = (
        f"{out}: {record['steps']} steps, loss {record['final_loss']:.3f}, {score_line(score)} "
        "on the evaluation rows\n"
    )
    return {**record, **score, "notices": [*notices, *score["notices"]], "out": str(out)}, line


def _members(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], str]:
    from prunescope.engine.training.members import run_members
    from prunescope.engine.training.recipe import recipe_path

    out = expanded(options.out) if options.out else _kept(options.cache, Path(options.data).stem)
    found = run_members(
        recipe_path(options.recipe),
        options.data,
        out,
        base=options.model,
        select=_selection_spec(options),
        label_names=_label_names(options),
        device=options.device,
        precision=options.precision,
        allow_overlap=options.allow_overlap,
        report=console.report,
        say=console.say,
        **reading_of(options),
    )
    return {**found, "out": str(out)}, members_table(found) + f"{out}\n"


def _average(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], str]:
    from prunescope.engine.training.soup import average_folder, average_models

    if bool(options.members) == bool(options.member):
        raise SettingError(
            "Give either --members with a folder made by `python -m engine members`, or --member "
            "for each model."
        )
    if options.members and (options.data or options.select):
        raise SettingError(
            "--members knows the rows its members were judged on; leave --data and --select out."
        )
    if twice := [name for name in options.member if options.member.count(name) > 1]:
        raise SettingError(f"--member {twice[0]} is given twice; name each model once.")
    if options.members:
        folder = expanded(options.members)
        folder = folder if folder.is_dir() else _kept(options.cache, options.members)
        out = expanded(options.out or folder / f"average-{options.by}")
        record = average_folder(
            folder, options.by, out, device=options.device, report=console.report, say=console.say
        )
    else:
        if options.out is None:
            raise SettingError("There is no --out; name the model folder to write.")
        out = expanded(options.out)
        selection = _judging_rows(options)
        record = average_models(
            options.member,
            options.by,
            selection,
            out,
            out.with_name(f"{out.name}.judging"),
            device=options.device,
            report=console.report,
            say=console.say,
        )
    return {**record, "out": str(out)}, average_table(record) + f"{out}\n"


def _judging_rows(options: argparse.Namespace) -> Any:
    from prunescope.engine.data import load_dataset
    from prunescope.engine.training.selection import judging_file, training_rows

    columns, spec = reading_of(options), _selection_spec(options)
    if options.data is not None:
        return training_rows(
            load_dataset(options.data, **columns), spec, columns, options.allow_overlap
        )[1]
    if options.select is None:
        raise SettingError(
            "There are no rows to judge the members by; give --data with a training split, or "
            "--select."
        )
    return judging_file(spec, columns)


def _evaluate(options: argparse.Namespace, console: Console) -> tuple[dict[str, Any], str]:
    from prunescope.engine.data import load_dataset

    data = load_dataset(options.data, **reading_of(options), seed=options.seed, divide=False)
    if expanded(options.data).is_file():
        console.notices(
            [
                f"{data.name} is one file: all of its {len(data.evaluation)} rows are evaluated, "
                "also those that "
                "`finetune` would train on."
            ]
        )
    score = _scored(
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


def _scored(
    model: str,
    data: Any,
    rows: int,
    attack: str,
    attacked: int,
    options: argparse.Namespace,
    console: Console,
) -> dict[str, Any]:
    from prunescope.engine.models.victim import load_victim
    from prunescope.engine.training.selection import SelectionSpec, evaluation_rows

    spec = SelectionSpec(
        rows, attack, attacked, options.seed, resources=getattr(options, "resources", None)
    )
    victim = load_victim(model, options.device)
    selection, notices = evaluation_rows(data, spec).fitted(victim.label_names, model)
    notices = (*victim.notices, *notices)
    console.notices(notices)
    score = selection.score(victim, console.report).as_json()
    return {**score, "notices": list(dict.fromkeys((*notices, *score["notices"])))}
