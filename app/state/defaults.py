"""What pages show until somebody asks for something else."""

SPARSITY_PERCENT = 50.0
SENTENCE = (
    "A warm, funny film that never wastes a minute of your time and leaves you smiling long "
    "after the end."
)
