"""Models, labels and files as people bring them: a seeded generator of cases, and what must come of
each.

A case is a model that predicts every label of its data rightly, written in one of the ways that
people write labels and files, or something that is broken. A command on it ends with exit 0 and an
accuracy of 1, or with exit 2 and one sentence; never with a lower accuracy, a traceback or exit 1.
`tests/test_odd_inputs.py` runs some of the cases, `benchmarks/odd_inputs.py` all.
"""

import csv
import gzip
import io
import itertools
import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from small_models import WORDS, write_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

WORLD = ("World", "Sports", "Business", "Sci/Tech")
STARS = ("1 star", "2 stars", "3 stars", "4 stars", "5 stars")
ROWS = 24
MARGIN = 0.05  # between the two largest logits, so that rounding moves no prediction


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts, or pairs, with the class that the model predicts for each."""

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One command on one odd input."""

    name: str
    arguments: tuple[str, ...]
    # of the JSON answer: all must be 1
    accuracy: Callable[[dict[str, Any]], Sequence[float | None]]
    must: str = "either"  # "work" or "refuse" where only one of them is right


class Bench:
    """Models and data under one folder, made when they are asked for."""

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.root, self.random = root, random.Random(seed)
        self._models: dict[tuple[int, bool], tuple[Path, Rows]] = {}

    def model(self, classes: int, pairs: bool = False) -> tuple[Path, Rows]:
        """A nameless model of so many classes, and rows of which it predicts each class about as
        often.
        """
        if (classes, pairs) not in self._models:
            folder = write_model(
                self.root / f"model-{classes}{'-pairs' if pairs else ''}",
                seed=classes,
                num_labels=classes,
            )
            self._models[classes, pairs] = folder, _balanced(folder, classes, pairs, self.random)
        return self._models[classes, pairs]

    def named(self, names: Sequence[str], pairs: bool = False) -> tuple[Path, Rows]:
        """The model with names for its classes."""
        base, rows = self.model(len(names), pairs)
        folder = self.root / f"named-{'-'.join(names).replace('/', '+')}{'-pairs' if pairs else ''}"
        if not folder.exists():
            shutil.copytree(base, folder)
            edit(
                folder,
                id2label={str(n): name for n, name in enumerate(names)},
                label2id={name: n for n, name in enumerate(names)},
            )
        return folder, rows

    def copy(self, name: str, classes: int = 2, pairs: bool = False) -> Path:
        """A copy of a nameless model, to be spoiled."""
        folder = self.root / "spoiled" / name
        shutil.copytree(self.model(classes, pairs)[0], folder)
        return folder


def edit(folder: Path, **changes: object) -> None:
    """Change a model's config.json; None removes a setting."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(
        json.dumps({name: value for name, value in config.items() if value is not None})
    )


def _balanced(folder: Path, classes: int, pairs: bool, draw: random.Random) -> Rows:
    """Clearly predicted examples, as many of each class; the head's bias is moved for it."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sentences = [" ".join(draw.choices(WORDS, k=draw.randint(4, 9))) for _ in range(40 * classes)]
    seconds = [" ".join(draw.choices(WORDS, k=draw.randint(4, 9))) for _ in sentences]
    with torch.no_grad():
        inputs = tokenizer(sentences, seconds if pairs else None, padding=True, return_tensors="pt")
        logits = model(**inputs).logits
        shift = logits.mean(dim=0)
        for _ in range(200):  # until each class is the largest about as often
            shares = (
                torch.nn.functional.one_hot((logits - shift).argmax(dim=1), classes)
                .float()
                .mean(dim=0)
            )
            shift += 0.05 * logits.std(dim=0) * (shares * classes - 1)
        model.classifier.bias -= shift
        top = (logits - shift).topk(2, dim=1)
    model.save_pretrained(folder)
    clear = (top.values[:, 0] - top.values[:, 1] > MARGIN).tolist()
    predicted = top.indices[:, 0].tolist()
    by_class = {
        n: [row for row, label in enumerate(predicted) if label == n and clear[row]]
        for n in range(classes)
    }
    assert all(len(rows) >= 2 for rows in by_class.values()), (
        "some class is never predicted; take another seed"
    )
    chosen = [
        row for turn in itertools.zip_longest(*by_class.values()) for row in turn if row is not None
    ][: max(ROWS, 4 * classes)]
    return Rows(
        tuple(sentences[row] for row in chosen),
        tuple(seconds[row] for row in chosen) if pairs else None,
        tuple(predicted[row] for row in chosen),
    )


# Labels as people write them: class number, number of classes, names of the model → what stands in
# the file

Encoding = Callable[[int, int, Sequence[str]], object]
ENCODINGS: dict[str, Encoding] = {
    "numbers from 0": lambda label, count, names: label,
    "numbers from 1": lambda label, count, names: label + 1,
    "floats": lambda label, count, names: float(label),
    "digits": lambda label, count, names: str(label),
    "digits with a point": lambda label, count, names: f"{label}.0",
    "names": lambda label, count, names: names[label],
    "names in capitals": lambda label, count, names: names[label].upper(),
    "names in small letters": lambda label, count, names: names[label].lower(),
    "names with other signs": lambda label, count, names: (
        names[label].replace("/", " ").replace(" ", "_")
    ),
    "C1 and on": lambda label, count, names: f"C{label + 1}",
    "class_0 and on": lambda label, count, names: f"class_{label}",
    "LABEL_0 and on": lambda label, count, names: f"LABEL_{label}",
    "short names": lambda label, count, names: names[label][:3].lower(),
}
OF_TWO: dict[str, Encoding] = {
    "−1 and 1": lambda label, count, names: 2 * label - 1,
    "booleans": lambda label, count, names: bool(label),
    "True and False": lambda label, count, names: str(bool(label)),
}


def frame_of(rows: Rows, labels: Sequence[object], **columns: Sequence[object]) -> pd.DataFrame:
    """A table with usual names."""
    texts = (
        {"text": rows.texts}
        if rows.pairs is None
        else {"sentence1": rows.texts, "sentence2": rows.pairs}
    )
    return pd.DataFrame({**texts, "label": pd.Series(list(labels), dtype=object), **columns})


# Files as people write them: a table, the folder to write in → the name to give to --data


def _text(name: str, **options: Any) -> Callable[[pd.DataFrame, Path], Path]:
    def write(frame: pd.DataFrame, folder: Path) -> Path:
        frame.to_csv(folder / name, **{"index": False, **options})
        return folder / name

    return write


def _glue(frame: pd.DataFrame, folder: Path) -> Path:
    (folder / "rows.tsv").write_text(
        "\n".join(
            "\t".join(map(str, row)) for row in [frame.columns, *frame.itertuples(index=False)]
        )
    )
    return folder / "rows.tsv"


def _excel(frame: pd.DataFrame, folder: Path) -> Path:
    lines = frame.to_csv(index=False, sep=";").splitlines()
    (folder / "rows.csv").write_bytes(
        ("\r\n".join(f"{line};;" for line in lines) + "\r\n").encode("utf-8-sig")
    )
    return folder / "rows.csv"


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {name: getattr(value, "item", lambda value=value: value)() for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _json(
    name: str, make: Callable[[list[dict[str, object]], pd.DataFrame], str]
) -> Callable[[pd.DataFrame, Path], Path]:
    def write(frame: pd.DataFrame, folder: Path) -> Path:
        (folder / name).write_text(make(_records(frame), frame), encoding="utf-8")
        return folder / name

    return write


def _parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.infer_objects().to_parquet(folder / "rows.parquet", index=False)
    return folder / "rows.parquet"


def _categorical(frame: pd.DataFrame, folder: Path) -> Path:
    frame.infer_objects().astype({"label": "category"}).to_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


def _gzip(frame: pd.DataFrame, folder: Path) -> Path:
    (folder / "rows.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    return folder / "rows.csv.gz"


def _halves(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    half = len(frame) // 2
    return {
        "train": frame.iloc[:half].reset_index(drop=True),
        "validation": frame.iloc[half:].reset_index(drop=True),
    }


def _split_folder(frame: pd.DataFrame, folder: Path) -> Path:
    for name, part in _halves(frame).items():
        part.to_csv(folder / f"{name}.csv", index=False)
    return folder


def _saved(frame: pd.DataFrame, folder: Path) -> Path:
    from datasets import Dataset, DatasetDict

    parts = {
        name: Dataset.from_pandas(part.infer_objects()) for name, part in _halves(frame).items()
    }
    DatasetDict(parts).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def _snapshot(frame: pd.DataFrame, folder: Path) -> Path:
    data = folder / "snapshot" / "data"
    data.mkdir(parents=True)
    for name, part in _halves(frame).items():
        part.infer_objects().to_parquet(
            data / f"{name}-00000-of-00001-0a1b2c3d4e5f6071.parquet", index=False
        )
    return folder / "snapshot"


FILES: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "TSV as GLUE has it": _glue,
    "TSV of pandas": _text("rows.tsv", sep="\t"),
    "TSV with all quoted": _text("rows.tsv", sep="\t", quoting=csv.QUOTE_ALL),
    "CSV": _text("rows.csv"),
    "CSV with all quoted": _text("rows.csv", quoting=csv.QUOTE_ALL),
    "CSV by semicolons": _text("rows.csv", sep=";"),
    "CSV by bars": _text("rows.csv", sep="|"),
    "CSV with an index": _text("rows.csv", index=True),
    "CSV in UTF-16": _text("rows.csv", encoding="utf-16"),
    "CSV of Excel": _excel,
    "CSV, gzip": _gzip,
    "JSON lines": _json("rows.jsonl", lambda records, frame: "\n".join(map(json.dumps, records))),
    "JSON array": _json("rows.json", lambda records, frame: json.dumps(records)),
    "JSON by columns": _json(
        "rows.json",
        lambda records, frame: json.dumps(
            {name: [row[name] for row in records] for name in records[0]}
        ),
    ),
    "Parquet": _parquet,
    "Parquet, categorical": _categorical,
    "folder of splits": _split_folder,
    "save_to_disk": _saved,
    "hub snapshot": _snapshot,
}


def schema_file(
    rows: Rows, names: Sequence[str], order: Sequence[int], folder: Path, kind: str
) -> Path:
    """Parquet, or a saved data set, whose label column is a ClassLabel with the model's names in
    another order.
    """
    from datasets import ClassLabel, Dataset, DatasetDict

    frame = frame_of(rows, [order.index(label) for label in rows.classes])
    parts = {
        name: Dataset.from_pandas(part.infer_objects()).cast_column(
            "label", ClassLabel(names=[names[n] for n in order])
        )
        for name, part in _halves(frame).items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "saved":
        DatasetDict(parts).save_to_disk(str(folder / "saved"))
        return folder / "saved"
    for name, part in parts.items():
        part.to_parquet(folder / f"{name}.parquet")
    return folder


# Commands, and where their answers hold an accuracy


def evaluate(model: Path, data: Path, *more: str) -> Case:
    return Case(
        "evaluate",
        ("evaluate", "--model", str(model), "--data", str(data), *more),
        lambda answer: [answer["acc"]["value"]],
    )


def study(model: Path, data: Path, *more: str) -> Case:
    """One dense level; its figures are those that every level is compared with."""
    arguments = (
        "study",
        "--model",
        str(model),
        "--data",
        str(data),
        "--levels",
        "0",
        "--attack",
        "none",
        "--held-out",
        "2",
        "--calibration",
        "8",
        "--force",
        *more,
    )
    return Case("study", arguments, lambda answer: [answer["levels"][0]["acc"]["value"]])


def attack(model: Path, data: Path, *more: str) -> Case:
    return Case(
        "attack",
        ("attack", "--model", str(model), "--data", str(data), "--examples", "6", *more),
        lambda answer: [answer["victims"][0]["acc"]["value"]],
    )


def ood(model: Path, data: Path, *more: str) -> Case:
    return Case(
        "ood",
        ("ood", "--model", str(model), "--data", str(data), "--ood", str(data), *more),
        lambda answer: [answer["id"]["accuracy"]["value"], answer["ood"][0]["accuracy"]["value"]],
    )


def average(model: Path, data: Path, out: Path, *more: str) -> Case:
    arguments = (
        "average",
        "--member",
        str(model),
        "--member",
        f"{model}/",
        "--by",
        "acc",
        "--select",
        str(data),
        "--select-rows",
        "12",
        "--attack",
        "none",
        "--out",
        str(out),
        *more,
    )
    return Case(
        "average",
        arguments,
        lambda answer: [one["acc"]["value"] for one in answer["singles"].values()],
    )


def finetune(model: Path, data: Path, out: Path, classes: int, *more: str) -> Case:
    """Not how right the new model is, but whether it tells apart what the data tells apart."""
    arguments = (
        "finetune",
        "--model",
        str(model),
        "--data",
        str(data),
        "--out",
        str(out),
        "--epochs",
        "0.1",
        "--learning-rate",
        "1e-9",
        "--max-tokens",
        "32",
        *more,
    )
    return Case("finetune", arguments, lambda answer: [float(len(answer["labels"]) == classes)])


def label_cases(bench: Bench, each: int | None = None) -> Iterator[Case]:
    """Encodings × files × commands: every encoding and every file with every command at least once,
    `each` of the product.
    """
    kinds = {
        "nameless": None,
        "named": WORLD,
        "stars": STARS,
        "two": ("negative", "positive"),
        "twelve": None,
    }
    number = itertools.count()
    for kind, names in kinds.items():
        count = {"nameless": 3, "twelve": 12}.get(kind) or len(names or ())
        own = names or tuple(f"LABEL_{n}" for n in range(count))
        model, rows = bench.model(count) if names is None else bench.named(own)
        encodings = {**ENCODINGS, **(OF_TWO if count == 2 else {})}
        product = list(itertools.product(encodings, FILES))
        bench.random.shuffle(product)
        picked = _covering(product) if each is None else product[:each]
        for encoding, file in picked:
            step = next(number)
            folder = bench.root / "files" / str(step)
            folder.mkdir(parents=True)
            data = FILES[file](
                frame_of(rows, [encodings[encoding](label, count, own) for label in rows.classes]),
                folder,
            )
            command = (evaluate, study, attack, ood)[step % 4](model, data)
            if step % 9 == 5:
                command = finetune(model, data, folder / "tuned", count)
            if step % 9 == 7:
                command = average(model, data, folder / "average")
            yield Case(
                f"{kind} model, {encoding}, {file}, {command.name}",
                command.arguments,
                command.accuracy,
            )
        for kind_of_file in ("parquet", "saved"):
            order = list(range(count))
            bench.random.shuffle(order)
            data = schema_file(
                rows, own, order, bench.root / "files" / f"{kind}-{kind_of_file}", kind_of_file
            )
            for command in (evaluate(model, data), study(model, data), attack(model, data)):
                yield Case(
                    f"{kind} model, ClassLabel in another order, {kind_of_file}, {command.name}",
                    command.arguments,
                    command.accuracy,
                    "work",
                )


def _covering(product: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs in which every first and every second occurs, at least twice where there are enough."""
    seen: dict[str, int] = {}
    picked = []
    for pair in product:
        if any(seen.get(part, 0) < 2 for part in pair):
            picked.append(pair)
            for part in pair:
                seen[part] = seen.get(part, 0) + 1
    return picked


def junk_cases(bench: Bench) -> Iterator[Case]:
    """Rows without a label among others, and label maps."""
    model, rows = bench.named(("negative", "positive"))
    for number, junk in enumerate(("-", "nan", "", "NA", "null", "?")):
        for make in (
            list[object](rows.classes),
            [("negative", "positive")[label] for label in rows.classes],
        ):
            folder = bench.root / "junk" / f"{number}-{isinstance(make[0], str)}"
            folder.mkdir(parents=True)
            labels = [junk if row in (3, 8) else label for row, label in enumerate(make)]
            data = FILES["CSV"](frame_of(rows, labels), folder)
            command = (
                evaluate(model, data),
                study(model, data),
                finetune(model, data, folder / "tuned", 2),
            )[number % 3]
            yield Case(
                f"junk label {junk!r}, {command.name}", command.arguments, command.accuracy, "work"
            )
    folder = bench.root / "junk" / "map"
    folder.mkdir(parents=True)
    data = FILES["CSV"](frame_of(rows, [("bad", "good")[label] for label in rows.classes]), folder)
    for command in (evaluate, study, attack, ood):
        for label_map, must in (
            ("bad=0,good=1", "work"),
            ("bad=negative,good=positive", "work"),
            ("bad=0", "refuse"),
            ("bad", "refuse"),
        ):
            case = command(model, data, "--label-map", label_map)
            yield Case(f"--label-map {label_map}, {case.name}", case.arguments, case.accuracy, must)
        yield Case(
            f"no label map, {command(model, data).name}",
            command(model, data).arguments,
            command(model, data).accuracy,
            "refuse",
        )


PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("text", "text_pair"),
    ("text_a", "text_b"),
    ("claim", "evidence"),
    ("question", "passage"),
    ("sentence", "sentence2"),
    ("Sentence1", "SENTENCE2"),
)


def pair_cases(bench: Bench) -> Iterator[Case]:
    """Pairs under the names that GLUE and the hub have for them."""
    model, rows = bench.model(3, pairs=True)
    for number, (first, second) in enumerate(PAIRS):
        folder = bench.root / "pairs" / str(number)
        folder.mkdir(parents=True)
        frame = frame_of(rows, rows.classes).rename(
            columns={"sentence1": first, "sentence2": second}
        )
        data = FILES[("TSV as GLUE has it", "JSON lines", "Parquet")[number % 3]](frame, folder)
        case = (evaluate, study, attack)[number % 3](model, data)
        yield Case(
            f"pairs called {first}, {second}, {case.name}", case.arguments, case.accuracy, "work"
        )


# Files that are not what they seem


def file_cases(bench: Bench) -> Iterator[Case]:
    """Files that are damaged, empty, huge or something else; those with rows hold the model's own
    labels.
    """
    model, rows = bench.named(("negative", "positive"))
    good = frame_of(rows, rows.classes)
    plain = good.to_csv(index=False)
    wide = pd.concat([good, pd.DataFrame(0, good.index, [f"c{n}" for n in range(10_000)])], axis=1)
    shards = io.BytesIO()
    good.to_parquet(shards, index=False)
    contents: dict[str, tuple[str, bytes, str]] = {
        "nothing": ("a.csv", b"", "refuse"),
        "blanks": ("a.csv", b"  \n\n", "refuse"),
        "a header": ("a.csv", b"text,label\n", "refuse"),
        "one row": ("a.csv", b"text,label\na good film,1\n", "refuse"),
        "no header": ("a.csv", b"a good film,1\na bad film,0\n", "refuse"),
        "an LFS pointer": (
            "a.parquet",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
            "refuse",
        ),
        "an LFS pointer, CSV": (
            "a.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
            "refuse",
        ),
        "HTML": (
            "a.csv",
            b"<!DOCTYPE html>\n<html><head><title>404</title></head><body>no</body></html>\n",
            "refuse",
        ),
        "HTML, JSON": ("a.json", b"<html></html>", "refuse"),
        "half a Parquet file": ("a.parquet", shards.getvalue()[:-60], "refuse"),
        "Parquet called CSV": ("a.csv", shards.getvalue(), "either"),
        "zero bytes": ("a.csv", b"text,label\n\x00\x00,1\n", "refuse"),
        "half a gzip": ("a.csv.gz", gzip.compress(plain.encode())[:-30], "refuse"),
        "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "refuse"),
        "latin-1": ("a.csv", "text,label\nnaïve café,1\nfilm,0\n".encode("latin-1"), "refuse"),
        "cut in a row": ("a.csv", (plain.rstrip() + '\n"a good').encode(), "refuse"),
        "a longer row": ("a.csv", (plain + "a,b,c,1\n").encode(), "refuse"),
        "two columns of one name": (
            "a.csv",
            plain.replace("text,label", "text,text", 1).encode(),
            "refuse",
        ),
        "UTF-8 with a mark": ("a.csv", plain.encode("utf-8-sig"), "work"),
        "UTF-16": ("a.csv", plain.encode("utf-16"), "work"),
        "lines of old Macs": ("a.csv", plain.replace("\n", "\r").encode(), "either"),
        "lines of Windows": ("a.csv", plain.replace("\n", "\r\n").encode(), "work"),
        "10,000 columns": ("a.csv", wide.to_csv(index=False).encode(), "work"),
        "gzip": ("a.csv", gzip.compress(plain.encode()), "either"),
        "JSON null": ("a.json", b"null", "refuse"),
        "JSON text": ("a.json", b'"text"', "refuse"),
        "JSON numbers": ("a.json", b"[1, 2]", "refuse"),
        "JSON cut": ("a.json", json.dumps(_records(good)).encode()[:-9], "refuse"),
        "JSON nested": ("a.json", json.dumps({"data": _records(good)}).encode(), "either"),
        "JSON lines with a bad one": (
            "a.jsonl",
            b'{"text": "a", "label": 1}\n{"text": \n',
            "refuse",
        ),
        "YAML": ("a.yaml", b"text: a\n", "refuse"),
        "a zip": ("a.csv", b"PK\x03\x04" + bytes(60), "refuse"),
        "an xlsx": ("a.xlsx", b"PK\x03\x04" + bytes(60), "refuse"),
        "a blank text": ("a.csv", b"text,label\n,1\na film,0\nb film,1\n", "refuse"),
        "NaN as text": ("a.csv", plain.replace(rows.texts[0], "nan", 1).encode(), "either"),
        "labels with a fraction": ("a.csv", b"text,label\na film,0.5\nb film,1\n", "refuse"),
        "labels as lists": (
            "a.jsonl",
            b'{"text": "a b", "label": [0, 1]}\n{"text": "b", "label": [1]}\n',
            "refuse",
        ),
        "one class": (
            "a.csv",
            b"text,label\n" + b"".join(b"film %d,1\n" % n for n in range(9)),
            "refuse",
        ),
        "labels of another task": (
            "a.csv",
            b"text,label\n" + b"".join(b"film %d,%d\n" % (n, n % 5) for n in range(20)),
            "refuse",
        ),
        "a sentiment of 0 and 4": (
            "a.csv",
            b"text,label\n" + b"".join(b"film %d,%d\n" % (n, 4 * (n % 2)) for n in range(20)),
            "refuse",
        ),
        "−1, 0, 1": (
            "a.csv",
            b"text,label\n" + b"".join(b"film %d,%d\n" % (n, n % 3 - 1) for n in range(20)),
            "refuse",
        ),
        "half a character": (
            "a.jsonl",
            b'{"text": "a \\ud800 b", "label": 1}\n{"text": "b", "label": 0}\n',
            "refuse",
        ),
    }
    for number, (what, (name, content, must)) in enumerate(contents.items()):
        folder = bench.root / "broken" / str(number)
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        for command in (evaluate, study) if number % 2 else (evaluate, attack):
            case = command(model, folder / name)
            yield Case(f"{what}, {case.name}", case.arguments, case.accuracy, must)
    for what, path in (
        ("no file", "none.csv"),
        ("a folder without files", "empty"),
        ("a folder of pictures", "pictures"),
    ):
        (bench.root / "empty").mkdir(exist_ok=True)
        (bench.root / "pictures").mkdir(exist_ok=True)
        (bench.root / "pictures" / "a.png").write_bytes(b"\x89PNG")
        case = evaluate(model, bench.root / path)
        yield Case(f"{what}, evaluate", case.arguments, case.accuracy, "refuse")


def huge_case(bench: Bench) -> Case:
    """A cell of 50 MB: long, not wrong."""
    model, rows = bench.named(("negative", "positive"))
    folder = bench.root / "huge"
    folder.mkdir(parents=True)
    frame = frame_of(rows, rows.classes, note=["x" * 50_000_000, *[""] * (len(rows.texts) - 1)])
    case = evaluate(model, FILES["CSV"](frame, folder))
    return Case("a cell of 50 MB, evaluate", case.arguments, case.accuracy, "work")


# Models that are not what they seem


def _weights(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    path = folder / "model.safetensors"
    save_file(
        {name: value.contiguous() for name, value in change(load_file(path)).items()},
        path,
        {"format": "pt"},
    )


def _spoil(name: str, value: float) -> Callable[[Path], None]:
    def change(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        key = next(key for key in state if key.endswith(name))
        state[key].view(-1)[-1] = value
        return state

    return lambda folder: _weights(folder, change)


def _renamed(rename: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: _weights(
        folder, lambda state: {rename(name): value for name, value in state.items()}
    )


def _pruned(folder: Path) -> None:
    """As torch.nn.utils.prune leaves it, with all weights kept."""

    def change(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = next(name for name in state if name.endswith("query.weight"))
        weight = state.pop(name)
        return {**state, f"{name}_orig": weight, f"{name}_mask": torch.ones_like(weight)}

    _weights(folder, change)


def _half(folder: Path) -> None:
    _weights(folder, lambda state: {name: value.double() for name, value in state.items()})


def _added_token(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<url>", "<user>"])
    tokenizer.save_pretrained(folder)


def _long(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=16)
    tokenizer.save_pretrained(folder)


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-500])


def _remove(*names: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for name in names:
            (folder / name).unlink(missing_ok=True)

    return spoil


def _grown(folder: Path) -> None:
    _weights(
        folder,
        lambda state: {
            name: torch.cat([value, value[:3]]) if name == "classifier.bias" else value
            for name, value in state.items()
        },
    )


def _config(**changes: object) -> Callable[[Path], None]:
    return lambda folder: edit(folder, **changes)


MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    **{
        f"{value} in {name}": (_spoil(name, value), "refuse")
        for value in (float("nan"), float("inf"))
        for name in (
            "classifier.weight",
            "classifier.bias",
            "word_embeddings.weight",
            "LayerNorm.weight",
            "query.weight",
            "pooler.dense.bias",
            "position_embeddings.weight",
        )
    },
    "classes counted from 1": (
        _config(id2label={"1": "bad", "2": "good"}, label2id={"bad": 1, "good": 2}),
        "either",
    ),
    "classes as words": (
        _config(id2label={"a": "bad", "b": "good"}, label2id={"bad": "a"}),
        "either",
    ),
    "one name for both classes": (
        _config(id2label={"0": "x", "1": "x"}, label2id={"x": 0}),
        "either",
    ),
    "too few names": (_config(id2label={"0": "x"}, label2id={"x": 0}), "either"),
    "too many names": (
        _config(id2label={"0": "x", "1": "y", "2": "z"}, label2id={"x": 0, "y": 1, "z": 2}),
        "refuse",
    ),
    "no names": (_config(id2label=None, label2id=None), "work"),
    "several labels a text": (_config(problem_type="multi_label_classification"), "refuse"),
    "a regression": (_config(problem_type="regression"), "refuse"),
    "one class": (_config(id2label={"0": "x"}, label2id={"x": 0}, num_labels=1), "refuse"),
    "an added token": (_added_token, "either"),
    "a short limit of the tokenizer": (_long, "either"),
    "names of torch.compile": (_renamed(lambda name: f"_orig_mod.{name}"), "work"),
    "names of DataParallel": (_renamed(lambda name: f"module.{name}"), "work"),
    "names of Lightning": (_renamed(lambda name: f"model.{name}"), "work"),
    "leftovers of pruning": (_pruned, "work"),
    "double precision": (_half, "work"),
    "an encoder alone": (_renamed(lambda name: name.removeprefix("bert.")), "either"),
    "another number of classes in the weights": (_grown, "refuse"),
    "weights cut short": (_cut, "refuse"),
    "weights as an LFS pointer": (
        _write(
            "model.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        ),
        "refuse",
    ),
    "empty weights": (_write("model.safetensors", b""), "refuse"),
    "no weights": (_remove("model.safetensors"), "refuse"),
    "no config": (_remove("config.json"), "refuse"),
    "a config that is no JSON": (_write("config.json", b"{"), "refuse"),
    "a config that is a list": (_write("config.json", b"[]"), "refuse"),
    "an empty config": (_write("config.json", b"{}"), "refuse"),
    "no tokenizer": (
        _remove("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"),
        "refuse",
    ),
    "a tokenizer that is no JSON": (_write("tokenizer.json", b"{"), "either"),
    "an unknown family": (_config(model_type="mamba9"), "refuse"),
    "a decoder": (_config(is_decoder=True), "refuse"),
    "a hidden size that is not divided by the heads": (_config(num_attention_heads=5), "refuse"),
    "fewer layers in the config": (_config(num_hidden_layers=1), "either"),
    "more layers in the config": (_config(num_hidden_layers=3), "refuse"),
    "a larger vocabulary in the config": (_config(vocab_size=500), "refuse"),
    "a vocabulary smaller than the tokenizer's": (_config(vocab_size=50), "refuse"),
    "fewer positions in the config": (_config(max_position_embeddings=8), "refuse"),
    "a width of 0": (_config(hidden_size=0), "refuse"),
    "an unknown activation": (_config(hidden_act="sigmoidal"), "refuse"),
    "a text as the number of layers": (_config(num_hidden_layers="two"), "refuse"),
}


def model_cases(bench: Bench) -> Iterator[Case]:
    """Models that are spoiled in one way, on data with their own labels."""
    rows = bench.model(2)[1]
    folder = bench.root / "plain"
    folder.mkdir(parents=True)
    data = FILES["TSV as GLUE has it"](frame_of(rows, rows.classes), folder)
    for number, (what, (spoil, must)) in enumerate(MODELS.items()):
        model = bench.copy(f"{number:02} {what.replace('/', ' ')}")
        spoil(model)
        commands = [evaluate(model, data), study(model, data)]
        commands.append(
            attack(model, data)
            if number % 2
            else average(model, data, bench.root / "averages" / str(number))
        )
        if number % 3 == 0:
            commands.append(ood(model, data))
        for case in commands:
            yield Case(f"{what}, {case.name}", case.arguments, case.accuracy, must)


def all_cases(root: Path, seed: int = 0) -> Iterator[Case]:
    """Every case, in a fixed order."""
    bench = Bench(root, seed)
    for part in (label_cases, junk_cases, pair_cases, file_cases, model_cases):
        yield from part(bench)
    yield huge_case(bench)


def verdict(case: Case, code: int, out: str, err: str) -> str:
    """ "works" or "refuses" where what came of a case is right, else what is wrong with it."""
    if "Traceback" in err or code not in (0, 2):
        return (
            f"exit {code}: {err.strip().splitlines()[-1][:300] if err.strip() else 'nothing said'}"
        )
    if code == 2:
        sentence = err.strip().splitlines()[-1] if err.strip() else ""
        if not sentence.endswith((".", "?")) or len(sentence) > 1200:
            return f"no sentence: {sentence[:300]!r}"
        return "refuses" if case.must != "work" else f"refused, and should work: {sentence[:300]}"
    rates = case.accuracy(json.loads(out.strip().splitlines()[-1]))
    if any(rate != 1 for rate in rates):
        return f"a wrong number: {rates}"
    return "works" if case.must != "refuse" else "worked, and should be refused"
