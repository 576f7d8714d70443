"""A figure and a table for a paper."""
