"""The settings of a stored study, under which today's program gives the same results."""

from typing import Any

from prunescope.engine.pruning.methods import stored_name
from prunescope.engine.records import Study


def stored_settings(study: Study) -> dict[str, Any]:
    """The settings by name, as the study's description has them.

    A method's name may stand for another solver now than when the study was made, which its
    identity says: then the method names the solver.
    """
    settings = dict(study.about["spec"])
    if "method" in settings:
        settings["method"] = stored_name(settings["method"], study.solver)
    return settings
