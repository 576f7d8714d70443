"""The sentence encoder as a service, against the same model run in the ordinary way."""

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from prunescope.engine.attacks.encoder import SentenceEncoder, angular, sentence_encoder
from prunescope.engine.attacks.services import ask
from prunescope.engine.models.embedded import embedded_base

TEXTS = [
    "a fine film",
    "a film",
    "",
    "the service was slow and the food was cold",
    "a fine film",
    "word " * 400,
    "we waited for an hour and nobody came to our table",
    "\N{GRINNING FACE}",
    "A FINE FILM",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return sentence_encoder("cpu")


def alone(text: str) -> Tensor:
    """The embedding by transformers: mean of the last hidden states, of length 1."""
    inputs = AutoTokenizer.from_pretrained(embedded_base())(
        text, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(embedded_base()).eval()(**inputs).last_hidden_state[0]
    return torch.nn.functional.normalize(hidden.mean(dim=0), dim=0)


def test_embeddings_are_the_models(encoder: SentenceEncoder):
    result = ask(encoder, TEXTS)
    for text, row in zip(TEXTS, result, strict=True):
        assert torch.allclose(row, alone(text), atol=2e-6), text[:20]
        assert float(row.norm()) == pytest.approx(1, abs=1e-5)


def test_embedding_does_not_depend_on_company(encoder: SentenceEncoder):
    distinct = list(dict.fromkeys(TEXTS))
    together = encoder.answer(distinct)
    backwards = encoder.answer(distinct[::-1])[::-1]
    for text, row, other in zip(distinct, together, backwards, strict=True):
        assert torch.equal(row, other)
        assert torch.equal(row, encoder.answer([text])[0]), text[:20]


def test_like_sentences_are_nearer(encoder: SentenceEncoder):
    first, like, other = ask(
        encoder, ["the film was good", "the movie was good", "rain fell on the harbour"]
    )
    near, far = angular(first[None], like[None]), angular(first[None], other[None])
    assert float(far) < 0.65 < 0.8 < float(near) < 1


def test_angular_similarity_of_known_angles():
    base = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    turned = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [2**-0.5, 2**-0.5]])
    assert angular(base, turned).tolist() == pytest.approx([1.0, 0.5, 0.0, 0.75], abs=1e-6)
