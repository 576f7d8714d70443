"""Reading in batches of like lengths, against the library's own padded forward."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_models import FAMILIES
from torch import Tensor
from transformers import AutoTokenizer

from prunescope.engine.models import victim as victim_module
from prunescope.engine.models.architecture import Reads, oddity_of
from prunescope.engine.models.forward import (
    STEP,
    Batch,
    batches,
    filled_rows,
    inputs_of,
    read_batch,
)
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.records import MODULES

TEXTS = (
    "good film",
    "a very long and slow film of the very long and very dull cast " * 2,
    "bad",
    "the plot , the actor .",
    "zebra quiz",
    "warm bright music of the great and funny actor",
    "bad film",
)
SECONDS = (
    "the end",
    "bad",
    "very good music and a strong cast",
    "first",
    "last scene",
    "not",
    "loud " * 20,
)


def trained(folder: Path) -> Victim:
    """The classifier in a folder with random biases and LayerNorms, so that none can stand in for
    another.
    """
    result = load_victim(str(folder), "cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in result.model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return result


@pytest.fixture(params=FAMILIES)
def each(
    request: pytest.FixtureRequest, write_model: Callable[..., Path], tmp_path: Path
) -> Victim:
    return trained(write_model(tmp_path / request.param, family=request.param))


def padded(
    victim: Victim, texts: tuple[str, ...], pairs: tuple[str, ...] | None = None
) -> tuple[Tensor, Tensor]:
    """(logits, last [CLS]) of the library's forward over one padded batch."""
    batch = victim.tokenizer(
        list(texts),
        list(pairs) if pairs else None,
        padding=True,
        truncation=True,
        max_length=victim.max_tokens,
        return_tensors="pt",
    )
    with torch.no_grad():
        result = victim.model(**batch, output_hidden_states=True)
    return result.logits, result.hidden_states[-1][:, 0]


def close(result: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> bool:
    return all(
        torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(result, expected, strict=True)
    )


def test_read_equals_the_padded_forward(each: Victim):
    assert close(each.read(TEXTS), padded(each, TEXTS))


def test_read_of_pairs_equals_the_padded_forward(each: Victim):
    assert close(each.read(TEXTS, SECONDS), padded(each, TEXTS, SECONDS))


def test_pairs_are_read(each: Victim):
    assert not torch.allclose(each.read(TEXTS, SECONDS)[0], each.read(TEXTS, SECONDS[::-1])[0])


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (
            "bert",
            {
                "num_hidden_layers": 5,
                "hidden_size": 48,
                "num_attention_heads": 6,
                "intermediate_size": 20,
            },
        ),
        (
            "distilbert",
            {
                "num_hidden_layers": 1,
                "hidden_size": 24,
                "num_attention_heads": 1,
                "activation": "relu",
            },
        ),
        ("electra", {"embedding_size": 32}),  # as wide as the blocks: nothing widens the embeddings
        ("electra", {"embedding_size": 40, "hidden_act": "gelu_new"}),
    ],
)
def test_other_sizes_are_read(
    write_model: Callable[..., Path], tmp_path: Path, family: str, changes: dict[str, object]
):
    victim = trained(write_model(tmp_path / family, family=family, **changes))
    assert close(victim.read(TEXTS, SECONDS), padded(victim, TEXTS, SECONDS))


def test_token_types_that_the_model_does_not_know_are_left_out(
    write_model: Callable[..., Path], model_folder: Path, tmp_path: Path
):
    folder = write_model(tmp_path / "distilbert", family="distilbert")
    expected = load_victim(str(folder), "cpu").read(TEXTS, SECONDS)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(folder)
    victim = load_victim(str(folder), "cpu")
    assert "token_type_ids" in AutoTokenizer.from_pretrained(folder).model_input_names
    assert set(victim.encode(TEXTS, SECONDS)) == {"input_ids", "attention_mask"}
    assert close(victim.read(TEXTS, SECONDS), expected)


def test_text_alone_is_read_as_beside_long_ones(each: Victim):
    together = each.read(TEXTS)
    for row, text in enumerate(TEXTS):
        assert close(each.read([text]), (together[0][row : row + 1], together[1][row : row + 1]))


def test_reading_does_not_depend_on_how_the_tokens_are_cut(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
):
    whole = victim.read(TEXTS)
    monkeypatch.setattr(victim_module, "device_tokens", lambda _device: 8)
    assert len(list(victim.batches(TEXTS))) > 3
    assert close(victim.read(TEXTS), whole)


def test_long_text_is_cut_to_the_limit(each: Victim):
    (ids,) = each.encode(["good film " * 100])["input_ids"]
    # the pad token's id is 0
    assert len(ids) == each.max_tokens == (63 if oddity_of(each.model.config).after_pad else 64)
    assert close(each.read(["good film " * 100]), padded(each, ("good film " * 100,)))


def test_reading_nothing_gives_nothing(victim: Victim):
    logits, cls = victim.read([])
    assert (logits.shape, cls.shape) == ((0, 2), (0, 32))


def cut(victim: Victim, max_tokens: int, pads: bool = True, limit: int = 64) -> list[Batch]:
    return list(batches(victim.encode(TEXTS), 0, victim.device, max_tokens, pads=pads, limit=limit))


def test_batches_hold_every_text_once(victim: Victim):
    encoded = victim.encode(TEXTS)
    parts = cut(victim, 40)
    assert sorted(row for batch in parts for row in batch.rows) == list(range(len(TEXTS)))
    for batch in parts:
        for place, row in enumerate(batch.rows):
            for name, lists in encoded.items():
                padded = batch.inputs[name][place].tolist()
                assert batch.lengths[place] == len(lists[row])
                assert padded == lists[row] + [0] * (len(padded) - len(lists[row])), name


def test_batches_stay_within_their_size_unless_one_text_is_longer(victim: Victim):
    parts = cut(victim, 20)
    sizes = [batch.inputs["input_ids"].numel() for batch in parts]
    assert all(size <= 20 or len(batch.rows) == 1 for size, batch in zip(sizes, parts, strict=True))
    assert any(size > 20 for size in sizes) and any(len(batch.rows) > 1 for batch in parts)


def test_batches_are_sorted_by_length(victim: Victim):
    lengths = [length for batch in cut(victim, 40) for length in batch.lengths]
    assert lengths == sorted(lengths)


def test_what_a_text_is_padded_to_depends_on_its_length_alone(victim: Victim):
    for max_tokens in (1, 40, 1 << 20):
        for batch in cut(victim, max_tokens, limit=30):
            longest = batch.inputs["input_ids"].shape[1]
            assert {
                max(length, min(-(-length // STEP) * STEP, 30)) for length in batch.lengths
            } == {longest}


def test_a_model_that_must_not_pad_gets_texts_of_one_length(victim: Victim):
    parts = cut(victim, 1 << 20, pads=False)
    assert all(len(set(batch.lengths)) == 1 and batch.is_full for batch in parts)
    assert any(len(batch.rows) > 1 for batch in parts)


@pytest.mark.parametrize("reads", ["first", "last", "mean"])
def test_what_a_head_reads_of_a_batch(victim: Victim, reads: Reads):
    for batch in cut(victim, 1 << 20):
        hidden = torch.randn(*batch.inputs["input_ids"].shape, 3)
        for row, length in enumerate(batch.lengths):
            real = hidden[row, :length]
            expected = {"first": real[0], "last": real[-1], "mean": real.mean(dim=0)}[reads]
            torch.testing.assert_close(batch.read(hidden, reads)[row], expected)
        flat = torch.cat([hidden[row, :length] for row, length in enumerate(batch.lengths)])
        assert torch.equal(batch.real(hidden), flat)
        assert torch.equal(batch.real(hidden.flatten(0, 1)), flat)


def test_tap_sees_the_output_of_every_linear(each: Victim):
    for batch in each.batches(TEXTS):
        recorded: dict[str, Tensor] = {}
        read_batch(each.model, each.architecture, batch, recorded.__setitem__)
        assert list(recorded) == [f"{block}.{name}" for block in range(2) for name in MODULES]
        assert {name: value.shape for name, value in recorded.items()} == {
            name: (batch.tokens, weight.shape[0]) for name, weight in each.prunable().items()
        }


def test_a_head_is_given_more_rows_and_answers_for_its_own(each: Victim):
    (batch,) = each.batches(TEXTS[2:3])
    expected, _ = read_batch(each.model, each.architecture, batch)
    seen: list[int] = []
    head = each.architecture.heads[-1]
    with (
        filled_rows(each.model, each.architecture.heads, 16),
        inputs_of(each.model.get_submodule(head), lambda rows: seen.append(len(rows))),
    ):
        logits, _ = read_batch(each.model, each.architecture, batch)
    assert seen == [16] and logits.shape == expected.shape == (1, each.num_labels)
    torch.testing.assert_close(logits, expected)
