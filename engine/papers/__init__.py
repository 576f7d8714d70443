"""The seed papers' tables as recipes: data that a single command runs, for a user with the network
and a GPU.
"""
