"""Run a recipe of members: a JSON file with shared settings and one entry a member. A finished member is not redone."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from engine.data import Examples
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
    known = {field.name for field in fields(MemberSpec)}
    for entry in entries:
        if unknown := sorted(set(entry) - known):
            raise SettingError(f"{path}: unknown setting {unknown[0]!r}; the settings are {', '.join(sorted(known))}.")
    names = [entry.get("name") for entry in entries]
    if not names or len(set(names)) < len(names):
        raise SettingError(f"{path}: members need names, each its own; found {names}.")
    return recipe, [MemberSpec(**entry) for entry in entries]


def run_recipe(
    path: Path, base: Path | str, base_hash: str, tokenizer: PreTrainedTokenizerBase, data: Examples, num_labels: int,
    out: Path, *, device: str = "cpu", report: Reporter = silent,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train every member that is not there yet; returns the records and writes them to `out/members.json`."""
    recipe, members = read_recipe(path)
    shared = {"base_sha256": base_hash, "data": data.fingerprint(), "head_seed": recipe.get("head_seed", 0),
              "max_tokens": recipe.get("max_tokens", 128)}  # fmt: skip
    records = []
    for spec in members:
        record_file = out / spec.name / "member.json"
        wanted = {**shared, "spec": {f.name: getattr(spec, f.name) for f in fields(spec)}}
        record = json.loads(record_file.read_text(encoding="utf-8")) if record_file.is_file() else {}
        if {key: record.get(key) for key in wanted} != wanted:
            result = finetune(spec, base, tokenizer, data, num_labels, out / spec.name,
                              head_seed=shared["head_seed"], max_tokens=shared["max_tokens"], device=device,
                              report=report)  # fmt: skip
            record = {**wanted, **result}
            record_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        records.append(record)
    listed = {**shared, "members": [{"name": spec.name, "averaged": True} for spec in members]}
    (out / "members.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return records
