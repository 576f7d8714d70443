"""What the commands of `prunescope` do: one file a group, their tables and the console."""
