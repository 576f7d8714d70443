"""Studies: prepare, prune, measure and attack levels; sweeps, repeats and estimates."""
