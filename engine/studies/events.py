"""Events that a running study reports through its `Progress`. Light to import."""

from dataclasses import dataclass

from prunescope.engine.records import Study


@dataclass(frozen=True, slots=True)
class StudyOpened:
    """Model and data of a study were read: which study it is, and what there is to know of them."""

    study: Study
    notices: tuple[str, ...]
