"""The content-addressed store of studies and pruned victims.

    studies/<study key>/study.json          what decided the study, and its names for people
    studies/<study key>/<level key>.json    one level
    studies/<study key>/<level key>.jsonl   attack records of a level that is not finished yet
    studies/<study key>/pinned              there for a study that clean-up leaves alone
    victims/<key>.safetensors               a pruned victim's weights, packed
    measurements/<key>.safetensors          what the pruner measures once for a victim and a text
    exports/                                pruned models as one file each, for download
    damaged/                                what failed its verification
    locks/                                  what is being computed now
    index.sqlite                            for lists; made again from the files at any time

A key is the SHA-256 of everything that decides the content. A write is whole or absent. What is
read is verified; an entry that fails is set aside under `damaged/`, named in `notices`, and the
rest goes on. Three layers lie over each other: the user's own folder, a shared one
(`PRUNESCOPE_SHARED`), and the bundled one; only the user's own is written.
"""

from prunescope.engine.store.atomic import write_atomic
from prunescope.engine.store.checksums import canonical, key_of
from prunescope.engine.store.entries import (
    SCHEMA,
    entry_bytes,
    level_from,
    level_key,
    level_payload,
    read_entry,
    victim_key,
)
from prunescope.engine.store.layers import Store

__all__ = [
    "SCHEMA",
    "Store",
    "canonical",
    "entry_bytes",
    "key_of",
    "level_from",
    "level_key",
    "level_payload",
    "read_entry",
    "victim_key",
    "write_atomic",
]
