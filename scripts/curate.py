"""Attack every candidate sentence on a dense model and the pruned models that ship, for the choice
of those that the attack page offers.

    .venv/bin/python scripts/curate.py OUT.json

Candidates were written for this project: cache/bundled/sentences/candidates.tsv. What came out is
written to OUT.json; who chooses writes cache/bundled/sentences/curated.json from it.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prunescope.engine import Store, paths
from prunescope.engine.attacks.attempt import Example, Outcome
from prunescope.engine.attacks.run import Attackers
from prunescope.engine.live.models import LiveModels
from prunescope.engine.store.shipped import shipped_models

FOLDER = paths.BUNDLED / "sentences"


def main() -> None:
    """Attack all candidates as the page would and write the outcomes."""
    models = LiveModels(Store())
    models.begin()
    shipped = shipped_models(models.store)
    study = models.store.study(shipped[0].study)
    if study is None:
        sys.exit("The study of the shipped models is not in the store.")
    sparsities = [0.0, *(model.sparsity for model in shipped)]
    victims = {f"{100 * at:g}%": models.sparse(study, at).victim for at in sparsities}
    attackers = Attackers(victims, study.about["attack"], study.about["seed"])
    rows = (FOLDER / "candidates.tsv").read_text(encoding="utf-8").splitlines()
    examples = [
        Example(text, None, int(label), number)
        for number, (label, text) in enumerate(row.split("\t") for row in rows)
    ]
    found: list[dict[str, Any]] = [
        {"label": example.label, "text": example.text, "models": {}} for example in examples
    ]
    work = ((example, attackers.names) for example in examples)
    for ended in attackers.run(work, lambda: None):
        for name, outcome in ended:
            found[outcome.record.example]["models"][name] = _told(outcome)
    Path(sys.argv[1]).write_text(
        json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _told(outcome: Outcome) -> dict[str, Any]:
    record = outcome.record
    return {
        "outcome": record.outcome,
        "queries": record.queries,
        "words_changed": record.words_changed,
        "before": record.truth_before,
        "after": record.truth_after,
        "text": outcome.perturbed,
    }


if __name__ == "__main__":
    main()
