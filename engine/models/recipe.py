"""Run a recipe of members: a JSON file with shared settings and one entry a member. A finished member is not redone."""

import json
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from engine.data import Examples, load_dataset, sample
from engine.errors import SettingError
from engine.models.finetune import MemberSpec, finetune
from engine.progress import Reporter, silent


def read_recipe(path: Path) -> tuple[dict[str, Any], list[MemberSpec]]:
    """The shared settings and the members of a recipe file. Raises SettingError on anything it does not know."""
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        entries = recipe["members"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingError(f"{path} is not a recipe ({error}); it needs a JSON object with a list `members`.") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingError(f"{path} is not a recipe; `members` must be a list of objects.")
    known = {field.name for field in fields(MemberSpec)}
    for entry in entries:
        if unknown := sorted(set(entry) - known):
            raise SettingError(f"{path}: unknown setting {unknown[0]!r}; the settings are {', '.join(sorted(known))}.")
    names = [entry.get("name") for entry in entries]
    if not names or len(set(names)) < len(names):
        raise SettingError(f"{path}: members need names, each its own; found {names}.")
    if bad := [name for name in names if not (isinstance(name, str) and re.fullmatch(r"\w[\w.-]*", name))]:
        raise SettingError(f"{path}: {bad[0]!r} cannot name a member; its name becomes a folder: use letters, digits, . _ -")
    try:
        return recipe, [MemberSpec(**entry) for entry in entries]
    except TypeError as error:
        raise SettingError(f"{path}: a member cannot be used ({error}); it needs name, seed and learning_rate.") from error


@dataclass(frozen=True, slots=True)
class Finish:
    """A short second pass over further rows, mixed with some of the first pass's so that those are not forgotten."""

    data: str  # what `--data` takes; its training split is used
    epochs: float = 2.0
    learning_rate: float = 0.0003
    replay: int = 6000  # rows of the first pass, drawn with the member's seed


def run_recipe(
    path: Path, base: Path | str, base_hash: str, tokenizer: PreTrainedTokenizerBase, data: Examples, num_labels: int,
    out: Path, *, device: str = "cpu", report: Reporter = silent,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train every member that is not there yet; returns the records and writes them to `out/members.json`."""
    recipe, members = read_recipe(path)
    try:
        finish = Finish(**recipe["finish"]) if "finish" in recipe else None
    except TypeError as error:
        raise SettingError(f"{path}: `finish` cannot be used ({error}); it needs data, and may hold epochs, "
                           "learning_rate and replay.") from error  # fmt: skip
    further = load_dataset(finish.data).train if finish else None
    shared = {"base_sha256": base_hash, "data": data.fingerprint(), "head_seed": recipe.get("head_seed", 0),
              "max_tokens": recipe.get("max_tokens", 128), "finish": asdict(finish) if finish else None,
              "further": further.fingerprint() if further else None}  # fmt: skip
    settings = {"max_tokens": shared["max_tokens"], "head_seed": shared["head_seed"], "device": device, "report": report}
    records = []
    for spec in members:
        folder, first = out / spec.name, out / f"{spec.name}-first-pass"
        record = _stage(folder if finish is None else first, {**shared, "spec": asdict(spec)}, spec, base, tokenizer, data,
                        num_labels, settings)  # fmt: skip
        if finish is not None and further is not None:
            mixed, short = _mixture(further, data, finish, spec)
            record = _stage(folder, {**shared, "spec": asdict(spec), "first_pass": record}, short, base, tokenizer, mixed,
                            num_labels, {**settings, "start": first})  # fmt: skip
        records.append(record)
    listed = {**shared, "members": [{"name": spec.name, "averaged": True} for spec in members]}
    (out / "members.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return records


def _mixture(further: Examples, data: Examples, finish: Finish, spec: MemberSpec) -> tuple[Examples, MemberSpec]:
    replayed = data.take(sample(data, finish.replay, spec.seed))
    if (further.pairs is None) != (replayed.pairs is None):
        raise SettingError(f"{finish.data} and the first pass's rows cannot be mixed; only one of them holds pairs.")
    pairs = None if further.pairs is None or replayed.pairs is None else further.pairs + replayed.pairs
    mixed = Examples(further.texts + replayed.texts, pairs, further.labels + replayed.labels)
    return mixed, replace(spec, epochs=finish.epochs, learning_rate=finish.learning_rate)


def _stage(
    folder: Path, wanted: dict[str, Any], spec: MemberSpec, base: Path | str, tokenizer: PreTrainedTokenizerBase,
    data: Examples, num_labels: int, settings: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """One pass of one member, unless its record says that exactly this was done before."""
    record_file = folder / "member.json"
    record: dict[str, Any] = json.loads(record_file.read_text(encoding="utf-8")) if record_file.is_file() else {}
    if {key: record.get(key) for key in wanted} != wanted:
        record = {**wanted, **finetune(spec, base, tokenizer, data, num_labels, folder, **settings)}
        record_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record
