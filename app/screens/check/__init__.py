"""Check my model: a person's own classifier and rows, how sparse it may get, the pruned model."""
