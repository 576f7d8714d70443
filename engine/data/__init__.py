"""Data sets: loading, checking and sampling labelled texts."""

from prunescope.engine.data.checks import check_labels, fit_dataset, fit_examples
from prunescope.engine.data.draw import drawn_rows, sample
from prunescope.engine.data.load import load_dataset
from prunescope.engine.data.records import Classes, Dataset, Examples

__all__ = [
    "Classes",
    "Dataset",
    "Examples",
    "check_labels",
    "drawn_rows",
    "fit_dataset",
    "fit_examples",
    "load_dataset",
    "sample",
]
