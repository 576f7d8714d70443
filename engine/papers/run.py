"""Do a recipe step by step; what is done is not done again, and a step that was cut short goes on
where its command does.

    <out>/<base>-<scale>/steps/<key>.json    what a finished step has read, written and answered

A step is done while the files and folders that it reads hold what they held then, and its own
folder holds what it wrote. What has a name on the hub is known by this name alone.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from prunescope.engine.attacks.catalogue import ATTACKS
from prunescope.engine.errors import SettingError
from prunescope.engine.papers.recipe import Paper, Step
from prunescope.engine.paths import expanded
from prunescope.engine.store import canonical, key_of, write_atomic
from prunescope.engine.store.checksums import file_sha256
from prunescope.engine.training.recipe import recipe_path as member_recipe

Run = Callable[[tuple[str, ...]], dict[str, Any]]  # does one command and returns its JSON answer
AVERAGE = "Weight average"  # what level 0 of a study is called
MAKES = (
    "finetune",
    "average",
)  # commands that write one model folder, whole or not at all, and refuse one that is there
READS = (
    "--model",
    "--members",
    "--data",
    "--select",
    "--start",
)  # options that may name a file or folder of this machine


def answer_path(paper: Paper, step: Step) -> Path:
    """Where a finished step's answer is kept, by its command, what it writes beside, and the
    resources of its attacks.
    """
    resources = paper.values.get("resources")
    key = key_of([list(step.command), step.table, *([resources] if resources else [])])
    return Path(paper.values["work"]) / "steps" / f"{key}.json"


def is_done(paper: Paper, step: Step) -> bool:
    """Whether a step need not be run again: it has an answer, and what it read and wrote is as it
    was.
    """
    record = _record(paper, step)
    return (
        record is not None
        and record["reads"] == contents_read(paper, step)
        and record["wrote"] == _written(step)
    )


def _record(paper: Paper, step: Step) -> dict[str, Any] | None:
    """What is kept of a finished step; None where there is nothing, or not what it read, as before
    2026-12.
    """
    path = answer_path(paper, step)
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record if {"reads", "wrote", "answer"} <= set(record) else None


def contents_read(paper: Paper, step: Step) -> dict[str, str]:
    """SHA-256 of every file and folder of this machine that a step reads, by its name."""
    paths = {name: expanded(name.partition("#")[0]) for name in _names_read(paper, step)}
    if step.command[0] == "members" and (recipe := step.option("--recipe")):
        paths[recipe] = member_recipe(recipe)
    if step.table is not None:
        from prunescope.engine.subnetworks.protocol_file import protocol_path

        paths[step.table["recipe"]] = protocol_path(step.table["recipe"])
    return {name: content_of(path) for name, path in paths.items() if path.exists()}


def _names_read(paper: Paper, step: Step) -> Iterator[str]:
    if step.table is None:
        yield from filter(None, map(step.option, READS))
    else:  # its data folder is the work folder of all steps; what it reads stands in its recipe
        yield from (value for value in step.table["changes"].values() if isinstance(value, str))
    if resources := paper.values.get("resources"):
        yield str(resources)


def content_of(path: Path) -> str:
    """SHA-256 of a file's bytes, or over the names and bytes of a folder's files; of members
    without what averaging adds.
    """
    if path.is_file():
        return _sha256(path)
    files = {file.relative_to(path): file for file in sorted(path.rglob("*")) if file.is_file()}
    return key_of(
        {name.as_posix(): _sha256(file) for name, file in files.items() if not _beside(name)}
    )


def _beside(name: Path) -> bool:
    """Scores, averages and checkpoints in a folder of members: made from the members, not part of
    them.
    """
    first = name.parts[0]
    return first == "scores" or first.startswith("average-") or first.endswith(".checkpoint")


def _sha256(file: Path) -> str:
    seen = file.stat()
    return _sha256_seen(file.resolve(), seen.st_mtime_ns, seen.st_size, seen.st_ino)


@lru_cache(maxsize=4096)  # many steps read one model
def _sha256_seen(file: Path, _time: int, _size: int, _inode: int) -> str:
    return file_sha256(file)


def _written(step: Step) -> str | None:
    """SHA-256 of the folder that a step writes; None where it writes none, or it is not there."""
    out = step.option("--out")
    return content_of(expanded(out)) if out and expanded(out).exists() else None


def _model_to_take(paper: Paper, step: Step) -> bool:
    """Whether a step's model folder is there and may be taken for its answer: written just before
    the answer would have been, or put there by hand.

    Raises SettingError for one that the step itself has written from other contents than are there
    now.
    """
    out, members = step.option("--out"), step.option("--members")
    if step.command[0] not in MAKES or not out or not (Path(out) / "config.json").is_file():
        return False
    record, reads = _record(paper, step), contents_read(paper, step)
    changed = []
    if record is not None and record["wrote"] == _written(step):
        changed = sorted(
            name
            for name in {*record["reads"], *reads}
            if record["reads"].get(name) != reads.get(name)
        )
    elif members and (judged := _selection(Path(members) / "members.json")) is not None:
        changed = [members] if _selection(Path(out) / "prunescope.json") != judged else []
    if changed:
        raise SettingError(
            f"The step {step.name} made {out} before {changed[0]} was changed; remove {out}, and "
            "the same "
            "command makes it again."
        )
    return True


def _selection(file: Path) -> Any:
    """How members were judged, as a file of theirs or of their average says; None where there is
    none.
    """
    return json.loads(file.read_text(encoding="utf-8")).get("selection") if file.is_file() else None


def run_paper(paper: Paper, run: Run, say: Callable[[str], None]) -> dict[str, Any]:
    """Run every step that is due, in order, and return the answers' figures beside the published
    ones.

    Raises SettingError where a model that a step would make is there, made from other contents; and
    what commands raise.
    """
    for place, step in enumerate(paper.steps):
        told = f"{place + 1} of {len(paper.steps)}, {step.name}"
        if is_done(paper, step):
            say(f"{told}: done before")
            continue
        reads = contents_read(paper, step)
        if _model_to_take(paper, step):
            say(f"{told}: {step.option('--out')} is there and is taken")
            answer: dict[str, Any] = {"out": step.option("--out")}
        else:
            say(f"{told}: python -m engine {' '.join(step.command)}")
            prepare_step(step)
            answer = run(step.command)
        record = {"step": step.name, "reads": reads, "wrote": _written(step), "answer": answer}
        write_atomic(answer_path(paper, step), canonical(record) + b"\n")
    return {
        "paper": paper.name,
        "title": paper.title,
        "scale": paper.scale,
        "base": paper.values["base"],
        "rows": [row.payload() for row in figures(paper)],
    }


def prepare_step(step: Step) -> None:
    """Write the recipe of a table of subnetworks: a shipped one with the step's changes."""
    if step.table is None:
        return
    from prunescope.engine.subnetworks.protocol_file import protocol_path, read_protocol

    target = step.option("--recipe")
    if target is None or set(step.table) != {"recipe", "changes"}:
        raise SettingError(
            f"{step.name}: a table needs recipe and changes, and its command --recipe with the "
            "file to write."
        )
    told = json.loads(protocol_path(step.table["recipe"]).read_text(encoding="utf-8"))
    changes = dict(step.table["changes"])
    if (wanted := changes.pop("cells", None)) is not None:
        told["cells"] = [{**cell, **changes_of(cell, wanted)} for cell in told["cells"]]
    write_atomic(Path(target), json.dumps({**told, **changes}, indent=1).encode() + b"\n")
    read_protocol(Path(target))


def changes_of(cell: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Settings for every cell; sparsities only where a cell has some."""
    train = {"train": {**cell.get("train", {}), **wanted["train"]}} if "train" in wanted else {}
    levels = (
        {"sparsities": wanted["sparsities"]}
        if "sparsities" in wanted and "sparsities" in cell
        else {}
    )
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
        return {
            "row": self.row,
            "set": self.set,
            "sparsity": self.sparsity,
            "values": self.values,
            "published": self.published,
        }


def figures(paper: Paper) -> list[Figures]:
    """All rows that finished steps have figures for, in the recipe's order."""
    found: dict[tuple[str, str, float], dict[str, list[float]]] = {}
    attacks = {step.option("--attack") for step in paper.steps} - {None, "none"}
    dense = set[
        tuple[str, str, int | None]
    ]()  # measured by many studies, counted once a seed and attack
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
        return [
            (AVERAGE if level["sparsity"] == 0 else row, float(level["sparsity"]), _rates(level))
            for level in answer["levels"]
        ]
    if "runs" in answer:
        return [
            (
                run["cell"],
                float(run["sparsity"]),
                _rates({"acc": run["id"]["accuracy"], "aua": run["aua"]}),
            )
            for run in answer["runs"]
        ]
    return [(row, 0.0, _rates(answer))]


def _rates(told: dict[str, Any]) -> dict[str, float]:
    return {
        name: told[name]["value"]
        for name in ("acc", "aua", "asr")
        if told.get(name) and told[name]["value"] is not None
    }
