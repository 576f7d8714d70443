"""Members and their averages."""

from prunescope.engine import MemberSet
from prunescope.engine.reading.titles import data_title
from scripts.reading.words import level_name, share


def section(group: MemberSet) -> str:
    """One set of members: alone, averaged, and on the evaluation rows."""
    selection = group.selection
    lines = [
        f"\n## Members and averages: {data_title(group.name)}\n",
        f"{len(group.members)} members of {group.training_rows:,} training examples each, "
        f"measured on {selection['n']} held-out examples that none was trained on, "
        f"{selection['attacked']} of them attacked ({selection['attack']}).\n",
        "| model | Acc | Aua | |",
        "|---|---|---|---|",
    ]
    for member in group.members:
        kind = (
            "plain" if member.settings["adversarial"] == "none" else member.settings["adversarial"]
        )
        rates = (None, None) if member.score is None else (member.score.acc, member.score.aua)
        lines.append(
            f"| {member.name} | {share(rates[0])} | {share(rates[1])} | "
            f"{kind}{', left out: ' * bool(member.reason)}"
            f"{member.reason} |"
        )
    for by, average in group.averages.items():
        name = "uniform average" if by == "uniform" else f"greedy average by {by.capitalize()}"
        lines.append(
            f"| {name} | {share(average.score.acc)} | {share(average.score.aua)} | "
            f"{', '.join(average.ingredients)} |"
        )
    if group.evaluated and group.evaluation:
        counts = group.evaluation["counts"]
        lines += [
            f"\nOn the evaluation set ({counts['evaluation']} evaluated, {counts['attacked']} "
            "attacked with "
            f"{group.evaluation['attack']}), dense and pruned ({group.evaluation['method']}, "
            f"{counts['calibration']} "
            "calibration texts):\n",
            "| model | sparsity | Acc | Aua |",
            "|---|--:|---|---|",
        ]
        lines += [
            f"| {row.model} | {level_name(row.sparsity)} | {share(row.score.acc)} | "
            f"{share(row.score.aua)} |"
            for row in group.evaluated
        ]
    return "\n".join(lines) + "\n"
