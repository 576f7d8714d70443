"""What the commands of `python -m engine` do: one file a group, their tables and the console."""
