"""The selection set: examples held out of the training split, on which members and averages are
scored. It never overlaps the evaluation set.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from prunescope.engine.attacks.metrics import attack_notices, attack_rates
from prunescope.engine.attacks.recipes import attack_identity, check_attack, check_ready
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attacker, attack_examples
from prunescope.engine.data import (
    Classes,
    Dataset,
    Examples,
    check_labels,
    fit_examples,
    load_dataset,
)
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.evaluation.measure import accuracy, below_chance, read
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.training.records import Score


@dataclass(frozen=True, slots=True)
class SelectionSpec:
    """How the selection set is drawn."""

    rows: int = 500  # for Acc
    attack: str = "deepwordbug"  # or "none"
    attacked: int = 100  # of these rows, for Aua
    seed: int = 0
    data: str | None = (
        # a file of rows that no member is trained on; None holds rows of the training split out
        None
    )
    resources: str | None = None

    def __post_init__(self) -> None:
        check_attack(self.attack)
        if self.rows < 1 or (self.attack != "none" and self.attacked < 1):
            raise SettingError(
                f"{self.rows} examples of which {self.attacked} are attacked cannot be measured; "
                "give at least 1 of each, or `attack=none`."
            )


@dataclass(frozen=True, slots=True)
class Selection:
    """The selection set, and which of its examples are attacked."""

    spec: SelectionSpec
    examples: Examples
    attacked: tuple[int, ...]  # rows of `examples`
    classes: Classes = field(default_factory=Classes)  # how the labels are to be read
    notices: tuple[str, ...] = ()  # what reading the rows left out

    def fitted(self, own: Sequence[str], model: str) -> tuple["Selection", tuple[str, ...]]:
        """The same examples in the numbering of a model whose classes are called `own`, and
        notices; see `fit_dataset`.

        Raises DataError where the labels cannot be matched by meaning.
        """
        examples, notices = fit_examples(
            self.examples, self.classes, own, model, "the selection set"
        )
        fitted = replace(self, examples=examples, classes=Classes(tuple(own), True), notices=())
        return fitted, tuple(dict.fromkeys((*self.notices, *notices)))

    def identity(self) -> dict[str, Any]:
        """Everything that decides a score beside the model."""
        attack = (
            attack_identity(self.spec.attack, find_resources(self.spec.resources))
            if self.attacked
            else None
        )
        return {
            "examples": self.examples.fingerprint(),
            "attacked": list(self.attacked),
            "attack": attack,
            "seed": self.spec.seed,
        }

    def score(self, victim: Victim, report: Progress = SILENT) -> Score:
        """Acc and Aua of a dense model."""
        check_labels(self.examples, victim.num_labels, "the selection set")
        acc = accuracy(read(victim, self.examples, report), self.examples.labels)
        doubts = below_chance(acc, victim.num_labels)
        if not self.attacked:
            return Score(acc, None, notices=doubts)
        attacker = Attacker(victim, self.spec.attack, self.spec.seed, self.spec.resources)
        records = attack_examples(attacker, self.examples, self.attacked, report)
        return Score(
            acc,
            attack_rates(records)[0],
            sum(record.untried for record in records),
            sum(record.outcome == "error" for record in records),
            (*doubts, *attack_notices(records)),
        )

    def about(self) -> dict[str, Any]:
        """For people and for drawing the same examples again."""
        return {
            **asdict(self.spec),
            "n": len(self.examples),
            "fingerprint": self.examples.fingerprint(),
        }


def load_all_examples(name: str, columns: dict[str, str | None]) -> Dataset:
    """A data set whose evaluation set is every labelled example of a file or data set, whatever
    split it is in.
    """
    data = load_dataset(name, **columns)  # type: ignore[arg-type]
    parts = [part for part in (data.train, data.evaluation) if part is not None]
    return replace(data, train=None, evaluation=Examples.join(parts))


def selection_from_file(spec: SelectionSpec, columns: dict[str, str | None]) -> Selection:
    """Examples drawn from the file or data set that `spec` names."""
    assert spec.data is not None
    data = load_all_examples(spec.data, columns)
    return _selection(data.evaluation, spec, data)


def training_split(data: Dataset, allow_overlap: bool = False) -> Examples:
    """The training split. Raises DataError where there is none, or where a row of it is also
    evaluated, with their number.
    """
    if data.train is None:
        raise DataError(
            f"{data.name} has no training split; fine-tuning needs one, never the evaluation set."
        )
    evaluated = set(data.evaluation.row_keys())
    shared = [row for row, key in enumerate(data.train.row_keys(), start=1) if key in evaluated]
    if shared and not allow_overlap:
        raise DataError(
            f"{len(shared)} of the {len(data.train)} training rows of {data.name} can also be "
            f"found in its evaluation set (the first is row {shared[0]}); remove them, or keep "
            "them with `allow_overlap`."
        )
    return data.train


def split_selection(
    data: Dataset, spec: SelectionSpec, columns: dict[str, str | None], allow_overlap: bool = False
) -> tuple[Examples, Selection]:
    """(examples to train on, selection set), disjoint by text from each other and from the
    evaluation set.

    Raises DataError where there is no training split, too little text, or a training example that
    is also evaluated, with their number; `allow_overlap` keeps such rows.
    """
    train, evaluated = training_split(data, allow_overlap), set(data.evaluation.row_keys())
    if spec.data is not None:
        from_file = selection_from_file(spec, columns)
        selected, source = (
            from_file.examples,
            replace(data, classes=from_file.classes, notices=from_file.notices),
        )
        if overlap := set(selected.row_keys()) & evaluated:
            raise DataError(
                f"{len(overlap)} rows of {spec.data} are in the evaluation set; members must not "
                "be chosen on it."
            )
    else:
        free = sorted({key for key in train.row_keys() if key not in evaluated})
        random.Random(spec.seed).shuffle(free)
        selected_keys, first = (
            set(free[: min(spec.rows, len(free) // 5)]),
            dict[tuple[str, str], int](),
        )
        for row, key in enumerate(train.row_keys()):
            if key in selected_keys:
                first.setdefault(key, row)
        selected, source = train.take(sorted(first.values())), data
    judging = set(selected.row_keys())
    rest = [row for row, key in enumerate(train.row_keys()) if key not in judging]
    if not rest or not len(selected):
        raise DataError(
            f"{data.name} has {len(train)} training rows, too few to train on and to judge by; "
            "give more rows."
        )
    return train.take(rest), _selection(selected, spec, source)


def evaluation_selection(data: Dataset, spec: SelectionSpec) -> Selection:
    """The evaluation examples that a study with these sizes and seed reads and attacks."""
    return _selection(data.evaluation, spec, data)


def _selection(rows: Examples, spec: SelectionSpec, data: Dataset) -> Selection:
    """Selection rows drawn from `rows`. Raises ResourceError, before any training, where the attack
    lacks something.
    """
    check_ready(spec.attack, spec.resources)
    examples, attacked = drawn_rows(
        rows, spec.rows, spec.attacked if spec.attack != "none" else 0, spec.seed
    )
    return Selection(spec, examples, attacked, data.classes, data.notices)
