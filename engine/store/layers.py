"""The store itself: studies and their levels in layers, the user's folder over a shared one over
the bundled one.
"""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prunescope.engine import paths
from prunescope.engine.errors import DamagedEntryError, StoreError
from prunescope.engine.paths import expanded
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord, LevelResult, Study
from prunescope.engine.store.atomic import cannot_write, write_atomic
from prunescope.engine.store.checksums import key_of
from prunescope.engine.store.entries import (
    entry_bytes,
    level_bytes,
    level_in,
    level_key,
    read_entry,
    record_line,
    records_in,
)
from prunescope.engine.store.locks import hold_lock, is_in_use, mark_in_use

KEY = re.compile("[0-9a-f]{64}")


class Store:
    """The user's store over a shared one, if there is one, over the bundled one. Only the user's
    own is written.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        bundled: Path | None = None,
        shared: Path | str | None = None,
    ) -> None:
        self.root = expanded(root) if root else paths.user_cache()
        self.bundled = bundled if bundled is not None else paths.BUNDLED
        self.shared = expanded(shared) if shared else paths.shared_cache()
        self.notices: list[str] = []

    @property
    def layers(self) -> tuple[Path, ...]:
        """The folders, the first of which wins: the user's own, the shared one, the bundled one."""
        return tuple(
            dict.fromkeys(
                layer for layer in (self.root, self.shared, self.bundled) if layer is not None
            )
        )

    def studies(self) -> list[Study]:
        """All studies without their levels, bundled ones first."""
        found: dict[str, Study] = {}
        for base in reversed(self.layers):
            for path in sorted((base / "studies").glob("*/study.json")):
                key = path.parent.name
                if key not in found and KEY.fullmatch(key) and (study := self.head(path)):
                    found[key] = study
        return sorted(
            found.values(), key=lambda s: (not s.bundled, s.about.get("order", 99), s.key)
        )

    def head(self, path: Path) -> Study | None:
        """The study of a `study.json`, without levels; None where it is damaged."""
        key = path.parent.name
        envelope = self._open(path, "study", key)
        if envelope is None:
            return None
        try:
            payload = envelope["payload"]
            if key_of(payload["identity"]) == key:
                bundled = path.is_relative_to(self.bundled / "studies")
                return Study(key, payload["identity"], dict(payload["about"]), bundled=bundled)
        except (KeyError, TypeError, ValueError):
            pass
        self._set_aside(path, f"The entry {key[:12]}/study.json does not match its key.")
        return None

    def study(self, key: str) -> Study | None:
        """One study with all levels that are there, ascending; None when it is not here."""
        if (head := self.study_head(key)) is None:
            return None
        levels = {level.sparsity: level for level in self._levels(head)}
        ordered = tuple(levels[sparsity] for sparsity in sorted(levels))
        return Study(key, head.identity, head.about, ordered, head.bundled)

    def study_head(self, key: str) -> Study | None:
        """One study without its levels; None when it is not here."""
        if not KEY.fullmatch(key):  # a path stays inside its root
            return None
        files = (base / "studies" / key / "study.json" for base in reversed(self.layers))
        return next((head for path in files if path.is_file() and (head := self.head(path))), None)

    def _levels(self, study: Study) -> Iterator[LevelResult]:
        for base in reversed(self.layers):  # the user's own come last and win
            for path in sorted((base / "studies" / study.key).glob("*.json")):
                if path.name != "study.json" and (level := self.level_at(path, study.identity)):
                    yield level

    def level_at(self, path: Path, identity: dict[str, Any]) -> LevelResult | None:
        """The level of a file, if it is whole and one of the study with this identity."""
        if (envelope := self._open(path, "level", path.stem)) is None:
            return None
        try:
            level = level_in(envelope)
            if level_key(identity, level.sparsity) == path.stem:
                return level
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
        self._set_aside(path, f"The entry {path.name} is not a level of its study.")
        return None

    def level(self, study: Study, sparsity: float) -> LevelResult | None:
        """One level, or None when it was not measured."""
        key = level_key(study.identity, sparsity)
        return self._first_level(
            (base / "studies" / study.key / f"{key}.json" for base in self.layers), study
        )

    def twin(self, study: Study, sparsity: float) -> LevelResult | None:
        """The same level of another study: dense ones have the same key however the rest is pruned."""
        key = level_key(study.identity, sparsity)
        files = (
            path
            for base in self.layers
            for path in sorted((base / "studies").glob(f"*/{key}.json"))
        )
        return self._first_level(files, study)

    def _first_level(self, files: Iterator[Path], study: Study) -> LevelResult | None:
        return next(
            (
                level
                for path in files
                if path.is_file() and (level := self.level_at(path, study.identity))
            ),
            None,
        )

    def save_study(self, study: Study) -> None:
        """Write a study's head, levels not included, unless exactly this is there: a full disk can
        still be read.
        """
        path = self.root / "studies" / study.key / "study.json"
        content = entry_bytes(
            "study", study.key, {"identity": study.identity, "about": study.about}
        )
        if not path.is_file() or path.read_bytes() != content:
            write_atomic(path, content)

    def save_level(self, study: Study, level: LevelResult) -> None:
        """Write one level and drop its unfinished records."""
        if not any(
            (base / "studies" / study.key / "study.json").is_file() for base in self.layers
        ):  # removed meanwhile
            self.save_study(study)
        key = level_key(study.identity, level.sparsity)
        content = level_bytes(key, level)
        write_atomic(self.root / "studies" / study.key / f"{key}.json", content)
        self._partial(study, level.sparsity).unlink(missing_ok=True)

    def computing(self, *keys: str, report: Progress = SILENT) -> AbstractContextManager[None]:
        """Hold what has these keys, so that no other process computes it too; wait while another
        one does.

        Look into the store again inside: it may have been made meanwhile. `report` may cancel the
        waiting.
        """

        @contextmanager
        def all_of_them() -> Iterator[None]:
            with ExitStack() as stack:
                for key in sorted(
                    set(keys)
                ):  # one order for everyone, so that no two wait for each other
                    stack.enter_context(hold_lock(self.root / "locks" / f"{key}.lock", report))
                yield

        return all_of_them()

    def using(self, key: str) -> AbstractContextManager[None]:
        """Keep a study from clean-up and removal while it is measured."""
        return mark_in_use(self.root / "locks", key)

    def is_used(self, key: str) -> bool:
        """Whether a study is being measured, by this process or another."""
        return is_in_use(self.root / "locks", key)

    def _partial(self, study: Study, sparsity: float) -> Path:
        return self.root / "studies" / study.key / f"{level_key(study.identity, sparsity)}.jsonl"

    def append_attack(self, study: Study, sparsity: float, record: AttackRecord) -> None:
        """Append one attack record of an unfinished level."""
        path = self._partial(study, sparsity)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(record_line(path.stem, record))
        except OSError as error:
            raise cannot_write(path.parent, error) from error

    def unfinished_attacks(self, study: Study, sparsity: float) -> tuple[AttackRecord, ...]:
        """The whole records of an unfinished level; a line cut short by a crash is left out and
        redone.
        """
        path = self._partial(study, sparsity)
        return records_in(path.read_bytes(), path.stem) if path.is_file() else ()

    def _open(self, path: Path, kind: str, key: str) -> dict[str, Any] | None:
        try:
            return read_entry(path, kind, key)
        except DamagedEntryError as error:
            self._set_aside(path, str(error))
        except StoreError as error:
            self.notices.append(str(error))
        except FileNotFoundError:  # removed since it was listed
            return None
        except OSError as error:
            self.notices.append(f"The entry {path} cannot be read ({error.strerror}).")
        return None

    def _set_aside(self, path: Path, why: str) -> None:
        if path.is_relative_to(self.bundled):
            self.notices.append(f"{why} It is bundled: clone the project again to restore it.")
            return
        if not path.is_relative_to(self.root):
            self.notices.append(f"{why} It is in the shared folder {self.shared} and is left out.")
            return
        aside = self.root / "damaged" / path.parent.name / path.name
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, aside)
        except OSError as error:
            self.notices.append(
                f"{why} It could not be set aside ({error.strerror}); it is left out."
            )
            return
        self.notices.append(
            f"{why} It was set aside in {aside.parent} and will be computed again when asked for."
        )
