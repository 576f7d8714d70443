"""Pruned models on their way out: ordinary folders, packed folders, one file, and the cache."""
