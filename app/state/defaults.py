"""What pages show until somebody asks for something else."""

STUDIES = ("260eaa6447d8", "334d350026bd", "84a30126986d")  # SST-2: adaptive, SparseGPT, magnitude
SPARSITY_PERCENT = 87.5
SENTENCE = (
    "A warm, funny film that never wastes a minute of your time and leaves you smiling long "
    "after the end."
)
