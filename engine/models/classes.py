"""A model's classes in the order in which somebody else numbers them."""

from collections.abc import Sequence

import torch

from prunescope.engine.data.matching import can_match, class_places, unmatched
from prunescope.engine.errors import ModelError
from prunescope.engine.models.config import set_label_names
from prunescope.engine.models.fingerprint import fingerprint_of
from prunescope.engine.models.victim import Victim


def in_order(victim: Victim, names: Sequence[str]) -> Victim:
    """The victim with its classes in the order of `names`, the rows of its last layer moved.

    Itself where that is its order, or where the names do not tell (see `class_places`): then its
    numbers count as they are.
    """
    order = class_places(names, victim.label_names)
    if order is None or len(order) != victim.num_labels or order == sorted(order):
        return victim
    reordered = victim.copy()
    model = reordered.model
    state = model.state_dict()
    for name in reordered.architecture.last_layer(model):
        state[name] = state[name][torch.tensor(order, device=state[name].device)]
    model.load_state_dict(state)
    set_label_names(model.config, names)
    reordered.label_names = tuple(names)
    reordered.fingerprint = fingerprint_of(model, reordered.tokenizer)
    return reordered


def check_classes(victim: Victim, names: Sequence[str], model: str) -> None:
    """Whether a model tells the classes `names` apart, by name or, where one side has no names, by
    number.

    Raises ModelError where both name their classes, and nothing says which is which.
    """
    if not can_match(names, victim.label_names):
        raise ModelError(
            f"{unmatched(model, victim.label_names, 'the data', names)}: name them alike, in "
            "id2label of the model's config.json or with `label_map`."
        )
