"""Sweeps: the grid, its refusals, through the queue of this machine, and on a cluster whose node is
killed.
"""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from prunescope.engine import paths
from prunescope.engine.cli.main import main
from prunescope.engine.errors import SettingError
from prunescope.engine.jobs.queue import JobQueue
from prunescope.engine.records import StudySpec
from prunescope.engine.studies.sweep import read_sweep, sweep_of


def test_a_grid_is_every_combination_and_the_sparsities_stay_together() -> None:
    found = sweep_of(
        {
            "methods": ["adaptive", "wanda"],
            "seeds": [0, 1, 2],
            "sparsities": [0, 0.5],
            "calibration": 64,
        }
    )
    assert (
        len(found) == 6
        and {spec.levels for spec in found} == {(0.0, 0.5)}
        and {spec.calibration for spec in found} == {64}
    )
    assert len({(spec.method, spec.seed) for spec in found}) == 6
    assert sweep_of({"models": "a"}) == sweep_of({"model": "a"}) == [StudySpec(model="a")]
    assert [spec.calibration for spec in sweep_of({"calibrations": [16, 64]})] == [16, 64]
    content = yaml.safe_load("recoveries: [off, block]")
    assert [spec.recover for spec in sweep_of(content)] == ["off", "block"]


def test_a_folder_of_the_environment_stands_in_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEWHERE", "/data")
    found = sweep_of({"data": ["$SOMEWHERE/sst2"], "resources": "${SOMEWHERE}"})
    assert (found[0].data, found[0].resources) == ("/data/sst2", "/data")
    monkeypatch.delenv("SOMEWHERE")
    with pytest.raises(SettingError, match="no SOMEWHERE"):
        sweep_of({"data": ["$SOMEWHERE/sst2"]})
    with pytest.raises(SettingError, match="no SOMEWHERE"):
        sweep_of({"resources": "${SOMEWHERE}"})


BAD = {
    "a list": [1],
    "nothing": None,
    "unknown": {"modells": ["a"]},
    "text for a seed": {"seeds": ["one"]},
    "twice": {"seeds": [1, 1]},
    "too many": {"seeds": list(range(100_001))},
    "empty": {"methods": []},
    "a truth": {"calibration": True},
    "a number": {"models": [5]},
    "no share": {"sparsities": [1.5]},
    "text for a share": {"sparsities": ["half"]},
    "none": {"calibration": 0},
    "both": {"seed": 1, "seeds": [1]},
}


@pytest.mark.parametrize("found", BAD.values(), ids=BAD)
def test_what_is_no_grid_is_one_sentence(found: object) -> None:
    with pytest.raises(SettingError) as caught:
        sweep_of(found)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text", ["a: [", "!!python/object/apply:os.system ['true']", "[" * 1500, "\0"]
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(SettingError):
        read_sweep(tmp_path / "sweep.yaml")
    with pytest.raises(SettingError, match="cannot be read"):
        read_sweep(tmp_path / "none.yaml")


def test_a_sweep_goes_through_the_queue_and_the_second_one_finds_all_of_it(
    real_queue: JobQueue,
    tmp_path: Path,
    model_folder: Path,
    data_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"models: {model_folder}\ndata: {data_folder}\nmethods: magnitude\nsparsities: [0, "
        "0.5]\nattacks: none\n"
        "calibration: 40\nheld_out: 10\neval_examples: 20\ndevice: cpu\n"
    )
    arguments = ["sweep", str(file), "--cache", str(real_queue.root), "--json", "--quiet"]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [study["state"] for study in first["studies"]] == ["done"] and len(
        first["studies"][0]["key"]
    ) == 64
    assert {row.sweep for row in real_queue.rows()} == {first["sweep"]}
    assert main([*arguments, "--background"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["sweep"] == first["sweep"] and {study["state"] for study in again["studies"]} == {
        "queued"
    }


def test_a_sweep_that_did_not_finish_says_so_by_its_code(
    real_queue: JobQueue, tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        f"models: {tmp_path / 'nowhere'}\ndata: {data_folder}\nmethods: magnitude\nsparsities: "
        "[0.5]\ndevice: cpu\n"
    )
    assert main(["sweep", str(file), "--cache", str(real_queue.root), "--json", "--quiet"]) == 2
    (told,) = json.loads(capsys.readouterr().out.splitlines()[-1])["studies"]
    assert told["state"] == "failed" and "nowhere" in told["reason"]


def test_a_sweep_that_is_stopped_stops_its_studies(
    real_queue: JobQueue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model_folder: Path,
    data_folder: Path,
) -> None:
    file = tmp_path / "sweep.yaml"
    levels = ", ".join(str(step / 1000) for step in range(900))
    file.write_text(
        f"models: {model_folder}\ndata: {data_folder}\nmethods: [magnitude, wanda]\nsparsities: "
        f"[{levels}]\n"
        "attacks: none\ncalibration: 40\nheld_out: 10\neval_examples: 20\ndevice: cpu\n"
    )

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("prunescope.engine.cli.sweep.time.sleep", stop)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["sweep", str(file), "--cache", str(real_queue.root), "--quiet"]) == 3
    signal.signal(signal.SIGTERM, before)
    assert [row.state for row in real_queue.rows()] == ["cancelled", "cancelled"]


def test_without_ray_the_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "user"))
    (tmp_path / "sweep.yaml").write_text("methods: magnitude\n")
    assert main(["sweep", str(tmp_path / "sweep.yaml"), "--ray", "auto"]) == 2
    assert "PRUNESCOPE_SHARED" in capsys.readouterr().err
    assert (
        main(
            [
                "sweep",
                str(tmp_path / "sweep.yaml"),
                "--ray",
                "auto",
                "--cache",
                str(tmp_path / "shared"),
            ]
        )
        == 2
    )
    assert "requirements-cluster.txt" in capsys.readouterr().err


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed (requirements-cluster.txt)",
)
def test_a_cluster_that_loses_a_node_finishes_the_sweep(tmp_path: Path) -> None:
    program = Path(__file__).with_name("ray_cluster.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        cwd=paths.PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert "killed" in found["seen"] and "running" in found["seen"]
    assert (
        found["states"] == ["done"] * 6
        and found["levels"] == [[0.0, 0.5, 0.75]] * 6
        and len(set(found["keys"])) == 6
    )
    assert found["notices"] == [] and found["left"] == []
