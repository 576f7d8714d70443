"""Attack one text on one model or several side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from prunescope.api.html import page
from prunescope.api.models import Model
from prunescope.app.components.text_diff import escaped, marked
from prunescope.engine.attacks.attempt import Budget
from prunescope.engine.attacks.catalogue import ATTACKS
from prunescope.engine.config.study import StudySpec
from prunescope.engine.data.matching import class_places
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.formatting import did_you_mean
from prunescope.engine.live.side_result import TextTarget
from prunescope.engine.live.text_attack import AttackSettings, TextAttack, attack_text

OUTCOMES = {
    "broken": "fails",
    "held": "withstands",
    "exhausted": "withstands the budget",
    "skipped": "wrong without an attack",
}


class AttackResult:
    """What an attack on one text did to every model."""

    def __init__(self, result: TextAttack) -> None:
        self.result = result

    @property
    def text(self) -> str:
        """The text that was attacked."""
        return self.result.text

    @property
    def label(self) -> str:
        """The label that the attack worked against."""
        return self.result.label_names[self.result.truth]

    def frame(self) -> pd.DataFrame:
        """A row a model: `outcome`, the adversarial `text` (None where it withstood), `queries`,
        `words_changed`, the probability of the label `before` and the `lowest` the attack reached,
        and `similarity`, the cosine of the sentence encoder between the text before and after.
        """
        rows = [
            {
                "model": side["name"],
                "outcome": OUTCOMES.get(side["outcome"], side["outcome"]),
                "text": side["perturbed"] if side["outcome"] == "broken" else None,
                "queries": side["queries"],
                "words_changed": side["words_changed"],
                "before": side["truth_before"],
                "lowest": side["lowest"],
                "similarity": side["similarity"],
            }
            for side in self.result.sides
        ]
        frame = pd.DataFrame(rows).set_index("model")
        frame["text"] = frame["text"].astype(object).where(frame["text"].notna(), None)
        return frame

    def transfers(self) -> pd.DataFrame:
        """Every adversarial text read by every model: rows are the models that it was found on,
        columns those that read it; True where that model is wrong.
        """
        table = {
            found: {name: answer["label"] != self.result.truth for name, answer in answers.items()}
            for found, answers in self.result.transfer.items()
        }
        return pd.DataFrame.from_dict(table, orient="index")

    def __repr__(self) -> str:
        """The outcome on every model."""
        outcomes = "; ".join(
            f"{side['name']} {OUTCOMES.get(side['outcome'], side['outcome'])}"
            for side in self.result.sides
        )
        return f"<AttackResult {self.result.attack} on {self.text[:60]!r}: {outcomes}>"

    def _repr_html_(self) -> str:
        """For notebooks: the text on every model, with what was changed."""
        frame = self.frame()
        heads = ["Model", "Outcome", "Queries", f"P({self.label}) before", "lowest"]
        rows = [
            [str(name), row.outcome, str(row.queries), f"{row.before:.3f}", f"{row.lowest:.3f}"]
            for name, row in frame.iterrows()
        ]
        texts = "".join(
            f"<p><b>{escaped(side['name'])}</b>: {marked(side['changes'])}</p>"
            for side in self.result.sides
            if side["outcome"] == "broken"
        )
        table = page(f"{self.result.attack}: {self.text}", heads, rows, self.result.notices)
        return f"{table}{texts}"


def attack(
    text: str,
    models: Model | Sequence[Model] | Mapping[str, Model],
    *,
    attack: str = "deepwordbug",
    label: str | int | None = None,
    seed: int = 0,
    max_queries: int | None = None,
    max_seconds: float | None = None,
    resources: str | None = None,
) -> AttackResult:
    """Attack one text on every model in lock-step, with the same candidates.

    `models` is one model, several, or several by the names under which they are shown. `label` is
    the name or number of the true class; without it, what the first model says. `max_queries` and
    `max_seconds` bound every model's attack. `resources` is the folder that some attacks need.
    Raises InputError for a text, a label or an attack that cannot be.
    """
    if not isinstance(text, str):
        raise DataError(f"`text` is {text!r}; give one text.")
    if attack not in ATTACKS:
        raise SettingError(
            f"The attack {attack!r} is unknown; use one of {', '.join(ATTACKS)}."
            f"{did_you_mean(str(attack), ATTACKS)}"
        )
    StudySpec(attack=attack, seed=seed, max_queries=max_queries, max_seconds=max_seconds)  # checks
    named = _named(models)
    first = next(iter(named.values()))
    for name, model in named.items():
        if model.label_names != first.label_names:
            raise SettingError(
                f"{name!r} tells apart {', '.join(model.label_names)}, and the first model "
                f"{', '.join(first.label_names)}; attack models of the same classes."
            )
    targets = {
        name: TextTarget(model.victim, model.study, model.sparsity) for name, model in named.items()
    }
    settings = AttackSettings(attack, seed, Budget(max_queries, max_seconds), resources)
    return AttackResult(attack_text(targets, text, _class(label, first.label_names), settings))


def _named(models: Any) -> dict[str, Model]:
    if isinstance(models, Mapping):
        named = dict(models)
        _check_models(named.values())
    else:
        listed = list(models) if isinstance(models, list | tuple) else [models]
        _check_models(listed)
        named = {model.name: model for model in listed}
        if len(named) < len(listed):
            raise SettingError(
                "Two of the models have one name; give them names, as in "
                '{"dense": model, "pruned": other}.'
            )
    if not named:
        raise SettingError("There is no model to attack; give one or more.")
    return named


def _check_models(models: Iterable[Any]) -> None:
    for model in models:
        if not isinstance(model, Model):
            raise SettingError(
                f"{model!r} is no model; give what `open_model`, `study.dense()` or "
                "`study.pruned(0.5)` returns."
            )


def _class(label: str | int | None, names: Sequence[str]) -> int | None:
    if isinstance(label, bool) or not isinstance(label, str | int | None):
        raise SettingError(f"The label {label!r} is none of {', '.join(names)}.")
    if label is None or isinstance(label, int):
        return label
    if (classes := class_places([label], names)) is None:
        raise SettingError(f"The label {label!r} is none of {', '.join(names)}.")
    return classes[0]
