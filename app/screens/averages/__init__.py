"""Robust dense models: members and their averages."""
