"""Whether what a tokenizer gives lies within a model's tables: ids, token types and positions."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from prunescope.engine.errors import ModelError
from prunescope.engine.formatting import pluralize
from prunescope.engine.models.architecture import (
    Architecture,
    oddity_of,
    positions_of,
    takes_types,
    word_rows,
)

MAX_TOKENS = 128  # a longer text is cut here, and a study says how many were
# rows without a token from which on the tokenizer is likely another model's; padded tables have
# fewer
SPARE = 512
UNUSUAL = "naïve 好 😀 ~qx"  # a tokenizer without a token for the unknown fails on some of it


@dataclass(frozen=True, slots=True)
class Fit:
    """What a model takes of its tokenizer."""

    limit: int  # most tokens of a text or pair, special ones included
    notices: tuple[str, ...] = ()


def fit(name: str, architecture: Architecture, model: Any, tokenizer: Any) -> Fit:
    """Check a tokenizer against a model's tables; its `model_input_names` become those that the
    model takes.

    The limit is the smaller of what the table of positions holds and of the tokenizer's own
    model_max_length: a deployed pipeline cuts there, and a study is about what is deployed. Raises
    ModelError for a tokenizer that has no vocabulary or fails on a text, for an id or a token type
    above its table, and for a limit that leaves no room for a text.
    """
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # made up where files are missing
        raise ModelError(
            f"The tokenizer of {name} has no vocabulary; copy vocab.txt or tokenizer.json to the "
            "model's folder."
        )
    notices = _check_ids(name, model, tokenizer) + _fit_inputs(name, architecture, model, tokenizer)
    positions, cut = positions_of(model.config), int(tokenizer.model_max_length)
    limit, special = min(positions, cut), int(tokenizer.num_special_tokens_to_add(pair=True))
    if limit <= special:
        what = (
            f"model_max_length of {cut}"
            if cut < positions
            else f"table of {pluralize(positions, 'position')}"
        )
        raise ModelError(
            f"{name} takes no text: its {what} leaves no room beside the {special} special tokens "
            "of a pair; correct its tokenizer or its config."
        )
    if cut < min(positions, MAX_TOKENS):
        notices += (
            f"The tokenizer of {name} cuts texts after {cut} tokens (its model_max_length), and so "
            "they are cut here.",
        )
    return Fit(limit, notices)


def pad_id(config: Any, tokenizer: Any) -> int:
    """What fills the rows of a batch: the config's pad token, by which a head that reads the last
    token finds it, or the tokenizer's. Where neither has one nothing reads it, and 0 will do.
    """
    ids = (getattr(config, "pad_token_id", None), tokenizer.pad_token_id)
    return next((number for number in ids if isinstance(number, int) and number >= 0), 0)


def prepare_config(config: Any, tokenizer: Any, name: str, rows: int) -> bool:
    """Set what a classifier needs to read batches: no cache of keys and values, no hidden states
    and attention beside its answer, and a pad token where its config lacks one. Whether that was
    so. `rows` is the number of word embeddings.

    Raises ModelError where positions depend on a pad token and there is none.
    """
    # The last two also wrap the modules of a model while it runs, under transformers 4
    for setting in ("use_cache", "output_attentions", "output_hidden_states"):
        if getattr(config, setting, False):
            setattr(config, setting, False)
    pad = getattr(config, "pad_token_id", None)
    if pad is not None and pad >= 0:
        return False
    if oddity_of(config).after_pad:
        raise ModelError(
            f"{name} counts positions from the id of its pad token, and the pad_token_id of its "
            f"config.json is {pad!r}; write the tokenizer's own there."
        )
    config.pad_token_id = _unread_id(tokenizer, rows)
    return True


def _unread_id(tokenizer: Any, rows: int) -> int:
    """An id to pad with, which no text ends in: the head takes what stands before it for the end.

    The tokenizer's pad token, a row of the embeddings that no token has, or another special token.
    """
    highest = max(tokenizer.get_vocab().values())
    candidates = (
        tokenizer.pad_token_id,
        rows - 1 if rows - 1 > highest else None,
        tokenizer.eos_token_id,
        tokenizer.bos_token_id,
        tokenizer.unk_token_id,
        0,
        1,
    )
    ends = tokenizer("a")["input_ids"][-1:]
    return next(number for number in candidates if isinstance(number, int) and [number] != ends)


def settle_pad(
    config: Any, tokenizer: Any, architecture: Architecture, name: str
) -> tuple[str, ...]:
    """Keep the pad token that `prepare_config` has set where the head finds the last token by it,
    with a notice; else the config is as it was.
    """
    if architecture.reads != "last":
        config.pad_token_id = None
        return ()
    token = tokenizer.convert_ids_to_tokens(config.pad_token_id) or config.pad_token_id
    return (
        f"The config of {name} has no pad_token_id, by which its head finds the last token of a "
        f"text in a batch; texts are padded with {token!r}.",
    )


def _check_ids(name: str, model: Any, tokenizer: Any) -> tuple[str, ...]:
    """Notices on a tokenizer's ids. Raises ModelError for one above the table of words."""
    rows = word_rows(model)
    word, highest = max(tokenizer.get_vocab().items(), key=itemgetter(1))
    if highest >= rows:
        raise ModelError(
            f"The tokenizer of {name} gives {word!r} the id {highest} and its table of embeddings "
            f"has {rows} rows, from 0 to {rows - 1}; call model.resize_token_embeddings"
            f"({highest + 1}), train the new rows and save again, or copy the model's own "
            "tokenizer."
        )
    if rows - highest - 1 < SPARE:
        return ()
    return (
        f"The tokenizer of {name} ends at the id {highest} and its table of embeddings has {rows} "
        "rows; the tokenizer may be another model's.",
    )


def _fit_inputs(
    name: str, architecture: Architecture, model: Any, tokenizer: Any
) -> tuple[str, ...]:
    """Leave out of `model_input_names` what the model does not take; notices. Raises ModelError,
    see `fit`.
    """
    try:
        single, pair = dict(tokenizer(UNUSUAL)), dict(tokenizer(UNUSUAL, UNUSUAL))
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise ModelError(
            f"The tokenizer of {name} fails on a text ({str(error)[:200].rstrip('.')}); save it "
            "again with tokenizer.save_pretrained, or copy the model's own."
        ) from error
    types, notices, inputs = "token_type_ids", tuple[str, ...](), ["input_ids", "attention_mask"]
    if types in architecture.inputs and types in single:
        rows = takes_types(model)
        highest = max([0, *single[types], *pair[types]])
        if highest < rows:
            inputs.insert(1, types)
        elif rows == 1:  # a model with one type reads all tokens alike
            notices = (
                f"The tokenizer of {name} marks the second text of a pair with token type "
                f"{highest} and the model knows type 0 alone; the marks are left out.",
            )
        else:
            raise ModelError(
                f"The tokenizer of {name} gives the token type {highest} and the model has {rows}, "
                f"from 0 to {rows - 1}; copy the model's own tokenizer to its folder."
            )
    if set(tokenizer.model_input_names) != set(inputs):
        tokenizer.model_input_names = inputs
    return notices
