"""The seed paper's tables as plain scripts of our own commands.

`python -m prunescope.runs.p1_table1` is `prunescope paper p1-table1`.

`--dry-run` prints the commands and looks up every name, `--scale small` fits a laptop. The same
command resumes a run that was cut short: `members`, `finetune`, `average` and `study` each find by
content what is finished.
"""
