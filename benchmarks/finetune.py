"""How fast fine-tuning is: rows a second, and how much of the device's own product rate in the same
run that is.

    python -m benchmarks.finetune [--device cuda] [--steps 60] [--batch 32] [--layers 12]

A randomly initialised BERT-base is fine-tuned, all weights, through
`prunescope.engine.training.finetune` as a user's would be: plainly and with FreeLB (three ascent
steps), on rows of 10 to 40 tokens and on rows of 128. The floor of a step is 6 operations for every
encoder weight and real token (forward 2, backward 4; times three with FreeLB), divided by the rate
of a large product in the precision that is trained in. Loading, encoding and the first steps are
not counted.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from benchmarks.pipeline import timed
from prunescope.engine.data import Examples
from prunescope.engine.models.base import Base, open_base
from prunescope.engine.models.embedded import embedded_base
from prunescope.engine.training.finetune import TrainingSetup, encode_examples, finetune
from prunescope.engine.training.spec import TrainSpec

WARM = 10  # steps before the clock runs


def random_base(folder: Path, layers: int) -> Base:
    tokenizer = AutoTokenizer.from_pretrained(embedded_base())
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=len(tokenizer), num_hidden_layers=layers)
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return open_base(str(folder))


def rows(count: int, least: int, most: int) -> Examples:
    """Texts of `least` to `most` tokens, the two of every sentence included."""
    draw = random.Random(0)
    words = ("good", "bad", "film", "plot", "slow")
    texts = tuple(
        " ".join(draw.choices(words, k=draw.randint(least, most) - 2)) for _ in range(count)
    )
    return Examples(texts, None, tuple(draw.randint(0, 1) for _ in range(count)))


def product_rate(device: str, precision: str) -> float:
    """Operations a second of a large square product."""
    size = 8192 if device == "cuda" else 2048
    a = torch.randn(
        size, size, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32
    )
    return 2 * size**3 / statistics.median([timed(lambda: a @ a, a.device) for _ in range(12)][2:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--layers", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = random_base(Path(name) / "base", options.layers)
        for least, most in ((10, 40), (128, 128)):
            data = rows(options.steps * options.batch, least, most)
            for kind in ("none", "freelb"):
                shared = TrainingSetup(base, data, ("negative", "positive"), device=options.device)
                spec = TrainSpec(
                    kind, 0, 2e-5, batch_size=options.batch, rank=0, adversarial=kind, adv_steps=3
                )
                _measure(spec, shared, Path(name) / f"{kind}-{most}", options)


def _measure(
    spec: TrainSpec, shared: TrainingSetup, out: Path, options: argparse.Namespace
) -> None:
    seen: dict[int, float] = {}

    def report(stage: str, done: int, total: int) -> None:
        if done not in seen:
            if options.device == "cuda":
                torch.cuda.synchronize()
            seen[done] = time.perf_counter()

    finetune(spec, shared, out, report=report)
    seconds = (seen[options.steps] - seen[WARM]) / (options.steps - WARM)
    tokens = sum(map(len, encode_examples(shared, shared.data).ids["input_ids"])) / options.steps
    rate = product_rate(options.device, shared.computed_in())
    weights = options.layers * (4 * 768**2 + 2 * 768 * 3072)
    share = (
        6
        * weights
        * tokens
        * (spec.adv_steps if spec.adversarial == "freelb" else 1)
        / rate
        / seconds
    )
    card = (
        torch.cuda.get_device_name()
        if options.device == "cuda"
        else f"CPU, {torch.get_num_threads()} threads"
    )
    print(
        f"{card}, {shared.computed_in()}, {spec.batch_size} rows of {tokens / spec.batch_size:.0f} "
        "tokens, "
        f"{'FreeLB, 3 steps' if spec.adversarial == 'freelb' else 'plain'}: {1e3 * seconds:.1f} ms "
        "a step, "
        f"{spec.batch_size / seconds:.0f} rows/s, {100 * share:.1f} % of {rate / 1e12:.1f} TFLOP/s",
        flush=True,
    )


if __name__ == "__main__":
    main()
