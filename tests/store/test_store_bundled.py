"""Every bundled study opens by its key and is stored as it is read; so are the pruned models, and
what was measured once for them.
"""

from pathlib import Path

import pytest
import torch

from prunescope.engine import paths
from prunescope.engine.export.measurements import load_measurements, measurements_key
from prunescope.engine.export.shipped import open_shipped
from prunescope.engine.live.on_reviews import identity_on_reviews, plan_of, spec_of
from prunescope.engine.models.victim import Victim, load_victim
from prunescope.engine.store import Store, entry_bytes, key_of, level_key, victim_key
from prunescope.engine.store.entries import level_bytes
from prunescope.engine.store.shipped import ShippedModel, shipped_models

FOLDERS = sorted(path.parent for path in (paths.BUNDLED / "studies").glob("*/study.json"))


def test_there_are_bundled_studies() -> None:
    assert len(FOLDERS) >= 20


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name[:12])
def test_a_bundled_study_is_written_again_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "empty")
    study = store.study(folder.name)
    assert study is not None and study.key == folder.name == key_of(study.identity)
    head = entry_bytes("study", study.key, {"identity": study.identity, "about": study.about})
    levels = {}
    for level in study.levels:
        key = level_key(study.identity, level.sparsity)
        levels[f"{key}.json"] = level_bytes(key, level)
    stored = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert {"study.json": head, **levels} == stored
    assert levels and store.notices == []


# Pruned models that ship

SHIPPED = shipped_models(Store())


def test_the_landing_study_ships_at_four_sparsities_in_25_megabytes() -> None:
    assert [model.sparsity for model in SHIPPED] == [0.5, 0.75, 0.875, 0.9]
    (study,) = {model.study for model in SHIPPED}
    assert (paths.BUNDLED / "studies" / study / "study.json").is_file()
    assert sum(model.bytes for model in SHIPPED) < 25_000_000


@pytest.fixture(scope="module")
def dense() -> Victim:
    return load_victim("embedded", "cpu")


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda shipped: f"{100 * shipped.sparsity:g}%")
def test_a_shipped_model_opens_verified_with_exactly_its_sparsity(
    shipped: ShippedModel, dense: Victim
) -> None:
    study = Store().study(shipped.study)
    assert study is not None and shipped.key == victim_key(study.identity, shipped.sparsity)
    weights = list(open_shipped(shipped, dense).victim.prunable().values())
    zeros, total = (sum(map(count, weights)) for count in (_zeros, torch.numel))
    assert zeros / total == shipped.achieved == pytest.approx(shipped.sparsity, abs=1e-6)
    level = study.level(shipped.sparsity)
    assert level is not None and level.aua is not None
    assert (shipped.acc.n, shipped.aua.n) == (level.acc.n, level.aua.n)
    assert (shipped.predictions_changed, shipped.outcomes_changed) == (0, 0), "by the rounding"
    assert level.acc.low <= (shipped.acc.value or 0) <= level.acc.high
    assert level.aua.low <= (shipped.aua.value or 0) <= level.aua.high


@pytest.mark.parametrize("text", ["its own", "the reviews"])
def test_what_the_landing_study_measures_once_ships_for_its_text_and_for_what_stands_in(
    text: str, dense: Victim, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    study = store.study(SHIPPED[0].study)
    assert study is not None
    identity = study.identity if text == "its own" else identity_on_reviews(study)
    measured = load_measurements(store, measurements_key(identity, plan_of(spec_of(study))), dense)
    assert (
        store.notices == [] and measured.importance is not None and measured.losses is not None
    ), "what decides it has changed: run scripts/bundle_measurements.py"
    assert set(measured.losses) == set(measured.importance.outputs) == set(dense.prunable())


def test_what_was_measured_once_takes_ten_megabytes_and_belongs_to_something() -> None:
    files = list((paths.BUNDLED / "measurements").iterdir())
    assert len(files) == 2 and sum(path.stat().st_size for path in files) < 10_000_000


def _zeros(weight: torch.Tensor) -> int:
    return int((weight == 0).sum())
