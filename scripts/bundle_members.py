"""Ship judged members: copy them into cache/bundled/members, without paths of this machine.

    .venv/bin/python scripts/bundle_members.py FOLDER NAME BY

The embedded victim NAME is then the average by BY (uniform, acc or aua), as FOLDER/average-BY.json
says it.
"""

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine import paths

KEPT = ("adapter_config.json", "adapter_model.safetensors", "member.json")


def main() -> None:
    source, name, by = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    target = paths.BUNDLED / "members" / name
    manifest = json.loads((source / "members.json").read_text())
    averages = {
        path.stem: json.loads(path.read_text()) for path in sorted(source.glob("average-*.json"))
    }
    ingredients = averages[f"average-{by}"]["ingredients"]
    for entry in manifest["members"]:
        entry["averaged"] = entry["name"] in ingredients
        if entry["status"] != "trained":
            continue
        folder = target / entry["name"]
        folder.mkdir(parents=True, exist_ok=True)
        for file in KEPT:
            if (source / entry["name"]).resolve() != folder.resolve():
                shutil.copyfile(source / entry["name"] / file, folder / file)
    manifest["data"] = None
    manifest["selection"] = _portable(manifest["selection"])
    write(target / "members.json", {**manifest, "averaged_by": by})
    for stem, record in averages.items():
        record.pop("out")
        write(target / f"{stem}.json", {**record, "selection": _portable(record["selection"])})
    if (source / "evaluation.json").is_file():
        shutil.copyfile(source / "evaluation.json", target / "evaluation.json")
    print(f"embedded:{name} averages {', '.join(ingredients)}")


def _portable(selection: dict[str, object]) -> dict[str, object]:
    data = selection["data"]
    return {**selection, "data": None if data is None else Path(str(data)).name, "resources": None}


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
