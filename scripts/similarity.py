"""Carry thresholds made for the Universal Sentence Encoder (USE) over to MiniLM: the one that keeps
the same share of texts.

    .venv/bin/python scripts/similarity.py DATA

DATA holds published_attacks/reevaluating_100_sampled_per_run.parquet: pairs of a clean and an
attacked text with their similarity under USE. That it is a cosine shows in TextFooler's Movie
Review texts of fewer than 15 words: TextFooler let pass an angle of up to 0.9 radians there (a
cosine of 0.62), and the least similarity is 0.66, which as an angular similarity would be an angle
of 1.06. The threshold for MiniLM is the quantile of its cosines that keeps as many pairs as USE's
threshold does; its interval is that of 2,000 resampled samples.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine.attacks.encoder import sentence_encoder
from prunescope.engine.attacks.services import ask
from prunescope.engine.attacks.word_recipes import THRESHOLDS

PAIRS = Path("published_attacks") / "reevaluating_100_sampled_per_run.parquet"
SAMPLES = {
    "Movie Review": ("movie_review",),
    "and Yelp": ("movie_review", "yelp_polarity"),
    "and IMDB": ("movie_review", "yelp_polarity", "imdb"),
}


def angular(cosine: float) -> float:
    """1 − arccos(cosine) / π."""
    return 1 - math.acos(cosine) / math.pi


def carried(use: np.ndarray, mini: np.ndarray, cosine: float) -> float:
    """MiniLM's cosine that keeps the share of pairs that `cosine` keeps under USE."""
    return float(np.quantile(mini, float(np.mean(use < cosine))))


def main() -> None:
    pairs = pd.read_parquet(Path(sys.argv[1]) / PAIRS)
    first, second = (
        torch.stack(ask(sentence_encoder("cpu"), list(pairs[name]))) for name in ("text1", "text2")
    )
    pairs["mini"] = (first * second).sum(dim=1).clamp(-1, 1).numpy()
    generator = np.random.default_rng(0)
    for sample, datasets in SAMPLES.items():
        chosen = pairs[pairs.dataset.isin(datasets)]
        use, mini = chosen.USE_similarity.to_numpy(), chosen.mini.to_numpy()
        rank = chosen[["USE_similarity", "mini"]].corr("spearman").iloc[0, 1]
        print(
            f"{sample}: {len(chosen)} pairs, median "
            f"{chosen.text1.str.split().str.len().median():.0f} words, "
            f"rank correlation {rank:.2f}"
        )
        for (metric, old), new in THRESHOLDS.items():
            cosine = math.cos(math.pi * (1 - old)) if metric == "angular" else old
            if use.min() >= cosine:
                print(f"  {metric} {old}: below every pair, kept at {new}")
                continue
            show = angular if metric == "angular" else float
            draws = (generator.integers(0, len(use), len(use)) for _ in range(2000))
            low, high = np.quantile(
                [carried(use[i], mini[i], cosine) for i in draws], [0.025, 0.975]
            )
            found = carried(use, mini, cosine)
            agree = np.mean((use >= cosine) == (mini >= found))
            print(
                f"  {metric} {old}: USE keeps {np.mean(use >= cosine):.1%}; MiniLM "
                f"{show(found):.4f} "
                f"({show(low):.4f} to {show(high):.4f}); the two agree on {agree:.0%}; in use: "
                f"{new}"
            )


if __name__ == "__main__":
    main()
