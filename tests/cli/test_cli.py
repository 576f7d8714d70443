"""The command line: its JSON, its exit codes, and one sentence for every bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from prunescope.engine import paths
from prunescope.engine.cli.console import printable
from prunescope.engine.cli.main import main
from prunescope.engine.errors import NumericalError
from prunescope.engine.pruning.methods import METHODS

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def as_in_a_process_of_its_own() -> Iterator[None]:
    """Transformers is as quiet as `main` makes it before the import; signals are listened to, and
    given back afterwards.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.set_verbosity(verbosity)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs one command in this process: (exit code, stdout, stderr)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def basic(model_folder: Path, data_folder: Path, tmp_path: Path) -> list[str]:
    """A quick study of the tiny model."""
    return [
        "--model",
        str(model_folder),
        "--data",
        str(data_folder),
        "--cache",
        str(tmp_path / "cache"),
        "--device",
        "cpu",
        "--calibration",
        "40",
    ]


def small(*more: str) -> list[str]:
    return [
        "--attack",
        "none",
        "--levels",
        "0,0.5",
        "--held-out",
        "10",
        "--eval-examples",
        "50",
        *more,
    ]


def one_sentence(err: str, value: str) -> None:
    assert err.count("\n") == 1 and err.endswith("\n"), err
    assert value in err


def subprocess_run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        capture_output=True,
        text=True,
        cwd=paths.PROJECT,
        env={**os.environ, **environment},
    )


# What comes out


def test_a_study_ends_stdout_with_one_json_object(run: Run, basic: list[str]) -> None:
    code, out, err = run("study", *basic, *small("--json"))
    assert code == 0, err
    answer = json.loads(out.splitlines()[-1])
    assert {"spec", "key", "levels"} <= set(answer)
    assert (
        answer["spec"]["levels"] == [0.0, 0.5]
        and answer["spec"]["calibration"] == 40
        and len(answer["key"]) == 64
    )
    dense, half = answer["levels"]
    assert (dense["sparsity"], dense["achieved"], half["sparsity"], half["achieved"]) == (
        0,
        0,
        0.5,
        0.5,
    )
    for level in (dense, half):
        assert set(level) == {
            "sparsity",
            "achieved",
            "acc",
            "aua",
            "asr",
            "cls_error",
            "layer_errors",
            "seconds",
        }
        assert set(level["acc"]) == {"value", "n", "low", "high"} and level["acc"]["n"] == 50
        assert level["acc"]["low"] <= level["acc"]["value"] <= level["acc"]["high"]
        assert level["aua"] is None and level["asr"] is None
        assert len(level["layer_errors"]) == 12 and {"prune", "evaluate", "attack"} <= set(
            level["seconds"]
        )
    assert dense["cls_error"] == 0 < half["cls_error"]
    assert set(answer["last_safe"]) == {
        "sparsity",
        "low",
        "high",
        "support",
        "points",
        "checked",
        "sure",
        "possible",
    }
    assert (
        answer["last_safe"]["points"] == 3.0
        and isinstance(answer["doubts"], list)
        and isinstance(answer["notices"], list)
    )


def test_the_table_ends_with_the_last_safe_sparsity(run: Run, basic: list[str]) -> None:
    _, out, _ = run("study", *basic, *small("--tolerance", "50"))
    assert (
        "\nSafe up to 50% with 95% confidence: "
        "accuracy stays within 50 points of the dense model.\n" in out
    )
    assert run("study", *basic, *small("--tolerance", "101"))[0] == 2
    key = json.loads(run("study", *basic, *small("--json"))[1].splitlines()[-1])["key"]
    _, out, _ = run("runs", "show", key[:12], "--cache", basic[5])
    assert "calibration 40" in out and " safe with 95% confidence; best guess " in out


def test_which_class_is_taken_for_which_is_said_before_the_work_and_kept(
    run: Run, basic: list[str], data_folder: Path, tmp_path: Path
) -> None:
    for name in ("train", "validation"):
        (tmp_path / "named").mkdir(exist_ok=True)
        lines = (data_folder / f"{name}.tsv").read_text().splitlines()
        named = [lines[0], *(line[:-1] + ("C1", "C2")[int(line[-1])] for line in lines[1:])]
        (tmp_path / "named" / f"{name}.tsv").write_text("\n".join(named) + "\n")
    asked = [*basic[:3], str(tmp_path / "named"), *basic[4:], *small()]
    _, _, err = run("study", *asked)
    assert err.count("C1 for LABEL_0, C2 for LABEL_1") == 1 and err.index(
        "C1 for LABEL_0"
    ) < err.index("100 %  done")
    assert any(
        "C1 for LABEL_0" in notice
        for notice in json.loads(run("study", *asked, "--json")[1].splitlines()[-1])["notices"]
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--model", "./nowhere"], "no model folder nowhere"),
        (["--data", "./nowhere.csv"], "nowhere.csv"),
        (["--label-column", "stars"], "no column 'stars'"),
    ],
)
def test_what_is_not_there_is_not_queued(
    run: Run, basic: list[str], given: list[str], says: str
) -> None:
    code, out, err = run("study", "--background", *basic, *given)
    assert (code, out) == (2, "") and says in err
    assert (
        json.loads(run("jobs", "list", "--cache", basic[5], "--json")[1].splitlines()[-1])["jobs"]
        == []
    )


def test_another_python_says_which_one_to_use() -> None:
    found = subprocess.run(
        [sys.executable, "-S", "-m", "engine", "demo"],
        capture_output=True,
        text=True,
        cwd=paths.PROJECT,
    )
    assert (
        found.returncode == 2
        and "lacks the package" in found.stderr
        and ".venv/bin/python -m engine" in found.stderr
    )
    assert found.stderr.count("\n") == 1


def test_an_attacked_study_gives_all_three_rates(run: Run, basic: list[str]) -> None:
    code, out, err = run(
        "study",
        *basic,
        *small("--attack", "deepwordbug", "--attack-examples", "2", "--json", "--quiet"),
    )
    assert code == 0, err
    for level in json.loads(out.splitlines()[-1])["levels"]:
        for rate in ("acc", "aua", "asr"):
            assert set(level[rate]) == {"value", "n", "low", "high"}
        assert level["aua"]["n"] == 2 and level["asr"]["n"] <= 2


def test_progress_is_on_stderr_and_the_table_on_stdout(run: Run, basic: list[str]) -> None:
    _, out, err = run("study", *basic, *small())
    assert "load data" in err and "100 %  done" in err
    assert "load data" not in out and "left)" not in out
    table = out.splitlines()
    assert (
        table[0].startswith("tiny-bert on tiny, Adaptive, no attack, 50 evaluated")
        and len(table) == 7
    )
    assert table[-2].startswith(
        "No sparsity is confirmed as safe with 95% confidence; best guess 50%"
    )
    assert table[3].startswith(" 50.00 %") and "{" not in out
    assert table[4].startswith("measured with ") and " thread" in table[4]


def test_quiet_is_quiet(run: Run, basic: list[str]) -> None:
    assert run("study", *basic, *small("--quiet"))[2] == ""


def test_a_notice_of_the_store_is_on_stderr_only(
    run: Run, basic: list[str], tmp_path: Path
) -> None:
    first = json.loads(run("study", *basic, *small("--json", "--quiet"))[1].splitlines()[-1])
    for path in (tmp_path / "cache" / "studies" / first["key"]).glob("*.json"):
        path.write_bytes(path.read_bytes()[:-20])
    code, out, err = run("study", *basic, *small("--json", "--quiet"))
    again = json.loads(out.splitlines()[-1])
    assert code == 0 and err.count("set aside") == 2
    for level in (*first["levels"], *again["levels"]):
        del level["seconds"]
    assert again == first


def test_no_bar_of_a_library_is_shown_beside_what_is_said(
    basic: list[str], model_folder: Path, tmp_path: Path
) -> None:
    """Weights in shards, which transformers would count on a bar."""
    folder = Path(shutil.copytree(model_folder, tmp_path / "shards"))
    (folder / "model.safetensors").unlink()
    AutoModelForSequenceClassification.from_pretrained(model_folder).save_pretrained(
        folder, max_shard_size="30KB"
    )
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    cached = {
        name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_PROGRESS_BARS"
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "engine",
            "evaluate",
            *basic[2:4],
            "--model",
            str(folder),
            "--attack",
            "none",
            "--quiet",
        ],
        capture_output=True,
        text=True,
        cwd=paths.PROJECT,
        env=cached,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_study_in_its_own_process_keeps_the_channels_apart(basic: list[str]) -> None:
    done = subprocess_run("study", *basic, *small("--json", "--quiet"))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout.splitlines()[-1])["levels"][1]["achieved"] == 0.5


@pytest.mark.parametrize("command", [["export"], ["prune", "--format", "dense"]])
def test_an_exported_folder_opens_with_the_exact_sparsity(
    run: Run, basic: list[str], tmp_path: Path, command: list[str]
) -> None:
    code, out, err = run(
        *command, *basic, "--sparsity", "0.75", "--out", tmp_path / "out", "--json"
    )
    assert code == 0, err
    answer = json.loads(out.splitlines()[-1])
    assert (answer["sparsity"], answer["achieved"], answer["out"]) == (
        0.75,
        0.75,
        str(tmp_path / "out"),
    )
    assert (
        answer["bytes"]
        == answer["dense_bytes"]
        == (tmp_path / "out" / "model.safetensors").stat().st_size
    )
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    weights = [
        value for key, value in model.state_dict().items() if ".layer." in key and value.ndim == 2
    ]
    assert len(weights) == 12
    assert sum(int((value == 0).sum()) for value in weights) == 0.75 * sum(
        value.numel() for value in weights
    )
    assert all(bool(value.any()) for value in weights)


def test_prune_writes_a_smaller_folder_that_a_study_and_unpack_open(
    run: Run, basic: list[str], tmp_path: Path
) -> None:
    code, out, err = run(
        "prune", *basic, "--sparsity", "0.75", "--out", tmp_path / "packed", "--json"
    )
    assert code == 0, err
    answer = json.loads(out.splitlines()[-1])
    weights = tmp_path / "packed" / "model.packed.safetensors"
    assert (answer["format"], answer["bytes"], answer["half"]) == (
        "packed",
        weights.stat().st_size,
        False,
    )
    assert (
        f"on disk instead of {answer['dense_bytes'] / 1e3:.1f} kB; the embeddings" in out
        and f"{answer['bytes']:,} bytes" in out
    )
    code, out, err = run(
        "study",
        *basic,
        "--model",
        tmp_path / "packed",
        *small("--levels", "0", "--json", "--quiet"),
    )
    assert (code, err) == (0, "") and json.loads(out.splitlines()[-1])["about"]["model"] == "packed"
    code, out, err = run(
        "unpack", "--model", tmp_path / "packed", "--out", tmp_path / "dense", "--json"
    )
    assert (code, err) == (0, "")
    again = json.loads(out.splitlines()[-1])
    assert again == {"out": str(tmp_path / "dense"), "bytes": answer["dense_bytes"]}
    code, _, err = run(
        "export", *basic, "--sparsity", "0.75", "--out", tmp_path / "exported", "--quiet"
    )
    assert (code, err) == (0, "")
    whole = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("dense", "exported")]
    assert whole[0] == whole[1]


def test_half_precision_is_smaller_still_and_says_so(
    run: Run, basic: list[str], tmp_path: Path
) -> None:
    sizes = []
    for name, more in (("full", []), ("half", ["--half"])):
        code, out, err = run(
            "prune",
            *basic,
            "--sparsity",
            "0.5",
            "--out",
            tmp_path / name,
            "--json",
            "--quiet",
            *more,
        )
        assert (code, err) == (0, "")
        sizes.append(json.loads(out.splitlines()[-1])["bytes"])
        assert ("rounded to fp16 in 12 of 12" in out) is (name == "half")
    assert sizes[1] < sizes[0]


def test_latency_measures_two_models_in_turn(run: Run, basic: list[str], tmp_path: Path) -> None:
    model, data = basic[1], basic[3]
    assert (
        run("prune", *basic, "--sparsity", "0.5", "--out", tmp_path / "packed", "--quiet")[0] == 0
    )
    code, out, err = run(
        "latency",
        "--model",
        model,
        "--against",
        tmp_path / "packed",
        "--data",
        data,
        "--sentences",
        "4",
        "--repeats",
        "2",
        "--forms",
        "dense, csr",
        "--device",
        "cpu",
        "--json",
        "--quiet",
    )
    assert (code, err) == (0, "")
    answer = json.loads(out.splitlines()[-1])
    assert [(side["name"], side["form"]) for side in answer["sides"]] == [
        ("tiny-bert", "dense"),
        ("tiny-bert", "csr"),
        ("packed", "dense"),
        ("packed", "csr"),
    ]
    assert all(set(ratio) == {"median", "low", "high"} for ratio in answer["ratios"])
    table = out.splitlines()[:-1]
    assert "batch 8, 4 sentences, 2 rounds" in table[0] and "ms a sentence" in table[1]
    assert [line.split()[:2] for line in table[2:]] == [
        [side["name"], side["form"]] for side in answer["sides"]
    ]


def test_export_gives_the_same_bytes_from_the_cache(
    run: Run, basic: list[str], tmp_path: Path
) -> None:
    for name in ("first", "second"):
        code, _, err = run(
            "export", *basic, "--sparsity", "0.5", "--out", tmp_path / name, "--quiet"
        )
        assert (code, err) == (0, "")
    files = [
        sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("first", "second")
    ]
    assert files[0] == files[1] and "model.safetensors" in files[0]
    assert all(
        (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
        for name in files[0]
    )


def test_export_does_not_touch_a_folder_with_something_in_it(
    run: Run, basic: list[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    code, out, err = run(
        "export", *basic, "--sparsity", "0.5", "--out", tmp_path / "out", "--quiet"
    )
    assert (code, out) == (2, "")
    one_sentence(err, f"{tmp_path}/out is there already")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_attack_shows_both_sides(run: Run, basic: list[str]) -> None:
    code, out, err = run(
        "attack", *basic, "--text", "a good film", "--sparsity", "0.5", "--json", "--quiet"
    )
    assert (code, err) == (0, "")
    answer = json.loads(out.splitlines()[-1])
    assert [side["name"] for side in answer["sides"]] == ["dense", "pruned"]
    assert (answer["text"], answer["attack"]) == ("a good film", "deepwordbug")
    assert answer["sparsity"] == answer["achieved"] == 0.5
    assert [line.split()[0] for line in out.splitlines()[:-1]] == ["dense", "pruned"]


# Bad input


def variant(model_folder: Path, folder: Path, **config: Any) -> Path:
    """A copy of the tiny model with another configuration."""
    shutil.copytree(model_folder, folder)
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**known, **config}))
    return folder


def no_folder(model_folder: Path, folder: Path) -> Path:
    return folder


def no_safetensors(model_folder: Path, folder: Path) -> Path:
    variant(model_folder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


def no_config(model_folder: Path, folder: Path) -> Path:
    variant(model_folder, folder)
    (folder / "config.json").unlink()
    return folder


def no_classifier(model_folder: Path, folder: Path) -> Path:
    variant(model_folder, folder, architectures=["BertModel"])
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if not name.startswith("classifier")},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    return folder


def other_family(model_folder: Path, folder: Path) -> Path:
    return variant(
        model_folder, folder, model_type="gpt2", architectures=["GPT2ForSequenceClassification"]
    )


def damaged(model_folder: Path, folder: Path) -> Path:
    variant(model_folder, folder)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    return folder


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (no_folder, "no model folder"),
        (no_safetensors, "no safetensors weights"),
        (no_config, "no config.json"),
        (no_classifier, "classifier.bias"),
        (other_family, "lack transformer.h.0.attn"),
        (damaged, "cannot be opened"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_model_that_cannot_be_used(
    run: Run,
    basic: list[str],
    model_folder: Path,
    tmp_path: Path,
    made: Callable[[Path, Path], Path],
    says: str,
) -> None:
    code, out, err = run(
        "study",
        *basic,
        *small("--quiet", "--model", str(made(model_folder, tmp_path / "odd-model"))),
    )
    assert (code, out) == (2, "")
    one_sentence(err, "odd-model")
    assert says in err
    assert not (tmp_path / "cache").exists()


BAD_DATA = {
    "no-text": ("words\tlabel\na film\t1\n", "'words'"),
    "no-label": ("text\tstars\na film\t1\n", "'stars'"),
    "empty": ("", "odd.tsv"),
    "no-rows": ("text\tlabel\n", "odd.tsv"),
    "one-class": ("text\tlabel\n" + "".join(f"film {n}\t1\n" for n in range(9)), "label 1"),
    "out-of-range": (
        "text\tlabel\n" + "".join(f"film {n}\t{n % 2 + 6}\n" for n in range(9)),
        "outside the 0..1 of tiny-bert",
    ),
    "blank-text": ("text\tlabel\n\t1\n", "Row 1"),
    "blank-label": ("text\tlabel\na film\t\n", "an empty cell in 1 of 1 rows"),
    "fraction": ("text\tlabel\na film\t0.5\n", "0.5"),
}


@pytest.mark.parametrize(("content", "value"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_data_that_cannot_be_used(
    run: Run, basic: list[str], tmp_path: Path, content: str, value: str
) -> None:
    (tmp_path / "odd.tsv").write_text(content, encoding="utf-8")
    code, out, err = run("study", *basic, *small("--quiet", "--data", str(tmp_path / "odd.tsv")))
    assert (code, out) == (2, "")
    one_sentence(err, value)
    assert "odd" in err


@pytest.mark.parametrize(
    ("option", "given", "value"),
    [
        ("--levels", "1.0", "Sparsity 1.0"),
        ("--levels", "-0.1", "Sparsity -0.1"),
        ("--levels", "0,abc", "'0,abc'"),
        ("--levels", "0.5,nan", "Sparsity nan"),
        ("--levels", "", "''"),
        ("--method", "guess", "'guess'"),
        ("--attack", "shout", "'shout'"),
        ("--pattern", "5:3", "'5:3'"),
        ("--device", "gpu9", "'gpu9'"),
        ("--calibration", "0", "calibration is 0"),
        ("--eval-examples", "-3", "-3"),
        ("--seed", "first", "'first'"),
        ("--data", "./nowhere", "'./nowhere'"),
        ("--text-column", "prose", "'prose'"),
        ("--shout", "loud", "--shout loud"),
    ],
)
def test_a_setting_that_cannot_be_used(
    run: Run, basic: list[str], option: str, given: str, value: str
) -> None:
    code, out, err = run("study", *basic, *small("--quiet", option, given))
    assert (code, out) == (2, "")
    one_sentence(err, value)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (["--method", "adaptive:refit=some"], "refit=some is unknown"),
        (["--method", "adaptive:size=3"], "'size=3'"),
        (["--method", "sequential:alpha=0.5"], "sparsegpt:alpha=0.5: alpha is"),
        (["--pattern", "2-4"], "'2-4'"),
        (
            ["--pattern", "5:10", "--levels", "0.5"],
            "5:10 does not divide the 32 inputs of layer 0.query",
        ),
        (
            ["--pattern", "2:4", "--levels", "0,0.6"],
            "2:4 has a sparsity of 0.5 and cannot reach 0.6",
        ),
        (["--layers", "9=0"], "no layer '9'"),
        (["--layers", "0"], "0= is not a layer"),
        (["--layers", "./no.json"], "./no.json"),
        (["--allocation", "fair"], "'fair'"),
        (["--allocation", "loss-equalised", "--method", "magnitude"], "measures no loss"),
        (["--allocation", "loss-equalised", "--pattern", "2:4"], "2:4 fixes the sparsity"),
        (["--precision", "fp8"], "'fp8'"),
        (["--calibration", "2"], "below one the statistics are singular"),
    ],
    ids=" ".join,
)
def test_a_plan_that_cannot_be_used(
    run: Run, basic: list[str], options: list[str], value: str
) -> None:
    code, out, err = run("study", *basic, *small("--quiet", *options))
    assert (code, out) == (2, "")
    one_sentence(err, value)


def test_a_pattern_of_groups_has_its_own_levels(run: Run, basic: list[str]) -> None:
    for pattern, sparsity in (("2:4", 0.5), ("1:4", 0.75)):
        more = [
            "--attack",
            "none",
            "--eval-examples",
            "20",
            "--pattern",
            pattern,
            "--json",
            "--quiet",
        ]
        code, out, err = run("study", *basic, *more)
        assert (code, err) == (0, "")
        levels = json.loads(out.splitlines()[-1])["levels"]
        assert [(level["sparsity"], level["achieved"]) for level in levels] == [
            (0.0, 0.0),
            (sparsity, sparsity),
        ]


def test_few_tokens_can_be_forced_and_are_noticed(run: Run, basic: list[str]) -> None:
    code, out, err = run(
        "study", *basic, *small("--calibration", "2", "--force", "--json", "--quiet")
    )
    assert code == 0 and json.loads(out.splitlines()[-1])["levels"][1]["achieved"] == 0.5
    one_sentence(err, "the statistics are noisy")


def test_a_cache_that_cannot_be_written(run: Run, basic: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    code, out, err = run(
        "study", *basic, *small("--quiet", "--cache", str(tmp_path / "file" / "cache"))
    )
    assert (code, out) == (2, "")
    one_sentence(err, f"{tmp_path}/file/cache")


def test_resources_without_nltk_data(run: Run, basic: list[str], tmp_path: Path) -> None:
    code, _, err = run(
        "study", *basic, *small("--quiet", "--attack", "deepwordbug", "--resources", str(tmp_path))
    )
    assert code == 2
    one_sentence(err, f"{tmp_path} holds no NLTK data")


@pytest.mark.parametrize("option", ["--model", "--data"])
def test_a_hub_name_without_a_network(basic: list[str], tmp_path: Path, option: str) -> None:
    done = subprocess_run(
        "study",
        *basic,
        *small("--quiet", option, "someone/something"),
        HF_HUB_OFFLINE="1",
        HF_HOME=str(tmp_path / "hub"),
    )
    assert (done.returncode, done.stdout) == (2, "")
    one_sentence(done.stderr, "'someone/something'")


def test_a_model_that_is_no_classifier_is_one_sentence_in_its_own_process(
    basic: list[str], model_folder: Path, tmp_path: Path
) -> None:
    done = subprocess_run(
        "study",
        *basic,
        *small("--quiet", "--model", str(no_classifier(model_folder, tmp_path / "bare"))),
    )
    assert done.returncode == 2
    one_sentence(done.stderr, "bare is not a sequence classifier")


@pytest.mark.parametrize(
    ("text", "value"), [("", "no words"), (" ... ", "no words"), ("good " * 201, "1004 characters")]
)
def test_a_text_that_cannot_be_attacked(run: Run, basic: list[str], text: str, value: str) -> None:
    code, out, err = run("attack", *basic, "--text", text, "--quiet")
    assert (code, out) == (2, "")
    one_sentence(err, value)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (["export", "--sparsity", "1", "--out", "x"], "--sparsity"),
        (["export", "--sparsity", "0.5"], "--out"),
        (["export", "--sparsity", "0.5", "--out", "x", "--half"], "--half"),
        (["prune", "--sparsity", "0.5", "--out", "x", "--format", "zip"], "'zip'"),
        (["attack", "--text", "film", "--sparsity", "2"], "'2' is not a number in [0, 1)"),
        (["attack", "--text", "film", "--label", "7"], "label '7'"),
        (["attack", "--text", "film", "--attack", "shout"], "'shout'"),
    ],
)
def test_settings_of_the_other_commands(
    run: Run, basic: list[str], command: list[str], value: str
) -> None:
    code, out, err = run(command[0], *basic, *command[1:], "--quiet")
    assert (code, out) == (2, "")
    one_sentence(err, value)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (["unpack", "--model", "nowhere", "--out", "x"], "nowhere is not a packed model folder"),
        (["latency", "--batch", "0"], "--batch"),
        (["latency", "--sentences", "0"], "--sentences"),
        (["latency", "--forms", "coo"], "'coo'"),
        (["latency", "--forms", "2:4"], "two zeros in every four"),
        (["latency", "--device", "warp"], "'warp'"),
        (["latency", "--against", "./nowhere"], "nowhere"),
    ],
)
def test_settings_of_the_commands_that_do_not_prune(
    run: Run, model_folder: Path, data_folder: Path, command: list[str], value: str
) -> None:
    named = (
        ["--model", str(model_folder), "--data", str(data_folder)]
        if command[0] == "latency"
        else []
    )
    code, out, err = run(*command, *named, "--quiet")
    assert (code, out) == (2, "")
    one_sentence(err, value)


def test_members_without_a_recipe(run: Run, tmp_path: Path) -> None:
    code, _, err = run(
        "members", "--recipe", tmp_path / "no.json", "--data", "embedded", "--out", tmp_path / "out"
    )
    assert code == 2
    one_sentence(err, f"{tmp_path}/no.json")


# Help


@pytest.mark.parametrize(
    "command", ["study", "demo", "export", "prune", "unpack", "latency", "attack", "members"]
)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: prunescope {command} ") and "--json" in out


def test_the_help_names_every_method(run: Run) -> None:
    _, out, _ = run("study", "--help")
    assert all(name in out for name in METHODS)


def test_an_unknown_command_is_bad_input() -> None:
    done = subprocess_run("dance")
    assert (done.returncode, done.stdout) == (2, "")
    one_sentence(done.stderr, "'dance'; did you mean distances? See python -m engine --help.")


# Stopping


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_study_and_the_same_command_finishes_it(
    run: Run, basic: list[str], tmp_path: Path, stop: signal.Signals
) -> None:
    # more than it can do before the signal comes
    levels = ",".join(str(step / 1000) for step in range(900))
    running = subprocess.Popen(
        [sys.executable, "-m", "engine", "study", *basic, *small("--levels", levels, "--json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=paths.PROJECT,
    )
    with running:
        while not list((tmp_path / "cache").glob("studies/*/*.json")):
            assert running.poll() is None, running.communicate()
            time.sleep(0.02)
        running.send_signal(stop)
        try:
            out, err = running.communicate(timeout=120)
        finally:
            running.kill()
    assert (running.returncode, out) == (3, "")
    assert err.splitlines()[-1].startswith("Stopped.") and "Traceback" not in err
    assert not list((tmp_path / "cache").rglob(".writing-*"))
    code, out, _ = run("study", *basic, *small("--json"))
    assert code == 0 and [
        level["sparsity"] for level in json.loads(out.splitlines()[-1])["levels"]
    ] == [0.0, 0.5]


def test_a_reader_who_has_read_enough_is_no_failure(basic: list[str]) -> None:
    program = [
        sys.executable,
        "-m",
        "engine",
        "runs",
        "list",
        "--json",
        "--cache",
        basic[basic.index("--cache") + 1],
    ]
    running = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=paths.PROJECT
    )
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert (running.wait(120), running.stderr.read()) == (0, b"")
    running.stderr.close()


def test_what_would_move_a_cursor_is_spelled_out() -> None:
    assert printable("a\x1b[2Jb\u202ec\n\td – größer") == "a⟨U+001B⟩[2Jb⟨U+202E⟩c\n\td – größer"


def test_a_failure_that_is_not_the_users_is_told_apart(
    run: Run, basic: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def singular(*_: object, **__: object) -> None:
        raise NumericalError("The statistics stay singular.")

    monkeypatch.setattr("prunescope.engine.studies.pruned.prune_levels", singular)
    assert run("study", *basic, *small("--quiet", "--json")) == (
        1,
        "",
        "NumericalError: The statistics stay singular.\n",
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            ["study", "--sparsities", "0,0.5"],
            "Unrecognized arguments: --sparsities 0,0.5; see prunescope study --help.\n",
        ),
        (
            ["study", "--callibration=4"],
            "Unrecognized arguments: --callibration=4; did you mean --calibration? "
            "See prunescope study --help.\n",
        ),
    ],
)
def test_an_option_that_is_not_there_is_refused_by_its_command(
    run: Run, asked: list[str], told: str
) -> None:
    code, out, err = run(*asked)
    assert (code, out, err) == (2, "", told)
