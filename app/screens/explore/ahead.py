"""What a newcomer's first page computes, done before the server listens; it stays in the caches."""

from prunescope.app.components.study_picker import open_studies
from prunescope.app.screens.explore import curves, first_screen
from prunescope.app.screens.explore.instrument import limit
from prunescope.app.state import address
from prunescope.app.state.resources import safe_sparsity, signature, store
from prunescope.engine import TOLERANCE
from prunescope.engine.reading import series


def compute_ahead() -> None:
    """Compute sentences, figures and cards of the studies that a page shows unasked."""
    if not (stored := store().studies()):
        return
    studies, _ = open_studies(address.usual_studies(stored))
    if not studies:
        return
    stops = series.stops(studies)
    versions = tuple((study.key, signature(study.key)) for study in studies)
    safe = limit(safe_sparsity(*versions[0], TOLERANCE))
    first_screen.sentences(versions, tuple(stops), studies)
    for panel in first_screen.shown_panels(studies):
        first_screen.panel_figure(versions, panel, safe, False, studies)
    curves.card_texts(versions, stops, studies)
    curves.figure(versions, curves.usual_curves(studies), False, studies)
