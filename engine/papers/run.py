"""Do a recipe step by step; what is done is not done again, and a step that was cut short goes on where its command does.

    <out>/<base>-<scale>/steps/<key>.json    what a finished step has answered
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from engine.errors import SettingError
from engine.names import ATTACKS
from engine.papers.recipe import Paper, Step
from engine.store import canonical, key_of, write_whole

Run = Callable[[tuple[str, ...]], dict[str, Any]]  # does one command and returns its JSON answer
AVERAGE = "Weight average"  # what level 0 of a study is called
MAKES = ("finetune", "average")  # commands that write one model folder, whole or not at all, and refuse one that is there


def answer_path(paper: Paper, step: Step) -> Path:
    """Where a finished step's answer is kept, by its command, what it writes beside, and the resources of its attacks."""
    resources = paper.values.get("resources")
    key = key_of([list(step.command), step.table, *([resources] if resources else [])])
    return Path(paper.values["work"]) / "steps" / f"{key}.json"


def is_done(paper: Paper, step: Step) -> bool:
    """Whether a step need not be run again."""
    return answer_path(paper, step).is_file() and _model_is_there(step, True)


def _model_is_there(step: Step, other: bool) -> bool:
    """For a step that makes a model folder, whether it is there; else `other`."""
    out, members = step.option("--out"), step.option("--members")
    if step.command[0] not in MAKES or not out:
        return other
    if members and (judged := _selection(Path(members) / "members.json")) is not None:  # judged otherwise since it was made?
        return bool(_selection(Path(out) / "prunescope.json") == judged)
    return (Path(out) / "config.json").is_file()


def _selection(file: Path) -> Any:
    """How members were judged, as a file of theirs or of their average says; None where there is none."""
    return json.loads(file.read_text(encoding="utf-8")).get("selection") if file.is_file() else None


def run_paper(paper: Paper, run: Run, say: Callable[[str], None]) -> dict[str, Any]:
    """Run every step that is due, in order, and return the answers' figures beside the published ones."""
    for place, step in enumerate(paper.steps):
        told = f"{place + 1} of {len(paper.steps)}, {step.name}"
        if is_done(paper, step):
            say(f"{told}: done before")
            continue
        say(f"{told}: python -m engine {' '.join(step.command)}")
        prepare_step(step)
        answer = {"out": step.option("--out")} if _model_is_there(step, False) else run(step.command)
        write_whole(answer_path(paper, step), canonical({"step": step.name, "answer": answer}) + b"\n")
    return {"paper": paper.name, "title": paper.title, "scale": paper.scale, "base": paper.values["base"],
            "rows": [row.payload() for row in figures(paper)]}  # fmt: skip


def prepare_step(step: Step) -> None:
    """Write the recipe of a table of subnetworks: a shipped one with the step's changes."""
    if step.table is None:
        return
    from engine.subnetworks.protocol_file import protocol_path, read_protocol

    target = step.option("--recipe")
    if target is None or set(step.table) != {"recipe", "changes"}:
        raise SettingError(f"{step.name}: a table needs recipe and changes, and its command --recipe with the file to write.")
    told = json.loads(protocol_path(step.table["recipe"]).read_text(encoding="utf-8"))
    changes = dict(step.table["changes"])
    if (wanted := changes.pop("cells", None)) is not None:
        told["cells"] = [{**cell, **changes_of(cell, wanted)} for cell in told["cells"]]
    write_whole(Path(target), json.dumps({**told, **changes}, indent=1).encode() + b"\n")
    read_protocol(Path(target))


def changes_of(cell: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Settings for every cell; sparsities only where a cell has some."""
    train = {"train": {**cell.get("train", {}), **wanted["train"]}} if "train" in wanted else {}
    levels = {"sparsities": wanted["sparsities"]} if "sparsities" in wanted and "sparsities" in cell else {}
    return {**train, **levels}


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of the table: means over the seeds in per cent, with the paper's beside them."""

    row: str
    set: str
    sparsity: float
    values: dict[str, list[float]]  # "acc", "aua", "asr" → one a seed
    published: dict[str, Any] | None

    def text(self, name: str) -> str:
        """A mean with its standard deviation over the seeds, where there are several."""
        found = self.values.get(name, [])
        spread = f" ({stdev(found):.1f})" if len(found) > 1 else ""
        return f"{mean(found):.1f}{spread}" if found else "–"

    def payload(self) -> dict[str, Any]:
        return {"row": self.row, "set": self.set, "sparsity": self.sparsity, "values": self.values, "published": self.published}


def figures(paper: Paper) -> list[Figures]:
    """All rows that finished steps have figures for, in the recipe's order."""
    found: dict[tuple[str, str, float], dict[str, list[float]]] = {}
    attacks = {step.option("--attack") for step in paper.steps} - {None, "none"}
    dense = set[tuple[str, str, int | None]]()  # measured by many studies, counted once a seed and attack
    for step in paper.steps:
        path = answer_path(paper, step)
        if step.row is None or step.set is None or not path.is_file():
            continue
        answer = json.loads(path.read_text(encoding="utf-8"))["answer"]
        for name, sparsity, rates in _measured(step.row, answer):
            if name == AVERAGE:
                attack = step.option("--attack")
                name += f", {ATTACKS.get(attack or '', attack)}" if len(attacks) > 1 else ""
                if (once := (name, step.set, step.seed)) in dense:
                    continue
                dense.add(once)
            into = found.setdefault((name, step.set, sparsity), {})
            for rate, value in rates.items():
                into.setdefault(rate, []).append(100 * value)
    beside = {(one["row"], one["set"], float(one["sparsity"])): one for one in paper.published}
    return [Figures(*key, values, beside.get(key)) for key, values in found.items()]


def _measured(row: str, answer: dict[str, Any]) -> list[tuple[str, float, dict[str, float]]]:
    """(row, sparsity, rates) of a study's levels, of a table's cells, or of one evaluation."""
    if "levels" in answer:
        return [(AVERAGE if level["sparsity"] == 0 else row, float(level["sparsity"]), _rates(level))
                for level in answer["levels"]]  # fmt: skip
    if "runs" in answer:
        return [(run["cell"], float(run["sparsity"]), _rates({"acc": run["id"]["accuracy"], "aua": run["aua"]}))
                for run in answer["runs"]]  # fmt: skip
    return [(row, 0.0, _rates(answer))]


def _rates(told: dict[str, Any]) -> dict[str, float]:
    return {name: told[name]["value"] for name in ("acc", "aua", "asr") if told.get(name) and told[name]["value"] is not None}
