"""The parts of a classifier, as `examine` finds them; `ODDITIES` has what no dry run can know."""

import inspect
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from prunescope.engine.errors import ModelError
from prunescope.engine.models.linears import KINDS, PrunableLinear

Reads = Literal["first", "last", "mean"]

# The one whose rows are the labels, whichever a model has.
LAST = ("classifier", "classifier.out_proj", "score")


@dataclass(frozen=True, slots=True)
class Oddity:
    """What a dry run cannot know of an architecture."""

    # Positions count on from the pad token's id, so that those up to it are free.
    after_pad: bool = False
    pad: int | None = None  # that id, where it is not the configuration's
    bf16: bool = True  # whether its forward pass runs where products are in bf16


ODDITIES = {
    name: Oddity(after_pad=True)
    for name in (
        "roberta",
        "xlm-roberta",
        "camembert",
        "xlm-roberta-xl",
        "roberta-prelayernorm",
        "data2vec-text",
        "xmod",
        "esm",
        "lilt",
        "longformer",
        "markuplm",
    )
} | {"mpnet": Oddity(after_pad=True, pad=1), "deberta": Oddity(bf16=False)}


def oddity_of(config: Any) -> Oddity:
    """What a dry run cannot know of a configuration's architecture."""
    return ODDITIES.get(str(config.model_type), Oddity())


def positions_of(config: Any) -> int:
    """Most tokens of a text for which a model has positions, special tokens included."""
    rows = getattr(config, "max_position_embeddings", getattr(config, "max_seq_len", None))
    if not isinstance(rows, int) or rows <= 0:  # relative positions have no end
        return 1 << 30
    oddity = oddity_of(config)
    if not oddity.after_pad:
        return rows
    return rows - 1 - (int(config.pad_token_id) if oddity.pad is None else oddity.pad)


@dataclass(frozen=True, slots=True)
class LinearGroup:
    """Linears of one block that read the same input."""

    layers: tuple[str, ...]  # `block.module`
    # the modules whose inputs (with `dry_run.OUTPUT` before the path: whose outputs) are added to
    # the output of the one linear; empty: nothing is, or it cannot be told
    residual: tuple[str, ...] = ()
    per_token: bool = True  # False: the input is no token's, such as relative positions
    twice: bool = False  # they read a second input, which is the same for every text


@dataclass(frozen=True, slots=True)
class Architecture:
    """The parts of a classifier, as paths of its modules."""

    name: str  # `model_type` of its configuration
    body: str  # the encoder or decoder below the head
    blocks: str  # the list of blocks
    paths: dict[str, str]  # `block.module` → the path of the linear, in pruning order
    groups: tuple[LinearGroup, ...]  # in the order in which they run
    reads: Reads  # which last hidden states the head reads
    heads: tuple[str, ...]  # the linears after the blocks, in the order in which they run
    inputs: tuple[str, ...]  # what the model takes of a tokenizer
    pads: bool = True  # whether padding leaves answers as they are
    runs: int = 1  # of every block over one text: more where blocks share their weights

    @property
    def token_layers(self) -> frozenset[str]:
        """The linears whose inputs have a row a token."""
        return frozenset(
            layer for group in self.groups if group.per_token for layer in group.layers
        )

    def blocks_before(self, group: int) -> int:
        """How many blocks have run before a group of linears reads its input; all of them where
        the number is that of no group.
        """
        block = self.groups[min(group, len(self.groups) - 1)].layers[0].partition(".")[0]
        return int(block) + (group >= len(self.groups))

    def linears(self, model: nn.Module) -> dict[str, PrunableLinear]:
        """The linears of the blocks by `block.module`, first block first."""
        return {
            layer: PrunableLinear(model.get_submodule(path)) for layer, path in self.paths.items()
        }

    def modules(self, model: nn.Module) -> list[nn.Module]:
        """The blocks, first to last."""
        blocks = model.get_submodule(self.blocks)
        assert isinstance(blocks, nn.ModuleList)
        return list(blocks)

    def embeddings(self, model: nn.Module) -> list[nn.Parameter]:
        """The tables of words, positions and the like, each once."""
        tables = (module for module in model.modules() if isinstance(module, nn.Embedding))
        weights = {id(table.weight): table.weight for table in tables}
        return [weight for weight in weights.values() if isinstance(weight, nn.Parameter)]

    def last_layer(self, model: nn.Module) -> list[str]:
        """The names of the weights whose rows are the labels."""
        return [name for name in model.state_dict() if name.rpartition(".")[0] == self.heads[-1]]


def is_of_head(key: str, body: str) -> bool:
    """Whether a parameter is the head's: outside the body, or of the pooler inside it."""
    first, *rest = key.split(".")
    return first != body or "pooler" in rest


def head_modules(model: Any) -> list[str]:
    """The names of the modules of the head that have parameters."""
    body = str(model.base_model_prefix)
    inside = getattr(getattr(model, body), "pooler", None)
    modules = [(name, module) for name, module in model.named_children() if name != body]
    return [
        name
        for name, module in (*modules, *([("pooler", inside)] if inside is not None else []))
        if any(True for _ in module.parameters())
    ]


def blocks_of(model: nn.Module, where: str) -> tuple[str, nn.ModuleList]:
    """The path and the list of a model's blocks: the largest list of equal modules.

    Raises ModelError for a model without any.
    """
    lists = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and len(module)
        and len({type(block) for block in module}) == 1
        and any(isinstance(part, KINDS) for part in module.modules())
    ]
    if not lists:
        raise ModelError(
            f"{where} ({type(model).__name__}) has no list of equal blocks with linear layers, and "
            "only these are pruned; give a transformer classifier."
        )
    return max(lists, key=lambda item: sum(part.numel() for part in item[1].parameters()))


def word_rows(model: Any) -> int:
    """Number of word embeddings."""
    return int(model.get_input_embeddings().weight.shape[0])


def takes_types(model: Any) -> int:
    """How many token types a model tells apart; 0 where it takes none. GPT-2 and its kin look types
    up among the words.
    """
    if "token_type_ids" not in inspect.signature(type(model).forward).parameters:
        return 0
    if getattr(model.config, "type_vocab_size", None) == 0:
        return 0
    tables = [
        int(module.num_embeddings)
        for path, module in model.named_modules()
        if path.endswith("token_type_embeddings") and isinstance(module, nn.Embedding)
    ]
    return tables[0] if tables else word_rows(model)
