"""The names of a block's prunable linears, in the order in which they are pruned; light to import."""

MODULES = ("query", "key", "value", "attention_output", "intermediate", "output")
