"""About: what the numbers mean, and how they are made."""

import streamlit as st

st.title("About", anchor=False)
st.markdown(
    """
PruneScope answers one question: how sparse can a language model get before it stops being robust? It prunes a fine-tuned
classifier layer by layer without retraining, attacks the dense and the sparse model with the same adversarial examples, and
measures every level.

#### What the numbers mean

| number | meaning |
|---|---|
| Sparsity | zeros / prunable weights. Prunable are the linears of the encoder blocks (query, key, value, attention output, intermediate, output); embeddings, LayerNorm, biases, pooler and classifier are not counted. |
| Acc | correct / n, on the evaluation set |
| Aua | accuracy under attack: right at first and not broken / attacked |
| Asr | attack success rate: broken / right at first. Two models have different denominators, so compare the paired table. |
| Layer error | ‖(W X_d + b) − (Ŵ X_s + b)‖² / ‖W X_d − mean‖² over real tokens of calibration text that the solver did not see; X_d, X_s are the layer's inputs in the dense and in the sparse model. |
| [CLS] error | the same ratio for the last [CLS] embedding, over the evaluation set |

Every rate carries its n and its 95 % Wilson interval. A value between two measured levels is interpolated, marked ≈ and drawn hollow.

#### The method in brief

Fine-tuned members, some of them adversarially trained, are averaged into one dense victim. Then, block by block, in the order
q, k, v → attention output → intermediate → output, each group of linears is solved with statistics taken after all groups before
it were pruned: H = X_s X_sᵀ / n and C = [W(X_d − X_s) + R_d − R_s] X_sᵀ / n over real tokens only.
"""
)
st.latex(r"W^{*} = W + \alpha\, C\,(H + \Lambda)^{-1}")
st.markdown(
    """
The target W* asks the layer to reproduce the *dense* model's output from the *sparse* model's input, so it corrects the error
that has piled up before it; α is chosen per layer in closed form on calibration tokens that took no part in C. The weights to remove
are chosen jointly, by alternating between least squares and the sparsity pattern, and a few conjugate-gradient steps refit the survivors.
Tokens and outputs count by what reaches the last [CLS], which is all that the classifier reads: in the last block the [CLS] token
itself weighs some twenty times an average token.

Other methods: `paper` is the seed paper's formula as published, `sequential` and `static` are SparseGPT's sweep with the pruned and with
the dense model's inputs, `wanda` and `magnitude` only remove. Patterns: unstructured, even over rows, or n of every m neighbours kept.

#### What they do not mean

An attack that fails is no proof of robustness: another attack may succeed. A broken example is one where the attack changed the
prediction; nobody has checked that a reader would still give the old label. Sparsity makes the file smaller, not the model faster:
ordinary hardware multiplies by zeros as slowly as by anything else. `python -m engine latency` measures it on yours.
"""
)
