"""Sentence similarity by the embedded MiniLM, in place of the Universal Sentence Encoder (USE).

all-MiniLM-L6-v2 (Reimers & Gurevych, EMNLP 2019; the embedded base without any fine-tuning) reads a text as the mean of its
last hidden states, of length 1. USE reads differently, so a threshold made for USE has to be carried over: `THRESHOLDS`
gives for each threshold of TextAttack's recipes the one at which MiniLM keeps the same share of texts. Measured on the 100
Movie Review texts of TextFooler in `published_attacks/reevaluating_100_sampled_per_run.parquet` (Morris et al., Findings of
EMNLP 2020), which come with their USE cosine and are, at a median of 19 words, about as long as the window of 15 words that
is compared; `scripts/similarity.py` repeats it. On texts of some hundred words the two differ more (see there).
BERT-Attack's cosine of 0.2 is below every measured pair: it forbids hardly anything under either encoder, and stays.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from engine.attacks.services import breathe
from engine.models.embedded import embedded_base
from engine.models.families import Family, family_of
from engine.models.forward import embed, run_block, streams

TOKENS = 2048  # of one batch
LEAST = 16  # sentences of one batch: matrix products of fewer rows add up in another order
MOST = 256  # tokens of a text; the rest is cut, as by the model's makers
THRESHOLDS = {  # (metric, USE's threshold) → MiniLM's
    ("angular", 0.840845057): 0.8333,  # TextFooler; 95 % of resampled samples: 0.816 to 0.850
    ("angular", 0.8): 0.7955,  # TextBugger; 0.768 to 0.812
    ("cosine", 0.936338023): 0.9355,  # BAE
    ("cosine", 0.2): 0.2,  # BERT-Attack; not measured
}


class SentenceEncoder:
    """A service: texts in, sentence embeddings (width,) of length 1 out, the same bits in whatever company."""

    name = "sentence encoder"
    kept = True

    def __init__(self, device: torch.device) -> None:
        base = embedded_base()
        model = AutoModel.from_pretrained(base, local_files_only=True).to(device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        self._family: Family = family_of(model.config, self.name)
        self._model = SimpleNamespace(config=model.config, device=device, **{self._family.body: model})

    def answer(self, items: Sequence[str]) -> list[Tensor]:
        """One embedding (width,) an item, on the CPU."""
        encoded = self._tokenizer(list(items), truncation=True, max_length=MOST)["input_ids"]
        places: dict[tuple[int, ...], list[int]] = {}
        for place, ids in enumerate(map(tuple, encoded)):
            places.setdefault(ids, []).append(place)
        found: list[Tensor] = [torch.empty(0)] * len(items)
        for batch in _batches(sorted(places, key=lambda ids: (len(ids), ids))):
            breathe()
            for ids, row in zip(batch, self._embeddings(batch), strict=True):
                for place in places[ids]:
                    found[place] = row
        return found

    @torch.inference_mode()
    def _embeddings(self, batch: Sequence[tuple[int, ...]]) -> Tensor:
        """Embeddings (texts, width) of token ids, sorted by length."""
        copies = -(-LEAST // len(batch))
        rows = [list(ids) for ids in batch for _ in range(copies)]
        encoded = {"input_ids": rows, "attention_mask": [[1] * len(ids) for ids in rows]}
        (stream,) = streams(encoded, int(self._tokenizer.pad_token_id), self._model.device, max_tokens=1 << 62)
        hidden = embed(self._family, self._model, stream)
        for block in self._family.blocks(self._model):
            hidden = run_block(block, hidden, stream.lengths, lambda name, value: None)
        means = torch.stack([part.mean(dim=0) for part in hidden.split(list(stream.lengths))])
        found = torch.empty_like(means)
        found[torch.tensor(stream.rows)] = means / means.norm(dim=1, keepdim=True)
        return found[::copies].float().cpu().clone()


def _batches(ordered: Sequence[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Runs of encoded texts of at most `TOKENS` tokens, or one text."""
    batch: list[tuple[int, ...]] = []
    tokens = 0
    for ids in ordered:
        if batch and tokens + len(ids) > TOKENS:
            yield batch
            batch, tokens = [], 0
        batch.append(ids)
        tokens += len(ids)
    if batch:
        yield batch


@lru_cache(maxsize=2)
def sentence_encoder(device: str) -> SentenceEncoder:
    """The encoder of a device, loaded once; attacks that share it are answered together."""
    return SentenceEncoder(torch.device(device))


def angular(first: Tensor, second: Tensor) -> Tensor:
    """1 − arccos(cos) / π of the rows of two tensors of unit length, (rows, width) each."""
    cosines: Any = (first * second).sum(dim=1).clamp(-1.0, 1.0)
    found: Tensor = 1 - torch.acos(cosines) / torch.pi
    return found
