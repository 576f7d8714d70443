"""The loop: rates, optimizers, early stopping, divergence."""

import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from prunescope.engine.data import Examples
from prunescope.engine.errors import TrainingDiverged
from prunescope.engine.models.base import classifier
from prunescope.engine.progress import SILENT
from prunescope.engine.training import loop
from prunescope.engine.training.batches import Passes
from prunescope.engine.training.finetune import TrainingSetup, finetune, split_for_stopping
from prunescope.engine.training.loop import EncodedExamples, Training, held_out_score, rate_at
from prunescope.engine.training.spec import OPTIMIZERS, SCHEDULES, TrainSpec

SPEC = TrainSpec("member", seed=1, learning_rate=0.01, epochs=2, batch_size=8, rank=0)


def encode_examples(shared: TrainingSetup, data: Examples) -> EncodedExamples:
    ids = shared.base.tokenizer(list(data.texts), truncation=True, max_length=shared.max_tokens)
    return EncodedExamples(dict(ids), data.labels, int(shared.base.tokenizer.pad_token_id))


def fresh(shared: TrainingSetup, rank: int = 0) -> Any:
    return classifier(shared.base, shared.label_names, 0, rank).train()


def still(model: nn.Module) -> nn.Module:
    """Dropout off, so that an oracle need not draw."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):  # attention's, which is applied inside its product
            module.dropout_prob = 0.0
    return model


# Learning rates


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("steps", "warmup"), [(1, 0.0), (1, 0.9), (10, 0.0), (10, 0.3), (37, 0.06), (100, 0.5)]
)
def test_rates_are_the_written_out_formula(schedule: str, steps: int, warmup: float):
    spec = replace(SPEC, schedule=schedule, warmup=warmup, learning_rate=0.3)
    rise = max(1, round(steps * warmup))
    expected = [0.3 * (step + 1) / rise for step in range(rise)]
    left = steps - rise
    for step in range(left):  # the rate would reach 0 at the step after the last
        removed = (step + 1) / (left + 1)
        expected.append(
            0.3
            * {
                "linear": 1 - removed,
                "cosine": 0.5 + 0.5 * math.cos(math.pi * removed),
                "constant": 1.0,
            }[schedule]
        )
    assert [rate_at(spec, step, steps) for step in range(steps)] == pytest.approx(expected)


def test_the_fall_is_torchs_own():
    weight = nn.Parameter(torch.zeros(1))
    for schedule, kind in (
        ("linear", torch.optim.lr_scheduler.LinearLR),
        ("cosine", torch.optim.lr_scheduler.CosineAnnealingLR),
    ):
        optimizer = torch.optim.SGD([weight], lr=0.3)
        settings = (
            {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 20}
            if schedule == "linear"
            else {"T_max": 20}
        )
        scheduler = kind(optimizer, **settings)  # type: ignore[arg-type]
        spec = replace(SPEC, schedule=schedule, warmup=0.0, learning_rate=0.3)
        for step in range(20):
            assert rate_at(spec, step, 20) == pytest.approx(
                optimizer.param_groups[0]["lr"], abs=1e-12
            )
            optimizer.step()
            scheduler.step()


@given(st.sampled_from(SCHEDULES), st.floats(0, 0.99), st.integers(1, 200))
def test_rates_rise_to_the_highest_and_stay_above_0(schedule: str, warmup: float, steps: int):
    spec = replace(SPEC, schedule=schedule, warmup=warmup, learning_rate=0.3)
    rates = [rate_at(spec, step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.3) and min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert all(
        item >= two - 1e-12 for item, two in zip(rates[top:], rates[top + 1 :], strict=False)
    )


# Steps


@pytest.mark.parametrize(("accumulation", "clip"), [(1, 1e9), (3, 1e9), (1, 0.05)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_are_torchs(
    shared: TrainingSetup, rows: Examples, optimizer: str, accumulation: int, clip: float
):
    """The same training written out: torch's optimizer with torch's defaults, whole batches, one
    clip a step.
    """
    spec = replace(
        SPEC,
        optimizer=optimizer,
        momentum=0.9,
        weight_decay=0.1,
        accumulation=accumulation,
        clip=clip,
        learning_rate=0.05 if optimizer == "sgd" else 1e-3,
    )
    data = encode_examples(shared, rows)
    model, expected = still(fresh(shared)).double(), still(fresh(shared)).double()
    trained = Training(model, spec, data, None, "key").run(SILENT)
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    own: Any = kind(
        expected.parameters(),
        lr=1.0,
        weight_decay=0.1,
        **({"momentum": 0.9} if optimizer == "sgd" else {}),
    )
    passes, losses = Passes(data.lengths, spec.batch_size, spec.seed), []
    for step in range(6):
        inputs, labels = data.batch(passes.take(), "cpu")
        loss = nn.functional.cross_entropy(expected(**inputs).logits.float(), labels)
        own.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(expected.parameters(), clip)
        own.param_groups[0]["lr"] = rate_at(spec, step, 6)
        own.step()
        losses.append(loss.item())
    assert trained.steps == 6 and not trained.stopped and trained.best is None
    assert trained.final_loss == pytest.approx(sum(losses) / 6, rel=1e-6)
    start = fresh(shared).double().state_dict()
    for name, value in expected.state_dict().items():
        if name.endswith("key.bias"):
            # no softmax depends on it, so its gradient is rounding, which Adam makes large
            continue
        assert torch.allclose(model.state_dict()[name], value, rtol=1e-5, atol=1e-7), name
        assert not torch.equal(value, start[name]) or "position" in name or "token_type" in name, (
            name
        )


@pytest.mark.parametrize(("epochs", "steps"), [(1, 3), (2, 6), (0.5, 2), (0.01, 1)])
def test_steps_are_the_epochs(shared: TrainingSetup, rows: Examples, epochs: float, steps: int):
    training = Training(
        fresh(shared), replace(SPEC, epochs=epochs), encode_examples(shared, rows), None, "key"
    )
    assert training.steps == steps == training.run(SILENT).steps


def test_only_what_learns_moves(shared: TrainingSetup, rows: Examples):
    model, start = fresh(shared, 2), fresh(shared, 2).state_dict()
    Training(model, replace(SPEC, rank=2), encode_examples(shared, rows), None, "key").run(SILENT)
    moved = {
        name for name, value in model.state_dict().items() if not torch.equal(value, start[name])
    }
    assert any("lora_B" in name for name in moved) and any(
        "classifier.modules_to_save" in name for name in moved
    )
    assert all("lora_" in name or "modules_to_save" in name for name in moved)


def test_progress_tells_loss_and_pace(shared: TrainingSetup, rows: Examples):
    heard: list[tuple[str, int, int]] = []
    spec = replace(SPEC, patience=9, accumulation=2)
    Training(
        fresh(shared),
        spec,
        encode_examples(shared, rows),
        encode_examples(shared, rows.take([0, 1])),
        "key",
    ).run(lambda *message: heard.append(message))
    assert [(done, total) for _, done, total in heard] == sorted(
        (done, total) for _, done, total in heard
    )
    assert heard[-1][1:] == (6, 6) and {done for _, done, _ in heard} == set(range(7))
    assert re.fullmatch(r"member: loss \d\.\d{3}, held-out \d+\.\d %, \d+ rows/s", heard[-1][0])


# Early stopping


def scripted(
    monkeypatch: pytest.MonkeyPatch, scores: list[tuple[float, float]]
) -> list[dict[str, Tensor]]:
    """Checks come out as written; returns the weights that each check saw."""
    observed: list[dict[str, Tensor]] = []

    def check(model: nn.Module, *_: Any) -> tuple[float, float]:
        observed.append({name: value.clone() for name, value in model.state_dict().items()})
        return scores[min(len(observed), len(scores)) - 1]

    monkeypatch.setattr(loop, "held_out_score", check)
    return observed


@pytest.mark.parametrize(
    ("scores", "patience", "best", "checks"),
    [
        (
            [(0.5, 1.0), (0.6, 1.0), (0.4, 1.0), (0.4, 1.0), (0.9, 1.0)],
            2,
            1,
            4,
        ),  # the last is never reached
        (
            [(0.5, 1.0), (0.5, 0.9), (0.5, 0.95), (0.5, 0.8)],
            1,
            1,
            3,
        ),  # of equal accuracy, the smaller loss
        ([(0.5, 1.0), (0.5, 1.0), (0.5, 1.0)], 2, 0, 3),  # no improvement is none
        ([(0.1 * n, 1.0) for n in range(8)], 1, 5, 6),  # it trains to the end
    ],
)
def test_early_stopping_keeps_the_best_weights(
    shared: TrainingSetup,
    rows: Examples,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[tuple[float, float]],
    patience: int,
    best: int,
    checks: int,
):
    observed = scripted(monkeypatch, scores)
    model = fresh(shared)
    data = encode_examples(shared, rows)
    done = Training(
        model, replace(SPEC, epochs=6, checks=1, patience=patience), data, data, "key"
    ).run(SILENT)
    assert len(observed) == checks and done.steps == 3 * checks
    assert done.stopped is (checks < 6)
    assert done.best == (3 * (best + 1), *scores[best])
    assert all(
        torch.equal(value, observed[best][name]) for name, value in model.state_dict().items()
    )


@pytest.mark.parametrize(
    ("checks", "at"), [(1.0, [3, 6]), (3.0, [1, 2, 3, 4, 5, 6]), (0.5, [6]), (0.1, [6])]
)
def test_checks_come_as_often_as_asked_for(
    shared: TrainingSetup,
    rows: Examples,
    monkeypatch: pytest.MonkeyPatch,
    checks: float,
    at: list[int],
):
    indices: list[int] = []

    def check(
        _model: Any, _rows: Any, _device: str, _report: Any, index: tuple[int, int]
    ) -> tuple[float, float]:
        indices.append(index[0])
        return 0.5, 1.0

    monkeypatch.setattr(loop, "held_out_score", check)
    data = encode_examples(shared, rows)
    Training(fresh(shared), replace(SPEC, checks=checks, patience=99), data, data, "key").run(
        SILENT
    )
    assert indices == at


def test_held_out_score_is_accuracy_and_loss(shared: TrainingSetup, rows: Examples):
    model, data = fresh(shared), encode_examples(shared, rows)
    accuracy, loss = held_out_score(model, data, "cpu", SILENT, (0, 1), size=3)
    model.eval()
    right, total = 0, 0.0
    for row in range(len(rows)):
        inputs, labels = data.batch([row], "cpu")
        with torch.no_grad():
            logits = model(**inputs).logits[0].double()
        right += int(logits.argmax()) == rows.labels[row]
        total -= float(torch.log_softmax(logits, 0)[labels[0]])
    assert accuracy == right / 20 and loss == pytest.approx(total / 20, rel=1e-5)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefg"), st.sampled_from("xyz")), min_size=2, max_size=60
    ),
    st.booleans(),
    st.integers(0, 5),
)
def test_held_out_rows_are_disjoint_by_text(texts: list[tuple[str, str]], paired: bool, seed: int):
    data = Examples(
        tuple(t for t, _ in texts),
        tuple(p for _, p in texts) if paired else None,
        (0,) * len(texts),
    )
    distinct = len(set(texts if paired else data.texts))
    spec = replace(SPEC, patience=1, seed=seed)
    if distinct == 1:
        return
    trained, held_out = split_for_stopping(data, spec)
    assert (
        held_out is not None
        and len(trained) + len(held_out) == len(data)
        and len(trained)
        and len(held_out)
    )
    item, two = (
        list(zip(part.texts, part.pairs or [""] * len(part), strict=True))
        for part in (trained, held_out)
    )
    assert not set(item) & set(two)
    assert sorted(item + two) == sorted((t, p if paired else "") for t, p in texts)
    assert len(set(two)) == max(1, round(0.05 * distinct))
    assert split_for_stopping(data, spec) == (trained, held_out)


def test_without_early_stopping_nothing_is_held_out(rows: Examples):
    assert split_for_stopping(rows, SPEC) == (rows, None)


def test_early_stopping_sees_only_its_rows(
    shared: TrainingSetup, rows: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    observed: list[EncodedExamples] = []
    real = loop.held_out_score

    def spy(model: Any, held_out: EncodedExamples, *rest: Any) -> tuple[float, float]:
        observed.append(held_out)
        return real(model, held_out, *rest)

    monkeypatch.setattr(loop, "held_out_score", spy)
    spec = replace(SPEC, patience=3)
    record = finetune(spec, shared, tmp_path / "out")
    trained, held_out = split_for_stopping(rows, spec)
    assert (
        held_out is not None
        and observed
        and all(item == encode_examples(shared, held_out) for item in observed)
    )
    assert (record["rows"], record["held_out"]) == (len(trained), len(held_out)) == (19, 1)
    assert record["best"]["step"] in (1, 2, 3, 4, 5, 6)


# Divergence


def test_a_rate_that_diverges_is_told_with_its_step(
    shared: TrainingSetup, rows: Examples, tmp_path: Path
):
    spec = replace(SPEC, learning_rate=1e6, epochs=100, warmup=0.0)
    with pytest.raises(
        TrainingDiverged,
        match=r"member diverged at step \d+ of 300: .*; lower the learning rate 1e\+06\.$",
    ):
        finetune(spec, shared, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers(shared: TrainingSetup, rows: Examples):
    model = fresh(shared)
    model.classifier.bias.data[0] = math.nan
    with pytest.raises(
        TrainingDiverged,
        match="member diverged at step 1 of 6: its loss is nan, its gradient's norm nan",
    ):
        Training(model, SPEC, encode_examples(shared, rows), None, "key").run(SILENT)


def test_a_gradient_that_is_no_number_moves_nothing(shared: TrainingSetup, rows: Examples):
    model = fresh(shared)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    model.classifier.bias.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingDiverged, match=r"gradient's norm (inf|nan)"):
        Training(model, SPEC, encode_examples(shared, rows), None, "key").run(SILENT)
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("loss", "stops"), [(1.37, False), (1.40, True)])
def test_a_mean_loss_far_above_guessing_stops(
    shared: TrainingSetup, rows: Examples, monkeypatch: pytest.MonkeyPatch, loss: float, stops: bool
):
    """Twice ln 2 is 1.386; fifty steps are looked at together."""

    def made_up(model: Any, *_: Any) -> float:
        model.classifier.bias.grad = torch.zeros(2)
        return loss

    monkeypatch.setitem(loop.LOSSES, "none", made_up)
    training = Training(
        fresh(shared), replace(SPEC, epochs=20), encode_examples(shared, rows), None, "key"
    )
    if stops:
        with pytest.raises(
            TrainingDiverged, match=r"at step 51 of 60: its mean loss is 1\.40; lower"
        ):
            training.run(SILENT)
    else:
        assert training.run(SILENT).final_loss == pytest.approx(loss)


def test_the_last_good_checkpoint_is_kept_and_named(
    shared: TrainingSetup, rows: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "BETWEEN", 0.0)
    keep = tmp_path / "keep"
    bad = {"at": 4}

    def late(
        model: Any, inputs: Any, labels: Tensor, spec: TrainSpec, share: float = 1.0, *_: Any
    ) -> float:
        bad["at"] -= 1
        return math.nan if bad["at"] < 0 else real(model, inputs, labels, spec, share)

    real: Callable[..., float] = loop.LOSSES["none"]
    monkeypatch.setitem(loop.LOSSES, "none", late)
    data = encode_examples(shared, rows)
    with pytest.raises(
        TrainingDiverged, match=rf"at step 5 of 6: .* The last checkpoint is {keep}\.$"
    ):
        Training(fresh(shared), SPEC, data, None, "key", keep=keep).run(SILENT)
    monkeypatch.undo()
    model = fresh(shared)
    assert Training(model, SPEC, data, None, "key", keep=keep).run(SILENT).steps == 6  # usable
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


@pytest.mark.parametrize("between", [0.0, 60.0])
def test_weights_that_overflow_at_a_step_are_neither_kept_nor_written(
    shared: TrainingSetup,
    rows: Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    between: float,
):
    """The loss before the step was finite, so only the weights show it; at the last step of all."""
    monkeypatch.setattr(loop, "BETWEEN", between)

    def steep(model: Any, *_: Any) -> float:
        model.classifier.bias.grad = torch.tensor([100.0, -100.0])
        return 0.5

    monkeypatch.setitem(loop.LOSSES, "none", steep)
    spec = replace(SPEC, learning_rate=1e38, epochs=0.01, warmup=0.0, optimizer="sgd", clip=1e9)
    with pytest.raises(TrainingDiverged, match="member diverged at step 1 of 1"):
        finetune(spec, shared, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_adapter_that_half_precision_does_not_hold_is_not_written(
    shared: TrainingSetup, tmp_path: Path
):
    spec = replace(SPEC, rank=2, learning_rate=1e6, epochs=0.01, warmup=0.0)
    with pytest.raises(
        TrainingDiverged, match="beyond what half precision holds; lower the learning rate"
    ):
        finetune(spec, shared, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_random_states_outside_are_as_they_were(shared: TrainingSetup, tmp_path: Path):
    torch.manual_seed(5)
    before, python_before = torch.get_rng_state(), random.getstate()
    finetune(replace(SPEC, adversarial="freelb", patience=2), shared, tmp_path / "out")
    assert torch.equal(torch.get_rng_state(), before)
    assert random.getstate() == python_before
