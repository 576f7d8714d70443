"""The encoder on streams of real tokens, against the library's own padded forward."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.models import victim as victim_module
from engine.models.forward import run_stream, streams
from engine.models.victim import Victim, load_victim
from engine.names import MODULES

TEXTS = (
    "good film", "a very long and slow film of the very long and very dull cast " * 2, "bad", "the plot , the actor .",
    "zebra quiz", "warm bright music of the great and funny actor", "bad film",
)  # fmt: skip
SECONDS = ("the end", "bad", "very good music and a strong cast", "first", "last scene", "not", "loud " * 20)


@pytest.fixture(params=["bert", "roberta"])
def either(request: pytest.FixtureRequest, write_model: Callable[..., Path], tmp_path: Path) -> Victim:
    return load_victim(str(write_model(tmp_path / request.param, family=request.param)), "cpu")


def padded(victim: Victim, texts: tuple[str, ...], pairs: tuple[str, ...] | None = None) -> tuple[Tensor, Tensor]:
    """(logits, last [CLS]) of the library's forward over one padded batch."""
    batch = victim.tokenizer(
        list(texts), list(pairs) if pairs else None, padding=True, truncation=True, max_length=victim.max_tokens,
        return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        found = victim.model(**batch, output_hidden_states=True)
    return found.logits, found.hidden_states[-1][:, 0]


def close(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(found, wanted, strict=True))


def test_read_equals_the_padded_forward(either: Victim):
    assert close(either.read(TEXTS), padded(either, TEXTS))


def test_read_of_pairs_equals_the_padded_forward(victim: Victim):
    assert close(victim.read(TEXTS, SECONDS), padded(victim, TEXTS, SECONDS))


def test_pairs_are_read(victim: Victim):
    assert not torch.allclose(victim.read(TEXTS, SECONDS)[0], victim.read(TEXTS, SECONDS[::-1])[0])


def test_text_alone_is_read_as_beside_long_ones(either: Victim):
    together = either.read(TEXTS)
    for row, text in enumerate(TEXTS):
        assert close(either.read([text]), (together[0][row : row + 1], together[1][row : row + 1]))


def test_reading_does_not_depend_on_how_the_tokens_are_cut(victim: Victim, monkeypatch: pytest.MonkeyPatch):
    whole = victim.read(TEXTS)
    monkeypatch.setattr(victim_module, "streams", partial(streams, max_tokens=8))
    assert len(list(victim.streams(TEXTS))) > 3
    assert close(victim.read(TEXTS), whole)


def test_long_text_is_cut_to_the_limit(victim: Victim):
    (ids,) = victim.encode(["good film " * 100])["input_ids"]
    assert len(ids) == victim.max_tokens == 64
    assert close(victim.read(["good film " * 100]), padded(victim, ("good film " * 100,)))


def test_reading_nothing_gives_nothing(victim: Victim):
    logits, cls = victim.read([])
    assert (logits.shape, cls.shape) == ((0, 2), (0, 32))


def test_streams_hold_every_sentence_once(victim: Victim):
    encoded = victim.encode(TEXTS)
    cut = list(streams(encoded, 0, victim.device, max_tokens=20))
    assert sorted(row for stream in cut for row in stream.rows) == list(range(len(TEXTS)))
    assert all(stream.lengths == tuple(len(encoded["input_ids"][row]) for row in stream.rows) for stream in cut)


def test_streams_stay_within_their_size_unless_one_sentence_is_longer(victim: Victim):
    cut = list(streams(victim.encode(TEXTS), 0, victim.device, max_tokens=20))
    assert all(stream.tokens <= 20 or len(stream.rows) == 1 for stream in cut)
    assert any(stream.tokens > 20 for stream in cut)


def test_streams_are_sorted_by_length(victim: Victim):
    lengths = [length for stream in streams(victim.encode(TEXTS), 0, victim.device, 20) for length in stream.lengths]
    assert lengths == sorted(lengths)


def test_tap_sees_the_output_of_every_linear(victim: Victim):
    seen: dict[str, Tensor] = {}
    (stream,) = victim.streams(TEXTS)
    run_stream(victim.family, victim.model, stream, lambda block, name, value: seen.update({f"{block}.{name}": value}))
    assert list(seen) == [f"{block}.{name}" for block in range(2) for name in MODULES]
    assert {name: value.shape for name, value in seen.items()} == {
        name: (stream.tokens, weight.shape[0]) for name, weight in victim.prunable().items()
    }
