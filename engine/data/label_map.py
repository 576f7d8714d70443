"""A label map: what each label of a data set means, as the caller says it.

neg=0,pos=1            class numbers of the model, from 0
neg=negative,pos=positive      names of its classes
-=-1                   rows with the label "-" are left out
{"a, b": 0, "c": 1}    the same as JSON, for labels with a comma
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunescope.engine.errors import DataError, SettingError

LEFT_OUT = None  # the target of a row that is left out
_NUMBER = re.compile(r"[+\-−]?[0-9]{1,9}")  # a minus as messages print it is one too


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Label as written → class number, class name, or LEFT_OUT."""

    targets: Mapping[str, int | str | None]

    @classmethod
    def parse(cls, text: str) -> "LabelMap":
        """Raises SettingError for anything that is no label map."""
        entries = _json_entries(text) if text.strip().startswith("{") else _entries(text)
        targets = {label.strip(): _target(target, text) for label, target in entries}
        if len(targets) < len(entries):
            raise SettingError(f"The label map {text!r} names a label twice; say once what it is.")
        if len({type(target) for target in targets.values() if target is not None}) > 1:
            raise SettingError(
                f"The label map {text!r} mixes class numbers and class names; use one kind."
            )
        return cls(targets)

    def names(self, label: str) -> bool:
        """Whether the map says what a label is, in whatever case."""
        return label in self.targets or label.lower() in {
            named_label.lower() for named_label in self.targets
        }

    def target(self, written: Sequence[str], where: str) -> int | str | None:
        """What a label is, which may be `written` in several ways. Raises DataError, with its
        place, where the map has none.
        """
        for form in written:
            if form in self.targets:
                return self.targets[form]
        lowered = {label.lower(): target for label, target in self.targets.items()}
        for form in written:
            if form.lower() in lowered:
                return lowered[form.lower()]
        raise DataError(
            f"{where} has the label {written[-1]!r}, which the label map does not name; it names "
            f"{', '.join(map(repr, self.targets))}: add {written[-1]}=… to it, or {written[-1]}=-1 "
            "to leave such rows out."
        )


def _entries(text: str) -> list[tuple[str, object]]:
    entries: list[tuple[str, object]] = []
    for part in text.split(","):
        label, sign, target = part.rpartition("=")
        if not sign or not target.strip() or (";" in label and "=" in label):
            raise SettingError(
                f"The label map {text!r} is no list of LABEL=CLASS parted by commas, such as "
                f"neg=0,pos=1; correct {part!r}."
            )
        entries.append((label, target.strip()))
    return entries


def _json_entries(text: str) -> list[tuple[str, object]]:
    try:
        value = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise SettingError(
            f'The label map {text[:80]!r} is not JSON ({error}); write {{"neg": 0, "pos": 1}}.'
        ) from error
    return [(str(label), target) for label, target in value]


def _target(target: object, text: str) -> int | str | None:
    if isinstance(target, str) and _NUMBER.fullmatch(target):
        target = int(target.replace("−", "-"))
    if isinstance(target, bool) or not isinstance(target, int | str):
        raise SettingError(
            f"The label map {text[:80]!r} takes a label to {target!r}; give a class number or a "
            "class name."
        )
    if isinstance(target, int) and target < -1:
        raise SettingError(
            f"The label map {text[:80]!r} has the class {target}; classes count from 0, and -1 "
            "leaves rows out."
        )
    return LEFT_OUT if target == -1 else target


def label_map_text(targets: Mapping[str, int | None]) -> str:
    """A label map that takes each label to a class number; None and −1 leave its rows out.

    Written as a list where that can be read back, else as JSON.
    """
    numbers = {label: -1 if target is None else target for label, target in targets.items()}
    if any(set(label) & set(",='{\"") or label != label.strip() for label in numbers):
        return json.dumps(numbers, ensure_ascii=False)
    return ",".join(f"{label}={number}" for label, number in numbers.items())
