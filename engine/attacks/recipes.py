"""The attacks by name. Each is TextAttack's recipe, driven example by example with a random state of its own."""

import hashlib
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from engine.attacks.resources import Resources, find_resources
from engine.attacks.textattack_gate import textattack, version
from engine.data import Examples
from engine.errors import SettingError
from engine.models.victim import Victim
from engine.progress import Reporter, silent
from engine.records import AttackRecord

RECIPES = {"deepwordbug": "DeepWordBugGao2018"}
Watcher = Callable[[int, float], None]  # (queries so far, lowest probability of the true label so far)


def check_attack(name: str) -> None:
    """Raises SettingError with the names there are."""
    if name != "none" and name not in RECIPES:
        raise SettingError(f"The attack {name!r} is unknown; choose one of {', '.join(RECIPES)}, or none.")


def attack_identity(name: str, resources: Resources) -> dict[str, str]:
    """What decides an attack's outcome beside victim, examples and seed."""
    return {"name": name, "textattack": version(), "stopwords": resources.stopwords_sha256, "seeding": "text-and-word"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack with its texts, for the live panel."""

    record: AttackRecord
    original: str
    perturbed: str  # the original where nothing was found
    label_before: int
    label_after: int
    path: tuple[tuple[int, float], ...]  # (queries, lowest probability of the true label so far)


class _Model:
    """The victim as TextAttack sees it: texts in, probabilities out; remembers how low the true label got."""

    def __init__(self, victim: Victim, report: Reporter) -> None:
        self.model = victim.model
        self._victim, self._report = victim, report
        self.begin(0, silent)

    def begin(self, label: int, report: Reporter, watch: Watcher | None = None) -> None:
        self._label, self._report, self._watch = label, report, watch
        self.queries, self.lowest, self.path = 0, 1.0, list[tuple[int, float]]()

    def __call__(self, texts: Sequence[Any]) -> torch.Tensor:
        self._report("attack", self.queries, 0)
        firsts = [text if isinstance(text, str) else text[0] for text in texts]
        seconds = None if isinstance(texts[0], str) else [text[1] for text in texts]
        probabilities = self._victim.read(firsts, seconds)[0].double().softmax(dim=1)
        self.queries += len(texts)
        self.lowest = min(self.lowest, float(probabilities[:, self._label].min()))
        self.path.append((self.queries, self.lowest))
        if self._watch:
            self._watch(self.queries, self.lowest)
        return probabilities


class _Seeded:
    """A transformation whose random draws depend only on the seed, the text and the words it may change.

    So every victim is offered the same candidates for the same word of the same text, in whatever order they are asked.
    """

    def __init__(self, transformation: Any, seed: int) -> None:
        self._transformation, self._seed = transformation, seed

    def __call__(self, current_text: Any, *args: Any, **kwargs: Any) -> Any:
        wanted = sorted(kwargs.get("indices_to_modify") or ())
        digest = hashlib.sha256(f"{self._seed}|{current_text.text}|{wanted}".encode()).digest()
        random.seed(digest)
        np.random.seed(int.from_bytes(digest[:4], "big"))
        return self._transformation(current_text, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transformation, name)


class Attacker:
    """One attack recipe on one victim. Not for use by two threads at once."""

    def __init__(self, victim: Victim, name: str, seed: int, resources: str | None = None) -> None:
        check_attack(name)
        package = textattack(find_resources(resources))
        self._model = _Model(victim, silent)
        recipe = getattr(package.attack_recipes, RECIPES[name])
        self._attack = recipe.build(self._model)
        self._attack.transformation = _Seeded(self._attack.transformation, seed)

    def run(
        self, text: str, pair: str | None, label: int, example: int = -1, report: Reporter = silent,
        watch: Watcher | None = None,
    ) -> Outcome:  # fmt: skip
        """Attack one example whose true label is `label`. The global random state is left as it was."""
        state, numpy_state = random.getstate(), np.random.get_state()
        try:
            self._attack.clear_cache()  # nothing an earlier example or victim said may decide this one
            self._model.begin(label, report, watch)
            result = self._attack.attack(_as_input(text, pair), label)
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)
        return self._outcome(result, text, label, example)

    def _outcome(self, result: Any, text: str, label: int, example: int) -> Outcome:
        name = type(result).__name__
        outcome = {"SkippedAttackResult": "skipped", "SuccessfulAttackResult": "broken"}.get(name, "held")
        before, after = result.original_result, result.perturbed_result
        broken = outcome == "broken"
        changed = len(before.attacked_text.all_words_diff(after.attacked_text)) if broken else 0
        record = AttackRecord(
            example, outcome, int(after.num_queries), changed, len(before.attacked_text.words),
            round(float(before.raw_output[label]), 6), round(self._model.lowest, 6),
        )  # fmt: skip
        perturbed = _first_column(after.attacked_text) if broken else text
        return Outcome(record, text, perturbed, int(before.output), int(after.output) if broken else int(before.output),
                       tuple(self._model.path))  # fmt: skip


def _as_input(text: str, pair: str | None) -> Any:
    return text if pair is None else OrderedDict(text_a=text, text_b=pair)


def _first_column(attacked: Any) -> str:
    inputs = attacked.tokenizer_input
    return str(inputs if isinstance(inputs, str) else inputs[0])


def attack_examples(
    attacker: Attacker, examples: Examples, rows: Sequence[int], report: Reporter = silent,
    done: Sequence[AttackRecord] = (), keep: Callable[[AttackRecord], None] = lambda record: None,
) -> tuple[AttackRecord, ...]:  # fmt: skip
    """Attack the given rows of the evaluation set; `done` are not redone, `keep` gets each new record at once."""
    found = {record.example: record for record in done}
    for count, row in enumerate(rows):
        report("attack", count, len(rows))
        if row in found:
            continue

        def still(stage: str, _done: int, _total: int, count: int = count) -> None:
            report(stage, count, len(rows))

        pair = examples.pairs[row] if examples.pairs else None
        found[row] = attacker.run(examples.texts[row], pair, examples.labels[row], row, still).record
        keep(found[row])
    report("attack", len(rows), len(rows))
    return tuple(found[row] for row in rows)
