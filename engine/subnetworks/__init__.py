"""Sparse subnetworks and dataset bias: mask training, iterative magnitude pruning, debiasing losses
and their protocol.
"""
