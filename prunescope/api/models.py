"""Models: dense or pruned, ready to predict, to be attacked, and to be saved."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from prunescope.api.html import page
from prunescope.engine.errors import DataError, ModelError
from prunescope.engine.export.card import CardFacts
from prunescope.engine.export.folder import study_provenance, write_model
from prunescope.engine.live.models import LiveModels
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.reading.model_cards import study_card
from prunescope.engine.reading.names import study_title
from prunescope.engine.reading.verdicts import percent
from prunescope.engine.records import Study
from prunescope.engine.store import Store


class Model:
    """A classifier with its tokenizer, in evaluation mode.

    `sparsity` is the share of zeros that was asked for, None of a model of no study; `study` is the
    key of its study; `notices` say what there is to know of how it was opened or pruned.
    """

    def __init__(
        self,
        victim: Victim,
        sparsity: float | None = None,
        provenance: dict[str, Any] | None = None,
        study: str | None = None,
        notices: Sequence[str] = (),
        card: CardFacts | None = None,
    ) -> None:
        self.victim = victim
        self.sparsity = sparsity  # requested, a share; None of a model of no study
        self.study = study  # the study's key
        self.notices = (*victim.notices, *notices)
        self._provenance, self._card = provenance or {"model": victim.name}, card

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.victim.name

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.victim.label_names

    @property
    def torch(self) -> Any:
        """The model itself, a `transformers.PreTrainedModel`."""
        return self.victim.model

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.victim.tokenizer

    @property
    def achieved(self) -> float:
        """Zeros / prunable weights, counted, in [0, 1]."""
        return self.victim.achieved

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> pd.DataFrame:
        """The label of every text and the probability of every class, in [0, 1], a row a text.

        `pairs` are the second texts of a model that reads two. Longer texts are cut at
        `victim.max_tokens` tokens, as in a study. Raises DataError for what is no list of texts.
        """
        for name, value in (("texts", texts), ("pairs", pairs)):
            if value is None and name == "pairs":
                continue
            if isinstance(value, str):
                raise DataError(f"`{name}` is one text; give a list of texts, such as [text].")
            if not isinstance(value, Sequence | pd.Series) or not all(
                isinstance(text, str) for text in value
            ):
                raise DataError(f"`{name}` is no list of texts; give one, such as [text].")
        if pairs is not None and len(pairs) != len(texts):
            raise DataError(
                f"There are {len(texts)} texts and {len(pairs)} pairs; give one pair a text."
            )
        logits, _ = self.victim.read(list(texts), None if pairs is None else list(pairs))
        shares = logits.double().softmax(dim=1).numpy()
        table = pd.DataFrame(shares, columns=list(self.label_names))
        labels = [self.label_names[index] for index in logits.argmax(dim=1).tolist()]
        table.insert(0, "label", labels, allow_duplicates=True)
        return table

    def save(
        self, folder: str | os.PathLike[str], format: str = "folder", half: bool = False
    ) -> Path:
        """Write the model to a new folder, and return it.

        "folder" is an ordinary one, for `AutoModelForSequenceClassification.from_pretrained`;
        "packed" holds bitmaps and the remaining weights, for `open_model`. `half` rounds packed
        weights to fp16. Raises SettingError for another format, StoreError where it cannot be
        written.
        """
        target = Path(folder)
        write_model(self.victim, target, self._provenance, format, half, self._card)
        return target.expanduser()

    def __repr__(self) -> str:
        """Name, sparsity and classes."""
        return (
            f"<Model {self.name}, {percent(self.achieved, 1)} sparse; "
            f"{', '.join(self.label_names)}>"
        )

    def _repr_html_(self) -> str:
        """For notebooks: what the model is."""
        weights = sum(weight.numel() for weight in self.victim.prunable().values())
        facts = [
            ("Sparsity of the prunable weights", percent(self.achieved, 1)),
            ("Prunable weights", f"{weights:,}"),
            ("Classes", ", ".join(self.label_names)),
            ("Texts are cut at", f"{self.victim.max_tokens} tokens"),
            *([("Study", self.study[:12])] if self.study else []),
        ]
        return page(self.name, ["", ""], facts, list(self.notices))


def open_model(name: str | os.PathLike[str] = "embedded", device: str = "auto") -> Model:
    """A classifier: "embedded", a hub name, or a folder, packed ones included.

    Raises ModelError for what is no classifier that can be read, ResourceError where a hub name
    cannot be fetched, SettingError for a device that is not here.
    """
    if not isinstance(name, str | os.PathLike):
        raise ModelError(f"{name!r} is no model; give embedded, a hub name or a folder.")
    return Model(load_victim(os.fspath(name), device))


def model_of(study: Study, sparsity: float, cache: str | Path | None = None) -> Model:
    """A model of a stored study; see `Study.pruned`."""
    store = Store(cache)
    model = LiveModels(store).sparse(study, sparsity)
    notices = [*([model.notice] if model.notice else []), *store.notices]
    pruned, provenance, card = model.pruned, None, None
    if model.shipped is not None:
        rounding = f"Its remaining weights are rounded to {model.shipped.weight_bits} bits."
        notices.append(rounding)
        pruned = replace(pruned, notices=(*pruned.notices, rounding)) if pruned else None
    if pruned is not None and model.notice is None:
        provenance = study_provenance(study, pruned)
        card = study_card(store, study, pruned, model.shipped)
    elif model.notice is not None:
        provenance = {"model": study.about["model"], "notice": model.notice}
    named = replace(model.victim, name=f"{study_title(study.about)}, at {percent(sparsity)}")
    return Model(
        named if sparsity else model.victim, sparsity, provenance, study.key, notices, card
    )
