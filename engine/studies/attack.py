"""Attack the evaluation examples of a study: one level, or several in lock-step."""

import time
from collections.abc import Callable, Mapping

from prunescope.engine.attacks.attempt import Outcome
from prunescope.engine.attacks.cached_run import attacked_text
from prunescope.engine.attacks.run import Attacker, Attackers, attack_examples, attack_many
from prunescope.engine.attacks.terms import AttackTerms, KeyedVictim
from prunescope.engine.attacks.texts import may_hold_texts
from prunescope.engine.models.victim import Victim
from prunescope.engine.progress import Progress, ProgressState
from prunescope.engine.pruning.plan import Pruned
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import Store, victim_key
from prunescope.engine.studies.identity import budget_of
from prunescope.engine.studies.prepare import PreparedStudy


def attack_level(
    prepared: PreparedStudy, pruned: Pruned, store: Store, report: Progress
) -> tuple[AttackRecord, ...]:
    """Attack the examples of one level; an attack that was cut short goes on at the next one."""
    if not prepared.attacked:
        return ()
    spec, sparsity = prepared.spec, pruned.sparsity
    attacker = Attacker(pruned.victim, spec.attack, spec.seed, spec.resources, budget_of(spec))
    return attack_examples(
        attacker,
        prepared.evaluation,
        prepared.attacked,
        _with_counts(report),
        store.unfinished_attacks(prepared.study, sparsity),
        _save_outcomes(prepared, pruned.victim, sparsity, store),
    )


def attack_together(
    prepared: PreparedStudy, pruned: Mapping[float, Pruned], store: Store, report: Progress
) -> None:
    """Attack several levels in lock-step and save every outcome.

    Candidates that do not depend on the victim are generated once. `attack_level` finds the
    outcomes.
    """
    spec, study, start = prepared.spec, prepared.study, time.perf_counter()
    names = {f"{100 * level:g}%": level for level in pruned}
    victims = {name: pruned[level].victim for name, level in names.items()}
    attackers = Attackers(victims, spec.attack, spec.seed, spec.resources, budget_of(spec))
    save = {
        name: _save_outcomes(prepared, victims[name], level, store) for name, level in names.items()
    }
    attack_many(
        attackers,
        prepared.evaluation,
        prepared.attacked,
        _with_counts(report),
        {name: store.unfinished_attacks(study, level) for name, level in names.items()},
        lambda name, outcome: save[name](outcome),
    )
    share = round((time.perf_counter() - start) / len(pruned), 3)
    for level in pruned:
        prepared.seconds.setdefault(level, {})["attack"] = share


def _save_outcomes(
    prepared: PreparedStudy, victim: Victim, sparsity: float, store: Store
) -> Callable[[Outcome], None]:
    """Saves an outcome: its record with the study, its texts where a batch finds them.

    The bundled store holds no texts.
    """
    spec, identity = prepared.spec, prepared.study.identity
    key = victim_key(identity, sparsity) if sparsity else prepared.victim.fingerprint
    terms = AttackTerms(
        spec.attack, prepared.evaluation, spec.seed, spec.resources, budget_of(spec)
    )
    texts = terms.texts(store, KeyedVictim(victim, key)) if may_hold_texts(store) else None

    def save(outcome: Outcome) -> None:
        store.append_attack(prepared.study, sparsity, outcome.record)
        if texts is not None:
            texts.keep(attacked_text(outcome, prepared.evaluation))

    return save


def _with_counts(report: Progress) -> Progress:
    """Adds "3 of 20" to every stage."""

    def show(state: ProgressState) -> None:
        report(f"{state.stage} {state.done} of {state.total}", state.done, state.total)

    return Progress(show, report.emit)
