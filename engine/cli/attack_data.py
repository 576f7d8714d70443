"""`prunescope attack --examples`: rows of a data set on one victim or two."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.attack_tables import attack_table, paired_table, transfer_table
from prunescope.engine.cli.attack_victims import budget_of, texts_at_limit, victims_of
from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import Answer
from prunescope.engine.errors import StoreError
from prunescope.engine.formatting import pluralize
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:  # imports torch
    from prunescope.engine.attacks.texts import AttackText
    from prunescope.engine.data import Dataset, Examples
    from prunescope.engine.models.victim import Victim


def run_on_data(options: argparse.Namespace, spec: StudySpec, console: Console) -> Answer:
    """Attack the drawn rows on every victim in lock-step; two victims are compared."""
    from prunescope.engine.attacks.cached_run import attack_cached
    from prunescope.engine.attacks.metrics import attack_notices
    from prunescope.engine.data.draw import drawn_rows

    logs, store = _log_names(options), Store(options.cache)  # before the long work, not after it
    data = _load(options, spec)
    targets = victims_of(options, spec, store, console)
    victims = {name: target.victim for name, target in targets.items()}
    data = _in_classes_of(victims, data, console)
    evaluation, rows = drawn_rows(data.evaluation, spec.eval_examples, options.examples, spec.seed)
    notices = _fewer_notice(data, len(evaluation), len(rows), options)
    console.notices(notices)
    at_limit = _at_limit(victims, evaluation.take(rows), console)
    texts = attack_cached(
        targets,
        spec.attack,
        evaluation,
        rows,
        spec.seed,
        store,
        console.report,
        spec.resources,
        budget_of(options),
        notices.append,
    )
    for name, of_victim in texts.items():
        notices += attack_notices([text.record for text in of_victim], f"{name}: ")
    console.notices(notices)
    title = (
        f"{data.name}, {spec.attack}, {len(rows)} examples, seed {spec.seed}; {len(evaluation)} of "
        f"{pluralize(len(data.evaluation), 'row')} evaluated"
    )
    answer: dict[str, Any] = {
        "attack": spec.attack,
        "data": data.name,
        "rows": len(data.evaluation),
        "evaluated": len(evaluation),
        "examples": len(rows),
        "seed": spec.seed,
        "budget": asdict(budget_of(options)),
        "notices": notices,
    }
    summaries, table = _summaries(title, texts, victims, at_limit)
    comparison, pair_table = _comparison(texts, victims, console)
    paths = _write_logs(logs, texts)
    answer |= {"victims": summaries, **comparison, "logs": paths}
    return answer, table + pair_table + "".join(f"{path}\n" for path in paths)


def _load(options: argparse.Namespace, spec: StudySpec) -> "Dataset":
    from prunescope.engine.data import load_dataset

    # Pruning calibrates on one half of a single file; an attack alone needs no calibration text
    divide = options.sparsity is not None
    return load_dataset(spec.data, **spec.reading, seed=spec.seed, divide=divide)


def _in_classes_of(victims: "Mapping[str, Victim]", data: "Dataset", console: Console) -> "Dataset":
    """The data set in the numbering of the first victim's classes."""
    from prunescope.engine.data import check_labels, fit_dataset

    first = next(iter(victims.values()))
    fitted, notices = fit_dataset(data, first.label_names, first.name)
    console.notices(list(notices))
    check_labels(fitted.evaluation, first.num_labels, f"{fitted.name}, evaluation")
    return fitted


def _at_limit(
    victims: "Mapping[str, Victim]", examples: "Examples", console: Console
) -> dict[str, int]:
    counts = {
        name: texts_at_limit(victim, examples.texts, examples.pairs)
        for name, victim in victims.items()
    }
    console.notices(
        [
            f"{count} of the {len(examples)} examples reach {name}'s limit of "
            f"{victims[name].max_tokens} tokens; what is changed beyond it changes nothing."
            for name, count in counts.items()
            if count
        ]
    )
    return counts


def _summaries(
    title: str,
    texts: "Mapping[str, Sequence[AttackText]]",
    victims: "Mapping[str, Victim]",
    at_limit: Mapping[str, int],
) -> tuple[list[dict[str, Any]], str]:
    """(the summary of each victim as JSON values, the table of all)."""
    from prunescope.engine.attacks.cached_run import summary_of
    from prunescope.engine.attacks.similarity import similarity

    summaries = {name: summary_of(of_victim) for name, of_victim in texts.items()}
    similarities = {
        name: similarity(of_victim, str(victims[name].device)) for name, of_victim in texts.items()
    }
    values = [
        {
            "name": name,
            **asdict(summary),
            "similarity": asdict(similarities[name]),
            "at_limit": at_limit[name],
        }
        for name, summary in summaries.items()
    ]
    return values, attack_table(title, summaries, similarities)


def _comparison(
    texts: "Mapping[str, Sequence[AttackText]]", victims: "Mapping[str, Victim]", console: Console
) -> tuple[dict[str, Any], str]:
    """(flip table and transfer of two victims as JSON values, their tables)."""
    from prunescope.engine.attacks.metrics import paired_attack
    from prunescope.engine.attacks.transfer import transfer

    if len(texts) != 2:
        return {"paired": None, "transfer": {}}, ""
    records = [[text.record for text in of_victim] for of_victim in texts.values()]
    paired, transferred = paired_attack(*records), transfer(texts, victims, console.report)
    tables = paired_table(list(texts), paired, "Right without attack for both")
    values = {
        source: {target: asdict(rate) for target, rate in row.items()}
        for source, row in transferred.items()
    }
    return {"paired": asdict(paired), "transfer": values}, tables + transfer_table(transferred)


def _fewer_notice(
    data: "Dataset", evaluated: int, attacked: int, options: argparse.Namespace
) -> list[str]:
    """Why fewer examples are attacked than requested."""
    if attacked >= options.examples:
        return []
    rows = len(data.evaluation)
    half = (
        f" (the other {len(data.train)} of the file calibrate the pruned model)"
        if data.train and os.path.isfile(os.path.expanduser(options.data))
        else ""
    )
    subset = f", of which --eval-examples draws {evaluated}" if evaluated < rows else ""
    return [
        f"{data.name} has {pluralize(rows, 'row')} to evaluate{half}{subset}, so {attacked} are "
        f"attacked and not {options.examples}."
    ]


# Logs


def _log_names(options: argparse.Namespace) -> list[Path]:
    """The files to write, one a victim; none where no log is asked for.

    Raises SettingError or StoreError.
    """
    from prunescope.engine.attacks.logs import check_log_name

    if options.log is None:
        return []
    first = check_log_name(options.log)
    has_second = options.against is not None or options.sparsity is not None
    paths = [first, first.with_stem(f"{first.stem}-against")] if has_second else [first]
    for path in paths:
        if path.exists():
            raise StoreError(
                f"{path} is there already; name another file with --log, or remove it."
            )
    parent = next(folder for folder in first.absolute().parents if folder.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise StoreError(
            f"{first.parent} cannot be written; name a file in another folder with --log."
        )
    return paths


def _write_logs(paths: Sequence[Path], texts: "Mapping[str, Sequence[AttackText]]") -> list[str]:
    from prunescope.engine.attacks.logs import write_log

    pairs = zip(paths, texts.values(), strict=False)  # no paths where no log is asked for
    return [str(write_log(path, of_victim)) for path, of_victim in pairs]
