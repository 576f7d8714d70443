"""Pruning against other ways to a smaller file: bytes, Acc, Aua and time, beside the pruned level
that is nearest in bytes.
"""

from prunescope.engine import Baseline, BaselineTable, pluralize
from prunescope.engine.reading.titles import data_title, method_name_title
from scripts.reading.words import ATTACKS, baseline_name, rows, share

INTRODUCTION = """
## Pruning and other ways, on {title}

{model}; {evaluation} examples evaluated, {attacked} of them attacked with {attack}; pruned by
{method} with {calibration:,} calibration texts. Bytes are those of the file that holds all
weights; {embeddings:.1f} MB of each are the embeddings, which none of these ways makes
smaller. *Times dense* is the median ratio to the dense model over the rounds, with 5% and 95%
quantiles ({device}, {threads}, batch {batch}, {rounds} rounds in turn). Nothing was trained
unless the row says so. Aua is left out for models less than five points above naming the most
frequent label.

"""
HEADER = ["model", "MB", "without embeddings", "Acc", "Aua", "weights multiplied as", "times dense"]
AGAINST = """
Against the pruned model nearest in bytes: examples that only one of the two classifies correctly;
of the attacked examples that both classify correctly, those on which only one withstands the
attack; and McNemar's exact p-values, adjusted by Holm's method over all rows.

"""
TESTED = [
    "model",
    "against",
    "bytes more",
    "correct: it alone / pruned alone",
    "p",
    "withstands: it alone / pruned alone",
    "p",
]


def section(table: BaselineTable) -> str:
    """One table by bytes, and its tests."""
    about, latency = table.about, table.latency
    ordered = sorted(table.rows, key=lambda row: -row.file_bytes)
    head = INTRODUCTION.format(
        title=data_title(about["data"]),
        model=about["model"],
        evaluation=about["counts"]["evaluation"],
        attack=ATTACKS.get(about["attack"], about["attack"]),
        attacked=about["counts"]["attacked"],
        method=method_name_title(about["method"]),
        calibration=about["counts"]["calibration"],
        embeddings=table.row("dense").embedding_bytes / 1e6,
        device=latency["device"],
        threads=pluralize(latency["threads"], "thread"),
        batch=latency["batch"],
        rounds=latency["rounds"],
    )
    lines = [
        [
            baseline_name(row.name),
            f"{row.file_bytes / 1e6:.1f}",
            f"{row.bytes / 1e6:.1f}",
            share(row.acc),
            share(row.aua),
            *_pace(row),
        ]
        for row in ordered
    ]
    tests = [_test(row) for row in ordered if row.against is not None]
    return (
        head
        + rows(HEADER, lines)
        + _training(table)
        + (AGAINST + rows(TESTED, tests) if tests else "")
    )


def _pace(row: Baseline) -> list[str]:
    pace = row.pace
    return (
        ["–", "–"]
        if pace is None
        else [pace.form, f"{pace.ratio:.2f} [{pace.low:.2f}, {pace.high:.2f}]"]
    )


def _training(table: BaselineTable) -> str:
    training = table.about["training"]
    if not training:
        return ""
    count = next(row.trained_rows for row in table.rows if row.trained_rows)
    passes = f"{training['epochs']:g} pass{'es' * (training['epochs'] != 1)}"
    return (
        f"\nFine-tuned models start from the base's first blocks: {passes} over {count:,} rows at "
        "a rate of "
        f"{training['learning_rate']:g}, without adversarial training.\n"
    )


def _test(row: Baseline) -> list[str]:
    test = row.against
    assert test is not None
    attack = ["–", "–"]
    if (
        pair := test.attack
    ) is not None:  # the level is first: where it alone breaks, the alternative alone holds
        attack = [f"{pair.only_first_breaks} / {pair.only_second_breaks}", f"{pair.adjusted:.2g}"]
    return [
        baseline_name(row.name),
        baseline_name(test.level),
        f"{test.bytes / 1e6:+.1f} MB",
        f"{test.only_here} / {test.only_there}",
        f"{test.adjusted:.2g}",
        *attack,
    ]
