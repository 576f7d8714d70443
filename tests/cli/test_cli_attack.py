"""`prunescope attack`: one text, rows of a data set and fixed sets, on one or two victims."""

import csv
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from prunescope.engine.attacks.attempt import Attempt, VictimModel
from prunescope.engine.attacks.logs import COLUMNS, read_log
from prunescope.engine.cli.main import main
from prunescope.engine.data import Examples
from prunescope.engine.data.draw import drawn_rows
from prunescope.engine.errors import InterruptedStudy
from prunescope.engine.export.folder import export_model
from prunescope.engine.models.classes import in_order
from prunescope.engine.models.victim import load_victim
from prunescope.engine.progress import ProgressState
from prunescope.engine.records import StudySpec
from prunescope.engine.store import Store
from prunescope.engine.studies.run import run_study

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], model_folder: Path, data_folder: Path, tmp_path: Path
) -> Run:
    """Runs `attack` on the tiny model in this process: (exit code, stdout, stderr)."""

    def run(*arguments: str | Path, quiet: bool = True) -> tuple[int, str, str]:
        fixed = [
            "--model",
            model_folder,
            "--data",
            data_folder,
            "--cache",
            tmp_path / "cache",
            "--device",
            "cpu",
            "--calibration",
            "40",
        ]
        try:
            code = main(
                ["attack", *map(str, fixed), *(["--quiet"] if quiet else []), *map(str, arguments)]
            )
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def other(model_folder: Path, tmp_path: Path) -> Path:
    """A model beside the tiny one, with weights a little off."""
    folder = Path(shutil.copytree(model_folder, tmp_path / "other-bert"))
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: value + 0.05 * torch.randn(value.shape, generator=generator)
        for name, value in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
def adversarial(tmp_path: Path) -> Path:
    """A set of two tasks."""
    path = tmp_path / "set.tsv"
    path.write_text(
        "task\ttext_a\ttext_b\tlabel\nsst2\ta good film\t\t1\nsst2\tdull music\t\t0\nqqp\tthe "
        "film\tthe story\t0\n"
    )
    return path


def answer(done: tuple[int, str, str]) -> dict[str, Any]:
    assert done[0] == 0, done[2]
    result: dict[str, Any] = json.loads(done[1].splitlines()[-1])
    return result


def one_sentence(done: tuple[int, str, str], value: str) -> None:
    code, out, err = done
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert value in err


RATE = {"value", "n", "low", "high"}


def test_one_victim_on_rows_of_a_data_set(run: Run) -> None:
    result = answer(run("--examples", "6", "--json"))
    assert (result["attack"], result["examples"]) == ("deepwordbug", 6)
    assert (result["paired"], result["transfer"], result["logs"]) == (None, {}, [])
    (victim,) = result["victims"]
    assert victim["name"] == "tiny-bert" and victim["n"] == 6
    assert (
        victim["skipped"]
        + victim["broken"]
        + victim["held"]
        + victim["exhausted"]
        + victim["errors"]
        == 6
    )
    assert all(
        set(victim[name]) == RATE for name in ("acc", "aua", "asr", "queries", "words_changed")
    )
    assert victim["aua"]["n"] == 6 and victim["asr"]["n"] == 6 - victim["skipped"]


def test_two_models_are_compared(run: Run, other: Path) -> None:
    done = run("--examples", "8", "--against", other, "--json")
    result = answer(done)
    assert [victim["name"] for victim in result["victims"]] == ["tiny-bert", "other-bert"]
    paired = result["paired"]
    cells = ("both_hold", "only_first_breaks", "only_second_breaks", "both_break")
    assert sum(paired[name] for name in cells) == paired["first"]["n"]
    assert 0 < paired["p_value"] <= 1
    for source, row in result["transfer"].items():
        assert row[source]["rate"]["value"] in (1.0, None)  # what broke it breaks it again
    assert (
        "McNemar" in done[1]
        and "of what tiny-bert fails on, other-bert fails on" in done[1]
        and "Aua %" in done[1]
    )


def test_a_model_is_compared_with_itself_pruned(run: Run) -> None:
    result = answer(run("--examples", "4", "--sparsity", "0.5", "--json"))
    assert [victim["name"] for victim in result["victims"]] == ["tiny-bert", "tiny-bert at 50 %"]


def test_logs_of_both_are_written_and_read(run: Run, other: Path, tmp_path: Path) -> None:
    result = answer(
        run("--examples", "6", "--against", other, "--log", tmp_path / "log.csv", "--json")
    )
    assert result["logs"] == [str(tmp_path / "log.csv"), str(tmp_path / "log-against.csv")]
    for path, victim in zip(result["logs"], result["victims"], strict=True):
        with Path(path).open(newline="", encoding="utf-8") as file:
            assert tuple(next(csv.reader(file))[:9]) == COLUMNS
        texts = read_log(path)
        assert (
            sum(text.record.outcome == "broken" for text in texts) == victim["broken"]
            and len(texts) == 6
        )
    again = answer(run("--examples", "6", "--log", tmp_path / "log.json", "--json"))
    assert read_log(again["logs"][0]) == read_log(result["logs"][0])
    one_sentence(run("--examples", "6", "--log", tmp_path / "log.csv"), "log.csv is there already")
    (tmp_path / "new-against.csv").touch()
    one_sentence(
        run("--examples", "6", "--log", tmp_path / "new.csv", "--against", other),
        "new-against.csv is there already",
    )


def test_a_run_that_was_stopped_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(console: Any, state: ProgressState) -> None:
        if state.stage == "attack" and state.done >= 2:
            raise InterruptedStudy("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("prunescope.engine.cli.console.Console._show", stop)
        code, out, err = run("--examples", "6")
    assert (code, out) == (3, "") and err.startswith("Stopped.")
    (stored,) = (tmp_path / "cache" / "texts").iterdir()
    begun = stored.read_bytes()
    assert begun.count(b"\n") >= 2
    answer(run("--examples", "6", "--json"))
    assert stored.read_bytes().startswith(begun) and stored.read_bytes().count(b"\n") == 6


def test_a_budget_is_reported(run: Run) -> None:
    result = answer(run("--examples", "8", "--max-queries", "2", "--json"))
    assert (
        result["budget"] == {"queries": 2, "seconds": None}
        and result["victims"][0]["exhausted"] > 0
    )


def test_a_fixed_set_on_one_victim_and_on_two(run: Run, adversarial: Path, other: Path) -> None:
    done = run("--set", adversarial, "--task", "sst2", "--json", quiet=False)
    result = answer(done)
    assert (result["set"], result["n"], result["paired"]) == ("set.tsv, sst2", 2, None)
    assert (
        set(result["victims"][0]["adversarial"]) == RATE and result["victims"][0]["clean"] is None
    )
    assert "negative for LABEL_0, positive for LABEL_1" in done[2]
    both = answer(run("--set", adversarial, "--task", "sst2", "--against", other, "--json"))
    assert [victim["name"] for victim in both["victims"]] == ["tiny-bert", "other-bert"]
    assert both["victims"][0] == result["victims"][0] and both["paired"]["attacks"] is None
    assert both["paired"]["adversarial"]["first"]["n"] == 2
    pairs = answer(run("--set", adversarial, "--where", "task=qqp", "--json"))
    assert pairs["n"] == 1


def test_a_log_is_a_fixed_set(run: Run, other: Path, tmp_path: Path) -> None:
    created = answer(run("--examples", "8", "--log", tmp_path / "log.csv", "--json"))
    done = run("--set", tmp_path / "log.csv", "--against", other, "--json")
    result, broken = answer(done), created["victims"][0]["broken"]
    assert result["n"] == broken > 0 and result["victims"][0]["asr"]["value"] == 1.0
    assert (
        result["victims"][0]["adversarial"]["value"] == 0.0
        and result["paired"]["attacks"]["first"]["value"] == 1.0
    )
    assert "one-sided" in result["notices"][0] and "Clean text right with both" in done[1]


def test_one_text_on_two_models(run: Run, other: Path) -> None:
    done = run("--text", "a good film", "--against", other, "--json")
    result = answer(done)
    assert [side["name"] for side in result["sides"]] == ["tiny-bert", "other-bert"] and not result[
        "truth_given"
    ]
    assert [line.split()[0] for line in done[1].splitlines()[:-1]] == ["tiny-bert", "other-bert"]
    labelled = answer(
        run(
            "--text",
            "a good film",
            "--against",
            other,
            "--label",
            str(1 - result["truth"]),
            "--json",
        )
    )
    assert labelled["truth_given"] and labelled["sides"][0]["outcome"] == "skipped"
    name = result["label_names"][1 - result["truth"]]
    assert (
        answer(run("--text", "a good film", "--against", other, "--label", name.lower(), "--json"))[
            "sides"
        ]
        == labelled["sides"]
    )
    assert (
        f"queries  {name}" in done[1]
        or f"queries  {result['label_names'][result['truth']]}" in done[1]
    )


def test_models_of_one_name_are_told_apart(
    run: Run, model_folder: Path, other: Path, tmp_path: Path
) -> None:
    same = Path(shutil.copytree(other, tmp_path / "deep" / model_folder.name))
    result = answer(run("--examples", "2", "--against", same, "--json"))
    assert [victim["name"] for victim in result["victims"]] == [str(model_folder), str(same)]


def three_classes(model_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "three"
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder, num_labels=3, ignore_mismatched_sizes=True
    )
    shutil.copytree(model_folder, folder)
    model.save_pretrained(folder)
    return folder


def test_models_with_other_classes_are_refused(
    run: Run, model_folder: Path, adversarial: Path, tmp_path: Path
) -> None:
    three = three_classes(model_folder, tmp_path)
    for more in (
        ["--examples", "2"],
        ["--text", "a film"],
        ["--set", adversarial, "--task", "sst2"],
    ):
        one_sentence(
            run(*more, "--against", three),
            "tiny-bert has 2 classes (LABEL_0, LABEL_1) and three has 3 (LABEL_0",
        )
    alone = run("--set", adversarial, "--task", "sst2", "--model", three)
    one_sentence(alone, "has 2 classes (negative, positive) and three has 3")


ODD = "\t".join(COLUMNS) + "\n" + "\t".join(["a", "b", "0", "0", "1", "1", "1", "9", "Won"]) + "\n"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("", "is empty"),
        ("text\tlabel\n", "has no rows"),
        ("words\tlabel\na\t1\n", "no text column"),
        ("text\tstars\na\t1\n", "no label"),
        ("text\tlabel\na film\t7\n", "label 7, outside the 0..1 of tiny-bert"),
        ("text\tlabel\n\t1\n", "Row 1 of odd.tsv"),
        ("task\ttext\tlabel\nsst2\ta\t1\nrte\tb\t1\n", "choose one with --task"),
        ("text\tlabel\na\tgood\nb\tbad\nc\tso\n", "calls its classes bad, good, so"),
        (ODD, "Row 1 of odd.tsv has the result type 'Won'"),
    ],
    ids=["empty", "no-rows", "no-text", "no-label", "range", "blank", "tasks", "classes", "result"],
)
def test_a_set_that_cannot_be_used(run: Run, tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "odd.tsv").write_text(content)
    one_sentence(run("--set", tmp_path / "odd.tsv"), value)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ([], "--text --examples --set is required"),
        (["--text", "film", "--examples", "3"], "not allowed with"),
        (["--examples", "0"], "'0' is not a whole number above 0"),
        (["--examples", "few"], "'few'"),
        (["--examples", "2", "--attack", "shout"], "'shout'"),
        (["--examples", "2", "--attack", "none"], "nothing to run"),
        (["--examples", "2", "--max-queries", "0"], "--max-queries is 0"),
        (["--examples", "2", "--max-seconds", "nan"], "--max-seconds is nan"),
        (["--examples", "2", "--log", "log.txt"], "'.txt'"),
        (["--examples", "2", "--label", "1"], "--label goes with --text, not with --examples"),
        (["--text", "film", "--log", "log.csv"], "--log goes with --examples, not with --text"),
        (["--examples", "2", "--task", "sst2"], "--task goes with --set"),
        (["--text", "film", "--where", "a=b"], "--where goes with --set"),
        (
            ["--set", "x.tsv", "--max-queries", "5"],
            "--max-queries goes with --examples or --text, not with --set",
        ),
        (["--set", "./nowhere.tsv"], "nowhere.tsv"),
        (["--set", "./nowhere.doc"], "'.doc'"),
        (["--set", "./nowhere.json"], "nowhere.json"),
        (["--examples", "2", "--against", "./nowhere"], "nowhere"),
        (["--examples", "2", "--sparsity", "1.5"], "'1.5' is not a number in [0, 1)"),
        (["--text", "film", "--against", "x", "--sparsity", "0.5"], "both name the second victim"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_cannot_be_used(run: Run, options: list[str], value: str) -> None:
    one_sentence(run(*options), value)


def test_a_model_beside_itself_is_refused(run: Run, model_folder: Path) -> None:
    one_sentence(
        run("--examples", "2", "--against", model_folder), "--model and --against both name"
    )


def test_a_label_outside_the_classes_is_refused(run: Run, other: Path) -> None:
    done = run("--text", "a film", "--against", other, "--label", "7")
    one_sentence(
        done, "label '7' is none of the victim's, LABEL_0, LABEL_1, nor a number from 0 to 1"
    )


def test_two_models_are_compared_by_the_names_of_their_classes(
    run: Run, model_folder: Path, tmp_path: Path
) -> None:
    victim = load_victim(str(model_folder), "cpu")
    victim.label_names, victim.model.config.id2label = ("bad", "good"), {0: "bad", 1: "good"}
    export_model(victim, tmp_path / "straight", {})
    turned = replace(in_order(victim, ("good", "bad")), name="turned")
    export_model(turned, tmp_path / "turned", {})
    done = run(
        "--model",
        tmp_path / "straight",
        "--examples",
        "6",
        "--against",
        tmp_path / "turned",
        "--json",
    )
    first, second = answer(done)["victims"]
    assert {**first, "name": ""} == {**second, "name": ""} and "matched by number" not in done[2]


def test_what_cannot_be_typed_or_written_is_one_sentence(
    run: Run, other: Path, tmp_path: Path
) -> None:
    one_sentence(run("--text", "good \udcff film", "--against", other), "half a character")
    one_sentence(
        run("--text", "good film", "--against", other, "--attack", "none"), "nothing to run"
    )
    one_sentence(
        run("--examples", "2", "--max-seconds", "inf"), "is inf; it must be a number above 0"
    )
    (tmp_path / "set.jsonl").write_text(
        '{"text": "a \\ud800 film", "label": 1}\n{"text": "dull", "label": 0}\n'
    )
    one_sentence(run("--set", tmp_path / "set.jsonl"), "Row 1 of set.jsonl has half a character")


def test_a_set_is_read_by_the_columns_that_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "set.tsv").write_text("body\tstars\na good film\t1\ndull music\t0\n")
    assert (
        answer(
            run(
                "--set",
                tmp_path / "set.tsv",
                "--text-column",
                "body",
                "--label-column",
                "stars",
                "--json",
            )
        )["n"]
        == 2
    )


def test_texts_at_the_limit_are_told(run: Run, other: Path) -> None:
    done = run("--text", "good film " * 90, "--against", other, "--max-queries", "2")
    assert "reaches tiny-bert's limit" in done[2] and done[0] == 0


# The rows of a study


def test_the_rows_are_those_of_a_study_and_what_it_attacked_is_not_attacked_again(
    run: Run, tmp_path: Path, model_folder: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = StudySpec(
        model=str(model_folder),
        data=str(data_folder),
        calibration=40,
        eval_examples=50,
        attack_examples=9,
        seed=2,
        levels=(0.0, 0.5),
        device="cpu",
    )
    study = run_study(spec, Store(tmp_path / "cache"))
    ran: list[int] = []
    attempt = Attempt.run
    monkeypatch.setattr(Attempt, "run", lambda self: ran.append(self.example.row) or attempt(self))
    inputs = ("--seed", "2", "--eval-examples", "50", "--sparsity", "0.5", "--json")
    result = answer(run("--examples", "9", *inputs, "--log", tmp_path / "log.json"))
    assert ran == [] and (result["rows"], result["evaluated"], result["examples"]) == (60, 50, 9)
    for level, victim, log in zip(study.levels, result["victims"], result["logs"], strict=True):
        assert victim["aua"] == asdict(level.aua) and victim["asr"] == asdict(level.asr)
        assert tuple(text.record for text in read_log(log)) == level.attacks
    answer(run("--examples", "12", *inputs))
    first = {record.example for record in study.levels[0].attacks}
    assert len(ran) == 6 and not set(ran) & first  # three more, on both victims
    ran.clear()
    # of all 60 rows: another draw, other texts
    answer(run("--examples", "9", "--seed", "2", "--json"))
    assert len(ran) == 9


@settings(max_examples=40)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 5),
)
def test_of_two_numbers_of_attacked_rows_the_smaller_ones_are_among_the_larger_ones(
    rows: int, evaluated: int, few: int, many: int, seed: int
) -> None:
    examples = Examples(tuple(map(str, range(rows))), None, (0,) * rows)
    first, two = (drawn_rows(examples, evaluated, number, seed) for number in sorted((few, many)))
    assert (
        first[0] == two[0]
        and set(first[1]) <= set(two[1])
        and len(first[1]) == min(few, many, evaluated, rows)
    )
    # a batch on what a study has drawn
    again, attacked = drawn_rows(first[0], len(first[0]), few, seed)
    assert again == first[0] and attacked == drawn_rows(examples, evaluated, few, seed)[1]


def test_a_file_is_attacked_whole_and_halved_only_for_pruning(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "twelve.tsv"
    file.write_text("text\tlabel\n" + "".join(f"a good film {n}\t{n % 2}\n" for n in range(12)))
    done = run("--data", file, "--examples", "12", "--json")
    result = answer(done)
    assert (result["rows"], result["examples"], result["notices"], done[2]) == (12, 12, [], "")
    assert "12 examples, seed 0; 12 of 12 rows evaluated" in done[1]
    done = run(
        "--data", file, "--examples", "12", "--sparsity", "0.5", "--method", "magnitude", "--json"
    )
    message = (
        "twelve has 6 rows to evaluate (the other 6 of the file calibrate the pruned model), so 6 "
        "are attacked and not 12."
    )
    assert answer(done)["notices"] == [message] and message in done[2]
    done = run("--data", file, "--examples", "12", "--eval-examples", "7", "--json")
    assert answer(done)["notices"] == [
        "twelve has 12 rows to evaluate, of which --eval-examples draws 7, so 7 are attacked and "
        "not 12."
    ]


def signs_and_plain(tmp_path: Path) -> Path:
    """30 rows, of which 10 hold no word."""
    plain = [
        f"a {word} film {n}" for n in range(4) for word in ("good", "bad", "slow", "warm", "dull")
    ]
    rows = [*plain, *("!" * n for n in range(1, 11))]
    file = tmp_path / "thirty.tsv"
    file.write_text("text\tlabel\n" + "".join(f"{text}\t{n % 2}\n" for n, text in enumerate(rows)))
    return file


def test_evaluate_and_attack_count_texts_without_words_alike(
    run: Run, tmp_path: Path, model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = signs_and_plain(tmp_path)
    attacked = run("--data", file, "--examples", "30", "--json")
    result = answer(attacked)
    (victim,) = result["victims"]
    assert (
        main(
            [
                "evaluate",
                "--model",
                str(model_folder),
                "--data",
                str(file),
                "--attack",
                "deepwordbug",
                "--attack-examples",
                "30",
                "--device",
                "cpu",
                "--quiet",
                "--json",
            ]
        )
        == 0
    )
    out, err = capfd.readouterr()
    score = json.loads(out.splitlines()[-1])
    assert (
        score["acc"] == victim["acc"] and score["aua"] == victim["aua"] and score["acc"]["n"] == 30
    )
    assert (victim["untried"], victim["errors"], score["untried"], score["errors"]) == (
        10,
        0,
        10,
        0,
    )
    assert victim["acc"]["value"] == pytest.approx((30 - victim["skipped"]) / 30)
    message = "10 of 30 examples gave the attack nothing to try, as in TextAttack"
    assert (
        message in result["notices"][0]
        and message in attacked[2]
        and message in score["notices"][0]
        and message in err
    )
    assert (
        "(10 gave the attack nothing to try)" in out
        and "There are no words to attack." in result["notices"][0]
    )


def test_rows_of_which_none_can_be_attacked_are_refused_with_the_reason(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "signs.tsv"
    file.write_text("text\tlabel\n" + "".join(f"{'!' * n}\t{n % 2}\n" for n in range(1, 9)))
    one_sentence(
        run("--data", file, "--examples", "8"),
        "None of the 8 examples could be attacked, the first of them because: There are no words "
        "to attack",
    )


def test_acc_counts_answers_also_where_the_attack_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answer(run("--examples", "10", "--json"))["victims"][0]
    call = VictimModel.__call__

    def sick(self: VictimModel, texts: Any) -> Any:
        if self.queries and self.label == 1:
            raise ValueError("odd")
        return call(self, texts)

    monkeypatch.setattr(VictimModel, "__call__", sick)
    done = run("--examples", "10", "--max-queries", "10000", "--json")
    victim = answer(done)["victims"][0]
    assert (
        victim["acc"] == whole["acc"]
        and victim["errors"] > 0
        and "ValueError: odd" in answer(done)["notices"][0]
    )


@pytest.mark.parametrize(
    "command",
    [
        "attack --examples 4",
        "attack --text film",
        "study --levels 0",
        "evaluate",
        "members --recipe p1-table8 --out new",
        "alternatives --levels 0.5",
    ],
)
def test_damaged_resources_are_refused_before_any_work(
    command: str,
    tmp_path: Path,
    model_folder: Path,
    data_folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from made_up_resources import write_wordnet

    from prunescope.engine.models.fingerprint import PROBE

    folder = write_wordnet(tmp_path / "corpora" / "wordnet")
    (folder / "index.verb").unlink()
    monkeypatch.chdir(tmp_path)

    def read(_victim: object, texts: list[str], _pairs: object = None) -> None:
        assert texts == [PROBE], "more is read than what every model is opened with"

    monkeypatch.setattr("prunescope.engine.models.victim.Victim.read", read)
    name, *more = command.split()
    model = [] if name == "members" else ["--model", str(model_folder)]
    cache = [] if name == "evaluate" else ["--cache", str(tmp_path / "cache")]
    assert (
        main(
            [
                name,
                *more,
                *model,
                "--data",
                str(data_folder),
                "--attack",
                "pwws",
                "--resources",
                str(tmp_path),
                "--device",
                "cpu",
                "--quiet",
                *cache,
            ]
        )
        == 2
    )
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "index.verb is missing" in err
