"""Which models of studies are ready: in memory, in the cache, or shipped. Loads nothing; what it
says of a model that has changed since its study is a guess.
"""

import os
from collections.abc import Callable
from typing import Any

from prunescope.engine.errors import DataError
from prunescope.engine.export.pruned_models import has_pruned, saved_sparsities
from prunescope.engine.live.on_reviews import identity_on_reviews, needs_text, spec_of
from prunescope.engine.paths import expanded
from prunescope.engine.records import Study
from prunescope.engine.store import Store, victim_key
from prunescope.engine.store.shipped import shipped_model, shipped_models
from prunescope.engine.studies.examples import data_place


class ReadyModels:
    """The models that are there without pruning for longer than reading a file."""

    def __init__(self, store: Store, in_memory: Callable[[str], bool]) -> None:
        """`in_memory` says whether a pruned model is, by its key."""
        self._store, self._in_memory = store, in_memory
        self._stand_ins: dict[str, dict[str, Any]] = {}  # identities on the reviews, by study

    def has(self, study: Study, sparsity: float) -> bool:
        """Whether the model of a study at a sparsity is ready."""
        return (
            not sparsity
            or shipped_model(self._store, study.identity, sparsity) is not None
            or not needs_text(spec_of(study))
            or any(
                self._in_memory(key) or has_pruned(self._store, key)
                for key in (victim_key(identity, sparsity) for identity in self._identities(study))
            )
        )

    def next_sparser(self, study: Study, sparsity: float) -> float | None:
        """The next sparsity above this one at which a model of the study is ready, if any is."""
        shipped = (
            model.sparsity for model in shipped_models(self._store) if model.study == study.key
        )
        saved = (
            level
            for identity in self._identities(study)
            for level in saved_sparsities(self._store, identity)
        )
        return min((level for level in (*shipped, *saved) if level > sparsity), default=None)

    def _identities(self, study: Study) -> list[dict[str, Any]]:
        """What decides the weights of the study's models: its own texts, and where these are not
        here, the reviews that stand in for them.
        """
        try:
            is_here = os.path.exists(expanded(data_place(study)))
        except DataError:
            is_here = False
        if is_here:
            return [study.identity]
        if study.key not in self._stand_ins:
            self._stand_ins[study.key] = identity_on_reviews(study)
        return [study.identity, self._stand_ins[study.key]]
