"""The shipped reviews, for a page that lets a person pick a sentence to attack."""

from prunescope.engine.data import Examples, load_dataset


def bundled_reviews() -> Examples:
    """The evaluation part of the reviews written for this project: texts with labels 0 (negative)
    and 1 (positive).
    """
    return load_dataset("embedded").evaluation
