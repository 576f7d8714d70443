"""One sentence, or a batch of examples, attacked on several victims side by side: what the worker
does for the attack page.

A request names its victims as `victims=[{"name": …, "study": key, "sparsity": …}, …]`, the first of
them the one that the others are compared with, further `attack`, `seed`, and the budget as
`queries` and `seconds` (None is no limit).

    ready   load or solve the victims, so that an attack can begin at once
    attack  `text`, and its true `label` or None: all victims in lock-step, with the same candidates
    batch   `count` examples of the first victim's evaluation set, those that its study attacked
      first; what is done is kept, and
            found again, and so is what the study has attacked
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from prunescope.engine.attacks.attempt import Budget, Example, Outcome
from prunescope.engine.attacks.cached_run import Side, attack_kept, summary_of
from prunescope.engine.attacks.metrics import attack_notices, paired_levels
from prunescope.engine.attacks.run import Attackers
from prunescope.engine.attacks.services import breathing
from prunescope.engine.attacks.similarity import cosines, similarity
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.attacks.transfer import transfer
from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.attacks.word_diff import word_spans
from prunescope.engine.data import Examples
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.errors import DataError, InputError, SettingError
from prunescope.engine.export.pruned_models import victim_key
from prunescope.engine.live.bench import Bench, Watch, check_typed, checked_text, told
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.studies.study import Prepared

REQUESTS = ("ready", "attack", "batch")
MOST_VICTIMS = 4
MOST_LEFT_OUT = (
    60  # words; leaving out each word of a longer text in turn takes longer than a page should wait
)
MOST_EXAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is attacked, and how."""

    victims: Mapping[str, tuple[str, float]]  # name → (study key, sparsity)
    attack: str
    seed: int
    budget: Budget

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Wanted":
        """Raises SettingError for victims that are too many, nameless twins, or a budget below 1."""
        given = request["victims"]
        victims = {one["name"]: (one["study"], float(one["sparsity"])) for one in given}
        if not 1 <= len(given) <= MOST_VICTIMS or len(victims) < len(given):
            raise SettingError(
                f"{len(given)} victims were asked for; name 1 to {MOST_VICTIMS}, each with a name "
                "of its own."
            )
        queries, seconds = request.get("queries"), request.get("seconds")
        for name, value in (("queries", queries), ("seconds", seconds)):
            if value is not None and not value > 0:
                raise SettingError(f"The budget is {value} {name}; it must be above 0.")
        return cls(
            victims,
            request.get("attack", "deepwordbug"),
            int(request.get("seed", 0)),
            Budget(queries, seconds),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """The victims of a request, ready."""

    sides: Mapping[str, Side]
    achieved: Mapping[str, float]
    notices: tuple[str, ...]
    first: Prepared
    own_texts: bool  # whether the first one's data is on this machine

    @property
    def victims(self) -> dict[str, Victim]:
        return {name: side.victim for name, side in self.sides.items()}


def answer(
    bench: Bench, request: Mapping[str, Any], report: Progress, watch: Watch
) -> dict[str, Any]:
    """Do one of `REQUESTS`. Raises InputError for what cannot be attacked."""
    if request["do"] not in REQUESTS:
        raise SettingError(
            f"Victims side by side do not know the request {request['do']!r}; use one of "
            f"{', '.join(REQUESTS)}."
        )
    wanted = Wanted.of(request)
    if request["do"] == "ready":
        return {"notices": list(make_ready(bench, wanted, report).notices)}
    if request["do"] == "batch":
        return attack_batch(bench, wanted, int(request["count"]), report)
    return attack_text(bench, wanted, request["text"], request["label"], report, watch)


def open_victims(bench: Bench, wanted: Wanted, report: Progress = SILENT) -> Opened:
    """Load or solve every victim. Raises DataError where a study is not here, or where classes
    differ.
    """
    sides: dict[str, Side] = {}
    achieved: dict[str, float] = {}
    notices: list[str] = []
    opened: list[tuple[Prepared, bool]] = []
    for name, (key, sparsity) in wanted.victims.items():
        study = bench.store.study(key)
        if study is None:
            raise DataError(f"The study {key[:12]} is not in the store; choose another one.")
        prepared, notice = bench.open(study, report)
        opened.append((prepared, notice is None))
        classes, known = (tuple(one.study.about["label_names"]) for one in (prepared, opened[0][0]))
        if classes != known:
            raise DataError(
                f"{name} tells apart {', '.join(classes)} and {next(iter(sides))} "
                f"{', '.join(known)}; "
                "attack victims of the same classes."
            )
        if sparsity == 0:
            sides[name], achieved[name] = Side(prepared.victim, prepared.victim.fingerprint), 0.0
        else:
            pruned = bench.solve(prepared, sparsity, report)
            sides[name] = Side(pruned.victim, victim_key(prepared.study.identity, sparsity))
            achieved[name] = pruned.achieved
            notices += [] if notice is None else [notice]
    return Opened(sides, achieved, tuple(dict.fromkeys(notices)), *opened[0])


def make_ready(bench: Bench, wanted: Wanted, report: Progress = SILENT) -> Opened:
    """Everything that the first attack would have to wait for: the victims, TextAttack, and the
    sentence encoder.
    """
    opened = open_victims(bench, wanted, report)
    report("load the attack", 0, 1)
    Attackers(opened.victims, wanted.attack, wanted.seed, opened.first.spec.resources)
    cosines([("one", "two")], str(opened.first.victim.device))
    return opened


# One sentence


def attack_text(
    bench: Bench,
    wanted: Wanted,
    text: str,
    label: int | None,
    report: Progress = SILENT,
    watch: Watch = lambda side, step: None,
) -> dict[str, Any]:
    """Attack one text on all victims in lock-step. `label` None takes the first victim's word.

    Beside what came of each: the similarity of its text to the original, what leaving out each word
    does to each victim, and what every victim says of every text that was found.
    """
    text = checked_text(text)
    opened = open_victims(bench, wanted, report)
    victims, start = opened.victims, time.perf_counter()
    first = next(iter(victims.values()))
    if label is not None and not 0 <= label < first.num_labels:
        raise SettingError(
            f"The label {label} is outside 0..{first.num_labels - 1}, the victim's range."
        )
    truth = label if label is not None else int(first.read([text])[0].argmax())
    outcomes = _attacked(
        victims, wanted, opened.first.spec.resources, Example(text, None, truth), report, watch
    )
    alike = _alike(outcomes, str(first.device))
    tokens = len(first.tokenizer(text)["input_ids"])
    sides = [
        {
            "name": name,
            "study": wanted.victims[name][0],
            "sparsity": wanted.victims[name][1],
            "achieved": opened.achieved[name],
            "similarity": alike.get(name),
            **told(outcomes[name], victim, truth),
        }
        for name, victim in victims.items()
    ]
    return {
        "text": text,
        "truth": truth,
        "truth_given": label is not None,
        "attack": wanted.attack,
        "seed": wanted.seed,
        "budget": asdict(wanted.budget),
        "label_names": list(opened.first.study.about["label_names"]),
        "notices": list(opened.notices),
        "cut_at": first.max_tokens if tokens > first.max_tokens else None,
        "sides": sides,
        "importance": importance(victims, text, truth, report),
        "transfer": said_of_each(victims, outcomes, truth),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _attacked(
    victims: Mapping[str, Victim],
    wanted: Wanted,
    resources: str | None,
    example: Example,
    report: Progress,
    watch: Watch,
) -> dict[str, Outcome]:
    check_typed(example.text, victims)
    attackers = Attackers(victims, wanted.attack, wanted.seed, resources, wanted.budget)
    outcomes: dict[str, Outcome] = {}
    with closing(
        attackers.watch(example, lambda: report("attack", len(outcomes), len(victims)))
    ) as seen:
        for side, found in seen:
            if not isinstance(found, Outcome):
                watch(side, found)
                continue
            if found.record.outcome == "error" or found.record.untried:
                raise InputError(f"{found.record.reason.rstrip('.')}; type another text.")
            outcomes[side] = found
    return outcomes


def _alike(outcomes: Mapping[str, Outcome], device: str) -> dict[str, float]:
    broken = {
        name: (found.original, found.perturbed)
        for name, found in outcomes.items()
        if found.record.outcome == "broken"
    }
    return dict(zip(broken, cosines(list(broken.values()), device), strict=True))


def importance(
    victims: Mapping[str, Victim], text: str, truth: int, report: Progress = SILENT
) -> dict[str, Any] | None:
    """Leave-one-out: for each word, by how much the probability of the true label falls when the
    word is left out.

    p(y | x) − p(y | x without word i), one row a victim; None for a text of one word or of more
    than `MOST_LEFT_OUT`.
    """
    spans = word_spans(text)
    if not 1 < len(spans) <= MOST_LEFT_OUT:
        return None
    without = [" ".join(f"{text[:start]} {text[end:]}".split()) for start, end in spans]
    falls: dict[str, list[float]] = {}
    with breathing(lambda: report("word importance", len(falls), len(victims))):
        for name, victim in victims.items():
            report("word importance", len(falls), len(victims))
            whole, *rest = _truths(victim, [text, *without], truth)
            falls[name] = [round(whole - one, 6) for one in rest]
    return {"words": [text[start:end] for start, end in spans], "falls": falls}


def said_of_each(
    victims: Mapping[str, Victim], outcomes: Mapping[str, Outcome], truth: int
) -> dict[str, dict[str, Any]]:
    """Source → target → what the target says of the text that broke the source: {label, truth}, its
    word and p(true).
    """
    texts = {
        name: outcomes[name].perturbed
        for name in victims
        if outcomes[name].record.outcome == "broken"
    }
    rows: dict[str, dict[str, Any]] = {source: {} for source in texts}
    for target, victim in victims.items():
        for source, said in zip(texts, _answers(victim, list(texts.values())), strict=True):
            rows[source][target] = {
                "label": int(said.argmax()),
                "truth": round(float(said[truth]), 6),
            }
    return rows


def _truths(victim: Victim, texts: Sequence[str], truth: int) -> list[float]:
    return [float(row[truth]) for row in _answers(victim, texts)]


def _answers(victim: Victim, texts: Sequence[str]) -> list[Any]:
    distinct = list(dict.fromkeys(texts))
    found = dict(
        zip(distinct, VictimService(victim).answer(distinct) if distinct else [], strict=True)
    )
    return [found[text] for text in texts]


# A batch


def attack_batch(
    bench: Bench, wanted: Wanted, count: int, report: Progress = SILENT
) -> dict[str, Any]:
    """Attack `count` examples of the first victim's evaluation set: rates, paired tests, transfer.

    They are drawn as a study with the seed draws them, and what a study measured of a victim under
    the same attack, seed and budget is not attacked again.

    Raises DataError where its texts are not on this machine.
    """
    if not 1 <= count <= MOST_EXAMPLES:
        raise SettingError(
            f"A batch of {count} examples was asked for; ask for 1 to {MOST_EXAMPLES}."
        )
    opened = open_victims(bench, wanted, report)
    if not opened.own_texts:
        raise DataError(
            "The texts of the study are not on this machine, so there is no batch to attack; name "
            "their folder in "
            "PRUNESCOPE_DATA."
        )
    examples, spec = opened.first.evaluation, opened.first.spec
    notices = list(opened.notices)
    _, rows = drawn_rows(examples, len(examples), count, wanted.seed)
    if len(rows) < count:
        notices.append(
            f"The study evaluates {len(rows)} examples, so {len(rows)} are attacked and not "
            f"{count}."
        )
    found = attack_kept(
        opened.sides,
        wanted.attack,
        examples,
        rows,
        wanted.seed,
        bench.store,
        report,
        spec.resources,
        wanted.budget,
        notices.append,
    )
    records = {name: [text.record for text in texts] for name, texts in found.items()}
    notices += [
        notice for name, of in records.items() for notice in attack_notices(of, f"{name}: ")
    ]
    study = bench.store.study_head(wanted.victims[next(iter(records))][0])
    behind = (
        set((study.identity.get("attack") or {}).get("examples", ()))
        if study is not None
        else set[int]()
    )
    first = next(iter(records))
    paired = paired_levels(
        records[first], {name: of for name, of in records.items() if name != first}
    )
    return {
        "attack": wanted.attack,
        "seed": wanted.seed,
        "budget": asdict(wanted.budget),
        "data": opened.first.study.about["data"],
        "label_names": list(opened.first.study.about["label_names"]),
        "notices": notices,
        "of_study": len(behind.intersection(rows)),
        "victims": [
            {
                "name": name,
                "study": wanted.victims[name][0],
                "sparsity": wanted.victims[name][1],
                **asdict(summary_of(texts)),
                "similarity": asdict(similarity(texts)),
            }
            for name, texts in found.items()
        ],
        "paired": {name: asdict(pair) for name, pair in paired.items()},
        "transfer": {
            source: {target: asdict(moved) for target, moved in row.items()}
            for source, row in transfer(found, opened.victims, report).items()
        },
        "examples": _rows(found, examples, rows),
    }


def _rows(
    found: Mapping[str, Sequence[AttackText]], examples: Examples, rows: Sequence[int]
) -> list[dict[str, Any]]:
    pairs = examples.pairs or (None,) * len(examples)
    return [
        {
            "row": row,
            "label": examples.labels[row],
            "text": _whole(examples.texts[row], pairs[row]),
            "outcomes": {name: texts[place].record.outcome for name, texts in found.items()},
            "found": {
                name: _whole(texts[place].perturbed, texts[place].perturbed_pair)
                for name, texts in found.items()
                if texts[place].record.outcome == "broken"
            },
        }
        for place, row in enumerate(rows)
    ]


def _whole(text: str, pair: str | None) -> str:
    """A text, or both of a pair: an attack may have changed either."""
    return text if pair is None else f"{text} | {pair}"
