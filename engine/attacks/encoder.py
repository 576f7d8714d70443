"""Sentence similarity by the embedded MiniLM, in place of the Universal Sentence Encoder (USE).

all-MiniLM-L6-v2 (Reimers & Gurevych, EMNLP 2019; the embedded base without any fine-tuning) reads a
text as the mean of its last hidden states, of length 1. USE reads differently, so a threshold made
for USE has to be carried over: `word_recipes.THRESHOLDS` gives for each of TextAttack's the one at
which MiniLM keeps the same share of texts. Measured on the 100 Movie Review texts of TextFooler in
`published_attacks/reevaluating_100_sampled_per_run.parquet` (Morris et al., Findings of EMNLP
2020), which come with their USE cosine and are, at a median of 19 words, about as long as the
window of 15 words that is compared; `scripts/similarity.py` repeats it. These texts passed USE's
own threshold word by word, so the carried ones are rather too lax than too strict. On texts of some
hundred words the two encoders differ more (see there). BERT-Attack's cosine of 0.2 is below every
measured pair: it forbids hardly anything under either encoder, and stays.
"""

from functools import lru_cache

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from prunescope.engine.attacks.victim_service import VictimService
from prunescope.engine.models.architecture import Architecture
from prunescope.engine.models.embedded import BASE_SHA256, embedded_base
from prunescope.engine.models.forward import Batch
from prunescope.engine.models.victim import Victim

MOST = 256  # tokens of a text; the rest is cut, as by the model's makers


class SentenceEncoder(VictimService):
    """A service: texts in, sentence embeddings (width,) of length 1 out.

    The bits of an embedding do not depend on the other texts of the batch.
    """

    cached = True

    def __init__(self, device: torch.device) -> None:
        base = embedded_base()
        body = AutoModel.from_pretrained(base, local_files_only=True).to(device).eval()
        # without a head, of which alone the dry run could tell more
        inputs = ("input_ids", "token_type_ids")
        architecture = Architecture("bert", "", "", {}, (), "mean", (), inputs)
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        super().__init__(
            Victim("sentence encoder", body, tokenizer, architecture, BASE_SHA256, (), MOST)
        )

    @torch.inference_mode()
    def _rows(self, batch: Batch) -> list[Tensor]:
        """The embeddings of a batch's texts."""
        hidden = self.victim.model(**batch.inputs)[0]  # (texts, longest, width)
        means = torch.stack(
            [row[:length].mean(dim=0) for row, length in zip(hidden, batch.lengths, strict=True)]
        )
        return list((means / means.norm(dim=1, keepdim=True)).float().cpu())


@lru_cache(maxsize=2)
def sentence_encoder(device: str) -> SentenceEncoder:
    """The encoder of a device, loaded once; attacks that share it are answered together."""
    return SentenceEncoder(torch.device(device))


def angular(first: Tensor, second: Tensor) -> Tensor:
    """1 − arccos(cos) / π of the rows of two tensors of unit length, (rows, width) each."""
    similarity: Tensor = 1 - torch.acos((first * second).sum(dim=1).clamp(-1.0, 1.0)) / torch.pi
    return similarity
