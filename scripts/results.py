"""Write docs/RESULTS.md from the bundled studies, so that no figure in it is typed by hand.

.venv/bin/python scripts/results.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prunescope.engine import Store, Study, baseline_tables, member_sets, subnetwork_tables  # noqa: E402
from prunescope.engine.paths import BUNDLED  # noqa: E402
from prunescope.engine.reading.findings import Finding, write_findings  # noqa: E402
from prunescope.engine.reading.titles import P1, P2, data_title  # noqa: E402
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
from scripts.reading.words import about, evidence, shipped  # noqa: E402

HEAD = f"""# Results

P1 is {P1}. P2 is {P2}.

Every figure is written by `scripts/results.py` from the studies in `cache/bundled`, one seed each
unless stated otherwise. Rates are in percent with 95% Wilson intervals; differences are on the
same examples with score intervals for pairs; errors are relative (docs/METHOD.md). Aua and Asr
are on the attacked examples, the same at every sparsity.

To reproduce a section: `prunescope sweep scripts/evidence/NAME.yaml` runs its studies, with
`PRUNESCOPE_DATA` naming the folder of the data, and `prunescope runs repeat KEY` measures a
stored study again and reports what differs. A table of subnetworks is `prunescope
subnetworks --recipe NAME --data FOLDER`, where NAME is its folder in `cache/bundled/subnetworks`;
alternatives are `prunescope alternatives`, distances `scripts/evidence/distances.py`,
members `prunescope members` and `scripts/evaluate_members.py`.
"""
# data → embedded victim
VICTIMS = {
    "sst2": "MiniLM-L6",
    "ag_news": "MiniLM-L6 (ag_news)",
    "imdb": "MiniLM-L6 (imdb)",
}
APPENDIX = """
## Every study that the dashboard shows

p-values are adjusted by Holm's method over all sparsities of a table.
"""


def render() -> tuple[str, list[Finding]]:
    """The whole page, and its findings in short."""
    store = Store(BUNDLED / "no-such-cache")
    studies = shipped()
    everything = [*studies, *evidence("sst2"), *evidence("ag_news"), *evidence("imdb")]
    sst2 = about(everything, data="sst2")
    models = _dense_models(everything)
    sets = [entry for entry in member_sets(store) if entry.bundled]
    tables = [entry for entry in subnetwork_tables(store) if entry.bundled and entry.runs]
    others = [entry for entry in baseline_tables(store) if entry.bundled]
    findings = summary.findings(everything, models, sets, tables, others)
    parts = [
        summary.section(findings),
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
        *(subnetworks.section(table, studies) for table in tables),
        APPENDIX,
        *map(appendix.table, studies),
    ]
    return HEAD + "".join(parts), findings


def _dense_models(studies: list[Study]) -> dict[str, list[Study]]:
    """Dense model → its studies under DeepWordBug, those of public data; the shipped ones first."""
    models: dict[str, list[Study]] = {}
    for study in studies:
        if study.about["attack"] == "deepwordbug" and study.about["data"] != "embedded":
            data, model = data_title(study.about["data"]), study.about["model"]
            name = data if model.startswith("MiniLM-L6") else f"{data}, the member {model}"
            models.setdefault(name, []).append(study)
    return dict(sorted(models.items(), key=lambda item: "member" in item[0]))


if __name__ == "__main__":
    text, findings = render()
    (ROOT / "docs" / "RESULTS.md").write_text(text, encoding="utf-8")
    write_findings(findings)
