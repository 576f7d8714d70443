"""Recovery: what is left is tuned toward the dense model, zeros stay, and a run that was cut short
ends with the same bytes.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from architectures import KINDS
from small_models import WORDS
from torch import Tensor
from torch.nn import functional

from prunescope.engine.data import Examples
from prunescope.engine.errors import InterruptedStudy, TrainingDiverged
from prunescope.engine.evaluation.measure import relative_error
from prunescope.engine.models.fingerprint import weights_sha256
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.pruning.pipeline import prune
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.training import loop, recovery
from prunescope.engine.training.recovery import recover
from prunescope.engine.training.recovery_spec import RATES, Recovery

every = pytest.mark.parametrize("kind", KINDS)
ways = pytest.mark.parametrize("way", RATES)
SHORT = Recovery("global", seed=0, steps=20, texts=16)


def texts(count: int, seed: int = 0) -> Examples:
    """Texts of 4 to 14 words; labels that no recovery may read."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(high: int, size: int) -> list[int]:
        return torch.randint(high, (size,), generator=generator).tolist()

    drawn = tuple(
        " ".join(WORDS[i] for i in numbers(len(WORDS), 4 + numbers(11, 1)[0])) for _ in range(count)
    )
    return Examples(drawn, None, (-1,) * count)


TEXTS, HELD_OUT = texts(64), texts(24, seed=1)


def pruned_by_magnitude(victim: Victim, sparsity: float = 0.5) -> Pruned:
    return prune(victim, (), None, "magnitude", sparsity)


def error_of(dense: Victim, pruned: Pruned) -> float:
    read = [model.read(HELD_OUT.texts)[1] for model in (dense, pruned.victim)]
    return relative_error(*read)


def zeros_of(victim: Victim) -> list[Tensor]:
    return [weight == 0 for weight in victim.prunable().values()]


def changed(dense: Victim, pruned: Victim) -> set[str]:
    before = dense.model.state_dict()
    after = pruned.model.state_dict()
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


@every
def test_zeros_stay_and_the_error_falls_in_every_architecture(
    victims: Callable[[str], Victim], kind: str
) -> None:
    victim = victims(kind)
    dense_bytes = weights_sha256(victim.model)
    pruned = pruned_by_magnitude(victim)
    before, zeros = error_of(victim, pruned), zeros_of(pruned.victim)
    tuned = recover(victim, pruned, TEXTS, HELD_OUT, SHORT, "key")
    assert all(map(torch.equal, zeros, zeros_of(tuned.victim)))
    assert error_of(victim, tuned) < before
    assert tuned.achieved == tuned.victim.achieved == pruned.achieved
    assert weights_sha256(victim.model) == dense_bytes
    assert "Tuned without labels (global) for 20 steps on 64 texts" in tuned.notices[-1]


@ways
def test_each_way_tunes_what_it_says(victim: Victim, way: str) -> None:
    pruned = pruned_by_magnitude(victim)
    magnitude = pruned_by_magnitude(victim)
    before = error_of(victim, pruned)
    tuned = recover(victim, pruned, TEXTS, HELD_OUT, Recovery(way, 0, 20, 16), "key")
    assert error_of(victim, tuned) < before
    names = changed(magnitude.victim, tuned.victim)
    assert names and all(".layer." in name for name in names)  # neither embeddings nor head
    tables = {name for name in names if tuned.victim.model.state_dict()[name].dim() > 1}
    assert bool(tables) is (way != "affine")
    assert not any(weight.grad is not None for weight in tuned.victim.model.parameters())
    flags = [weight.requires_grad for weight in magnitude.victim.model.parameters()]
    assert [weight.requires_grad for weight in tuned.victim.model.parameters()] == flags


def test_the_loss_is_the_written_out_one(victim: Victim) -> None:
    """Of the first step, in float64, text by text, without padding."""
    pruned = pruned_by_magnitude(victim)
    dense, sparse = (model.copy().model.double() for model in (victim, pruned.victim))
    losses: list[float] = []

    class Watched(recovery._FixedZeros):
        def on_step_end(self, step: int, steps: int) -> None:
            raise InterruptedStudy

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "_FixedZeros", Watched)
        plain = loop.LOSSES["none"]
        patch.setitem(
            loop.LOSSES, "none", lambda *given: losses.append(plain(*given)) or losses[-1]
        )
        with pytest.raises(InterruptedStudy):
            recover(victim, pruned, TEXTS, HELD_OUT, Recovery("global", 0, 20, 64), "key")

    def read(model: torch.nn.Module, text: str) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            out = model(**victim.tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        return out.hidden_states[1][0], out.hidden_states[-1][0, :1], out.logits

    spreads = [
        torch.cat([read(dense, text)[part] for text in HELD_OUT.texts]).var(0, correction=0).sum()
        for part in (0, 1)
    ]
    pairs = [(read(dense, text), read(sparse, text)) for text in TEXTS.texts]
    hidden = torch.cat([(s[0] - d[0]).square().sum(1) for d, s in pairs])
    heads = torch.cat([(s[1] - d[1]).square().sum(1) for d, s in pairs])
    divergence = functional.kl_div(
        torch.cat([s[2] for _, s in pairs]).log_softmax(1),
        torch.cat([d[2] for d, _ in pairs]).log_softmax(1),
        reduction="batchmean",
        log_target=True,
    )
    expected = hidden.mean() / spreads[0] + heads.mean() / spreads[1] + divergence
    # two parts of a step, each with a mean over its own tokens
    assert sum(losses) == pytest.approx(float(expected), rel=0.02)


def test_same_inputs_same_bytes_and_a_resumed_run_ends_alike(
    victim: Victim, tmp_path: Path
) -> None:
    def tuned(keep: Path | None, report: Progress) -> str:
        pruned = pruned_by_magnitude(victim)
        done = recover(victim, pruned, TEXTS, HELD_OUT, SHORT, "key", keep, report)
        return weights_sha256(done.victim.model)

    def stop_at(step: int) -> Progress:
        def listen(state: ProgressState) -> None:
            if state.done == step:
                raise InterruptedStudy

        return Progress(listen)

    whole = tuned(None, Progress())
    assert tuned(None, Progress()) == whole
    keep = tmp_path / "kept"
    for step in (3, 11, 17):
        with pytest.raises(InterruptedStudy):
            tuned(keep, stop_at(step))
        assert keep.is_file()
    assert tuned(keep, Progress()) == whole and not keep.exists()


def test_weights_that_no_step_improves_stay(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learning rate far too high."""
    pruned = pruned_by_magnitude(victim, 0.05)
    before, start = weights_sha256(pruned.victim.model), error_of(victim, pruned)
    monkeypatch.setitem(RATES, "global", 1.0)
    tuned = recover(victim, pruned, TEXTS, HELD_OUT, SHORT, "key")
    assert weights_sha256(tuned.victim.model) == before
    assert f"went from {start:.3f} to {start:.3f}" in tuned.notices[-1]


def test_a_divergence_names_what_can_be_set(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery._FixedZeros, "tolerance", 0.0)
    long = Recovery("global", 0, steps=60, texts=4)
    with pytest.raises(TrainingDiverged, match="prune less, hold out more texts, or choose"):
        recover(victim, pruned_by_magnitude(victim), TEXTS, HELD_OUT, long, "key")


def test_no_label_is_read(victim: Victim) -> None:
    other = Examples(TEXTS.texts, None, (0, 1) * (len(TEXTS) // 2))
    weights = [
        weights_sha256(
            recover(victim, pruned_by_magnitude(victim), part, HELD_OUT, SHORT, "key").victim.model
        )
        for part in (TEXTS, other)
    ]
    assert weights[0] == weights[1]


def test_a_block_learns_from_its_own_output_alone(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `block`, the last block's error moves no weight of the first; with `global` it does."""
    victim = load_victim(str(model_folder), "cpu")
    gradients: dict[str, float] = {}
    for way in ("block", "global"):
        pruned = pruned_by_magnitude(victim)
        with recovery._learning(pruned.victim, way):
            with recovery._watched(pruned.victim, apart=way == "block") as outputs:
                batch = next(pruned.victim.batches(TEXTS.texts[:8]))
                logits = pruned.victim.model(**batch.inputs).logits
            assert len(outputs) == 3
            logits.sum().backward()
            first, last = pruned.victim.architecture.modules(pruned.victim.model)
            total = [
                sum(
                    float(weight.grad.abs().sum())
                    for weight in block.parameters()
                    if weight.grad is not None
                )
                for block in (first, last)
            ]
        gradients[way] = total[0]
        assert total[1] > 0
    assert gradients["block"] == 0 < gradients["global"]
