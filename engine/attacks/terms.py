"""Everything that decides the outcome of an attack, and the stored outcomes that it leads to."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from prunescope.engine.attacks.attempt import Budget
from prunescope.engine.attacks.recipes import attack_identity
from prunescope.engine.attacks.resources import find_resources
from prunescope.engine.attacks.texts import AttackTexts
from prunescope.engine.data import Examples
from prunescope.engine.models.victim import Victim
from prunescope.engine.records import AttackRecord
from prunescope.engine.store import Store, key_of, victim_key


@dataclass(frozen=True, slots=True)
class KeyedVictim:
    """A victim with what decides its weights."""

    victim: Victim
    key: str  # SHA-256: a fingerprint, or `victim_key`


@dataclass(frozen=True, slots=True)
class AttackTerms:
    """Everything beside the victim that decides the outcome of an attack on an example."""

    attack: str
    examples: Examples
    seed: int
    resources: str | None = None
    budget: Budget = field(default_factory=Budget)

    def attack_identity(self) -> dict[str, str]:
        """Raises SettingError or ResourceError, see `recipes.attack_identity`."""
        return attack_identity(self.attack, find_resources(self.resources))

    def texts(self, store: Store, target: KeyedVictim) -> AttackTexts:
        """Where the attacked examples of a victim are kept.

        Raises StoreError for the bundled store.
        """
        return AttackTexts(
            store,
            key_of(
                {
                    "attack": self.attack_identity(),
                    "examples": self.examples.fingerprint(),
                    "seed": self.seed,
                    "budget": asdict(self.budget),
                    "victim": target.key,
                    "max_tokens": target.victim.max_tokens,
                }
            ),
        )

    def measured(self, store: Store, target: KeyedVictim) -> dict[int, AttackRecord]:
        """Records of studies with the same victim and the same terms, by row, without errors."""
        budget = {} if self.budget == Budget() else {"budget": asdict(self.budget)}
        same = {
            "evaluation": self.examples.fingerprint(),
            "seed": self.seed,
            "max_tokens": target.victim.max_tokens,
        }
        attack, records = {**self.attack_identity(), **budget}, dict[int, AttackRecord]()
        for study in store.studies():
            identity = study.identity
            if (
                any(identity.get(name) != value for name, value in same.items())
                or _without_rows(identity.get("attack")) != attack
            ):
                continue
            for sparsity, level in _levels(store, study.key):
                level_key = identity["victim"] if sparsity == 0 else victim_key(identity, sparsity)
                if target.key == level_key:
                    for record in level:
                        if record.outcome != "error":
                            records.setdefault(record.example, record)
        return records


def _without_rows(attack: dict[str, Any] | None) -> dict[str, Any] | None:
    return attack and {name: value for name, value in attack.items() if name != "examples"}


def _levels(store: Store, key: str) -> Iterator[tuple[float, tuple[AttackRecord, ...]]]:
    study = store.study(key)
    for level in study.levels if study is not None else ():
        yield level.sparsity, level.attacks
