"""Where the linears of an encoder block are, family by family. A new architecture is a new entry here.

A block is post-norm: attention over q, k, v → `attention_output` + residual + LayerNorm → `intermediate` + activation →
`output` + residual + LayerNorm. Families differ only in the names of these modules and in the classifier's head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from engine.errors import ModelError
from engine.names import LINEARS


@dataclass(frozen=True, slots=True)
class Family:
    """One supported architecture."""

    name: str
    body: str  # attribute that holds the encoder
    head: Callable[[Any, Tensor], Tensor]  # (model, last [CLS] embedding (rows, width)) → logits (rows, labels)

    def blocks(self, model: Any) -> list[nn.Module]:
        """The encoder blocks, first to last."""
        return list(getattr(model, self.body).encoder.layer)

    def embeddings(self, model: Any) -> nn.Module:
        """The module that turns token ids into the first hidden state."""
        found: nn.Module = getattr(model, self.body).embeddings
        return found


def _pooled_head(model: Any, cls: Tensor) -> Tensor:
    logits: Tensor = model.classifier(model.bert.pooler(cls[:, None]))
    return logits


def _token_head(model: Any, cls: Tensor) -> Tensor:
    logits: Tensor = model.classifier(cls[:, None])
    return logits


FAMILIES = {
    "bert": Family("bert", "bert", _pooled_head),
    "roberta": Family("roberta", "roberta", _token_head),
}


def family_of(model_type: str, where: str) -> Family:
    """The family of a configuration's `model_type`. Raises ModelError with the list of those supported."""
    if model_type not in FAMILIES:
        raise ModelError(
            f"{where} is of the family {model_type!r}; supported are sequence classifiers of the families "
            f"{' and '.join(FAMILIES)} (MiniLM counts as bert)."
        )
    return FAMILIES[model_type]


def linears(block: nn.Module) -> dict[str, nn.Linear]:
    """The prunable linears of a block by name, in pruning order."""
    return {name: block.get_submodule(path) for name, path in LINEARS}  # type: ignore[misc]
