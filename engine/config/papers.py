"""The two papers that PruneScope starts from, as documents and model cards cite them."""

P1 = (
    "Li, Lei, Cheng and Xu, “Towards Robust Pruning: An Adaptive Knowledge-Retention Pruning "
    "Strategy for Language Models”, EMNLP 2023"
)
P2 = (
    "Liu, Meng, Lin, Li, Fu, Cao, Wang and Zhou, “A Win-win Deal: Towards Sparse and Robust "
    "Pre-trained Language Models”, NeurIPS 2022"
)
PAPERS = {"P1": P1, "P2": P2}
