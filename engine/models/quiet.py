"""Remarks of transformers that would mislead here."""

import contextlib
from collections.abc import Iterator

from transformers.utils import logging


@contextlib.contextmanager
def without_remarks() -> Iterator[None]:
    """Open a model without the remark that its head is missing and wants training: an adapter or a training brings it."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
