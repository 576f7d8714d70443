"""Data sets: loading, checking and sampling labelled texts."""

from engine.data.checks import check_labels, fit_labels, sample
from engine.data.load import load_dataset
from engine.data.records import Dataset, Examples

__all__ = ["Dataset", "Examples", "check_labels", "fit_labels", "load_dataset", "sample"]
