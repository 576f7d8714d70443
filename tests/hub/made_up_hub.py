"""Tiny repositories under the names of real ones: random models, and tables of made-up sentences in
Parquet.
"""

import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save
from small_models import WORDS, vocabulary
from stand_in import Hub
from transformers import BertConfig, BertForPreTraining, BertTokenizerFast

CLASSES = {
    "stanfordnlp/sst2": ("negative", "positive"),
    "fancyzhx/ag_news": ("World", "Sports", "Business", "Sci/Tech"),
    "stanfordnlp/imdb": ("neg", "pos"),
}
FLAVOUR = "good bad great awful".split()  # a word that tells the class


def model_files(folder: Path, layers: int = 2) -> dict[str, bytes]:
    """A pretrained checkpoint as bert-base-uncased is on the hub: with its two heads, and
    LayerNorms of gamma and beta.
    """
    (folder / "vocab.txt").parent.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()), encoding="utf-8")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=160,
    )
    BertForPreTraining(config).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    names = load_file(folder / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in names.items()
    }
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files | {
        "model.safetensors": save(old, {"format": "pt"}),
        "pytorch_model.bin": b"never fetched",
    }


def table(rows: int, classes: int, column: str, seed: int, unlabelled: bool = False) -> bytes:
    """A Parquet file of sentences in which one word tells the class."""
    draw = random.Random(seed)
    labels = [row % classes for row in range(rows)]
    plain = [word for word in WORDS if word not in FLAVOUR]
    texts = [
        " ".join([*draw.choices(plain, k=5), FLAVOUR[label], *draw.choices(plain, k=2)])
        for label in labels
    ]
    inputs = [-1] * rows if unlabelled else labels
    remaining = io.BytesIO()
    pq.write_table(pa.table({column: texts, "label": pa.array(inputs, pa.int64())}), remaining)
    return remaining.getvalue()


def card(column: str, classes: tuple[str, ...], rows: dict[str, int]) -> bytes:
    """The README of a data set, whose head tells columns, classes and splits."""
    names = "".join(f"          '{number}': {name}\n" for number, name in enumerate(classes))
    splits = "".join(
        f"  - name: {split}\n    num_bytes: 1\n    num_examples: {count}\n"
        for split, count in rows.items()
    )
    files = "".join(f"  - split: {split}\n    path: data/{split}-*\n" for split in rows)
    return (
        f"---\ndataset_info:\n  features:\n  - name: {column}\n    dtype: string\n  - name: "
        "label\n    dtype:\n"
        f"      class_label:\n        names:\n{names}  splits:\n{splits}  download_size: 1\n  "
        "dataset_size: 1\n"
        f"configs:\n- config_name: default\n  data_files:\n{files}---\n"
    ).encode()


def data_files(name: str, column: str = "text", evaluation: str = "test") -> dict[str, bytes]:
    classes = CLASSES[name]
    rows = {"train": 120, evaluation: 40}
    files = {
        f"data/{split}-00000-of-00001.parquet": table(count, len(classes), column, seed)
        for seed, (split, count) in enumerate(rows.items())
    }
    if evaluation != "test":  # as SST-2's test split is published
        rows["test"] = 8
        files["data/test-00000-of-00001.parquet"] = table(
            8, len(classes), column, 9, unlabelled=True
        )
    return {**files, "README.md": card(column, classes, rows)}


def stocked(folder: Path) -> Hub:
    """A hub with what the papers' recipes name."""
    hub = Hub()
    bert = model_files(folder / "bert")
    hub.add("models", "google-bert/bert-base-uncased", bert, also="bert-base-uncased")
    hub.add("models", "sentence-transformers/all-MiniLM-L6-v2", bert)
    hub.add(
        "models",
        "old/pickled",
        {name: content for name, content in bert.items() if name != "model.safetensors"},
    )
    hub.add("models", "shut/away", bert)
    hub.gated.add("shut/away")
    hub.add(
        "datasets", "stanfordnlp/sst2", data_files("stanfordnlp/sst2", "sentence", "validation")
    )
    hub.add("datasets", "fancyzhx/ag_news", data_files("fancyzhx/ag_news"))
    hub.add("datasets", "stanfordnlp/imdb", data_files("stanfordnlp/imdb"), also="imdb")
    bare = {
        name: content
        for name, content in data_files("stanfordnlp/imdb").items()
        if name.endswith("parquet")
    }
    hub.add("datasets", "some/bare", bare)  # without a card
    hub.add("datasets", "shut/rows", bare)
    hub.gated.add("shut/rows")
    return hub
