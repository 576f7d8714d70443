"""The model card: what it says is true of the files beside it, and foreign names stay text."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prunescope.engine.cli.main import main, parsed
from prunescope.engine.export.card import CardFacts, escaped
from prunescope.engine.export.folder import export_model, unpack_folder
from prunescope.engine.export.packed import save_packed
from prunescope.engine.models.victim import Victim
from prunescope.engine.store import Store

SMALL = "--calibration 40 --held-out 10 --device cpu --quiet --method magnitude"
Exported = Callable[[str], str]


@pytest.fixture(scope="module")
def bench(model_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cache in which 75% were measured, with an attack, and 50% were not."""
    folder = tmp_path_factory.mktemp("cards")
    study = f"study {SMALL} --levels 0,0.75 --eval-examples 30 --attack-examples 4"
    names = ("--model", str(model_folder), "--data", str(data_folder))
    assert main([*study.split(), *names, "--cache", str(folder / "cache")]) == 0
    return folder


@pytest.fixture
def card_of(bench: Path, model_folder: Path, data_folder: Path, tmp_path: Path) -> Exported:
    """The card of an export with these options."""

    def card_of(options: str) -> str:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        words = f"export {SMALL} {options}".split()
        names = ("--model", str(model_folder), "--data", str(data_folder), "--out", str(out))
        assert main([*words, *names, "--cache", str(bench / "cache")]) == 0
        return (out / "README.md").read_text(encoding="utf-8")

    return card_of


def front_matter(card: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return values


@pytest.mark.parametrize("form", ["folder", "packed"])
def test_a_card_has_the_measured_figures(card_of: Exported, bench: Path, form: str) -> None:
    card = card_of(f"--sparsity 0.75 --format {form}")
    store = Store(bench / "cache")
    (study,) = [head for head in store.studies() if not head.bundled]
    dense, level = store.study(study.key).levels  # type: ignore[union-attr]
    for measure, rate in (("Accuracy", level.acc), ("Accuracy under attack", level.aua)):
        (line,) = [line for line in card.splitlines() if re.match(rf"\| {measure} [(|]", line)]
        assert rate is not None and line.endswith(
            f"{100 * rate.value:.1f}% \\[{100 * rate.low:.1f}, {100 * rate.high:.1f}\\], "
            f"n = {rate.n} |"
        )
    assert f"| Accuracy | {100 * dense.acc.value:.1f}% " in card
    head = front_matter(card)
    assert head["pipeline_tag"] == "text-classification" and "base_model" not in head
    assert head["library_name"] == {"folder": "transformers", "packed": "prunescope"}[form]
    metrics = {one["type"]: one["value"] for one in head["model-index"][0]["results"][0]["metrics"]}
    assert metrics["accuracy"] == round(level.acc.value or 0, 6)
    assert "75% requested, 75.00% achieved" in card and "40 texts of tiny" in card
    assert "not measured" not in card


def test_what_nobody_measured_is_said_with_the_command_that_measures_it(card_of: Exported) -> None:
    card = card_of("--sparsity 0.5")
    assert "Accuracy and Accuracy under attack: not measured." in card
    assert "model-index" not in front_matter(card)
    commands = re.findall(r"^prunescope (study|export) (.*)$", card, re.MULTILINE)
    assert [name for name, _ in commands] == ["study", "export"]
    for name, line in commands:
        options = parsed([name, *line.split()])
        assert (options.calibration, options.method) == (40, "magnitude")
    assert parsed(["study", *commands[0][1].split()]).levels == (0.0, 0.5)


def test_a_card_names_no_folder_of_this_machine(
    card_of: Exported, model_folder: Path, bench: Path
) -> None:
    card = card_of("--sparsity 0.5")
    assert "PATH/TO/tiny-bert" in card and "PATH/TO/tiny" in card
    assert (
        str(model_folder.parent) not in card and str(bench) not in card and os.sep * 2 not in card
    )


def test_hashes_and_bytes_are_those_of_the_files(victim: Victim, tmp_path: Path) -> None:
    save_packed(victim, tmp_path / "packed", {})
    for folder in (export_model(victim, tmp_path / "out", {}), tmp_path / "packed"):
        card = (folder / "README.md").read_text(encoding="utf-8").replace("\\", "")
        for path in folder.iterdir():
            if path.name != "README.md":
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                assert f"| {path.name} | {path.stat().st_size:,} | {digest} |" in card


@pytest.mark.parametrize("form", ["folder", "packed"])
def test_the_snippet_loads_the_model(
    victim: Victim, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder = tmp_path / "out"
    if form == "folder":
        export_model(victim, folder, {})
    else:
        save_packed(victim, folder, {})
    card = (folder / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(folder)
    exec(snippet, {})
    labels = {*victim.label_names, *victim.model.config.id2label.values()}
    assert labels & set(capsys.readouterr().out.split())


def test_unpacking_keeps_the_card_s_facts(victim: Victim, tmp_path: Path) -> None:
    facts = CardFacts("A title", "A summary.", "someone/base", made=(("Method", "by hand"),))
    save_packed(victim, tmp_path / "packed", {}, card=facts)
    unpack_folder(tmp_path / "packed", tmp_path / "out")
    export_model(victim, tmp_path / "same", {}, facts)
    # the tokenizer that is written again has another tokenizer_config.json
    cards = [
        (tmp_path / name / "README.md").read_text("utf-8").partition("## Files")[0]
        for name in ("out", "same")
    ]
    assert cards[0] == cards[1] and "base_model: someone/base" in cards[0]


def test_foreign_names_stay_text(victim: Victim, tmp_path: Path) -> None:
    name = "---\n# <script>alert(1)</script> ![x](http://x.y) | `a` \u202e$z$"
    facts = CardFacts(name, name, name, data=name, notices=(name,), label_names=(name, "```\n"))
    facts = replace(facts, made=((name, name),), command="prunescope export --model '```\n# x'")
    card = (export_model(victim, tmp_path / "out", {}, facts) / "README.md").read_text("utf-8")
    head, body = card.split("\n---\n", 1)
    assert front_matter(card)["library_name"] == "transformers" and "base_model" not in head
    outside = re.sub(r"````sh\n.*?````\n|```python\n.*?```\n", "", body, flags=re.DOTALL)
    assert "````sh\nprunescope export --model '```\n# x'\n````" in body
    assert not re.search(r"(?<!\\)[<`$]|(?<!\\)\[x|\u202e|(?<!\\)://", outside)
    assert all(line.count(" | ") in (1, 2) for line in outside.splitlines() if line[:1] == "|")


@given(st.text(max_size=30))
def test_an_escaped_text_has_no_bare_mark(text: str) -> None:
    result = escaped(text)
    assert "\n" not in result and not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|]", result)


def test_a_trained_model_has_a_card_without_this_machine_s_folders(
    model_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    line = f"finetune --model {model_folder} --data {data_folder} --epochs 0.1 --max-tokens 32"
    line += f" --label-names bad,good --device cpu --quiet --out {tmp_path}/tuned"
    masked = line.replace("finetune", "masktrain --sparsity 0.5").replace("/tuned", "/mask")
    assert main(line.split()) == main(masked.split()) == 0
    for name, form in (("tuned", "transformers"), ("mask", "prunescope")):
        card = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        assert front_matter(card)["library_name"] == form
        assert "| Base model | tiny-bert |" in card and "| Classes | bad, good |" in card
        assert str(model_folder.parent) not in card
