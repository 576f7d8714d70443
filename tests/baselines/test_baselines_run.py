"""The comparison: same rows as the study, bytes of the files, tests against the nearest level,
resumed, and read again.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prunescope.engine import baseline_tables
from prunescope.engine.baselines.int8 import in_int8
from prunescope.engine.baselines.records import Baseline, payload, read_table, with_tests
from prunescope.engine.baselines.run import BaselineContext, measure_baseline, run_baselines
from prunescope.engine.baselines.spec import BaselineSpec, Way
from prunescope.engine.cli.main import main
from prunescope.engine.errors import InterruptedStudy, SettingError
from prunescope.engine.evaluation.statistics import mcnemar
from prunescope.engine.export.folder import export_model
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.packed import FILE
from prunescope.engine.progress import SILENT, Progress, ProgressState
from prunescope.engine.records import AttackRecord, Rate, StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.pruned import pruned_at
from prunescope.engine.studies.run import run_study


@pytest.fixture(scope="module")
def spec(model_folder: Path, data_folder: Path) -> BaselineSpec:
    study = StudySpec(
        str(model_folder),
        str(data_folder),
        "adaptive",
        levels=(0.5, 0.8),
        calibration=60,
        held_out=20,
        eval_examples=40,
        attack_examples=6,
        device="cpu",
    )
    return BaselineSpec(
        study,
        pruned_int8=(0.5,),
        small=(1,),
        base=str(model_folder),
        epochs=0.5,
        rounds=2,
        sentences=8,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def table(spec: BaselineSpec, store: Store):
    return run_baselines(spec, store)


def test_every_way_is_measured_once_on_the_same_rows(table, spec: BaselineSpec) -> None:
    assert [row.name for row in table.rows] == [
        "dense",
        "pruned 50 %",
        "pruned 80 %",
        "int8",
        "pruned 50 %, int8",
        "first 1 block, head re-solved",
        "first 1 block",
        "1 block, fine-tuned",
    ]
    assert {row.acc.n for row in table.rows} == {40} and {
        row.aua.n for row in table.rows if row.aua
    } == {6}
    assert (
        len({tuple(item.example for item in row.attacks) for row in table.rows if row.attacks}) == 1
    )
    assert all(sum(row.correct) == row.acc.hits for row in table.rows)
    assert all((row.aua is None) <= table.is_collapsed(row) for row in table.rows)
    assert [row.blocks for row in table.rows] == [2, 2, 2, 2, 2, 1, 1, 1]
    assert [row.trained_rows for row in table.rows][-1] == 200 and table.about["training"][
        "epochs"
    ] == 0.5
    assert table.row("pruned 80 %").sparsity == pytest.approx(0.8, abs=1e-3)


def test_dense_and_pruned_rows_are_the_study(table, spec: BaselineSpec, store: Store) -> None:
    study = run_study(replace(spec.study, levels=(0.0, 0.5, 0.8)), store)
    assert table.about["study"] == study.key
    for level, row in zip(study.levels, table.rows[:3], strict=True):
        assert (row.acc, row.aua, row.asr, row.attacks) == (
            level.acc,
            level.aua,
            level.asr,
            level.attacks,
        )
        assert tuple(i for i, right in enumerate(row.correct) if right) == level.correct


def test_bytes_are_those_of_the_files(
    table, spec: BaselineSpec, store: Store, tmp_path: Path
) -> None:
    prepared = prepare(spec.study)
    export_model(prepared.victim, tmp_path / "dense", {})
    assert (
        table.row("dense").file_bytes == (tmp_path / "dense" / "model.safetensors").stat().st_size
    )
    save_packed(pruned_at(prepared, 0.5, store).victim, tmp_path / "packed", {})
    assert table.row("pruned 50 %").file_bytes == (tmp_path / "packed" / FILE).stat().st_size
    (small,) = (store.root / "alternatives" / "models").glob("*/model.safetensors")
    assert table.row("1 block, fine-tuned").file_bytes == small.stat().st_size
    words = prepared.victim.model.bert.embeddings.word_embeddings.weight.numel()
    assert {row.embedding_bytes for row in table.rows} == {4 * words + 4 * 32 * (64 + 2)}
    sizes = [
        table.row(name).bytes for name in ("dense", "pruned 50 %", "int8", "pruned 50 %, int8")
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_what_guesses_is_not_attacked(
    spec: BaselineSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunescope.engine.baselines.run.majority_share", lambda labels: 1.0)
    context = BaselineContext(spec, prepare(spec.study), store, lambda sentence: None)
    acc, aua, asr, _, attacks = measure_baseline(
        context, Way("int8"), in_int8(context.prepared.victim), SILENT
    )
    assert (acc.n, aua, asr, attacks) == (40, None, None, ())


def test_a_second_run_measures_nothing_and_writes_the_same(
    table, spec: BaselineSpec, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunescope.engine.baselines.run._measured", None)
    again = run_baselines(spec, store, tmp_path / "again.json")
    assert (
        tmp_path / "again.json"
    ).read_bytes() == table.path.read_bytes() and again.rows == table.rows


def test_an_interruption_keeps_what_is_measured(spec: BaselineSpec, tmp_path: Path) -> None:
    few = replace(
        spec,
        small=(),
        blocks=(),
        pruned_int8=(),
        study=replace(spec.study, attack="none", levels=(0.5,)),
    )

    def stop(state: ProgressState) -> None:
        if state.stage.startswith("int8"):
            raise InterruptedStudy("enough")

    with pytest.raises(InterruptedStudy):
        run_baselines(few, Store(tmp_path), report=Progress(stop))
    assert len(list((tmp_path / "alternatives" / "parts").glob("*.json"))) == 2
    assert not list((tmp_path / "alternatives").glob("*.json"))
    result = run_baselines(few, Store(tmp_path))
    assert [row.name for row in result.rows] == ["dense", "pruned 50 %", "int8"] and result.rows[
        2
    ].aua is None


def test_what_is_written_is_read_again(table, store: Store) -> None:
    (result,) = [item for item in baseline_tables(store) if not item.bundled]
    assert result == table and json.loads(table.path.read_text()) == json.loads(
        json.dumps(payload(table))
    )
    assert "text" not in table.path.read_text()  # figures only


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path, bundled=tmp_path / "none")
    (tmp_path / "alternatives").mkdir()
    (tmp_path / "alternatives" / "odd.json").write_text('{"rows": [{}]}')
    assert baseline_tables(store) == [] and "odd.json cannot be read" in store.notices[0]


def made(name: str, kind: str, size: int, right: str, outcomes: str = "") -> Baseline:
    attacks = tuple(
        AttackRecord(i, {"h": "held", "b": "broken"}[item], 1, 0, 3, 0.9, 0.4)
        for i, item in enumerate(outcomes)
    )
    correct = tuple(item == "1" for item in right)
    return Baseline(
        name,
        kind,
        0.0,
        2,
        0,
        size,
        10,
        Rate.of(sum(correct), len(correct)),
        None,
        None,
        correct,
        attacks,
    )


def test_the_nearest_level_in_bytes_is_compared_row_by_row_and_adjusted_together() -> None:
    rows = with_tests(
        [
            made("dense", "dense", 100, "11111111"),
            made("large", "pruned", 60, "11110000", "hhhhbbbb"),
            made("little", "pruned", 30, "00000000", "bbbbbbbb"),
            made("same", "int8", 60, "00001111", "bbbbhhhh"),
            made("between", "int8", 45, "11110000", "bbbbbbbb"),
            made("tiny", "blocks", 11, "11111111", "hhhhhhhh"),
        ]
    )
    result = {row.name: row.against for row in rows}
    assert result["dense"] is result["large"] is result["little"] is None
    assert {name: item.level for name, item in result.items() if item} == {
        "same": "large",
        "between": "little",
        "tiny": "little",
    }
    assert (result["same"].only_here, result["same"].only_there, result["same"].bytes) == (4, 4, 0)
    assert [result[name].p_value for name in ("same", "between", "tiny")] == [
        1.0,
        mcnemar(4, 0),
        mcnemar(8, 0),
    ]
    assert [result[name].adjusted for name in ("same", "between", "tiny")] == [
        1.0,
        2 * mcnemar(4, 0),
        3 * mcnemar(8, 0),
    ]
    assert (result["tiny"].attack.only_first_breaks, result["tiny"].attack.adjusted) == (
        8,
        3 * mcnemar(8, 0),
    )


def test_without_pruned_levels_nothing_is_compared() -> None:
    assert (
        with_tests([made("dense", "dense", 100, "1"), made("int8", "int8", 60, "1")])[1].against
        is None
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": (0,)}, "`blocks` is 0"),
        ({"small": (2, 2)}, "`small` is 2,2"),
        ({"pruned_int8": (0.3,)}, "needs the level 0.3"),
        ({"rounds": 0}, "`rounds` is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        BaselineSpec(**{"study": StudySpec(levels=(0.5,)), "pruned_int8": (), **changes})


def test_ways_follow_the_blocks_that_are_there() -> None:
    spec = BaselineSpec(StudySpec(levels=(0.9, 0.0)), pruned_int8=())
    assert [way.name for way in spec.ways(3) if way.kind == "blocks" and way.head] == [
        "first 2 blocks, head re-solved",
        "first 1 block, head re-solved",
    ]
    assert [way for way in spec.ways(3) if way.kind == "pruned"] == [Way("pruned", 0.9)]
    with pytest.raises(SettingError, match="has 3 blocks and the first 3 were asked for"):
        replace(spec, blocks=(3,)).ways(3)


def test_the_command_prints_a_table(
    model_folder: Path, data_folder: Path, tmp_path: Path, capsys
) -> None:
    code = main(
        [
            "alternatives",
            "--model",
            str(model_folder),
            "--data",
            str(data_folder),
            "--levels",
            "0.5",
            "--blocks",
            "none",
            "--attack",
            "none",
            "--calibration",
            "60",
            "--eval-examples",
            "20",
            "--rounds",
            "1",
            "--sentences",
            "4",
            "--device",
            "cpu",
            "--cache",
            str(tmp_path),
            "--out",
            str(tmp_path / "out.json"),
            "--json",
        ]
    )
    out = capsys.readouterr().out
    assert (
        code == 0
        and "pruned 50 %, int8" in out
        and json.loads(out.splitlines()[-1])["out"] == str(tmp_path / "out.json")
    )
    assert [row.name for row in read_table(tmp_path / "out.json").rows] == [
        "dense",
        "pruned 50 %",
        "int8",
        "pruned 50 %, int8",
    ]


def test_the_command_refuses_what_is_no_number(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["alternatives", "--blocks", "five", "--cache", str(tmp_path)])
    assert end.value.code == 2
    assert "--blocks: 'five' is not" in capsys.readouterr().err
