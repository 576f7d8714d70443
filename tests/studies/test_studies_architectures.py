"""A whole study of each of the architectures that are used most: pruned, evaluated, attacked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import KINDS, random_model
from small_tokenizers import tokenizer_of
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from prunescope.engine.data import Examples, load_dataset
from prunescope.engine.models.victim import load_victim
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.examples import split
from prunescope.engine.studies.run import run_study

USED = (
    "bert",
    "roberta",
    "distilbert",
    "electra",
    "mpnet",
    "deberta-v2",
    "modernbert",
    "gpt2",
    "llama",
    "qwen3",
    "gemma3_text",
)
LEVELS = (0.0, 0.6)
ATTACKED = 4


def write(folder: Path, kind: str) -> Path:
    """A random classifier with two labels and a tokenizer as its checkpoints have."""
    tokenizer = tokenizer_of(kind, folder)
    special = ("pad", "bos", "eos", "cls", "sep")
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in special}
    rows = max(tokenizer.get_vocab().values()) + 1
    sizes = KINDS[kind].sizes | {"vocab_size": rows, "num_labels": 2} | ids
    if kind == "modernbert":  # its tokenizer has one token for all of these
        sizes |= dict.fromkeys(ids, 0)
    random_model(kind, **sizes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Finished:
    """A study, its examples and the probabilities (examples, labels) that the plain model gives
    them one by one.
    """

    study: Study
    spec: StudySpec
    store: Store
    examples: Examples
    plain: torch.Tensor


@pytest.fixture(scope="module", params=USED)
def finished(
    request: pytest.FixtureRequest, data_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    folder = tmp_path_factory.mktemp("study")
    model = write(folder / request.param, request.param)
    spec = StudySpec(
        model=str(model),
        data=str(data_folder),
        levels=LEVELS,
        calibration=60,
        held_out=10,
        eval_examples=30,
        attack="deepwordbug",
        attack_examples=ATTACKED,
        device="cpu",
    )
    store = Store(folder / "cache", folder / "none")
    study = run_study(spec, store)
    *_, examples = split(load_dataset(str(data_folder)), spec)
    return Finished(study, spec, store, examples, plain_probabilities(model, examples.texts))


def plain_probabilities(folder: Path, texts: tuple[str, ...]) -> torch.Tensor:
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        inputs = {name: torch.tensor([ids]) for name, ids in tokenizer(text).items()}
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            rows.append(model(**inputs).logits.double().softmax(dim=1))
    return torch.cat(rows)


def test_the_dense_level_says_what_the_plain_model_says(finished: Finished) -> None:
    dense, labels = finished.study.levels[0], finished.examples.labels
    predicted = finished.plain.argmax(dim=1).tolist()
    right = [row for row, label in enumerate(labels) if predicted[row] == label]
    assert dense.correct == tuple(right) and 0 < len(right) < len(labels)
    assert (dense.acc.hits, dense.acc.n) == (len(right), 30) and dense.cls_error == 0
    assert len(dense.attacks) == ATTACKED
    for record in dense.attacks:
        truth = float(finished.plain[record.example, labels[record.example]])
        assert record.truth_before == pytest.approx(truth, rel=1e-4)
        assert (record.outcome == "skipped") is (record.example not in right)


def test_the_sparse_level_is_pruned_measured_and_attacked(finished: Finished) -> None:
    dense, sparse = finished.study.levels
    victim = load_victim(finished.spec.model, "cpu")
    weights = {layer: weight.numel() for layer, weight in victim.prunable().items()}
    assert {layer["layer"]: layer["weights"] for layer in sparse.layers} == weights
    assert sparse.achieved == pytest.approx(LEVELS[1], abs=1e-3)
    assert sparse.achieved_model < sparse.achieved and sparse.dense_bytes == 4 * sum(
        weights.values()
    )
    assert list(sparse.layer_errors) == list(weights)
    assert all(0 < error < 1.5 for error in sparse.layer_errors.values())
    assert set(dense.layer_errors.values()) <= {0.0} and 0 < sparse.cls_error < 1.5
    assert [record.example for record in sparse.attacks] == [
        record.example for record in dense.attacks
    ]
    assert {record.outcome for record in (*dense.attacks, *sparse.attacks)} <= {
        "skipped",
        "broken",
        "held",
    }
    for record in (*dense.attacks, *sparse.attacks):
        assert record.truth_before is not None and record.truth_after is not None
        if record.outcome != "skipped":
            assert record.queries > 1 and record.truth_after < record.truth_before
            assert record.outcome != "broken" or record.truth_after < 0.5
    assert sparse.aua is not None and sparse.asr is not None


def test_it_is_read_again_from_the_store(finished: Finished) -> None:
    assert run_study(finished.spec, finished.store) == finished.study
    assert finished.store.study(finished.study.key) == finished.study
