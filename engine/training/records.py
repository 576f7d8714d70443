"""Results of fine-tuning and averaging: scores, members, averages. Light to import for pages."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunescope.engine.records import Rate

ORDERS = ("uniform", "acc", "aua")


@dataclass(frozen=True, slots=True)
class Score:
    """What one model reaches on the selection set, or on the evaluation examples."""

    acc: Rate
    aua: Rate | None  # None where nothing was attacked
    untried: int = 0  # attacked examples that gave the attack nothing to try
    errors: int = 0  # attacked examples on which the attack failed
    notices: tuple[str, ...] = ()  # what there is to say of these

    def as_json(self) -> dict[str, Any]:
        """The score as JSON values."""
        return {
            "acc": asdict(self.acc),
            "aua": None if self.aua is None else asdict(self.aua),
            "untried": self.untried,
            "errors": self.errors,
            "notices": list(self.notices),
        }

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Score":
        """The inverse of `as_json`; further entries are left alone."""
        return cls(
            Rate(**entry["acc"]),
            None if entry["aua"] is None else Rate(**entry["aua"]),
            entry.get("untried", 0),
            entry.get("errors", 0),
            tuple(entry.get("notices", ())),
        )


@dataclass(frozen=True, slots=True)
class AverageStep:
    """One decision of an average: the average with this member, and whether it was kept."""

    member: str
    score: Score
    taken: bool


@dataclass(frozen=True, slots=True)
class MadeAverage:
    """How an average came about."""

    by: str  # one of ORDERS
    singles: dict[str, Score]  # of every member alone
    steps: tuple[AverageStep, ...]
    ingredients: tuple[str, ...]
    score: Score

    def as_json(self) -> dict[str, Any]:
        """The average as JSON values."""
        return {
            "by": self.by,
            "singles": {name: score.as_json() for name, score in self.singles.items()},
            "steps": [
                {"member": step.member, "taken": step.taken, **step.score.as_json()}
                for step in self.steps
            ],
            "ingredients": list(self.ingredients),
            **self.score.as_json(),
        }

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "MadeAverage":
        """The inverse of `as_json`; further entries are left alone."""
        singles = {name: Score.of(single) for name, single in entry["singles"].items()}
        steps = tuple(
            AverageStep(step["member"], Score.of(step), step["taken"]) for step in entry["steps"]
        )
        return cls(entry["by"], singles, steps, tuple(entry["ingredients"]), Score.of(entry))


@dataclass(frozen=True, slots=True)
class Member:
    """One fine-tuned member; `score` is None where it diverged."""

    name: str
    settings: dict[str, Any]  # of its fine-tuning, see prunescope.engine.training.spec
    status: str  # "trained", "diverged", "guessing"
    reason: str  # why it is left out, if it is
    score: Score | None
    averaged: bool  # in the victim that ships


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A member or an average on the evaluation examples, dense or pruned."""

    model: str
    sparsity: float
    score: Score


@dataclass(frozen=True, slots=True)
class MemberSet:
    """The members of one recipe on one data set."""

    name: str
    folder: Path
    bundled: bool
    base: str
    data: str
    about: str
    training_rows: int
    selection: dict[str, Any]  # rows, attack, attacked, seed
    members: tuple[Member, ...]
    averages: dict[str, MadeAverage]  # by one of ORDERS
    evaluated: tuple[
        Evaluated, ...
    ] = ()  # on the evaluation examples; empty where nobody measured it
    evaluation: dict[str, Any] | None = None  # how: attack, method, counts, seed
