"""The models of an attack as panels: waiting, pruned, attacked, and what came of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prunescope import engine
from prunescope.app.charts import attack as charts
from prunescope.app.components.side_panels import Panel
from prunescope.app.components.text_diff import marked

STAGES = {"start": "reading", "rank": "ranking the words", "try": "trying changes"}
KINDS = {"broken": "fails", "held": "withstands", "exhausted": "withstands", "skipped": "wrong"}
WAITING = {"queued": "It must be pruned first, after a batch or another model."}
STOPPED = {"cancelled": "stopped", "failed": "no result"}


def panel(
    index: int, side: engine.SideState, text: str, names: Sequence[str], truth: int | None
) -> Panel:
    """The panel of one model; `truth` is None while nobody knows the true label."""
    look = charts.LOOKS[index]
    if side.result is not None:
        return _ended(look, side.result, names, truth)
    if side.stand_in is not None and (meanwhile := _standing_in(look, side, text, names, truth)):
        return meanwhile
    if side.state in STOPPED:
        facts = (side.reason,) if side.reason else ()
        return Panel(side.name, look.sign, look.colour, "stopped", STOPPED[side.state], facts)
    if side.state == "pruning":
        return Panel(
            side.name,
            look.sign,
            look.colour,
            "working",
            "pruning",
            (_time_left(side.progress),),
            marked([[text, text]]),
            share=side.progress.share,
        )
    if side.snapshot is None:
        facts = (WAITING.get(side.state, "It is attacked as soon as it is loaded."),)
        return Panel(
            side.name, look.sign, look.colour, "working", "waiting", facts, marked([[text, text]])
        )
    return _attacked(side.name, look, side.snapshot, text)


def _standing_in(
    look: charts.Look, side: engine.SideState, text: str, names: Sequence[str], truth: int | None
) -> Panel | None:
    """The panel of a sparser model while the one that was asked for is not there; None before
    anything is known of it.
    """
    own = side.stand_in
    if own is None or (own.result is None and own.snapshot is None):
        return None
    if own.result is not None:
        side_panel = _ended(look, own.result, names, truth)
    else:
        side_panel = _attacked(own.name, look, own.snapshot, text)
    pruning = side.state in ("queued", "pruning")
    title = f"{own.name}, while {side.name} is {'being pruned' if pruning else 'attacked'}"
    if side.state != "pruning":
        return replace(side_panel, name=title)
    left = side.progress.seconds_left
    about = f" About {max(1, round(left))} s left." if left and side.progress.share else ""
    waits_for = f"{side.name} takes its place when it is pruned.{about}"
    return replace(side_panel, name=title, waits_for=waits_for, share=side.progress.share)


def headline(sides: Sequence[engine.SideState]) -> str:
    """Who withstands and who fails, in a sentence or two."""
    by_kind: dict[str, list[str]] = {"withstands": [], "fails": [], "wrong": []}
    for side in sides:
        if side.result is not None:
            by_kind.setdefault(KINDS.get(side.result["outcome"], "wrong"), []).append(side.name)
    parts = [
        _sentence(by_kind["withstands"], "withstands the attack", "withstand the attack"),
        _sentence(by_kind["fails"], "fails", "fail"),
        _sentence(by_kind["wrong"], "is wrong without any attack", "are wrong without any attack"),
    ]
    return " ".join(part for part in parts if part)


def _sentence(names: Sequence[str], singular: str, plural: str) -> str:
    if not names:
        return ""
    subjects = [_subject(name) for name in names]
    listed = " and ".join(filter(None, (", ".join(subjects[:-1]), subjects[-1])))
    return f"{listed[:1].upper()}{listed[1:]} {singular if len(names) == 1 else plural}."


def _subject(name: str) -> str:
    """A model's name within a sentence: "Dense" and "50%" are not names enough."""
    short = name == "Dense" or ("," not in name and name.endswith("%"))
    return f"the {name.lower()} model" if short else name


def _ended(
    look: charts.Look, side: dict[str, Any], names: Sequence[str], truth: int | None
) -> Panel:
    kind = KINDS.get(side["outcome"], "wrong")
    text = marked(side["changes"], changed=kind == "fails")
    label, share = names[side["label_before"]], f"{100 * side['truth_before']:.1f}%"
    answer = names[truth] if truth is not None else label
    closest, closest_title = "", ""
    if kind == "fails":
        facts = [
            f"{label} → {names[side['label_after']]}",
            f"Confidence in {answer}: {share} → {100 * side['truth_after']:.1f}%",
            f"{queries(side['queries'])}, {side['words_changed']} of {side['words']} words changed",
        ]
        if side["similarity"] is not None:
            facts.append(f"Similarity to the original: {side['similarity']:.2f}")
    elif kind == "withstands":
        facts = [f"Says {label}, confidence {share}"]
        nearest = side.get("closest")
        if nearest is None:
            facts.append(side["reason"] or "The attack found nothing to try.")
        else:
            facts.append(
                f"{side['tried']} texts tried, changing {side['words_tried']} of {side['words']} "
                f"words; {queries(side['queries'])}"
            )
            closest = marked(nearest["changes"])
            closest_title = f"How close it came: {100 * nearest['truth']:.1f}% with this text"
    else:
        facts = [f"Says {label}: {share} for {answer}. There is nothing left to attack."]
    return Panel(
        side["name"],
        look.sign,
        look.colour,
        kind,
        charts.verdict(side["outcome"]) if kind != "wrong" else "wrong already",
        tuple(facts),
        text,
        closest,
        closest_title,
    )


def _attacked(name: str, look: charts.Look, snapshot: engine.AttackSnapshot, text: str) -> Panel:
    changes = [[text, text]]
    if snapshot.text is not None:
        pieces = engine.word_changes(text, snapshot.text)
        changes = [[piece.before, piece.after] for piece in pieces]
    lowest = snapshot.path[-1][1] if snapshot.path else 1.0
    return Panel(
        name,
        look.sign,
        look.colour,
        "working",
        STAGES.get(snapshot.kind, "reading"),
        (f"{queries(snapshot.queries)}, confidence down to {100 * lowest:.1f}%",),
        marked(changes),
    )


def _time_left(progress: engine.ProgressState) -> str:
    left = progress.seconds_left
    if left is None or not progress.share:
        return "It must be pruned before it can be attacked."
    return f"Being pruned first, about {max(1, round(left))} s left."


def queries(count: int) -> str:
    """A number of queries in words."""
    return f"{count} {'query' if count == 1 else 'queries'}"
