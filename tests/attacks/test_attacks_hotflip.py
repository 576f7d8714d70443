"""HotFlip for word pieces: its gradient against autograd on the whole model, its swaps against the
tokenizer.
"""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from small_models import WORDS, write_model
from torch import Tensor

from prunescope.engine.attacks.attempt import Outcome
from prunescope.engine.attacks.hotflip import SWAPPED, TRIED, GradientService, Vocabulary
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.run import Attackers, Example
from prunescope.engine.attacks.textattack_import import textattack
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.models.victim import Victim, load_victim

TEXT = "The film is a dull, awkward story of a very quiet cast."


@pytest.fixture(scope="module", params=["bert", "distilbert", "electra", "roberta"])
def victim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Victim:
    textattack(find_resources(None))
    return load_victim(
        str(write_model(tmp_path_factory.mktemp("hotflip") / request.param, request.param)), "cpu"
    )


def said(victim: Victim, text: str) -> int:
    return int(victim.read([text])[0].argmax())


def apart(text: str) -> list[str]:
    """Words and punctuation."""
    return text.replace(",", " ,").replace(".", " .").lower().split()


def oracle(victim: Victim, text: str) -> Tensor:
    """∂L/∂e through the model's own padded forward pass, (pieces, width)."""
    coded = victim.tokenizer(text, return_tensors="pt")
    embedded = victim.model.get_input_embeddings()(coded.pop("input_ids")).detach().requires_grad_()
    logits = victim.model(inputs_embeds=embedded, **coded).logits
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([said(victim, text)]))
    return torch.autograd.grad(loss, embedded)[0][0]


def test_the_gradient_is_autograds(victim: Victim):
    texts = [TEXT, "good film", "a very very warm end of the plot"]
    for text, gradient in zip(texts, GradientService(victim).answer(texts), strict=True):
        torch.testing.assert_close(gradient, oracle(victim, text), rtol=1e-4, atol=1e-6)


def test_the_victim_is_left_as_it_was(victim: Victim):
    before = {name: value.clone() for name, value in victim.model.state_dict().items()}
    GradientService(victim).answer([TEXT])
    assert not victim.model.training and not victim.model.get_input_embeddings()._forward_hooks
    assert all(parameter.grad is None for parameter in victim.model.parameters())
    assert all(
        torch.equal(value, before[name]) for name, value in victim.model.state_dict().items()
    )


def test_a_gradient_is_the_same_to_the_last_bit_in_any_batch(victim: Victim):
    service, texts = (
        GradientService(victim),
        [TEXT, "good film", "a warm end", "sad sad music and no plot"],
    )
    for text, gradient in zip(texts, service.answer(texts), strict=True):
        assert torch.equal(gradient, service.answer([text])[0])


def test_only_pieces_that_are_words_are_offered(victim: Victim):
    assert set(Vocabulary(victim).words) == {word for word in WORDS if len(word) > 1}


def test_swaps_come_in_the_order_of_their_estimated_gain(victim: Victim):
    from textattack.shared import AttackedText

    text, gradient = AttackedText("warm film"), oracle(victim, "warm film")
    embeddings, index = (
        victim.model.get_input_embeddings().weight.detach(),
        victim.tokenizer.convert_tokens_to_ids,
    )

    def gain(place: int, word: str) -> float:
        old = embeddings[index("warm film".split()[place])]
        return float((embeddings[index(word)] - old) @ gradient[place + 1])

    found = Vocabulary(victim).swaps(text, [0, 1], gradient)
    gains = [gain(place, word) for place, word in found]
    every = sorted(
        (
            gain(place, word)
            for place in (0, 1)
            for word in WORDS
            if len(word) > 1 and word != "warm film".split()[place]
        ),
        reverse=True,
    )
    assert len(found) == TRIED
    assert gains == pytest.approx(every[:TRIED], abs=1e-5)


def test_every_query_swaps_whole_words_for_single_pieces(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    answer = VictimService.answer

    def spy(self: VictimService, items: Sequence[Any]) -> list[Tensor]:
        asked.extend(items if type(self) is VictimService else ())
        return answer(self, items)

    monkeypatch.setattr(VictimService, "answer", spy)
    told = list(
        Attackers({"victim": victim}, "hotflip", 0).watch(Example(TEXT, None, said(victim, TEXT)))
    )
    assert isinstance(told[-1][1], Outcome) and len(set(asked)) > TRIED
    original = apart(TEXT)
    for text in set(asked) - {TEXT}:
        words = apart(text)
        changed = {
            i for i, (old, new) in enumerate(zip(original, words, strict=True)) if old != new
        }
        assert 1 <= len(changed) <= SWAPPED
        assert not {original[i] for i in changed} & {"the", "is", "a", "of", "very", ",", "."}
        meant = [
            [new] if i in changed else victim.tokenizer.tokenize(new) for i, new in enumerate(words)
        ]
        assert victim.tokenizer.tokenize(text) == [piece for pieces in meant for piece in pieces]


def test_victims_attacked_together_follow_their_own_gradients(victim: Victim):
    other = victim.copy()
    for weight in other.prunable().values():
        weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    texts = [TEXT, "good film of a rich cast", "poor actor, weak plot and a slow scene"]

    def run(victims: dict[str, Victim]) -> dict[tuple[str, int], Outcome]:
        attackers = Attackers(victims, "hotflip", 0)
        examples = [Example(text, None, said(victim, text), row) for row, text in enumerate(texts)]
        turns = attackers.run(((example, attackers.names) for example in examples), lambda: None)
        return {
            (side, outcome.record.example): outcome for ended in turns for side, outcome in ended
        }

    together = run({"one": victim, "two": other})
    assert together == run({"one": victim}) | run({"two": other})
    assert {outcome.record.outcome for outcome in together.values()} <= {
        "broken",
        "held",
        "skipped",
    }


def test_pairs_and_texts_beyond_the_limit_are_attacked(victim: Victim):
    label = int(victim.read(["good film"], ["bad cast"])[0].argmax())
    (*_, (_, outcome)) = Attackers({"victim": victim}, "hotflip", 0).watch(
        Example("good film", "bad cast", label)
    )
    assert (
        isinstance(outcome, Outcome)
        and outcome.record.outcome in ("broken", "held")
        and outcome.record.queries > 1
    )
    long = "good film " * 80
    (*_, (_, outcome)) = Attackers({"victim": victim}, "hotflip", 0).watch(
        Example(long, None, said(victim, long))
    )
    assert isinstance(outcome, Outcome) and outcome.record.outcome in ("broken", "held")
