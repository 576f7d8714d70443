"""Write docs/RESULTS.md from the bundled studies, so that no figure in it is typed by hand.

.venv/bin/python scripts/results.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prunescope.engine import Store, Study, baseline_tables, member_sets, subnetwork_tables  # noqa: E402
from prunescope.engine.paths import BUNDLED  # noqa: E402
from scripts.reading import (  # noqa: E402
    ablation,
    alternatives,
    appendix,
    curves,
    distances,
    members,
    pruning,
    subnetworks,
    summary,
)
from scripts.reading.words import TITLES, about, evidence, shipped  # noqa: E402

HEAD = """# Results

Every figure is written by `scripts/results.py` from the studies in `cache/bundled`, one seed each unless it says so. Rates are in
per cent with their 95 % Wilson intervals, differences on the same rows with score intervals for pairs; errors are relative
(docs/METHOD.md). Aua and Asr are on the attacked examples, the same at every level. The sweeps behind a section are in
`scripts/evidence`: `python -m engine sweep scripts/evidence/NAME.yaml` makes its studies, with `PRUNESCOPE_DATA` naming the
folder of the data, and `python -m engine runs repeat KEY` measures one that is stored again and says what differs.
A table of subnetworks is `python -m engine subnetworks --recipe NAME --data FOLDER`, NAME being its folder in
`cache/bundled/subnetworks`; alternatives are `python -m engine alternatives`, distances `scripts/evidence/distances.py`, members
`python -m engine members` and `scripts/evaluate_members.py`.
"""
VICTIMS = {
    "sst2": "MiniLM-L6",
    "ag_news": "MiniLM-L6 (ag_news)",
    "imdb": "MiniLM-L6 (imdb)",
}  # data → embedded victim
APPENDIX = """
## Every study that the dashboard shows

The adjusted p-value is Holm's, for all levels of a table together.
"""


def render() -> str:
    """The whole page."""
    store = Store(BUNDLED / "no-such-cache")
    shown = shipped()
    everything = [*shown, *evidence("sst2"), *evidence("ag_news"), *evidence("imdb")]
    sst2 = about(everything, data="sst2")
    models = _dense_models(everything)
    sets = [found for found in member_sets(store) if found.bundled]
    tables = [found for found in subnetwork_tables(store) if found.bundled and found.runs]
    others = [found for found in baseline_tables(store) if found.bundled]
    parts = [
        summary.section(everything, models, sets, tables, others),
        summary.debiasing(tables),
        *(pruning.section(everything, data, model) for data, model in VICTIMS.items()),
        *(pruning.patterns(everything, data, model) for data, model in VICTIMS.items()),
        pruning.starts(sst2),
        ablation.section(sst2),
        curves.calibration(evidence("sst2-calibration")),
        curves.thesis(models),
        distances.section(),
        *map(alternatives.section, others),
        *map(members.section, sets),
        *(subnetworks.section(found, shown) for found in tables),
        APPENDIX,
        *map(appendix.table, shown),
    ]
    return HEAD + "".join(parts)


def _dense_models(studies: list[Study]) -> dict[str, list[Study]]:
    """Dense model → its studies under DeepWordBug, those of public data; the shipped ones first."""
    found: dict[str, list[Study]] = {}
    for study in studies:
        if study.about["attack"] == "deepwordbug" and study.about["data"] != "embedded":
            data, model = TITLES[study.about["data"]], study.about["model"]
            name = data if model.startswith("MiniLM-L6") else f"{data}, the member {model}"
            found.setdefault(name, []).append(study)
    return dict(sorted(found.items(), key=lambda item: "member" in item[0]))


if __name__ == "__main__":
    (ROOT / "docs" / "RESULTS.md").write_text(render(), encoding="utf-8")
