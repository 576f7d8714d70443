"""Pruning beside what people do instead: int8 weights, fewer blocks, a smaller model; at equal
bytes and on the same examples.
"""
