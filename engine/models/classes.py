"""A model's classes in the order in which somebody else numbers them."""

from collections.abc import Sequence

import torch

from prunescope.engine.data.matching import class_places, nameless
from prunescope.engine.errors import ModelError
from prunescope.engine.models.victim import Victim, fingerprint_of


def in_order(victim: Victim, names: Sequence[str]) -> Victim:
    """The victim with its classes in the order of `names`, the rows of its last layer moved.

    Itself where that is its order, or where the names do not tell (see `class_places`): then its
    numbers count as they are.
    """
    order = class_places(names, victim.label_names)
    if order is None or len(order) != victim.num_labels or order == sorted(order):
        return victim
    made = victim.copy()
    state = made.model.state_dict()
    for name in made.family.last_layer(made.model):
        state[name] = state[name][torch.tensor(order, device=state[name].device)]
    made.model.load_state_dict(state)
    made.model.config.id2label = dict(enumerate(names))
    made.model.config.label2id = {name: number for number, name in enumerate(names)}
    made.label_names, made.fingerprint = tuple(names), fingerprint_of(made.model, made.tokenizer)
    return made


def check_classes(victim: Victim, names: Sequence[str], model: str) -> None:
    """Whether a model tells the classes `names` apart, by name or, where one side has no names, by
    number.

    Raises ModelError where both name their classes, and nothing says which is which.
    """
    if (
        nameless(names)
        or nameless(victim.label_names)
        or class_places(names, victim.label_names) is not None
    ):
        return
    raise ModelError(
        f"{model} calls its classes {', '.join(victim.label_names[:12])}, and the data "
        f"{', '.join(names[:12])}; nothing says "
        "which is which: name them alike, in id2label of the model's config.json or with "
        "--label-map."
    )
