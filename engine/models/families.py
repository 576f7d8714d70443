"""Where the parts of an encoder block are, family by family. A new architecture is a new entry
here.

A block is post-norm: attention over q, k, v → `attention_output` + residual + LayerNorm →
`intermediate` + activation → `output` + residual + LayerNorm. Families differ only in the names of
these modules, in what their embeddings take and in the classifier's head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from prunescope.engine.errors import ModelError
from prunescope.engine.records import MODULES

# Modules after the encoder, whichever a family has.
HEADS = ("classifier", "pre_classifier", "pooler")
# The one whose rows are the labels, whichever a family has.
LAST = ("classifier", "classifier.out_proj")


@dataclass(frozen=True, slots=True)
class Block:
    """A view on one encoder block of a loaded model: its own modules, not copies."""

    linears: dict[str, nn.Linear]  # by module name, in pruning order
    heads: int
    attention_norm: nn.Module  # after the attention output's residual
    activation: Callable[[Tensor], Tensor]  # between `intermediate` and `output`
    output_norm: nn.Module  # after the output's residual


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the blocks and their parts are, as paths of module names."""

    blocks: str  # the list of blocks, inside the encoder
    linears: tuple[str, ...]  # inside a block, in the order of MODULES
    attention_norm: str
    activation: str
    output_norm: str

    def view(self, block: nn.Module, heads: int) -> Block:
        """The parts of one block."""
        linears = {
            name: cast(nn.Linear, block.get_submodule(path))
            for name, path in zip(MODULES, self.linears, strict=True)
        }
        return Block(
            linears,
            heads,
            block.get_submodule(self.attention_norm),
            block.get_submodule(self.activation),
            block.get_submodule(self.output_norm),
        )


BERT = Layout(
    blocks="encoder.layer",
    linears=(
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ),
    attention_norm="attention.output.LayerNorm",
    activation="intermediate.intermediate_act_fn",
    output_norm="output.LayerNorm",
)
DISTILBERT = Layout(
    blocks="transformer.layer",
    linears=(
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
    ),
    attention_norm="sa_layer_norm",
    activation="ffn.activation",
    output_norm="output_layer_norm",
)


@dataclass(frozen=True, slots=True)
class Family:
    """One supported architecture."""

    name: str  # `model_type` of its configurations
    body: str  # attribute that holds the encoder
    layout: Layout
    # (model, last [CLS] embedding (rows, width)) → logits (rows, labels)
    head: Callable[[Any, Tensor], Tensor]
    # Positions count on from the pad token's id, so that those up to it are free.
    after_pad: bool = False
    # Of the embeddings; a tokenizer may give more or fewer.
    inputs: tuple[str, ...] = ("input_ids", "token_type_ids")

    def positions(self, config: Any, where: str) -> int:
        """Most tokens of a text for which the table has positions, special tokens included.

        Raises ModelError where that depends on a pad token and the configuration has none.
        """
        rows, pad = int(config.max_position_embeddings), getattr(config, "pad_token_id", None)
        if not self.after_pad:
            return rows
        if not isinstance(pad, int):
            raise ModelError(
                f"{where} counts positions from the id of its pad token, and the pad_token_id of "
                f"its config.json is {pad!r}; write the tokenizer's own there."
            )
        return rows - pad - 1

    def modules(self, model: Any) -> list[nn.Module]:
        """The modules of the encoder blocks, first to last."""
        return list(getattr(model, self.body).get_submodule(self.layout.blocks))

    def blocks(self, model: Any) -> list[Block]:
        """The encoder blocks, first to last."""
        heads = int(model.config.num_attention_heads)
        return [self.layout.view(block, heads) for block in self.modules(model)]

    def embeddings(self, model: Any) -> Callable[..., Tensor]:
        """What turns `inputs`, each (rows, tokens), into the first hidden state (rows, tokens,
        width).
        """
        body = getattr(model, self.body)
        embed: Callable[..., Tensor] = body.embeddings
        # ELECTRA's embeddings may be narrower than its blocks.
        widen = getattr(body, "embeddings_project", None)
        return embed if widen is None else lambda **inputs: widen(embed(**inputs))

    def last_layer(self, model: Any) -> list[str]:
        """The names of the weights whose rows are the labels."""
        return [name for name in model.state_dict() if name.rpartition(".")[0] in LAST]


def _pooled_head(model: Any, cls: Tensor) -> Tensor:
    logits: Tensor = model.classifier(model.bert.pooler(cls[:, None]))
    return logits


def _token_head(model: Any, cls: Tensor) -> Tensor:
    logits: Tensor = model.classifier(cls[:, None])
    return logits


def _two_layer_head(model: Any, cls: Tensor) -> Tensor:
    logits: Tensor = model.classifier(functional.relu(model.pre_classifier(cls)))
    return logits


FAMILIES = {
    family.name: family
    for family in (
        Family("bert", "bert", BERT, _pooled_head),
        Family("roberta", "roberta", BERT, _token_head, after_pad=True),
        Family("distilbert", "distilbert", DISTILBERT, _two_layer_head, inputs=("input_ids",)),
        Family("electra", "electra", BERT, _token_head),
        Family("xlm-roberta", "roberta", BERT, _token_head, after_pad=True),
        Family("camembert", "roberta", BERT, _token_head, after_pad=True),
    )
}


def family_of(config: Any, where: str) -> Family:
    """The family of a model's configuration.

    Raises ModelError with what is supported for another family, for relative positions, decoders
    and removed heads.
    """
    # Which settings a family has differs between transformers 4 and 5.
    positions = getattr(config, "position_embedding_type", "absolute")
    if config.model_type not in FAMILIES:
        odd = f"is of the family {config.model_type!r}"
    elif positions != "absolute":
        odd = f"has the position_embedding_type {positions!r}"
    elif getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        odd = "is a decoder"
    elif getattr(config, "pruned_heads", None):
        odd = "has had attention heads removed"
    else:
        return FAMILIES[config.model_type]
    *names, last = FAMILIES
    raise ModelError(
        f"{where} {odd}; supported are sequence classifiers of the families {', '.join(names)} and "
        f"{last} (MiniLM counts as bert): encoders with absolute positions and all their heads."
    )
