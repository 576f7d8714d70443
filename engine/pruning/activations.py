"""The dense model and one sparse model a level, side by side over the same stream of tokens."""

from dataclasses import dataclass

from torch import Tensor

from prunescope.engine.models.families import Block
from prunescope.engine.models.forward import (
    Stream,
    activated,
    after_attention,
    after_output,
    context,
)

GROUPS = (
    ("query", "key", "value"),
    ("attention_output",),
    ("intermediate",),
    ("output",),
)  # linears that share an input


@dataclass(slots=True)
class Walk:
    """One model on its way over one stream: what the next group reads, and what its output will be
    added to.
    """

    x: Tensor  # (tokens, d_in of the next group)
    residual: Tensor | None = None  # (tokens, width), before the groups that feed one

    def step(
        self, group: int, block: Block, lengths: tuple[int, ...], ready: Tensor | None = None
    ) -> None:
        """Through one group; `ready` is its output where that is known already."""
        layers, x = block.linears, self.x
        if group == 0:
            self.x = context(
                block, x, lengths, (layers["query"](x), layers["key"](x), layers["value"](x))
            )
            self.residual = x
        elif group == 2:
            self.x = activated(block, layers["intermediate"](x))
            self.residual = x
        else:
            out = layers[GROUPS[group][0]](x) if ready is None else ready
            if self.residual is None:
                raise RuntimeError("a group that feeds a residual comes after one that keeps it")
            self.x = (after_attention if group == 1 else after_output)(block, out, self.residual)
            self.residual = None


@dataclass(slots=True)
class Pass:
    """One stream of tokens on its way through the dense model and the sparse ones."""

    stream: Stream
    judging: bool  # these tokens judge the strength of the correction
    dense: Walk
    sparse: list[Walk]  # one a level; none where a method looks at the dense model's inputs only

    def inputs(self, level: int) -> Walk:
        """The walk whose inputs a level's statistics are taken from."""
        return self.sparse[level] if self.sparse else self.dense

    @property
    def together(self) -> bool:
        """Whether no sparse model has left the dense one yet."""
        return all(walk.x is self.dense.x for walk in self.sparse)
