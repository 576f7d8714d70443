"""About: what the numbers mean and do not mean, and how they are made."""

import streamlit as st

from prunescope.app.components.page_header import page_header
from prunescope.engine.reading import commands
from prunescope.engine.reading.findings import claims_table, read_findings
from prunescope.engine.reading.glossary import MEASURES, Measure, measure
from prunescope.engine.reading.titles import PAPERS


def main() -> None:
    """Draw the page."""
    page_header("About")
    st.markdown(
        "PruneScope answers one question: **how sparse can a language model get before it stops "
        "being robust?** It prunes a fine-tuned classifier layer by layer without retraining, "
        "attacks the dense and the pruned model with the same candidates and the same seed, and "
        "measures both at each sparsity."
    )
    st.markdown(
        "It starts from two papers, called P1 and P2 here. P1 prunes to keep what the dense model "
        "knows; P2 searches for robust subnetworks. Both are named at the end of this page."
    )
    _findings()
    st.header("What the numbers mean", anchor=False)
    for row in range(0, len(MEASURES), 2):
        columns = st.columns(2, gap="medium")
        for column, entry in zip(columns, MEASURES[row : row + 2], strict=False):
            column.markdown(_definition(entry))
    _rates()
    st.header("How a model is pruned", anchor=False)
    _pruning()
    st.header("How it is attacked", anchor=False)
    _attacks()
    st.header("What the numbers do not mean", anchor=False)
    _limits()
    st.header("The papers behind it", anchor=False)
    for name, title in PAPERS.items():
        st.markdown(f"**{name}**: {title}.")


def _findings() -> None:
    """What the shipped studies answer, in the sentences of docs/results.md."""
    if not (findings := read_findings()):
        return
    st.header("What the shipped studies say", anchor=False)
    st.caption(
        "A rule judges each claim by paired tests on the same examples, adjusted for their number. "
        "Differences are in points; bold means significant. docs/results.md has the rule, the "
        "intervals and all tables."
    )
    for finding in findings:
        with st.expander(finding.question):
            st.markdown(claims_table(finding))
            if finding.notes:
                st.markdown("\n".join(f"- {note}" for note in finding.notes))


def _definition(entry: Measure) -> str:
    symbol = entry.symbol.replace("[", "\\[")
    name = "" if entry.symbol == entry.name else f" ({entry.name[0].lower()}{entry.name[1:]})"
    negated = entry.not_meaning.replace("It is not", "*It is not*", 1)
    return f"**{symbol}**{name.replace('[', chr(92) + '[')}: {entry.meaning}  \n{negated}"


def _rates() -> None:
    st.divider()
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "Every attacked example is counted in one of five classes; one on which the attack "
            "itself fails with an error lowers Aua and is never dropped:"
        )
        st.latex(measure("aua").formula)
        st.latex(measure("asr").formula)
        st.markdown(
            "*Skipped*: misclassified without attack. *Exhausted*: the budget of queries or "
            "seconds ran out before the attack succeeded; it counts as withstood, "
            "and is reported apart."
        )
    with right:
        st.markdown(
            "Every rate k / n carries its 95% Wilson interval, with z = 1.96 and p̂ = k / n:"
        )
        st.latex(measure("interval").formula)
        st.markdown(
            "A value between two measured sparsities is interpolated, marked ≈ and drawn hollow."
        )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "**Paired.** Of the examples that both models classify correctly without attack, *b* "
            "fail on the first only and *c* on the second only. If chance alone decided, b would "
            "be binomial:"
        )
        st.latex(measure("p").formula)
    with right:
        st.markdown(
            "**Layer error**, with $X_d$ and $X_s$ the layer's inputs in the dense and in the "
            "pruned model:"
        )
        st.latex(measure("layer_error").formula)


def _pruning() -> None:
    st.markdown(
        "Fine-tuned members, some of them adversarially trained, are averaged into one dense "
        "model. Then, block by block, each group of linear layers that read the same input is "
        "pruned, in the order in which the model runs them: in BERT q, k, v → attention output → "
        "intermediate → output. Its statistics are taken after all groups before it were pruned, "
        "over real tokens only. Here x and r are inputs and residuals, and ω is a token's "
        "importance:"
    )
    st.latex(r"H = \frac{\sum \omega\, x_s x_s^{\top}}{\sum \omega}")
    st.latex(r"C = \frac{\sum \omega\, [\,W(x_d - x_s) + r_d - r_s\,]\, x_s^{\top}}{\sum \omega}")
    st.markdown(
        "The target asks the layer for the *dense* model's output from the *pruned* model's input, "
        "so it corrects the error accumulated before it:"
    )
    st.latex(r"W^{*} = W + \alpha\, \Delta, \qquad \Delta = C\,(H + \Lambda)^{-1}")
    st.latex(
        r"\alpha = \frac{\langle C', \Delta\rangle}{\langle \Delta H', \Delta\rangle} "
        r"\;\text{in}\; [0, 1]"
    )
    st.markdown(
        "The strength α is chosen on calibration texts (C′, H′) held out from Δ, once for all "
        "layers with the same inputs. The weights to remove are chosen jointly, by alternating "
        "between least squares and the sparsity pattern. A few conjugate-gradient steps then refit "
        "the remaining weights. Both use M, which says how an error of the outputs changes the "
        "last [CLS]:"
    )
    st.latex(
        r"\min_{\hat W \,\in\, \text{pattern}} \; \mathrm{tr}\,M\,(\hat W - W^{*})\,(H + "
        r"\Lambda)\,(\hat W - W^{*})^{\top}"
    )
    st.markdown(
        "M and ω come from gradients of the last [CLS], which is all that the classifier reads (in "
        "a decoder, of the last token); no labels are needed. Sparsity is spread over layers by "
        "measured loss: sensitive layers keep more weights. Other methods: `p1` is P1's formula as "
        "published; `sparsegpt` and `sparsegpt-static` are SparseGPT with the pruned and with the "
        "dense model's inputs; `wanda` and `magnitude` remove weights and correct nothing. "
        "Patterns: unstructured, even over rows, or n:m, where n of every m neighbouring weights "
        "remain."
    )


def _attacks() -> None:
    st.markdown(
        "An attack changes characters or words until the prediction is no longer the true label. "
        "All models are attacked in lock-step: the candidates depend on the text and the seed "
        "alone and are computed once for all models, so each model is offered the same candidates "
        "for the same word of the same text. Attacks diverge only because the models answer "
        "differently. HotFlip is the exception: its candidates come from the model's own gradient."
    )
    st.markdown(
        "**Word importance**: what the probability of the true label y loses when word i is left "
        "out of the text x,"
    )
    st.latex(r"p(y \mid x) - p(y \mid x_{\setminus i})")
    st.markdown(
        "**Transfer** from A to B: of the adversarial texts that succeed against A, the share that "
        "also succeeds against B, among the examples that both classify correctly without attack. "
        "It falls where a pruned model fails in ways of its own."
    )


def _limits() -> None:
    latency = commands.shell(commands.command("latency"))
    st.markdown(
        "An attack that fails is no proof of robustness: another attack may succeed. An attack "
        "that succeeds changed the prediction; nobody has checked that a reader would still give "
        "the old label. Differences within the intervals are not differences. Sparsity makes the "
        "file smaller, not the model faster: ordinary hardware multiplies by zeros as slowly as by "
        f"anything else. `{latency}` measures it on yours."
    )


main()
