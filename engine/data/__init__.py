"""Data sets: loading, checking and sampling labelled texts."""

from engine.data.checks import check_labels, fit_examples, fit_labels, sample
from engine.data.load import load_dataset
from engine.data.records import Classes, Dataset, Examples

__all__ = ["Classes", "Dataset", "Examples", "check_labels", "fit_examples", "fit_labels", "load_dataset", "sample"]
