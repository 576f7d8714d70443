"""`prunescope export`, `prune` and `unpack`: models on disk."""

import argparse
from typing import TYPE_CHECKING

from prunescope.engine.cli.console import Console
from prunescope.engine.cli.options import (
    Answer,
    Command,
    add_settings,
    own_sparsity,
    spec_from,
    victim_options,
)
from prunescope.engine.cli.settings import ExportSettings, Places
from prunescope.engine.errors import SettingError
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store

if TYPE_CHECKING:
    from prunescope.engine.export.hub import HubTarget

EXPORTED = ("sparsity", "format", "half", "push_to_hub", "private")
EXPORTS = (
    (
        "Half of the weights, as a folder that transformers opens:",
        "export --model ./my-model --data reviews.csv --sparsity 0.5 --out half",
    ),
    (
        "The embedded model with an eighth of its weights, in fewer bytes:",
        "export --sparsity 0.875 --format packed --out eighth",
    ),
)


def add_commands(command: Command) -> None:
    """Add `export`, `prune` and `unpack`."""
    of_prune = (
        ("The same as export --format packed:", "prune --sparsity 0.875 --out packed"),
        ("With 2 zeros in each 4 weights:", "prune --pattern 2:4 --out packed"),
    )
    for name, form, about, examples in (
        (
            "export",
            "folder",
            "Prune a model at one sparsity and write it to a folder. A model card in it says what "
            "it is, how it was made and what was measured of it.",
            EXPORTS,
        ),
        ("prune", "packed", "Former spelling of export --format packed.", of_prune),
    ):
        export = command(name, _export, about, examples)
        victim_options(export)
        add_settings(export, Places, "out")
        add_settings(export, ExportSettings, *EXPORTED, defaults={"format": form})
    unpack = command(
        "unpack",
        _unpack,
        "Write the ordinary model folder of a packed one.",
        examples=(
            ("So that transformers can open it:", "unpack --model packed --out my-pruned-model"),
            ("With the sizes as JSON:", "unpack --model packed --out unpacked --json"),
        ),
    )
    helps = {"model": "the packed folder"}
    add_settings(
        unpack,
        StudySpec,
        "model",
        helps=helps,
        metavars={"model": "DIR"},
        required=("model",),
    )
    add_settings(unpack, Places, "out")


def _export(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.export.folder import check_form, study_provenance, write_model
    from prunescope.engine.pruning.patterns import check_sparsity
    from prunescope.engine.reading.model_cards import study_card
    from prunescope.engine.store.atomic import new_folder
    from prunescope.engine.studies.prepare import prepare
    from prunescope.engine.studies.pruned import pruned_at

    sparsity = (
        own_sparsity(options.pattern)
        if options.sparsity is None
        else check_sparsity(options.sparsity)
    )
    if sparsity is None:
        raise SettingError(
            "There is no --sparsity; give a share of zeros such as 0.5, or a pattern such as "
            "--pattern 2:4."
        )
    check_form(options.format, options.half)
    # before the long work, not after it
    target = _hub_target(options)
    folder = new_folder(options.out)
    spec = spec_from(options, attack="none", levels=(sparsity,))
    store = Store(options.cache)
    prepared = prepare(spec, console.report)
    console.notices(prepared.notices)
    pruned = pruned_at(prepared, sparsity, store, console.report)
    console.notices(store.notices, answered=False)
    provenance = study_provenance(prepared.study, pruned)
    console.notices(list(pruned.notices))
    card = study_card(store, prepared.study, pruned)
    sizes, sentence = write_model(
        pruned.victim, folder, provenance, options.format, options.half, card
    )
    lines = (
        f"{folder}: sparsity {pruned.achieved:.4f} of the prunable weights\n"
        f"{sizes['bytes']:,} bytes of weights, {sizes['dense_bytes']:,} dense: {sentence}\n"
    )
    answer = {**provenance, "out": str(folder), "format": options.format, **sizes}
    if target is not None:
        from prunescope.engine.export.hub import push_folder

        console.report("upload", 0, 1)
        answer["hub"] = push_folder(folder, target)
        lines += f"{answer['hub']}\n"
    return answer, lines


def _hub_target(options: argparse.Namespace) -> "HubTarget | None":
    if options.push_to_hub is None:
        if options.private:
            raise SettingError("--private goes with --push-to-hub; leave it out, or give both.")
        return None
    from prunescope.engine.export.hub import hub_target

    return hub_target(options.push_to_hub, options.private)


def _unpack(options: argparse.Namespace, console: Console) -> Answer:
    from prunescope.engine.export.folder import unpack_folder

    folder = unpack_folder(options.model, options.out)
    size = (folder / "model.safetensors").stat().st_size
    return {
        "out": str(folder),
        "bytes": size,
    }, f"{folder}: {size:,} bytes of weights, zeros included\n"
