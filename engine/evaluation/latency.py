"""Latency of a victim per sentence, in the forms that can use its zeros: dense, CSR on the CPU, 2:4
on a GPU.

The forward pass of the ordinary model is timed, over batches padded to their longest sentence;
tokenizing is not. All models are measured in one run, in turn (A, B, A, B, …) after a warm-up, so
that whatever else the machine does hits them alike, and ratios are taken round by round.
"""

import copy
import platform
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.engine.data import load_dataset, sample
from prunescope.engine.errors import SettingError
from prunescope.engine.evaluation.statistics import Spread
from prunescope.engine.models.linears import PrunableLinear
from prunescope.engine.models.tokens import pad_rows
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.progress import SILENT, Progress

FORMS = ("dense", "csr", "2:4")
WARM_UP = 2  # rounds: the first pays for allocations and kernel choices
ModelInForm = tuple[Victim, str]  # a victim and the form in which it is measured


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds a sentence of one victim in one form."""

    name: str
    form: str  # "dense", "csr" or "2:4"
    seconds: Spread  # a sentence
    batch: int
    sentences: int
    tokens: int  # real ones, of all sentences
    repeats: int
    device: str
    dtype: str
    threads: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models that were measured in turn."""

    sides: tuple[Latency, ...]
    ratios: tuple[Spread, ...]  # of each model's seconds to the first one's, round by round


class CsrLinear(nn.Module):
    """A linear whose weight is stored as CSR: only the remaining weights are multiplied."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # Torch says once a process that CSR is in beta. We only measure it, and say so on our
            # side.
            warnings.filterwarnings(
                "ignore", message="Sparse CSR tensor support is in beta", category=UserWarning
            )
            self.weight = linear.weight.detach().to_sparse_csr()
        bias: Tensor | None = linear.bias
        if bias is None:
            bias = linear.weight.new_zeros(len(linear.weight))
        self.bias = bias.detach()[:, None]

    def forward(self, value: Tensor) -> Tensor:
        """(…, d_in) → (…, d_out)."""
        # Not functional.linear: on a matrix it takes a path five times as slow, which inference
        # mode refuses besides.
        flat = value.reshape(-1, value.shape[-1])
        out: Tensor = torch.addmm(self.bias, self.weight, flat.T).T
        return out.reshape(*value.shape[:-1], -1)


def measure_latency(
    victim: Victim,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    form: str = "dense",
    batch: int = 8,
    repeats: int = 20,
    dtype: torch.dtype = torch.float32,
    report: Progress = SILENT,
) -> Latency:
    """Seconds a sentence of one victim.

    Raises SettingError for a form that is not available here, with the reason.
    """
    return compare_latency(
        [(victim, form)], texts, pairs, batch=batch, repeats=repeats, dtype=dtype, report=report
    ).sides[0]


@torch.inference_mode()
def compare_latency(
    models: Sequence[ModelInForm],
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    batch: int = 8,
    repeats: int = 20,
    dtype: torch.dtype = torch.float32,
    report: Progress = SILENT,
) -> Comparison:
    """Measure the models in turn, `repeats` rounds over all texts, all in the same `dtype`.

    Raises SettingError for no texts, no models, a size below 1, or a form that is not available
    here, with the reason.
    """
    if not texts or not models:
        raise SettingError(
            f"There are {len(texts)} texts and {len(models)} models to measure; give at least one "
            "of each."
        )
    for name, value in (("batch", batch), ("repeats", repeats)):
        if value < 1:
            raise SettingError(f"{name} is {value}; it must be at least 1.")
    modules = [in_form(victim, form, dtype) for victim, form in models]
    inputs = [_batches(victim, texts, pairs, batch) for victim, _ in models]
    rounds = np.empty((WARM_UP + repeats, len(models)))
    for turn in range(len(rounds)):
        report("latency", turn, len(rounds))
        for column, ((victim, _), module) in enumerate(zip(models, modules, strict=True)):
            rounds[turn, column] = _seconds(module, inputs[column], victim.device) / len(texts)
    report("latency", len(rounds), len(rounds))
    rounds = rounds[WARM_UP:]
    latencies = tuple(
        Latency(
            victim.name,
            form,
            Spread.of(rounds[:, column]),
            batch,
            len(texts),
            sum(int(part["attention_mask"].sum()) for part in inputs[column]),
            repeats,
            device_name(victim.device),
            str(dtype).removeprefix("torch."),
            torch.get_num_threads(),
        )
        for column, (victim, form) in enumerate(models)
    )
    ratios = rounds / rounds[:, :1]
    return Comparison(latencies, tuple(map(Spread.of, ratios.T)))


def in_form(victim: Victim, form: str, dtype: torch.dtype = torch.float32) -> Any:
    """A copy of the victim's model with the linears of its blocks in one form."""
    if form not in FORMS:
        raise SettingError(f"The form {form!r} is unknown; choose one of {', '.join(FORMS)}.")
    if form == "csr" and (victim.device.type != "cpu" or dtype != torch.float32):
        raise SettingError(
            f"csr is measured on the CPU in float32, not on {victim.device} in {dtype}; use "
            "`device=cpu`, or another form."
        )
    if form == "2:4":
        _check_two_four(victim, dtype)
    model = copy.deepcopy(victim.model).to(dtype)
    for path in victim.architecture.paths.values() if form != "dense" else ():
        linear = PrunableLinear(model.get_submodule(path)).as_linear()
        if form == "csr":
            model.set_submodule(path, CsrLinear(linear))
        else:
            linear.weight = nn.Parameter(
                _semi_structured(linear.weight.detach()), requires_grad=False
            )
            model.set_submodule(path, linear)
    return model


def is_two_four(weight: Tensor) -> bool:
    """Whether every four neighbours in a row have at least two zeros."""
    return weight.shape[1] % 4 == 0 and bool((weight.reshape(-1, 4) != 0).sum(dim=1).le(2).all())


def _check_two_four(victim: Victim, dtype: torch.dtype) -> None:
    """Raises SettingError with the reason when 2:4 cannot be measured."""
    for name, weight in victim.prunable().items():
        if not is_two_four(weight):
            raise SettingError(
                f"2:4 is not available: {name} of {victim.name} does not have two zeros in every "
                "four weights; prune with the pattern 2:4 first, or measure dense."
            )
    if victim.device.type != "cuda":
        raise SettingError(
            f"2:4 is not available: it needs an NVIDIA GPU and the model is on {victim.device}; "
            "use `device=cuda`, or the form csr."
        )
    if (capability := torch.cuda.get_device_capability(victim.device)) < (8, 0):
        raise SettingError(
            f"2:4 is not available: {device_name(victim.device)} has compute capability "
            f"{capability[0]}.{capability[1]}, and sparse tensor cores begin with 8.0; measure "
            "dense."
        )
    if dtype not in (torch.float16, torch.bfloat16):
        raise SettingError(
            f"2:4 is not available in {dtype}; use `dtype=float16` or `dtype=bfloat16`, for all "
            "models."
        )


def _semi_structured(weight: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # Torch says once a process that this is a prototype. We only measure it, and say so on our
        # side.
        warnings.filterwarnings(
            "ignore", message="The PyTorch API of SparseSemiStructuredTensor", category=UserWarning
        )
        try:
            packed: Tensor = torch.sparse.to_sparse_semi_structured(weight.contiguous())
        except RuntimeError as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            shape = tuple(weight.shape)
            raise SettingError(
                f"2:4 is not available for a weight of {shape} ({reason}); measure dense."
            ) from error
    return packed


def _batches(
    victim: Victim, texts: Sequence[str], pairs: Sequence[str] | None, batch: int
) -> list[dict[str, Tensor]]:
    """Padded batches, sentences sorted by length so that little is padded."""
    encoded = victim.encode(texts, pairs)
    order = sorted(range(len(texts)), key=lambda row: len(encoded["input_ids"][row]))
    return [
        pad_rows(
            {
                name: [rows[i] for i in order[start : start + batch]]
                for name, rows in encoded.items()
            },
            victim.pad_id,
            victim.device,
        )
        for start in range(0, len(order), batch)
    ]


def _seconds(model: Any, batches: list[dict[str, Tensor]], device: torch.device) -> float:
    """One pass over all batches; on a GPU until the last kernel has ended."""
    start = time.perf_counter()
    for inputs in batches:
        model(**inputs)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def device_name(device: torch.device) -> str:
    """The processor's product name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    listed = Path("/proc/cpuinfo")  # Linux; platform.processor() is empty on many of them
    lines = (
        listed.read_text(encoding="utf-8", errors="replace").splitlines()
        if listed.is_file()
        else []
    )
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def machine_of(device: torch.device) -> dict[str, str | int]:
    """What decides the last digits of a result beside its settings.

    Another processor, number of threads or PyTorch rounds otherwise, and a mask follows.
    """
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def latency_of(
    models: Sequence[str],
    data: str,
    forms: str | None,
    sentences: int,
    batch: int,
    repeats: int,
    dtype: str,
    seed: int,
    device: str,
    report: Progress = SILENT,
    **columns: str | None,
) -> Comparison:
    """Load models and texts by name and measure every model in every form; `forms` None is what the
    device can do.
    """
    examples = load_dataset(data, seed=seed, divide=False, **columns).evaluation
    chosen = examples.take(sample(examples, sentences, seed))
    victims = [load_victim(name, device) for name in models]
    usual = "dense,csr" if victims[0].device.type == "cpu" and dtype == "float32" else "dense"
    sides = [(victim, form.strip()) for victim in victims for form in (forms or usual).split(",")]
    return compare_latency(
        sides,
        chosen.texts,
        chosen.pairs,
        batch=batch,
        repeats=repeats,
        dtype=getattr(torch, dtype),
        report=report,
    )
