"""One attack on one example of one victim: a recipe's parts, joined for it, and the outcome."""

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

from prunescope.engine.attacks.candidates import SharedCandidates
from prunescope.engine.attacks.lockstep import OutOfTime
from prunescope.engine.attacks.services import NotAttackable, ask, check_cancel
from prunescope.engine.attacks.victim_service import Item, VictimService
from prunescope.engine.attacks.word_diff import words_changed
from prunescope.engine.data import Examples
from prunescope.engine.errors import PruneScopeError
from prunescope.engine.records import AttackRecord

# masking each word of a longer text in turn takes more memory than is worth having
MAX_WORDS = 2500
NAMES = {
    "SkippedAttackResult": "skipped",
    "SuccessfulAttackResult": "broken",
    "FailedAttackResult": "held",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """What one attack may use; None is no limit.

    Seconds are those of the machine, so they make outcomes depend on it.
    """

    queries: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A text, or a pair of texts, to attack."""

    text: str
    pair: str | None
    label: int
    row: int = -1
    # what the texts of a pair are called; TextFooler leaves a premise as it is
    columns: tuple[str, str] | None = None

    @classmethod
    def of(cls, examples: Examples, row: int) -> "Example":
        """A row of a data set."""
        return cls(
            examples.texts[row],
            examples.pairs[row] if examples.pairs else None,
            examples.labels[row],
            row,
            examples.columns,
        )

    @property
    def item(self) -> Item:
        """What the victim reads: the text, or both texts of a pair."""
        return self.text if self.pair is None else (self.text, self.pair)


@dataclass(frozen=True, slots=True)
class AttemptStep:
    """One exchange of an attack with the victim, for the live panel.

    Probabilities are those of the true label.
    """

    kind: str  # "start"; "rank", words masked in turn to see which matter; "try", candidates
    queries: int  # so far
    lowest: float  # so far
    # of "rank": (index of a word, how much masking it raised the attack's score)
    words: tuple[tuple[int, float], ...] = ()
    tried: tuple[tuple[str, float], ...] = ()  # of "try": (text, probability)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack with its texts, for the live panel."""

    record: AttackRecord
    original: str
    perturbed: str  # the original where nothing was found
    label_before: int  # the predicted label; -1 where the victim was not queried
    label_after: int
    path: tuple[tuple[int, float], ...]  # (queries, lowest probability of the true label so far)
    perturbed_pair: str | None = None  # of a pair of texts
    # probability of the true label for the perturbed text; None where none was given
    truth_perturbed: float | None = None


Watcher = Callable[[AttemptStep], None]


class VictimModel:
    """The victim as TextAttack sees it: texts in, probabilities out.

    Records the lowest probability of the true label so far.
    """

    def __init__(self, service: VictimService, label: int, watch: Watcher | None = None) -> None:
        self.model, self.victim = service.victim.model, service.victim
        self._service, self.label, self._watch = service, label, watch
        self.queries, self.lowest = 0, 1.0
        self.first: torch.Tensor | None = None
        self.path: list[tuple[int, float]] = []

    def __call__(self, texts: Sequence[Item]) -> torch.Tensor:
        """The victim's class probabilities, (texts, classes); counts the queries."""
        probabilities = torch.stack(ask(self._service, texts))
        self.queries += len(texts)
        self.lowest = min(self.lowest, float(probabilities[:, self.label].min()))
        self.path.append((self.queries, self.lowest))
        if self.first is None:
            self.first = probabilities[0]
            if self._watch:
                self._watch(AttemptStep("start", self.queries, self.lowest))
        return probabilities


class Attempt:
    """An attack on one example.

    `parts` is a TextAttack `Attack`, which serves many attempts at once and is not changed.
    """

    def __init__(
        self,
        parts: Any,
        service: VictimService,
        example: Example,
        shared: SharedCandidates,
        budget: Budget,
        watch: Watcher | None = None,
    ) -> None:
        self.example, self._budget, self._watch = example, budget, watch
        self._model = VictimModel(service, example.label, watch)
        self._attack = attack = copy.copy(parts)  # with caches of its own
        attack.goal_function = goal = copy.copy(parts.goal_function)
        attack.search_method = search = copy.copy(parts.search_method)
        attack.clear_cache = lambda: None  # its caches go with it; the constraints' are everyone's
        goal.model, goal.batch_size = self._model, 1 << 30
        goal.query_budget = float("inf") if budget.queries is None else budget.queries
        search.goal_function = goal
        search.get_transformations = partial(shared.get, attack.get_transformations)
        search.get_goal_results = goal.get_results if watch is None else self._get_results
        search.get_indices_to_order = (
            attack.get_indices_to_order if watch is None else self._rank_words
        )
        search.filter_transformations = attack.filter_transformations
        self._ranking: list[int] | None = None

    def run(self) -> Outcome:
        """Attack once: the outcome may be an exhausted budget, or an error of this example."""
        try:
            return self._attack_example()
        finally:
            # TextAttack's parts refer to one another in circles, with every text of the example in
            # their caches
            for part in (self._attack.search_method, self._attack.goal_function, self._attack):
                vars(part).clear()

    def _attack_example(self) -> Outcome:
        example = self.example
        try:
            check_label(example, self._model.victim)
            if reason := nothing_to_try(example):
                return self._read_only(reason)
            result = self._attack.attack(_text_class()(_input(example)), example.label)
        except OutOfTime:
            return self._unfinished("exhausted", f"{self._budget.seconds:g} seconds")
        except (PruneScopeError, ImportError, NameError):
            raise  # cancelled, or a defect that no example can cause
        except NotAttackable as error:
            return self._unfinished("error", str(error))
        except Exception as error:
            # of this example alone: it stands in its record and counts as an error
            over = self._budget.queries is not None and self._model.queries >= self._budget.queries
            # a beam that its budget left nothing to choose from takes its largest
            if over and isinstance(error, ValueError):
                return self._unfinished("exhausted", f"{self._budget.queries} queries")
            return self._unfinished(
                "error", ": ".join(filter(None, (type(error).__name__, str(error))))[:300]
            )
        return self._outcome(result)

    def _outcome(self, result: Any) -> Outcome:
        before, after, example = result.original_result, result.perturbed_result, self.example
        outcome, reason = NAMES.get(type(result).__name__) or self._maximised(after), ""
        if (
            outcome == "held"
            and self._budget.queries is not None
            and after.num_queries >= self._budget.queries
        ):
            outcome, reason = "exhausted", f"{self._budget.queries} queries"
        elif outcome == "held" and after.num_queries <= 1:
            reason = "The attack has no candidate for this text."
        old, new = before.attacked_text, after.attacked_text
        has_result = outcome == "broken" or self._attack.goal_function.maximizable
        record = AttackRecord(
            example.row,
            outcome,
            int(after.num_queries),
            words_changed(old.words, new.words) if has_result else 0,
            len(old.words),
            round(float(before.raw_output[example.label]), 6),
            round(self._model.lowest, 6),
            reason,
        )
        label, truth_after = (
            int(before.output),
            round(float((after if has_result else before).raw_output[example.label]), 6),
        )
        return Outcome(
            record,
            example.text,
            _first_column(new) if has_result else example.text,
            label,
            int(after.output) if has_result else label,
            tuple(self._model.path),
            _second_column(new) if has_result else example.pair,
            truth_after,
        )

    def _maximised(self, after: Any) -> str:
        """The outcome of a goal without an end, such as reducing the input."""
        return (
            "broken"
            if self._attack.goal_function._is_goal_complete(after.raw_output, after.attacked_text)
            else "held"
        )

    def _read_only(self, reason: str) -> Outcome:
        """The outcome of a text that is read and not attacked, since there is nothing to try."""
        (answer,) = self._model([self.example.item])
        return self._unfinished(
            "held" if int(answer.argmax()) == self.example.label else "skipped", reason
        )

    def _unfinished(self, outcome: str, reason: str) -> Outcome:
        model, example = self._model, self.example
        first, words = model.first, len(example.text.split()) + len((example.pair or "").split())
        truth = None if first is None else round(float(first[example.label]), 6)
        record = AttackRecord(
            example.row,
            outcome,
            model.queries,
            0,
            words,
            truth,
            None if first is None else round(model.lowest, 6),
            reason,
        )
        label = -1 if first is None else int(first.argmax())
        return Outcome(
            record, example.text, example.text, label, label, tuple(model.path), example.pair, truth
        )

    def _rank_words(self, text: Any, **limits: Any) -> Any:
        count, self._ranking = self._attack.get_indices_to_order(text, **limits)
        return count, list(self._ranking)

    def _get_results(self, texts: Sequence[Any], **how: Any) -> Any:
        assert self._watch is not None
        results, over = self._attack.goal_function.get_results(texts, **how)
        model, ranking, self._ranking = self._model, self._ranking, None
        if ranking is not None and len(ranking) == len(results):
            start = 1 - float(model.first[model.label]) if model.first is not None else 0.0
            words = tuple(
                (int(i), float(result.score) - start)
                for i, result in zip(ranking, results, strict=True)
            )
            self._watch(AttemptStep("rank", model.queries, model.lowest, words=words))
        else:
            tried = tuple(
                (_first_column(r.attacked_text), float(r.raw_output[model.label])) for r in results
            )
            self._watch(AttemptStep("try", model.queries, model.lowest, tried=tried))
        return results, over


def _input(example: Example) -> str | OrderedDict[str, str]:
    if example.pair is None:
        return example.text
    first, second = example.columns or ("text_a", "text_b")
    return OrderedDict([(first, example.text), (second, example.pair)])


def check_label(example: Example, victim: Any) -> None:
    """Raises NotAttackable for a label that the victim does not have."""
    if not 0 <= example.label < victim.num_labels:
        raise NotAttackable(
            f"The label {example.label} is outside 0..{victim.num_labels - 1}, the victim's range."
        )


def nothing_to_try(example: Example) -> str:
    """Why an attack has no other text to try than this one; empty where it may have one."""
    words = _text_class()(" ".join((example.text, example.pair or ""))).words
    if not words:
        return "There are no words to attack."
    if len(words) > MAX_WORDS:
        return f"The text has {len(words)} words; an attack takes up to {MAX_WORDS}."
    if any("<SPLIT>" in text for text in (example.text, example.pair or "")):
        return "The text contains <SPLIT>, by which TextAttack divides texts."
    return ""


def check_read(text: str, victim: Any) -> None:
    """Raises NotAttackable where a victim's tokenizer knows no part of a typed text.

    An example of a data set is attacked all the same, as TextAttack does.
    """
    ids = set(victim.encode([text])["input_ids"][0])
    if ids <= set(victim.tokenizer.all_special_ids) and victim.tokenizer.unk_token_id in ids:
        raise NotAttackable(
            "The victim's tokenizer knows nothing in this text: it reads [UNK] alone."
        )


def _first_column(attacked: Any) -> str:
    inputs = attacked.tokenizer_input
    return str(inputs if isinstance(inputs, str) else inputs[0])


def _second_column(attacked: Any) -> str | None:
    inputs = attacked.tokenizer_input
    return None if isinstance(inputs, str) else str(inputs[1])


@cache
def _text_class() -> Any:
    """TextAttack's text, with a check for cancelling at each of its many edited copies."""
    from textattack.shared import AttackedText

    class Text(AttackedText):  # type: ignore[misc]
        def generate_new_attacked_text(self, new_words: Any) -> Any:
            check_cancel()
            text = super().generate_new_attacked_text(new_words)
            text.__class__ = Text
            return text

    return Text
