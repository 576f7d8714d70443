"""What `prunescope attack` prints: victims side by side, the flip table, transfer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prunescope.engine.cli.console import rate_text
from prunescope.engine.records import Rate

if TYPE_CHECKING:  # their modules import torch or SciPy, which the help must not wait for
    from prunescope.engine.attacks.metrics import AttackSummary, Paired
    from prunescope.engine.attacks.static import StaticPaired, StaticResult, StaticSet
    from prunescope.engine.attacks.transfer import Transfer
    from prunescope.engine.evaluation.statistics import Statistic


# the stored names of outcomes, in the words of a table
OUTCOME_WORDS = {"held": "withstood", "broken": "failed"}


def text_table(answer: Mapping[str, Any]) -> str:
    """The outcome of the attack on one text, one line per victim."""
    names, results = answer["label_names"], answer["sides"]
    wide = max(8, *(len(result["name"]) for result in results))
    labels = [
        " → ".join(dict.fromkeys((names[result["label_before"]], names[result["label_after"]])))
        for result in results
    ]
    room = max(map(len, labels))
    return "".join(
        f"{result['name']:<{wide}} {outcome_word(result['outcome']):<9} "
        f"{result['queries']:>4} queries  {label:<{room}}  {result['perturbed']}\n"
        for result, label in zip(results, labels, strict=True)
    )


def outcome_word(outcome: str) -> str:
    """An outcome of an attack as a person reads it: the victim withstood the attack or failed."""
    return OUTCOME_WORDS.get(outcome, outcome)


def attack_table(
    head: str, summaries: "Mapping[str, AttackSummary]", similar: "Mapping[str, Statistic]"
) -> str:
    """Rates, means and counts of every victim.

    Every rate is of all n examples but Asr, which is of those that are right without attack.
    """
    wide = max(6, *(len(name) for name in summaries))
    columns = (
        f"{'victim':<{wide}}  {'Acc %':>17}  {'Aua %':>17}  {'Asr %':>17}  {'queries':>19}  "
        f"{'words changed %':>17}  {'similarity':>17}  {'n':>5} {'skipped':>7} {'failed':>6} "
        f"{'withstood':>9} {'exhausted':>9} {'errors':>6} {'untried':>7}\n"
    )
    rows = [
        f"{name:<{wide}}  {rate_text(s.acc)}  {rate_text(s.aua)}  {rate_text(s.asr)}  "
        f"{_mean(s.queries, 1, 19)}  {_mean(s.words_changed, 100, 17)}  "
        f"{_mean(similar[name], 1, 17, 2)}  "
        f"{s.n:>5} {s.skipped:>7} {s.broken:>6} {s.held:>9} {s.exhausted:>9} {s.errors:>6} "
        f"{s.untried:>7}\n"
        for name, s in summaries.items()
    ]
    return f"{head}\n{columns}{''.join(rows)}"


def paired_table(
    names: Sequence[str], paired: "Paired", what: str, good: str = "withstands", bad: str = "fails"
) -> str:
    """The 2×2 flip table of two victims with McNemar's exact p-value.

    `what` says which examples are in it.
    """
    first, second = names
    cells = (
        (paired.both_hold, paired.only_second_breaks),
        (paired.only_first_breaks, paired.both_break),
    )
    wide = max(len(first), len(second)) + max(len(good), len(bad)) + 1
    left_out = f", {paired.errors} left out because an attack failed" if paired.errors else ""
    head = f"{'':<{wide}}  {f'{second} {good}':>{wide}}  {f'{second} {bad}':>{wide}}\n"
    rows = [
        f"{f'{first} {word}':<{wide}}  {a:>{wide}}  {b:>{wide}}\n"
        for word, (a, b) in zip((good, bad), cells, strict=True)
    ]
    return (
        f"\n{what}: {paired.first.n}{left_out}\n{head}{''.join(rows)}"
        f"{bad}: {first} {rate_text(paired.first).strip()}%, {second} "
        f"{rate_text(paired.second).strip()}%; McNemar's exact p = {paired.p_value:.4g}\n"
    )


def transfer_table(transfer: "Mapping[str, Mapping[str, Transfer]]") -> str:
    """On how many of the adversarial texts against one victim another fails.

    Only examples that both get right without attack count.
    """
    rows = [
        f"of what {source} fails on, {target} fails on {rate_text(result.rate).strip()}% "
        f"(n = {result.rate.n})\n"
        for source, row in transfer.items()
        for target, result in row.items()
        if source != target
    ]
    return "\n" + "".join(rows) if rows else ""


def static_table(
    static: "StaticSet", results: "Sequence[StaticResult]", paired: "StaticPaired | None"
) -> str:
    """What a fixed set does to every victim, and the flip tables of two."""
    wide = max(6, *(len(result.name) for result in results))
    head = (
        f"{static.name}: {len(static)} adversarial "
        f"texts{' with their clean texts' if static.clean else ''}\n"
    )
    columns = f"{'victim':<{wide}}  {'Acc, adversarial':>17}"
    columns += f"  {'Acc, clean':>17}  {'Aua %':>17}  {'Asr %':>17}" if static.clean else ""
    rows = [
        f"{result.name:<{wide}}  {'  '.join(map(rate_text, _shown(result)))}  {result.errors:>6} "
        f"{result.cut:>6}\n"
        for result in results
    ]
    text = f"{head}{columns}  {'errors':>6} {'cut':>6}\n{''.join(rows)}"
    if paired:
        names = [result.name for result in results]
        text += paired_table(names, paired.adversarial, "All adversarial texts", "right", "wrong")
        text += (
            paired_table(names, paired.attacks, "Clean text right with both")
            if paired.attacks
            else ""
        )
    return text


def _shown(result: "StaticResult") -> list[Rate]:
    return [
        rate
        for rate in (result.adversarial, result.clean, result.aua, result.asr)
        if rate is not None
    ]


def _mean(mean: "Statistic", scale: int, wide: int, digits: int = 1) -> str:
    if mean.value is None:
        return f"{'–':>{wide}}"
    low, high = (
        None if bound is None else f"{scale * bound:.{digits}f}" for bound in (mean.low, mean.high)
    )
    interval = "" if low is None or high is None else f" [{low}, {high}]"
    return f"{f'{scale * mean.value:.{digits}f}{interval}':>{wide}}"
