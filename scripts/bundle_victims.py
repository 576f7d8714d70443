"""Ship pruned models of a study: prune, round to a few bits, measure so, and write them into
cache/bundled/victims.

    export PRUNESCOPE_DATA=FOLDER
    .venv/bin/python scripts/bundle_victims.py CACHE STUDY BITS SPARSITY [SPARSITY …]
        --compare BITS [BITS …]     also measure other roundings, and write nothing

Pruned models and attacked examples are kept in CACHE, so a run that was stopped goes on there. Each
rounding is compared with the unrounded model of this machine: accuracy on the study's evaluation
set, predictions changed, outcomes of the study's attacked examples changed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine import Store, Study, paths
from prunescope.engine.attacks.cached_run import attack_cached
from prunescope.engine.attacks.metrics import attack_rates
from prunescope.engine.attacks.terms import KeyedVictim
from prunescope.engine.evaluation.measure import accuracy, read
from prunescope.engine.export.pruned_models import has_pruned
from prunescope.engine.export.shipped import rounded, save_shipped
from prunescope.engine.live.models import LiveModels
from prunescope.engine.progress import Progress
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import AttackRecord, Rate
from prunescope.engine.store import victim_key
from prunescope.engine.studies.prepare import PreparedStudy
from prunescope.engine.studies.pruned import prune_and_save, pruned_at


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model predicts on the evaluation set, and how its attacked examples end."""

    predicted: tuple[int, ...]
    acc: Rate
    attacks: tuple[AttackRecord, ...]

    def against(self, other: "Measured") -> dict[str, object]:
        """Its rates, and what differs from the model before rounding."""
        aua, asr = attack_rates(self.attacks)
        predictions = zip(self.predicted, other.predicted, strict=True)
        outcomes = zip(self.attacks, other.attacks, strict=True)
        return {
            "acc": asdict(self.acc),
            "aua": asdict(aua),
            "asr": asdict(asr),
            "predictions_changed": sum(one != two for one, two in predictions),
            "outcomes_changed": sum(one.outcome != two.outcome for one, two in outcomes),
        }


def main() -> None:
    """Measure, print one line a rounding, and write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache")
    parser.add_argument("study")
    parser.add_argument("bits", type=int)
    parser.add_argument("sparsities", type=float, nargs="+", metavar="SPARSITY")
    parser.add_argument("--compare", type=int, nargs="*", default=[], metavar="BITS")
    options = parser.parse_args()
    models = LiveModels(Store(options.cache))
    study = _only(models.store, options.study)
    prepared, notice = models.open(study)
    if notice is not None:
        sys.exit(f"{notice} Such a model is not shipped as the study's.")
    missing = [
        level
        for level in options.sparsities
        if not has_pruned(models.store, victim_key(study.identity, level))
    ]
    list(prune_and_save(prepared, missing, models.store, _progress()) if missing else ())
    for sparsity in options.sparsities:
        pruned = pruned_at(prepared, sparsity, models.store)
        figures = measure(prepared, pruned, [options.bits, *options.compare], models.store)
        for bits, measured in figures.items():
            print(f"{100 * sparsity:g}%, {bits} bits: {_line(measured)}", flush=True)
        if not options.compare:
            path = paths.BUNDLED / "victims" / f"{victim_key(study.identity, sparsity)}.safetensors"
            save_shipped(
                path, pruned, prepared.victim, options.bits, study.key, figures[options.bits]
            )
            print(f"  {path.stat().st_size:,} bytes, {path.name}", flush=True)


def measure(
    prepared: PreparedStudy, pruned: Pruned, roundings: Sequence[int], store: Store
) -> dict[int, dict[str, object]]:
    """The figures of each rounding against the unrounded model, all attacked in lock-step."""
    victims = {0: pruned.victim} | {
        bits: rounded(pruned, prepared.victim, bits).victim for bits in roundings
    }
    key = victim_key(prepared.study.identity, pruned.sparsity)
    # Not the study's own key: its figures may be of another machine.
    targets = {
        str(bits): KeyedVictim(victim, f"{key}-{bits}-bits") for bits, victim in victims.items()
    }
    spec, examples = prepared.spec, prepared.evaluation
    texts = attack_cached(
        targets, spec.attack, examples, prepared.attacked, spec.seed, store, _progress()
    )
    measured = {}
    for bits, victim in victims.items():
        reading = read(victim, examples)
        records = tuple(text.record for text in texts[str(bits)])
        acc = accuracy(reading, examples.labels)
        measured[bits] = Measured(reading.predicted, acc, records)
    print(f"{100 * pruned.sparsity:g}%, unrounded: {_line(measured[0].against(measured[0]))}")
    return {bits: measured[bits].against(measured[0]) for bits in roundings}


def _only(store: Store, key: str) -> Study:
    matching = [study.key for study in store.studies() if study.key.startswith(key)]
    study = store.study(matching[0]) if len(matching) == 1 else None
    return study or sys.exit(f"{len(matching)} studies have a key that begins with {key}.")


def _line(measured: dict[str, object]) -> str:
    rates = (f"{name} {100 * measured[name]['value']:.2f}" for name in ("acc", "aua", "asr"))  # type: ignore[index]
    changed = (measured["predictions_changed"], measured["outcomes_changed"])
    return f"{', '.join(rates)}; predictions changed {changed[0]}, outcomes {changed[1]}"


def _progress() -> Progress:
    return Progress(
        lambda state: print(
            f"\r{state.stage} {state.done} of {state.total}", end="\r", file=sys.stderr
        )
    )


if __name__ == "__main__":
    main()
