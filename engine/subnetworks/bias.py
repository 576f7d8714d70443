"""The bias model: a logistic regression on features that should not decide, and its predictions,
kept with row ids.

<out>/bias.safetensors    log-probabilities (rows, classes) and the ids of the rows, sealed
<out>/bias.json           how it was made and how well it does on its own
"""

import hashlib
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from prunescope.engine.data import Examples
from prunescope.engine.errors import DataError, ResourceError, SettingError
from prunescope.engine.formatting import pluralize
from prunescope.engine.paths import expanded
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import Rate
from prunescope.engine.store.atomic import atomic_folder
from prunescope.engine.store.checksummed import read_about, read_checksummed, write_checksummed
from prunescope.engine.store.checksums import file_sha256
from prunescope.engine.subnetworks.features import (
    Array,
    bag_features,
    claim_features,
    overlap_features,
    word_vectors,
)

FEATURES = ("overlap", "claim", "bag")
FILE = "bias.safetensors"


@dataclass(frozen=True, slots=True)
class BiasSpec:
    """How a bias model is made."""

    # of both texts; "claim": word vectors of the first text alone; "bag": its words
    features: str = "overlap"
    penalty: float = 1.0  # strength of the ridge on the weights
    balanced: bool = True  # classes weigh the same however many rows they have
    folds: int = 0  # above 1: the training examples are predicted by models that have not seen them
    vectors: str = "embedded"  # or a file of word vectors

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise SettingError(
                f"The features {self.features!r} are unknown; choose {', '.join(FEATURES)}."
            )
        if not 0 < self.penalty < math.inf or self.folds < 0 or self.folds == 1:
            raise SettingError(
                f"The penalty is {self.penalty:g} and there are {self.folds} folds; the first must "
                "be above 0, the second 0 or at least 2."
            )

    def identity(self) -> dict[str, Any]:
        """Everything that decides the predictions beside the rows; a file of vectors counts by its
        content.
        """
        if self.features == "bag" or self.vectors == "embedded":
            return {**asdict(self), "vectors": "" if self.features == "bag" else self.vectors}
        try:
            return {**asdict(self), "vectors_sha256": file_sha256(expanded(self.vectors))}
        except OSError as error:
            raise ResourceError(
                f"The word vectors {self.vectors} cannot be read ({error}); give a file of lines "
                "`word x x x`."
            ) from error


def row_ids(examples: Examples) -> Tensor:
    """(rows,) int64: the first 8 bytes of the SHA-256 of a row's texts."""
    pairs = examples.pairs or ("",) * len(examples)
    digests = [
        hashlib.sha256(json.dumps([a, b]).encode()).digest()[:8]
        for a, b in zip(examples.texts, pairs, strict=True)
    ]
    return torch.tensor(
        [int.from_bytes(digest, "little", signed=True) for digest in digests], dtype=torch.int64
    )


def features_of(spec: BiasSpec, examples: Examples, report: Progress = SILENT) -> Array:
    """(rows, features)."""
    if spec.features == "bag":
        return bag_features(examples.texts)
    vectors = word_vectors(spec.vectors)
    if spec.features == "claim":
        return claim_features(examples.texts, vectors, report)
    return overlap_features(examples.texts, examples.pairs, vectors, report)


def make_bias(
    spec: BiasSpec, train: Examples, evaluation: Examples, out: Path, report: Progress = SILENT
) -> dict[str, Any]:
    """Train the bias model, write its predictions for the training examples to `out`, and say how
    well it does alone.

    −1/n Σ w_y log softmax(A z + c)(y) + penalty/2n ‖A‖², z the standardised features, w the class
    weights. Raises DataError, ResourceError, SettingError, StoreError.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels, judged = np.array(train.labels), np.array(evaluation.labels)
    classes = sorted(set(train.labels))
    if classes != list(range(len(classes))) or len(classes) < 2:
        raise DataError(
            f"The training labels are {', '.join(map(str, classes))}; a bias model needs at least "
            "two, numbered from 0 without a gap."
        )
    rarest, rows_of_it = min(Counter(train.labels).items(), key=lambda count: (count[1], count[0]))
    if rows_of_it < spec.folds:
        raise SettingError(
            f"There are {spec.folds} folds and {pluralize(rows_of_it, 'training row')} of class "
            f"{rarest}; every fold needs rows of every class: give fewer folds, or 0."
        )
    features = features_of(spec, train, report)

    def fitted(rows: Any) -> Any:
        regression = LogisticRegression(
            C=1 / spec.penalty, class_weight="balanced" if spec.balanced else None, max_iter=2000
        )
        return make_pipeline(StandardScaler(), regression).fit(features[rows], labels[rows])

    model = fitted(np.arange(len(labels)))
    log_probs = np.asarray(model.predict_log_proba(features), dtype=np.float32)
    if spec.folds:
        for rows, others in StratifiedKFold(spec.folds, shuffle=True, random_state=0).split(
            features, labels
        ):
            report("predictions of rows not seen", 0, 1)
            log_probs[others] = fitted(rows).predict_log_proba(features[others])
    right = int((model.predict(features_of(spec, evaluation, report)) == judged).sum())
    record = {
        **spec.identity(),
        "rows": len(train),
        "classes": len(classes),
        "data": train.fingerprint(),
        "train_acc": asdict(Rate.of(int((log_probs.argmax(axis=1) == labels).sum()), len(labels))),
        "acc": asdict(Rate.of(right, len(judged))),
    }
    with atomic_folder(out) as work:
        tensors = {
            "log_probs": torch.from_numpy(np.maximum(log_probs, -30.0)),
            "ids": row_ids(train),
        }
        write_checksummed(work / FILE, tensors, {"format": "prunescope-bias", **record})
        (work / "bias.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


@dataclass(frozen=True, slots=True)
class BiasPredictions:
    """The predictions of a bias model, by the ids of examples."""

    folder: str
    log_probs: Tensor  # (rows, classes)
    places: dict[int, int]  # row id → row
    sha256: str

    def of(self, examples: Examples, classes: int, where: str) -> Tensor:
        """(rows, classes) of these examples, found by their texts. Raises DataError where one has
        no prediction.
        """
        if self.log_probs.shape[1] != classes:
            raise DataError(
                f"The bias predictions in {self.folder} are for {self.log_probs.shape[1]} classes "
                f"and {where} has {classes}; make them on these rows with `prunescope "
                "biasmodel`."
            )
        rows = [self.places.get(number) for number in row_ids(examples).tolist()]
        if missing := [row for row, index in enumerate(rows, start=1) if index is None]:
            raise DataError(
                f"{len(missing)} of the {len(examples)} rows of {where} have no bias prediction in "
                f"{self.folder} (the first is row {missing[0]}); make them on these rows with "
                "`prunescope biasmodel`."
            )
        return self.log_probs[torch.tensor([index for index in rows if index is not None])]


def read_bias(folder: Path | str) -> BiasPredictions:
    """The predictions in a folder, verified. Raises DataError when there are none or they are
    damaged.
    """
    path = expanded(folder) / FILE
    try:
        about = read_about(path)
        tensors = read_checksummed(path)
        ids, log_probs = tensors["ids"].tolist(), tensors["log_probs"]
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise DataError(
            f"{folder} holds no readable bias predictions ({error}); make them with `python -m "
            "engine biasmodel`."
        ) from error
    return BiasPredictions(
        str(folder),
        log_probs,
        {number: row for row, number in enumerate(ids)},
        str(about["sha256"]),
    )
