"""About: what the numbers mean and do not mean, and how they are made."""

import re
from pathlib import Path

import streamlit as st

from prunescope.app.components import tour

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "RESULTS.md"

NUMBERS = (  # name, what it is, what it is not
    (
        "Sparsity",
        "zeros / prunable weights. Prunable are the linears of the encoder blocks (query, key, "
        "value, attention output, "
        "intermediate, output); embeddings, LayerNorm, biases, pooler and classifier are not "
        "counted. Requested and achieved "
        "are both recorded.",
        "the share of the whole model that is zero: that is smaller, and stands beside it.",
    ),
    ("Acc", "accuracy: correct / n, on the evaluation set.", "accuracy on your own data."),
    (
        "Aua",
        "accuracy under attack: right at first and not broken / attacked.",
        "a guarantee: a stronger attack, or more queries, would break more.",
    ),
    (
        "Asr",
        "attack success rate: broken / right at first.",
        "comparable between two models as it stands: their denominators differ. The paired table "
        "has the common ones.",
    ),
    (
        "Layer error",
        "the error of a layer's output relative to its spread, on calibration text that the solver "
        "did not see.",
        "the error of the prediction: later layers may undo it, or add to it.",
    ),
    (
        "[CLS] error",
        "the same ratio for the last [CLS] embedding, which is all that the classifier reads, over "
        "the evaluation set.",
        "a change of the answer: an embedding may move along the border between classes.",
    ),
    (
        "Size, packed",
        "the file with the pruned weights as a bitmap and survivors in fp32.",
        "memory or speed: opened again the model is dense, and as fast as before.",
    ),
    (
        "Queries",
        "texts the victim was asked about until it broke or the attack came to its end.",
        "seconds.",
    ),
    (
        "Similarity",
        "cosine of a sentence encoder (all-MiniLM-L6-v2) between a text before and after.",
        "a reader's judgement: opposites may come out as similar.",
    ),
    (
        "p",
        "McNemar's exact test on the examples that flip, adjusted by Holm's method where several "
        "levels are compared.",
        "the size of a difference: that is in the flip table.",
    ),
)


def main() -> None:
    st.title("About", anchor=False)
    st.markdown(
        "PruneScope answers one question: **how sparse can a language model get before it stops "
        "being robust?** It prunes a "
        "fine-tuned classifier layer by layer without retraining, attacks the dense and the sparse "
        "model alike, with the same candidates "
        "and the same seed, and measures every level."
    )
    tour.again()
    if found := findings():
        st.header("What the shipped studies say", anchor=False)
        st.caption(
            "Differences in points on the same rows, with 95 % intervals; bold leaves out zero. "
            "All tables: docs/RESULTS.md."
        )
        for question, answers in found:
            with st.expander(question):
                st.markdown(answers)
    st.header("What the numbers mean", anchor=False)
    for row in range(0, len(NUMBERS), 2):
        for column, (name, it_is, it_is_not) in zip(
            st.columns(2, gap="medium"), NUMBERS[row : row + 2], strict=True
        ):
            column.markdown(
                f"**{name.replace('[', chr(92) + '[')}**: {it_is}  \n*It is not* {it_is_not}"
            )
    _rates()
    st.header("How a model is pruned", anchor=False)
    _pruning()
    st.header("How it is attacked", anchor=False)
    _attacks()
    st.header("What they do not mean", anchor=False)
    _limits()


def findings() -> list[tuple[str, str]]:
    """(question, answers as a list) of the results in short, which a script writes from the shipped
    studies; none without them.
    """
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
    short = text.partition("## In short\n")[2].partition("\n## ")[0]
    return re.findall(r"^\*\*([^*\n]+\?)\*\*\n\n((?:- .*\n)+)", short, re.MULTILINE)


def _rates() -> None:
    st.divider()
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "With every attacked example in one of five classes, an error lowers Aua and is never "
            "dropped:"
        )
        st.latex(r"\text{Aua} = \frac{\text{held} + \text{exhausted}}{n}")
        st.latex(
            r"\text{Asr} = \frac{\text{broken}}{\text{broken} + \text{held} + \text{exhausted}}"
        )
        st.markdown(
            "*Skipped*: wrong without attack. *Exhausted*: not broken within its budget of queries "
            "or seconds; it counts as "
            "held, and is told apart."
        )
    with right:
        st.markdown(
            "Every rate k / n carries its 95 % Wilson interval, with z = 1.96 and p̂ = k / n:"
        )
        st.latex(
            r"\frac{\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1-\hat p)}{n} + "
            r"\frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}"
        )
        st.markdown(
            "A value between two measured levels is interpolated, marked ≈ and drawn hollow."
        )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "**Paired.** Of the examples that both models get right without attack, *b* break on "
            "the first only and *c* on the "
            "second only. If nothing but chance told them apart, b would be binomial:"
        )
        st.latex(
            r"p = \min\Bigl(1,\; 2\,\mathrm{P}\bigl[X \le \min(b, c)\bigr]\Bigr), \quad X \sim "
            r"\mathrm{Bin}(b + c, \tfrac12)"
        )
    with right:
        st.markdown(
            "**Layer error**, with $X_d$ and $X_s$ the layer's inputs in the dense and in the "
            "sparse model:"
        )
        st.latex(
            r"\frac{\lVert (W X_d + b) - (\hat W X_s + b) \rVert^2}{\lVert W X_d - \text{mean} "
            r"\rVert^2}"
        )


def _pruning() -> None:
    st.markdown(
        "Fine-tuned members, some of them adversarially trained, are averaged into one dense "
        "victim. Then, block by block, in the "
        "order q, k, v → attention output → intermediate → output, each group of linears is solved "
        "with statistics taken after all "
        "groups before it were pruned, over real tokens only, x and r being inputs and residuals "
        "and ω a token's importance:"
    )
    st.latex(r"H = \frac{\sum \omega\, x_s x_s^{\top}}{\sum \omega}")
    st.latex(r"C = \frac{\sum \omega\, [\,W(x_d - x_s) + r_d - r_s\,]\, x_s^{\top}}{\sum \omega}")
    st.markdown(
        "The target asks the layer to give the *dense* model's output from the *sparse* model's "
        "input, so it corrects the "
        "error that has piled up before it:"
    )
    st.latex(r"W^{*} = W + \alpha\, \Delta, \qquad \Delta = C\,(H + \Lambda)^{-1}")
    st.latex(
        r"\alpha = \frac{\langle C', \Delta\rangle}{\langle \Delta H', \Delta\rangle} "
        r"\;\text{in}\; [0, 1]"
    )
    st.markdown(
        "The strength α is chosen, for layers with the same inputs together, on calibration "
        "sentences (C′, H′) that took no part in "
        "Δ. The weights to remove are "
        "chosen jointly, by alternating between least squares and the sparsity pattern, and a few "
        "conjugate-gradient steps refit the "
        "survivors, all under M, which says what an error of the outputs does to the last [CLS]:"
    )
    st.latex(
        r"\min_{\hat W \,\in\, \text{pattern}} \; \mathrm{tr}\,M\,(\hat W - W^{*})\,(H + "
        r"\Lambda)\,(\hat W - W^{*})^{\top}"
    )
    st.markdown(
        "M and ω come from gradients of the last [CLS], which is all that the classifier reads, "
        "without labels. How sparse each layer "
        "becomes follows from measured curves of what its sparsity costs there: sensitive layers "
        "keep more. Other methods: `p1` is "
        "the seed paper's formula as published, `sparsegpt` and `sparsegpt-static` are SparseGPT "
        "with the pruned and with the dense "
        "model's inputs, `wanda` and `magnitude` only remove. Patterns: unstructured, even over "
        "rows, or n of every m neighbours kept."
    )


def _attacks() -> None:
    st.markdown(
        "An attack changes characters or words until the victim's answer is no longer the true "
        "label. Victims are attacked in "
        "lock-step: what may be tried next is drawn from the text and the seed alone and found "
        "once for all victims, so each is "
        "offered the same candidates for the same word of the same text. Where attacks part, it is "
        "because the victims answered "
        "differently. HotFlip is the exception: its candidates come from the victim's own gradient."
    )
    st.markdown(
        "**Which words carry it**: what the probability of the true label y loses when word i is "
        "left out of the text x,"
    )
    st.latex(r"p(y \mid x) - p(y \mid x_{\setminus i})")
    st.markdown(
        "**Transfer** from A to B: of the texts that broke A, the share that also breaks B, among "
        "the examples that both get "
        "right without attack. It falls where a sparse model fails in ways of its own."
    )


def _limits() -> None:
    st.markdown(
        "An attack that fails is no proof of robustness: another attack may succeed. A broken "
        "example is one where the attack changed "
        "the prediction; nobody has checked that a reader would still give the old label. "
        "Differences within the intervals are no "
        "differences. Sparsity makes the file smaller, not the model faster: ordinary hardware "
        "multiplies by zeros as slowly as by "
        "anything else. `python -m engine latency` measures it on yours."
    )


main()
