"""What an NVIDIA card makes of the pruner, in one JSON file that docs/benchmarks.md is read from.

    scripts/gpu [--out benchmarks/gpu.json] [--part NAME] [--small] [--device cuda]

tests     the tests that compare the card with the CPU
base      BERT-base, 1,024 sentences: `adaptive` at one sparsity, and at ten in one pass
large     BERT-large, 512 sentences: `adaptive` at one sparsity
billion   a Llama of a billion weights, 256 sentences: SparseGPT and `adaptive` at one sparsity
finetune  steps of LoRA and of whole fine-tuning, BERT-base, 32 rows
two_four  BERT-base at 2:4 in half precision, against dense
attack    texts a second that a victim answers for attacks, BERT-base

Every part runs in a process of its own and has a limit of its own; all of them take less than ten
minutes. Weights are random and texts made up, so nothing is fetched: neither TextAttack nor the
embedded model is needed. Seconds stand beside the floor that this card's rate of products gives in
the same process. `--small` takes tiny models, to try the script itself.
"""

import argparse
import importlib.metadata
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

from benchmarks.pipeline import floor_of, product_rate, timed
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.evaluation.latency import compare_latency
from prunescope.engine.models.base import adapted
from prunescope.engine.models.examine import examine
from prunescope.engine.models.victim import Victim
from prunescope.engine.pruning.pipeline import prune, prune_levels
from prunescope.engine.pruning.plan import Plan

LIMITS = {
    "tests": 120,
    "base": 120,
    "large": 90,
    "billion": 120,
    "finetune": 40,
    "two_four": 40,
    "attack": 40,
}  # seconds
LEVELS = tuple(step / 10 for step in range(10))
BERT = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
SIZES: dict[str, dict[str, Any]] = {
    "base": {**BERT, "intermediate_size": 3072},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "billion": {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
    },
}
TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
}
WORDS = tuple(f"word{number}" for number in range(4000))
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def victim_of(size: str, options: argparse.Namespace) -> Victim:
    """A random classifier with a tokenizer of whole words."""
    inner = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate((*SPECIAL, *WORDS))}, "[UNK]")
    )
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=512,
    )
    kind = "llama" if size == "billion" else "bert"
    sizes = dict(TINY if options.small else SIZES[size])
    if kind == "bert":
        sizes.pop("num_key_value_heads", None)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=len(SPECIAL) + len(WORDS), pad_token_id=0, use_cache=False, **sizes
    )
    with torch.device(options.device):
        model = AutoModelForSequenceClassification.from_config(config).eval()
    name = f"{kind}, {size}"
    return Victim(name, model, tokenizer, examine(model, name), "random", ("0", "1"), 128)


def sentences(count: int, seed: int = 0) -> tuple[str, ...]:
    """Made-up texts of 4 to 40 words, 22 in the mean, as SST-2's are."""
    draw = random.Random(seed)
    return tuple(" ".join(draw.choices(WORDS, k=draw.randint(4, 40))) for _ in range(count))


def pruned_in(victim: Victim, texts: Sequence[str], method: str, levels: Sequence[float]) -> Any:
    """Seconds of a pruning, with its floor and the memory it took."""
    plan = Plan.named(method, force=True)
    prune(victim, texts[:32], None, plan, 0.5)  # kernels are chosen the first time
    if victim.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rate = product_rate(victim.device)
    floor = floor_of(victim, texts, plan, sum(map(bool, levels))) / rate
    seconds = timed(lambda: list(prune_levels(victim, texts, None, plan, levels)), victim.device)
    return {
        "sentences": len(texts),
        "levels": len(levels),
        "seconds": round(seconds, 2),
        "floor": round(floor, 2),
        "ratio": round(seconds / floor, 2),
        "gigabytes": _peak(victim.device),
    }


def _peak(device: torch.device) -> float | None:
    return round(torch.cuda.max_memory_allocated() / 1e9, 2) if device.type == "cuda" else None


def base(options: argparse.Namespace) -> Any:
    victim, texts = victim_of("base", options), sentences(64 if options.small else 1024)
    return {
        "one": pruned_in(victim, texts, "adaptive", (0.5,)),
        "ten": pruned_in(victim, texts, "adaptive", LEVELS),
    }


def large(options: argparse.Namespace) -> Any:
    texts = sentences(64 if options.small else 512)
    return pruned_in(victim_of("large", options), texts, "adaptive", (0.5,))


def billion(options: argparse.Namespace) -> Any:
    victim, texts = victim_of("billion", options), sentences(64 if options.small else 256)
    return {
        "weights": sum(weight.numel() for weight in victim.prunable().values()),
        "sparsegpt": pruned_in(victim, texts, "sparsegpt", (0.5,)),
        "adaptive": pruned_in(victim, texts, "adaptive", (0.5,)),
    }


def finetune(options: argparse.Namespace) -> Any:
    """Milliseconds of a step over one batch, forward, backward and update, in bf16 on a card."""
    return {kind: _steps(kind, options) for kind in ("lora", "whole")}


def _steps(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    victim = victim_of("base", options)
    model: Any = victim.model.train()
    if kind == "lora":
        model = adapted(model, victim.architecture, 8)
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=1e-4
    )
    batch = max(victim.batches(sentences(256), max_tokens=1024), key=lambda part: part.tokens)
    labels = torch.zeros(len(batch.lengths), dtype=torch.long, device=victim.device)
    on_card = victim.device.type == "cuda"

    def step() -> None:
        with torch.autocast(victim.device.type, torch.bfloat16, enabled=on_card):
            logits = model(**batch.inputs).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds = [timed(step, victim.device) for _ in range(5 if options.small else 30)]
    return {
        "rows": len(batch.lengths),
        "tokens": batch.tokens,
        "milliseconds": round(1e3 * statistics.median(seconds), 2),
    }


def two_four(options: argparse.Namespace) -> Any:
    """Milliseconds a sentence of the dense model and of the same at 2:4, in half precision."""
    victim, texts = victim_of("base", options), sentences(256)
    pruned = prune(victim, texts, None, Plan.named("wanda", "2:4"), 0.5).victim
    on_card = victim.device.type == "cuda"
    sides = [(victim, "dense"), (pruned, "2:4" if on_card else "dense")]
    dtype = torch.float16 if on_card else torch.float32
    comparison = compare_latency(sides, texts, batch=64, repeats=5, dtype=dtype)
    return {
        "milliseconds": [round(1e3 * side.seconds.median, 4) for side in comparison.sides],
        "ratio": round(comparison.ratios[1].median, 3),
    }


def attack(options: argparse.Namespace) -> Any:
    """Texts a second through the service that answers attacks."""
    victim = victim_of("base", options)
    service, texts = VictimService(victim), sentences(200 if options.small else 8000, seed=1)
    service.answer(texts[:64])
    seconds = timed(lambda: service.answer(texts), victim.device)
    return {"texts": len(texts), "texts_a_second": round(len(texts) / seconds)}


def tests(_options: argparse.Namespace) -> Any:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "tests/pruning/test_pruning_cuda.py"], capture_output=True, text=True
    )
    if run.returncode:
        raise SystemExit(run.stdout[-2000:])
    return {"summary": run.stdout.strip().splitlines()[-1]}


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "tests": tests,
    "base": base,
    "large": large,
    "billion": billion,
    "finetune": finetune,
    "two_four": two_four,
    "attack": attack,
}


def machine(device: str) -> dict[str, Any]:
    """What the figures depend on."""
    libraries = ("torch", "transformers", "tokenizers", "numpy")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in libraries},
    }


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """Every part in a process of its own; one that fails leaves its last lines."""
    results: dict[str, Any] = {"machine": machine(options.device)}
    for name, limit in LIMITS.items():
        command = [sys.executable, "-m", "benchmarks.gpu", "--part", name]
        command += ["--device", options.device, *(["--small"] if options.small else [])]
        start = time.perf_counter()
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=limit)
            output = run.stdout.strip().splitlines()
            results[name] = (
                json.loads(output[-1])
                if run.returncode == 0
                else {"failed": run.stderr.strip().splitlines()[-3:]}
            )
        except subprocess.TimeoutExpired:
            results[name] = {"failed": [f"did not end within {limit} s"]}
        results[name]["seconds_in_all"] = round(time.perf_counter() - start, 1)
        print(f"{name}: {json.dumps(results[name])}", flush=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/gpu.json"))
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device; try the script itself with --device cpu --small.")
        return 2
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return 0
    results = run_all(options)
    return 1 if any("failed" in part for part in results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
