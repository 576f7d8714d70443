"""What a dry run finds of many architectures, and how they read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from architectures import KINDS
from torch import nn
from transformers import AutoModelForSequenceClassification
from transformers.pytorch_utils import Conv1D

from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.models.victim import Victim

TEXTS = (
    "good film",
    "the long and slow film of the very long and dull cast is not good and not bad it is plain",
    "bad",
    "the plot and the actor and a quiet scene",
    "warm bright music of the great and funny actor",
)

every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On several, the last bits of a narrow model depend on where in a batch a text stands."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def block_linears(victim: Victim) -> dict[int, str]:
    """The id of every linear below the list of blocks → its block, found without the dry run."""
    blocks = max(
        (part for part in victim.model.modules() if isinstance(part, nn.ModuleList)),
        key=lambda part: sum(parameter.numel() for parameter in part.parameters()),
    )
    return {
        id(module): str(number)
        for number, block in enumerate(blocks)
        for module in block.modules()
        if isinstance(module, nn.Linear | Conv1D)
    }


@every
def test_every_linear_of_the_blocks_is_in_one_group(
    victims: Callable[[str], Victim], kind: str
) -> None:
    victim, known = victims(kind), KINDS[kind]
    architecture = victim.architecture
    assert [group.layers for group in architecture.groups] == [
        tuple(f"{block}.{name}" for name in group.split())
        for block in range(2)
        for group in known.groups
    ]
    expected, linears = block_linears(victim), victim.linears()
    assert list(linears) == [layer for group in architecture.groups for layer in group.layers]
    assert {
        id(linear.module): layer.partition(".")[0] for layer, linear in linears.items()
    } == expected and len(linears) == len(expected)
    for layer, linear in linears.items():
        rows, columns = linear.weight.shape
        assert linear.as_linear()(torch.ones(columns)).shape == (rows,), layer


@every
def test_what_a_head_reads_and_what_is_added_to_outputs(
    victims: Callable[[str], Victim], kind: str
) -> None:
    architecture, known = victims(kind).architecture, KINDS[kind]
    assert (architecture.name, architecture.reads, architecture.heads, architecture.pads) == (
        kind.replace("deberta_v2", "deberta-v2"),
        known.reads,
        known.heads,
        known.pads,
    )
    assert {layer for group in architecture.groups if group.residual for layer in group.layers} == {
        f"{block}.{name}" for block in range(2) for name in known.residual.split()
    }


@every
def test_a_text_alone_is_read_as_padded_beside_others(
    victims: Callable[[str], Victim], kind: str
) -> None:
    """And as the model itself reads it, without any padding."""
    victim = victims(kind)
    logits, read = victim.read(TEXTS)
    assert float(logits.std(dim=0).min()) > 1e-3 and float(read.std(dim=0).max()) > 1e-3
    model = AutoModelForSequenceClassification.from_pretrained(victim_folder(victim)).eval()
    hidden: list[torch.Tensor] = []
    model.base_model.register_forward_hook(lambda _m, _i, output: hidden.append(output[0][0]))
    for row, text in enumerate(TEXTS):
        # transformers 5 gives some architectures their own tokenizer, which reads letters
        inputs = victim.tokenizer(
            text, truncation=True, max_length=victim.max_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            expected = model(**inputs).logits[0]
        states = hidden.pop()
        of_head = states[0] if KINDS[kind].reads == "first" else states[-1]
        alone = victim.read([text])
        for mine, its in ((logits, expected), (read, of_head)):
            torch.testing.assert_close(mine[row], its, rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(alone[0][0], expected, rtol=1e-4, atol=2e-5)
        torch.testing.assert_close(alone[1][0], of_head, rtol=1e-4, atol=2e-5)


def victim_folder(victim: Victim) -> Path:
    return Path(victim.model.config.name_or_path)


@every
@pytest.mark.usefixtures("one_thread")
def test_answers_do_not_depend_on_the_company(victims: Callable[[str], Victim], kind: str) -> None:
    """Not by a bit: not on how many other texts there are, nor on which, nor on their order."""
    service = VictimService(victims(kind))
    together = service.answer(TEXTS)
    assert len({tuple(row.tolist()) for row in together}) == len(TEXTS)
    assert all(map(torch.equal, service.answer(TEXTS[::-1]), together[::-1]))
    many = service.answer([*TEXTS, *(f"{text} and {other}" for text in TEXTS for other in TEXTS)])
    assert all(map(torch.equal, many, together))
    for text, row in zip(TEXTS, together, strict=True):
        assert torch.equal(service.answer([text])[0], row)
