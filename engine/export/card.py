"""The model card, README.md in every folder that PruneScope writes a model to.

What a card says beside the folder's own files stands in `CardFacts`; whoever made the model fills
it in. The same facts and files give the same bytes. Names come from files of others and are escaped
for Markdown.
"""

import hashlib
import ntpath
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prunescope.engine.config.papers import PAPERS
from prunescope.engine.formatting import format_bytes, format_rate, visible
from prunescope.engine.models.victim import Victim
from prunescope.engine.records import Rate

CARD = "README.md"
TAGS = ("prunescope", "pruning", "sparsity", "adversarial-robustness")
EMBEDDED_BASE = "sentence-transformers/all-MiniLM-L6-v2"  # on the hub, for what is built in
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")
METRICS = {
    "acc": ("Accuracy", "accuracy"),
    "aua": ("Accuracy under attack", "accuracy_under_attack"),
    "asr": ("Attack success rate", "attack_success_rate"),
}
# Signs that mean something anywhere in a line, at its beginning, or in what becomes a link.
_MARKUP = re.compile(
    r"[\\`*_\[\]<>|~&$@]|^[-+#=]|:(?=//)|(?<=www)\.|(?<=^\d)[.)](?=\s|$)", re.IGNORECASE
)
FOLDER_SNIPPET = """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder = "."  # this folder, or its name on the hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder)
inputs = tokenizer(["a warm and funny film"], return_tensors="pt", truncation=True)
print(model.config.id2label[int(model(**inputs).logits.argmax())])
"""
PACKED_SNIPPET = """\
import prunescope as ps

model = ps.open_model(".")  # this folder
print(model.predict(["a warm and funny film"]))
"""
UNPACK = "prunescope unpack --model . --out ../unpacked  # an ordinary folder, for transformers"


@dataclass(frozen=True, slots=True)
class CardScore:
    """One measure of the model, and of the dense one that it was made from."""

    measure: str  # a key of METRICS
    dense: Rate | None
    model: Rate


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says beside the folder's own files."""

    title: str
    summary: str  # one sentence
    base: str  # as `--model` names it: embedded, a hub name, or the name of a local model
    data: str = ""  # what the scores were measured on
    made: tuple[tuple[str, str], ...] = ()  # how it was made: (what, its value)
    scores: tuple[CardScore, ...] = ()
    attack: str = ""  # the attack's title
    command: str = ""  # makes it again, as a folder
    remaking: str = "This makes it again"  # what that command does
    measuring: str = ""  # the command that measures it
    notices: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()


def is_local(name: str) -> bool:
    """Whether a model, a data set or a file is named by its place on this machine."""
    return os.path.isabs(name) or ntpath.isabs(name) or name.startswith(("~", "."))


def name_alone(name: str) -> str:
    """A model's or file's name without the folders of this machine; a hub name as it is."""
    return ntpath.basename(name.rstrip("/\\")) if is_local(name) else name


def facts_from(payload: dict[str, Any]) -> CardFacts:
    """The facts of a card from JSON values, as `asdict` makes them."""

    def rate(value: dict[str, Any] | None) -> Rate | None:
        return None if value is None else Rate(**value)

    scores = tuple(
        CardScore(score["measure"], rate(score["dense"]), Rate(**score["model"]))
        for score in payload["scores"]
    )
    made = tuple((str(name), str(value)) for name, value in payload["made"])
    lists = {name: tuple(payload[name]) for name in ("notices", "label_names")}
    return CardFacts(**{**payload, "scores": scores, "made": made, **lists})


def rounded_to_half(facts: CardFacts) -> CardFacts:
    """The facts of a packed model whose remaining weights are rounded to fp16."""
    notice = (
        "The remaining weights are rounded to fp16. The scores were measured before the rounding."
    )
    command = f"{facts.command} --format packed --half" if facts.command else ""
    return replace(facts, notices=(*facts.notices, notice), command=command)


def card_of(victim: Victim, facts: CardFacts | None) -> CardFacts:
    """The facts with the victim's classes; those that every victim has where there are none."""
    if facts is None:
        facts = CardFacts(victim.name, "A classifier, written by PruneScope.", victim.name)
    return replace(facts, label_names=facts.label_names or tuple(victim.label_names))


def write_card(folder: Path, model: Any, facts: CardFacts, form: str, dense_bytes: int) -> None:
    """Write the card of the model files that are in a folder; `form` is one of `FORMS`.

    `model` is what was written; `dense_bytes` is the size of the same model's ordinary file.
    """
    parts = (
        f"---\n{_front_matter(facts, form)}---\n",
        f"# {escaped(facts.title)}\n",
        f"{escaped(facts.summary)}\n",
        *_measures(facts),
        *_making(facts, model, form),
        *_loading(form),
        *_files(folder, dense_bytes),
        "## Papers\n",
        "".join(f"- {paper}\n" for paper in PAPERS.values()),
    )
    (folder / CARD).write_text("\n".join(parts), encoding="utf-8")


def escaped(text: str) -> str:
    """A foreign text as plain Markdown in one line: no mark, link, table or HTML in it."""
    return _MARKUP.sub(lambda sign: f"\\{sign[0]}", visible(text))


def _front_matter(facts: CardFacts, form: str) -> str:
    """The YAML that the hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    embedded = facts.base.partition(":")[0] == "embedded"
    base = EMBEDDED_BASE if embedded else facts.base
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=visible(facts.data) or "unknown",
            dataset_name=visible(facts.data) or "unknown",
            metric_type=METRICS[score.measure][1],
            metric_name=METRICS[score.measure][0],
            metric_value=round(score.model.value, 6),
        )
        for score in facts.scores
        if score.model.value is not None
    ]
    named: dict[str, Any] = {}
    if results:
        named = {"model_name": visible(facts.title), "eval_results": results}
    data = ModelCardData(
        base_model=base if HUB_NAME.fullmatch(base) else None,
        license="apache-2.0" if embedded else None,
        library_name="transformers" if form == "folder" else "prunescope",
        pipeline_tag="text-classification",
        tags=list(TAGS),
        **named,
    )
    return f"{data.to_yaml()}\n"


def _measures(facts: CardFacts) -> Iterator[str]:
    yield "## Measures\n"
    if facts.scores:
        rows = [
            (_measure_name(score, facts), _rate(score.dense), _rate(score.model))
            for score in facts.scores
        ]
        yield _table(("", "dense", "this model"), rows)
        where = f" Measured on {escaped(facts.data)}." if facts.data else ""
        yield f"In brackets: 95% intervals.{where}\n"
    missing = [METRICS[name][0] for name in ("acc", "aua") if not _has(facts, name)]
    if missing:
        yield f"{' and '.join(missing)}: not measured.\n"
        if facts.measuring:
            yield f"This measures it:\n\n{_fenced(facts.measuring, 'sh')}"


def _has(facts: CardFacts, measure: str) -> bool:
    return any(score.measure == measure for score in facts.scores)


def _measure_name(score: CardScore, facts: CardFacts) -> str:
    name = METRICS[score.measure][0]
    return name if score.measure == "acc" or not facts.attack else f"{name} ({facts.attack})"


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "not measured"
    return f"{format_rate(rate.value, rate.low, rate.high)}, n = {rate.n}"


def _making(facts: CardFacts, model: Any, form: str) -> Iterator[str]:
    zeros = total = 0
    for parameter in model.parameters():  # shared ones come once
        zeros += int((parameter == 0).sum())
        total += parameter.numel()
    rows = (
        ("Base model", facts.base),
        *facts.made,
        ("Zeros in the whole model", f"{100 * zeros / max(total, 1):.2f}% of {total:,} parameters"),
        ("Classes", ", ".join(facts.label_names)),
    )
    yield "## How it was made\n"
    yield _table(("", ""), rows)
    if facts.notices:
        yield "".join(f"- {escaped(notice)}\n" for notice in facts.notices)
    if facts.command:
        packed = form == "packed" and "--format packed" not in facts.command
        command = facts.command + (" --format packed" if packed else "")
        yield f"{facts.remaking}:\n\n{_fenced(command, 'sh')}"


def _loading(form: str) -> Iterator[str]:
    yield "## Load it\n"
    if form == "packed":
        yield f"{_fenced(PACKED_SNIPPET, 'python')}\n{_fenced(UNPACK, 'sh')}"
    else:
        yield _fenced(FOLDER_SNIPPET, "python")


def _files(folder: Path, dense_bytes: int) -> Iterator[str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != CARD)
    rows = [(path.name, f"{path.stat().st_size:,}", _sha256(path)) for path in files]
    weights = sum(path.stat().st_size for path in files if path.suffix == ".safetensors")
    yield "## Files\n"
    yield _table(("file", "bytes", "SHA-256"), rows)
    yield (
        f"The weights take {format_bytes(weights)}; the same model dense in fp32 takes "
        f"{format_bytes(dense_bytes)}.\n"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([escaped(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _fenced(text: str, language: str) -> str:
    """A block of code whose fence the text cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"
