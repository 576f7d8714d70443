"""Write docs/results.md and docs/results/ from the bundled studies, so that no figure in them is
typed by hand.

    .venv/bin/python scripts/results.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT))

from prunescope.engine import Store, Study, baseline_tables, member_sets, subnetwork_tables  # noqa: E402
from prunescope.engine.config.papers import P1, P2  # noqa: E402
from prunescope.engine.paths import BUNDLED  # noqa: E402
from prunescope.engine.reading.findings import FILE as FINDINGS  # noqa: E402
from prunescope.engine.reading.findings import (  # noqa: E402
    Finding,
    findings_text,
    write_findings,
)
from prunescope.engine.reading.titles import data_title  # noqa: E402
from scripts.reading import (  # noqa: E402
    ablation,
    appendix,
    baselines,
    curves,
    distances,
    members,
    pruning,
    subnetworks,
    summary,
)
from scripts.reading.words import about, evidence, shipped  # noqa: E402

MARK = "<!-- Written by scripts/results.py from cache/bundled; do not edit. -->\n"
HEAD = f"""{MARK}
# Results

Short answers from the studies that ship with PruneScope, each with a verdict. [How a verdict is
reached](#how-a-verdict-is-reached) stands at the end, and the [glossary](glossary.md) explains the
words.

P1 is {{p1}}.
P2 is {{p2}}.
"""
REPRODUCE = """
## How to repeat it

`prunescope sweep scripts/evidence/NAME.yaml` runs the studies behind a table, with
`PRUNESCOPE_DATA` naming the folder of the data. `prunescope runs repeat KEY` measures a stored
study again and reports what differs. A table of subnetworks is `prunescope subnetworks --recipe
NAME --data FOLDER`, where NAME is its folder in `cache/bundled/subnetworks`. Smaller files are
`prunescope baselines`, distances `scripts/evidence/distances.py`, members `prunescope members` and
`scripts/evaluate_members.py`.
"""
TABLES = """{mark}
# {title}

Every figure is written from the bundled studies, one seed each unless stated otherwise. Rates are
in percent with 95% Wilson intervals; differences are on the same examples, with score intervals
for pairs; errors are relative ([what is measured](../method.md#what-is-measured)). Aua and Asr are
on the attacked examples, the same at every sparsity. Bold means that an interval excludes zero,
without a correction for many comparisons; the [verdicts](../results.md) correct for them.
"""
# data → embedded model
VICTIMS = {
    "sst2": "MiniLM-L6",
    "ag_news": "MiniLM-L6 (ag_news)",
    "imdb": "MiniLM-L6 (imdb)",
}
DECODER = "SmolLM2-135M"  # a larger model of another kind, beside which the claims do not stand
DECODER_LEVELS = (0.0, 0.3, 0.5, 0.7, 0.875)
DECODER_MADE = f"""
{DECODER} reads with its last token, which here takes the place of [CLS]. Its weights come from a
file of four bits each; a fresh head and LoRA adapters were trained over short training sentences of
SST-2, once and plainly (`scripts/evidence/smollm2.py`). It is one model, of one seed, and no claim
of the [results](../results.md) counts it.
"""
ADJUSTED = "\np-values are adjusted by Holm's method over all sparsities of a table.\n"


def render() -> tuple[dict[str, str], list[Finding]]:
    """Every page by its path under docs/, and the findings."""
    store = Store(BUNDLED / "no-such-cache")
    shown = shipped()
    decoder = about(shown, model=DECODER)
    studies = [study for study in shown if study.about["model"] != DECODER]
    everything = [*studies, *evidence("sst2"), *evidence("ag_news"), *evidence("imdb")]
    sst2 = about(everything, data="sst2")
    calibration = evidence("sst2-calibration")
    models = _dense_models(everything)
    sets = [entry for entry in member_sets(store) if entry.bundled]
    tables = [entry for entry in subnetwork_tables(store) if entry.bundled and entry.runs]
    others = [entry for entry in baseline_tables(store) if entry.bundled]
    findings = summary.findings(everything, models, sets, tables, others, calibration)
    topics = {
        "methods": (
            "Methods, sparsity and patterns",
            *(pruning.section(everything, data, model) for data, model in VICTIMS.items()),
            pruning.section(decoder, "sst2", DECODER, DECODER_LEVELS),
            DECODER_MADE if decoder else "",
            *(pruning.patterns(everything, data, model) for data, model in VICTIMS.items()),
        ),
        "ablation": (
            "The parts of the method, and calibration texts",
            ablation.section(sst2),
            curves.calibration(calibration),
        ),
        "embeddings": (
            "Robustness and the distance of embeddings",
            curves.thesis(models),
            distances.section(),
        ),
        "members": (
            "The model that is pruned: members and averages",
            pruning.starts(sst2),
            *map(members.section, sets),
        ),
        "subnetworks": (
            "Trained subnetworks, in and out of distribution",
            summary.debiasing(tables),
            *(subnetworks.section(table, studies) for table in tables),
        ),
        "smaller-files": (
            "Pruning against other ways to a smaller file",
            *map(baselines.section, others),
        ),
        "studies": (
            "Every study that the dashboard shows",
            ADJUSTED,
            *map(appendix.table, shown),
        ),
    }
    pages = {
        "results.md": HEAD.format(p1=P1, p2=P2) + summary.section(findings) + REPRODUCE,
        "results/tests.md": f"{MARK}\n# The tests\n{summary.tests(findings)}",
    }
    for name, (title, *parts) in topics.items():
        pages[f"results/{name}.md"] = TABLES.format(mark=MARK, title=title) + "".join(parts)
    return pages, findings


def _dense_models(studies: list[Study]) -> dict[str, list[Study]]:
    """Dense model → its studies under DeepWordBug, those of public data; the shipped ones first."""
    models: dict[str, list[Study]] = {}
    for study in studies:
        if study.about["attack"] == "deepwordbug" and study.about["data"] != "embedded":
            data, model = data_title(study.about["data"]), study.about["model"]
            name = data if model.startswith("MiniLM-L6") else f"{data}, the member {model}"
            models.setdefault(name, []).append(study)
    return dict(sorted(models.items(), key=lambda item: "member" in item[0]))


def stale() -> list[str]:
    """The pages, and the findings, that differ from what the bundled studies say."""
    pages, findings = render()
    files = {f"docs/{name}": (DOCS / name, text) for name, text in pages.items()}
    files["cache/bundled/findings.json"] = (FINDINGS, findings_text(findings))
    return [
        name
        for name, (path, text) in files.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    pages, findings = render()
    for name, text in pages.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    write_findings(findings)
