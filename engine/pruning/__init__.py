"""Pruning: patterns, statistics, targets, solvers, refits and the layer-by-layer pass."""
