"""A batch of examples attacked on several victims side by side: rates, paired tests, transfer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from prunescope.engine.attacks.cached_run import attack_cached, summary_of
from prunescope.engine.attacks.metrics import attack_notices, paired_levels
from prunescope.engine.attacks.similarity import similarity
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.attacks.transfer import transfer
from prunescope.engine.data import Examples
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.live.models import LiveModels
from prunescope.engine.live.side_by_side import AttackRequest, ReadyVictims, open_victims
from prunescope.engine.progress import SILENT, Progress
from prunescope.engine.records import AttackRecord

MOST_EXAMPLES = 1000
Texts = Mapping[str, Sequence[AttackText]]  # by victim


def attack_batch(
    models: LiveModels, request: AttackRequest, count: int, report: Progress = SILENT
) -> dict[str, Any]:
    """Attack `count` examples of the first victim's evaluation set: rates, paired tests, transfer.

    A study with the same seed attacks the same examples. Outcomes that a study measured of a victim
    under the same attack, seed and budget are reused. Raises DataError where the texts are not on
    this machine.
    """
    if not 1 <= count <= MOST_EXAMPLES:
        raise SettingError(
            f"A batch of {count} examples is not possible; request 1 to {MOST_EXAMPLES}."
        )
    ready = open_victims(models, request, report)
    if not ready.has_texts:
        raise DataError(
            "The texts of the study are not on this machine, so there is no batch to attack; name "
            "their folder in PRUNESCOPE_DATA."
        )
    examples, settings, notices = ready.first.evaluation, ready.settings(request), list[str]()
    _, rows = drawn_rows(examples, len(examples), count, settings.seed)
    if len(rows) < count:
        notices.append(
            f"The study evaluates {len(rows)} examples, so {len(rows)} are attacked and not "
            f"{count}."
        )
    texts = attack_cached(
        ready.sides,
        settings.attack,
        examples,
        rows,
        settings.seed,
        models.store,
        report,
        settings.resources,
        settings.budget,
        notices.append,
    )
    records = {name: [text.record for text in of_victim] for name, of_victim in texts.items()}
    for name, of_victim in records.items():
        notices += attack_notices(of_victim, f"{name}: ")
    return {
        "attack": settings.attack,
        "seed": settings.seed,
        "budget": asdict(settings.budget),
        "data": ready.first.study.about["data"],
        "label_names": ready.label_names,
        "notices": [*ready.notices, *notices],
        "of_study": len(_attacked_by_study(models, request).intersection(rows)),
        "victims": [_summary(name, request, of_victim) for name, of_victim in texts.items()],
        "paired": _paired(records),
        "transfer": _transfer(texts, ready, report),
        "examples": _examples(texts, examples, rows),
    }


def _attacked_by_study(models: LiveModels, request: AttackRequest) -> set[int]:
    """The rows that the first victim's study attacked."""
    first, _ = next(iter(request.victims.values()))
    study = models.store.study_head(first)
    attack = study.identity.get("attack") if study is not None else None
    return set((attack or {}).get("examples", ()))


def _summary(name: str, request: AttackRequest, texts: Sequence[AttackText]) -> dict[str, Any]:
    study, sparsity = request.victims[name]
    return {
        "name": name,
        "study": study,
        "sparsity": sparsity,
        **asdict(summary_of(texts)),
        "similarity": asdict(similarity(texts)),
    }


def _paired(records: Mapping[str, Sequence[AttackRecord]]) -> dict[str, Any]:
    """The paired test of every further victim against the first."""
    first, *others = records
    tests = paired_levels(records[first], {name: records[name] for name in others})
    return {name: asdict(test) for name, test in tests.items()}


def _transfer(texts: Texts, ready: ReadyVictims, report: Progress) -> dict[str, Any]:
    rates = transfer(texts, ready.victims, report)
    return {
        source: {target: asdict(rate) for target, rate in row.items()}
        for source, row in rates.items()
    }


def _examples(texts: Texts, examples: Examples, rows: Sequence[int]) -> list[dict[str, Any]]:
    pairs = examples.pairs or (None,) * len(examples)
    return [
        {
            "row": row,
            "label": examples.labels[row],
            "text": _joined(examples.texts[row], pairs[row]),
            "outcomes": {name: of[index].record.outcome for name, of in texts.items()},
            "found": {
                name: _joined(of[index].perturbed, of[index].perturbed_pair)
                for name, of in texts.items()
                if of[index].record.outcome == "broken"
            },
        }
        for index, row in enumerate(rows)
    ]


def _joined(text: str, pair: str | None) -> str:
    """A text, or both of a pair: an attack may have changed either."""
    return text if pair is None else f"{text} | {pair}"
