"""Attacks: catalogue, lock-step engine, budgets, reused outcomes and their figures."""
