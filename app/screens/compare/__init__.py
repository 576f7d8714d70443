"""Studies beside one another."""
