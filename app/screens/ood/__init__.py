"""Subnetworks in and out of distribution."""
