"""Evaluation: accuracy, statistics, calibration, hidden states, distribution shift, latency."""
