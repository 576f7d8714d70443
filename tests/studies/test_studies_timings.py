"""Times kept beside a study: whole, ascending, the newest of a level, and never lost to a damaged
neighbour.
"""

from dataclasses import replace
from pathlib import Path

from prunescope.engine import Store, Study, Timed, timed_levels
from prunescope.engine.evaluation.latency import Comparison, Latency, Spread
from prunescope.engine.studies.timings import keep_timed

STUDY = Study("a" * 64, {}, {})
TIMED = Timed(0.5, 1.5, 1.4, 1.6, 0.003, 0.002, 32, 8, 20, 2, "a processor")


def test_a_comparison_becomes_a_ratio_to_dense() -> None:
    sides = tuple(
        Latency(form, form, Spread(seconds, 0, 1), 8, 32, 400, 20, "cpu", "float32", 2)
        for form, seconds in (("dense", 0.002), ("csr", 0.003))
    )
    found = Timed.of(0.5, Comparison(sides, (Spread(1, 1, 1), Spread(1.5, 1.4, 1.6))))
    assert found == replace(TIMED, device="cpu")


def test_times_come_back_ascending_and_the_newest_of_a_level(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for timed in (replace(TIMED, sparsity=0.9), TIMED, replace(TIMED, ratio=1.2)):
        keep_timed(store, STUDY, timed)
    assert [(timed.sparsity, timed.ratio) for timed in timed_levels(store, STUDY)] == [
        (0.5, 1.2),
        (0.9, 1.5),
    ]
    assert timed_levels(store, Study("b" * 64, {}, {})) == ()


def test_a_damaged_time_is_a_notice(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for sparsity in (0.5, 0.9):
        keep_timed(store, STUDY, replace(TIMED, sparsity=sparsity))
    path = tmp_path / "latency" / STUDY.key / "0.500000.json"
    path.write_bytes(path.read_bytes().replace(b"1.5", b"0.5"))
    assert [timed.sparsity for timed in timed_levels(store, STUDY)] == [0.9]
    assert len(store.notices) == 1 and "time the level again" in store.notices[0]
