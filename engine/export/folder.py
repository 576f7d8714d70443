"""Write a victim as an ordinary model folder, packed, or as one file."""

import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prunescope.engine.errors import ModelError, SettingError
from prunescope.engine.export.card import (
    CardFacts,
    card_of,
    facts_from,
    rounded_to_half,
    write_card,
)
from prunescope.engine.export.packed import save_packed
from prunescope.engine.export.packed_size import PackedSize
from prunescope.engine.formatting import format_bytes
from prunescope.engine.models.packed import about_packed, is_packed
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.paths import expanded
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import Study
from prunescope.engine.store.atomic import UNFINISHED, atomic_file, atomic_folder
from prunescope.engine.store.exchange import EARLIEST

WEIGHTS = "model.safetensors"
PROVENANCE = "prunescope.json"
FORMS = ("folder", "packed")  # as the command line calls them
CHUNK = 1 << 22  # bytes between two looks at whether it was cancelled


def export_model(
    victim: Victim,
    folder: Path | str,
    provenance: dict[str, Any],
    card: CardFacts | None = None,
) -> Path:
    """Save model, tokenizer, `prunescope.json` and model card to `folder`, whole or not at all.

    `AutoModelForSequenceClassification.from_pretrained(folder)` opens it; the zeros are stored as
    ordinary weights, so it is as large as the dense model. Raises StoreError when the folder is
    there already or cannot be written.
    """
    with atomic_folder(folder) as work:
        victim.model.save_pretrained(work, safe_serialization=True)
        victim.tokenizer.save_pretrained(work)
        (work / PROVENANCE).write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
        dense_bytes = (work / WEIGHTS).stat().st_size
        write_card(work, victim.model, card_of(victim, card), "folder", dense_bytes)
    return expanded(folder)


def unpack_folder(packed: Path | str, out: Path | str) -> Path:
    """Write the ordinary model folder of a packed one, with the same weights, zeros included.

    Raises ModelError when `packed` is no packed folder or is damaged, StoreError when `out` cannot
    be written.
    """
    source = expanded(packed)
    if not is_packed(source):
        raise ModelError(
            f"{source} is not a packed model folder; `prunescope export --format packed` writes "
            "one."
        )
    about = about_packed(source)
    card = facts_from(about["card"]) if about.get("card") else None
    return export_model(
        load_victim(str(source.resolve()), "cpu"), out, dict(about["provenance"]), card
    )


def check_form(form: str, half: bool) -> None:
    """Raises SettingError for a form that is not there, or for half precision in an ordinary
    folder.
    """
    if form not in FORMS:
        raise SettingError(f"The format {form!r} is unknown; use {' or '.join(FORMS)}.")
    if half and form == "folder":
        raise SettingError(
            "`half` rounds the remaining weights of a packed folder, and the format is folder; use "
            "`format=packed`, or leave `half` out."
        )


def write_model(
    victim: Victim,
    folder: Path | str,
    provenance: dict[str, Any],
    form: str,
    half: bool = False,
    card: CardFacts | None = None,
) -> tuple[dict[str, Any], str]:
    """Write a victim in one of `FORMS`: (its sizes in bytes, the same in a sentence)."""
    check_form(form, half)
    if form == "packed":
        card = rounded_to_half(card) if half and card is not None else card
        size = save_packed(victim, folder, provenance, half, card)
        sizes = {
            "bytes": size.file_bytes,
            "dense_bytes": size.dense_bytes,
            "prunable_bytes": size.prunable_packed,
            "prunable_dense_bytes": size.prunable_dense,
            "half": half,
        }
        return sizes, size.sentence()
    dense = (export_model(victim, folder, provenance, card) / WEIGHTS).stat().st_size
    return {"bytes": dense, "dense_bytes": dense}, f"{format_bytes(dense)} on disk, zeros included."


def further_data(model: str) -> tuple[str, ...]:
    """The further files that the pruned model in a folder was calibrated on, by name; none for any
    other model, and where nothing says so.
    """
    try:
        record = json.loads((expanded(model) / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    files = record.get("calibration_data") if isinstance(record, dict) else None
    return tuple(map(str, files)) if isinstance(files, list) else ()


def study_provenance(study: Study, pruned: Pruned) -> dict[str, Any]:
    """Where a pruned model comes from, for its `prunescope.json`."""
    files = study.about.get("calibration_data")
    further = {} if files is None else {"calibration_data": files}
    return {
        "sparsity": pruned.sparsity,
        "achieved": pruned.achieved,
        "identity": study.identity,
        "model": study.about["model"],
        "data": study.about["data"],
        **further,
        "layers": [asdict(layer) for layer in pruned.layers],
        "notices": list(pruned.notices),
    }


def zip_packed(
    victim: Victim,
    path: Path,
    provenance: dict[str, Any],
    report: Progress = SILENT,
    card: CardFacts | None = None,
) -> PackedSize:
    """Write the packed folder of a victim as one zip archive, whole or not at all, and say how
    large the model became.

    The archive holds one folder with the archive's name; nothing in it is compressed, as weights
    gain nothing by it. It is written in pieces, so no more than the model itself is in
    memory. Raises StoreError when it cannot be written.
    """
    with (
        atomic_file(path) as work,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED) as folder,
    ):
        report("write the model", 0, 1)
        size = save_packed(victim, Path(folder, path.stem), provenance, card=card)
        _write_zip(work, Path(folder, path.stem), zipfile.ZIP_STORED, report)
    return size


def zip_folder(
    victim: Victim,
    path: Path,
    provenance: dict[str, Any],
    report: Progress = SILENT,
    card: CardFacts | None = None,
) -> str:
    """Write the ordinary model folder of a victim as one compressed zip archive, as `zip_packed`
    does; its size in a sentence. The zeros are there, and take hardly any room in the archive.
    """
    with (
        atomic_file(path) as work,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED) as folder,
    ):
        report("write the model", 0, 1)
        model = export_model(victim, Path(folder, path.stem), provenance, card)
        size = sum(file.stat().st_size for file in model.iterdir())
        _write_zip(work, model, zipfile.ZIP_DEFLATED, report)
    return (
        "AutoModelForSequenceClassification.from_pretrained opens the folder inside, "
        f"{format_bytes(size)} when unpacked."
    )


def _write_zip(target: Path, folder: Path, compression: int, report: Progress) -> None:
    """Write a folder as an archive that holds it by its name, in pieces."""
    files = sorted(folder.iterdir())
    whole, done = sum(file.stat().st_size for file in files), 0
    with zipfile.ZipFile(target, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(f"{folder.name}/{file.name}", EARLIEST)
            entry.compress_type = compression
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                while chunk := source.read(CHUNK):
                    done += sink.write(chunk)
                    report("pack into one file", done, whole)
