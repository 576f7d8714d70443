"""Fine-tune members: LoRA adapters on a pretrained encoder, with cross-entropy or adversarially (FreeLB).

All members of one recipe share the pretrained weights and the head's initialisation, so that their weights can be
averaged. Evaluation data is never seen: early stopping is not used, and the last weights are kept.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from engine.data import Examples
from engine.errors import SettingError
from engine.models.tokens import pad_rows
from engine.progress import Reporter, silent

BLOCK_LINEARS = (
    r".*encoder\.layer\.\d+\."
    r"(attention\.self\.(query|key|value)|attention\.output\.dense|intermediate\.dense|output\.dense)"
)


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One member of a recipe: how it is fine-tuned."""

    name: str
    seed: int
    learning_rate: float
    epochs: float = 1.0  # passes over the training rows; may be a fraction
    batch_size: int = 32  # rows
    weight_decay: float = 0.01
    warmup: float = 0.06  # share of the steps
    rank: int = 16
    adversarial: str = "none"  # "none" or "freelb"
    adv_steps: int = 2  # K of FreeLB
    adv_lr: float = 0.1  # ascent step, in units of the embedding norm of a whole row
    adv_init: float = 0.2  # size of the random start, same unit

    def __post_init__(self) -> None:
        if self.adversarial not in ("none", "freelb"):
            raise SettingError(f"adversarial={self.adversarial!r} is unknown; choose none or freelb.")
        if min(self.learning_rate, self.epochs, self.batch_size, self.rank, self.adv_steps) <= 0:
            raise SettingError(f"Member {self.name!r}: rates, epochs, sizes and steps must be above 0.")


def batches(lengths: list[int], size: int, generator: random.Random) -> Iterator[list[int]]:
    """One pass over the rows in random order, rows of like length together (64 batches are sorted at a time)."""
    order = list(range(len(lengths)))
    generator.shuffle(order)
    for start in range(0, len(order), 64 * size):
        window = sorted(order[start : start + 64 * size], key=lengths.__getitem__)
        pieces = [window[i : i + size] for i in range(0, len(window), size)]
        generator.shuffle(pieces)
        yield from pieces


def freelb_loss(model: nn.Module, inputs: dict[str, Tensor], labels: Tensor, spec: MemberSpec) -> float:
    """Accumulate FreeLB's gradients into the parameters and return the mean loss.

    K ascent steps on a perturbation δ of the word embeddings, its gradient with respect to the weights averaged over
    the steps: g = 1/K Σ ∇_θ L(x + δ_t, y), δ_{t+1} = δ_t + a · ∇_δ L / ‖∇_δ L‖ per row. Source: Zhu et al., ICLR 2020.
    """
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    clean = embedding(inputs["input_ids"]).detach()  # (rows, tokens, width)
    real = inputs["attention_mask"].unsqueeze(-1).to(clean.dtype)
    size = (real.sum(dim=(1, 2), keepdim=True) * clean.shape[-1]).sqrt()
    delta = (torch.rand_like(clean) * 2 - 1) * real * (spec.adv_init / size)
    rest = {k: v for k, v in inputs.items() if k != "input_ids"}
    total = 0.0
    for _ in range(spec.adv_steps):
        delta.requires_grad_()
        loss = model(inputs_embeds=clean + delta, labels=labels, **rest).loss / spec.adv_steps
        loss.backward()
        total += loss.item()
        gradient = delta.grad
        assert gradient is not None
        norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1)
        delta = (delta + spec.adv_lr * gradient / norm).detach() * real
    return total


def plain_loss(model: nn.Module, inputs: dict[str, Tensor], labels: Tensor) -> float:
    """Accumulate the gradients of the cross-entropy and return it."""
    loss = model(labels=labels, **inputs).loss
    loss.backward()
    return float(loss.item())


def _pretrained(base: Path | str, num_labels: int) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=num_labels, use_safetensors=True, local_files_only=Path(base).is_dir()
    )
    return model


def lora_model(base: Path | str, num_labels: int, head_seed: int, rank: int) -> PeftModel:
    """The pretrained encoder with a fresh head (seeded) and fresh adapters on every linear of every block."""
    torch.manual_seed(head_seed)
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=2 * rank, lora_dropout=0.0,
        target_modules=BLOCK_LINEARS, modules_to_save=["pooler", "classifier"],
    )  # fmt: skip
    model = get_peft_model(_pretrained(base, num_labels), config)
    assert isinstance(model, PeftModel)
    return model


def resumed(base: Path | str, num_labels: int, adapter: Path) -> PeftModel:
    """The pretrained encoder with a saved adapter, ready to be trained further, in single precision."""
    model = PeftModel.from_pretrained(_pretrained(base, num_labels), str(adapter), is_trainable=True)
    return model.float()


def _schedule(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> torch.optim.lr_scheduler.LambdaLR:
    rise = max(1, round(steps * warmup))
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (step + 1) / rise if step < rise else max(0.0, (steps - step) / (steps - rise + 1))
    )


def finetune(
    spec: MemberSpec, base: Path | str, tokenizer: PreTrainedTokenizerBase, data: Examples, num_labels: int,
    out: Path, *, start: Path | None = None, head_seed: int = 0, device: str = "cpu", max_tokens: int = 128,
    report: Reporter = silent,
) -> dict[str, object]:  # fmt: skip
    """Train one member on `data` and write its adapter (half precision, safetensors) to `out`.

    `start` is an adapter to go on from; without it the head and the adapters are fresh. Returns what is worth
    recording: rows, steps and the mean loss of the last hundred steps. The global random state is left as it was.
    """
    encoded = tokenizer(list(data.texts), list(data.pairs) if data.pairs else None, truncation=True,
                        max_length=max_tokens)  # fmt: skip
    lengths = [len(ids) for ids in encoded["input_ids"]]
    with torch.random.fork_rng():
        model = lora_model(base, num_labels, head_seed, spec.rank) if start is None else resumed(base, num_labels, start)
        model = model.to(device)
        torch.manual_seed(spec.seed)
        if start is None:  # the head is shared, the adapters' starting points are the member's own
            for module in model.modules():
                if isinstance(module, LoraLayer):
                    module.reset_lora_parameters("default", init_lora_weights=True)  # type: ignore[no-untyped-call]
        losses = _train(model, spec, encoded, lengths, data.labels, int(tokenizer.pad_token_id), device, report)
    save_adapter(model, out)
    last = losses[-100:]
    return {"rows": len(data), "steps": len(losses), "final_loss": round(sum(last) / len(last), 6)}


def _train(
    model: nn.Module, spec: MemberSpec, encoded: dict[str, list[list[int]]], lengths: list[int],
    labels: tuple[int, ...], pad_id: int, device: str, report: Reporter,
) -> list[float]:  # fmt: skip
    generator = random.Random(spec.seed)
    steps = max(1, round(spec.epochs * -(-len(lengths) // spec.batch_size)))
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    schedule = _schedule(optimizer, steps, spec.warmup)
    losses: list[float] = []
    model.train()
    while len(losses) < steps:
        for rows in batches(lengths, spec.batch_size, generator):
            inputs = pad_rows({k: [v[i] for i in rows] for k, v in encoded.items()}, pad_id, device)
            gold = torch.tensor([labels[i] for i in rows], device=device)
            adversarial = spec.adversarial == "freelb"
            losses.append(freelb_loss(model, inputs, gold, spec) if adversarial else plain_loss(model, inputs, gold))
            nn.utils.clip_grad_norm_(trainable, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            recent = losses[-50:]
            report(f"{spec.name}: loss {sum(recent) / len(recent):.3f}", len(losses), steps)
            if len(losses) == steps:
                break
    return losses


def save_adapter(model: PeftModel, out: Path) -> None:
    """Write the adapter in half precision; what is shipped is also what is evaluated."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.half()
    model.peft_config["default"].base_model_name_or_path = ""
    model.save_pretrained(str(out), safe_serialization=True)
    (out / "README.md").unlink(missing_ok=True)
