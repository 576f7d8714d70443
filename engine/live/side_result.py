"""What came of an attack on one victim: its outcome, how close it came, and what was changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prunescope.engine.attacks.attempt import AttemptStep, Outcome
from prunescope.engine.attacks.similarity import cosines
from prunescope.engine.attacks.word_diff import word_changes, words_changed, words_of
from prunescope.engine.models.victim import Victim


@dataclass(frozen=True, slots=True)
class TextTarget:
    """A victim of a text attack, with the level of a study that it is, if it is one."""

    victim: Victim
    study: str | None = None  # the study's key
    sparsity: float | None = None
    achieved: float | None = None


@dataclass(frozen=True, slots=True)
class AttackStep:
    """Event: what happened on one victim while it is attacked."""

    side: str
    step: AttemptStep


@dataclass(frozen=True, slots=True)
class SideEnded:
    """Event: the attack on one victim has ended, while others go on."""

    side: str
    result: Mapping[str, Any]  # see `side_result`


@dataclass(slots=True)
class Tried:
    """The texts that an attack offered to one victim.

    Texts with masked words, by which an attack ranks the words, are none of them.
    """

    text: str | None = None  # the one for which the victim was least sure of the true label
    truth: float = 1.0  # its probability of the true label
    count: int = 0
    words: set[int] = field(default_factory=set)  # places of words that were changed in any of them

    def add(self, original: str, step: AttemptStep) -> None:
        """Count the texts of one step."""
        words = words_of(original)
        for text, truth in step.tried:
            self.count += 1
            if truth < self.truth:
                self.text, self.truth = text, truth
            changed = words_of(text)
            if len(changed) == len(words):
                pairs = enumerate(zip(words, changed, strict=True))
                self.words.update(place for place, (old, new) in pairs if old != new)
            elif words_changed(words, changed):
                self.words.add(min(len(words), len(changed)) - 1)

    def payload(self, original: str) -> dict[str, Any]:
        """As JSON values; `closest` is None where no text was tried."""
        closest = None
        if self.text is not None:
            changes = _changes(original, self.text)
            closest = {"text": self.text, "truth": round(self.truth, 6), "changes": changes}
        return {"tried": self.count, "words_tried": len(self.words), "closest": closest}


def side_result(
    name: str, target: TextTarget, outcome: Outcome, truth: int, tried: Tried
) -> dict[str, Any]:
    """An outcome as JSON values, with the victim's answers before and after the attack.

    `similarity` is the cosine of the sentence encoder between the text before and after, None where
    the victim withstood; `tried`, `words_tried` and `closest` say how far the attack came.
    """
    texts = (outcome.original, outcome.perturbed)
    before, after = target.victim.read(list(texts))[0].double().softmax(dim=1)[:, truth].tolist()
    broken = outcome.record.outcome == "broken"
    similarity = cosines([texts], str(target.victim.device))[0] if broken else None
    return {
        "name": name,
        "study": target.study,
        "sparsity": target.sparsity,
        "achieved": target.achieved,
        "similarity": similarity,
        **asdict(outcome.record),
        "perturbed": outcome.perturbed,
        "label_before": outcome.label_before,
        "label_after": outcome.label_after,
        "truth_before": before,
        "truth_after": after,
        "lowest": outcome.path[-1][1] if outcome.path else before,
        "path": [list(point) for point in outcome.path],
        "changes": _changes(outcome.original, outcome.perturbed),
        **tried.payload(outcome.original),
    }


def _changes(before: str, after: str) -> list[list[str]]:
    return [[piece.before, piece.after] for piece in word_changes(before, after)]
