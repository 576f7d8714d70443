"""The names of a block's prunable linears, in the order in which they are pruned; light to import."""

# (name on the screen and in records, path inside a block)
LINEARS = (
    ("query", "attention.self.query"),
    ("key", "attention.self.key"),
    ("value", "attention.self.value"),
    ("attention_output", "attention.output.dense"),
    ("intermediate", "intermediate.dense"),
    ("output", "output.dense"),
)
MODULES = tuple(name for name, _ in LINEARS)
