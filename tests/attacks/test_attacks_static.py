"""Fixed adversarial sets: what is read from each kind of file, and what a set does to a victim,
counted by hand.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prunescope.engine.attacks.logs import write_log
from prunescope.engine.attacks.static import StaticSet, compare_static, read_answers, run_static
from prunescope.engine.attacks.static_files import fit_to_victim, read_set
from prunescope.engine.attacks.texts import AttackText
from prunescope.engine.attacks.transfer import Transfer, transfer
from prunescope.engine.data import Classes, Examples
from prunescope.engine.errors import DataError, SettingError
from prunescope.engine.models.victim import Victim
from prunescope.engine.records import AttackRecord, Rate

Says = Callable[..., Victim]
NAN = float("nan")


@pytest.fixture
def says(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> Says:
    """A victim that answers as a table says: text → class, or NaN."""

    def make(
        table: dict[str, int | float], name: str = "tiny", classes: tuple[str, ...] = ("no", "yes")
    ) -> Victim:
        return replace(victim, name=name, label_names=classes, tokenizer=table)

    def answer(service: Any, items: Sequence[str | tuple[str, str]]) -> list[torch.Tensor]:
        answers = [
            service.victim.tokenizer[item if isinstance(item, str) else " / ".join(item)]
            for item in items
        ]
        return [
            torch.full((2,), NAN)
            if label != label
            else torch.tensor([0.9, 0.1])[[label, 1 - label]]
            for label in answers
        ]

    def begin(service: Any, victim: Victim) -> None:
        service.name, service.victim = victim.name, victim

    monkeypatch.setattr("prunescope.engine.attacks.static.VictimService.__init__", begin)
    monkeypatch.setattr("prunescope.engine.attacks.static.VictimService.answer", answer)
    monkeypatch.setattr("prunescope.engine.attacks.static._cut", lambda victim, static: 0)
    return make


CLEAN, ADVERSARIAL, LABELS = ("a", "b", "c", "d", "e"), ("A", "B", "C", "D", "E"), (1, 1, 0, 0, 1)
PAIRS = StaticSet("set", Examples(ADVERSARIAL, None, LABELS), Examples(CLEAN, None, LABELS))


def table(clean: Sequence[float], adversarial: Sequence[float]) -> dict[str, float]:
    return dict(zip(CLEAN + ADVERSARIAL, (*clean, *adversarial), strict=True))


def test_a_set_alone_gives_accuracy(says: Says) -> None:
    result = run_static(says(table((1,) * 5, (1, 0, 0, 1, 1))), replace(PAIRS, clean=None))
    assert (result.adversarial, result.clean, result.aua, result.asr) == (
        Rate.of(3, 5),
        None,
        None,
        None,
    )
    assert [record.outcome for record in result.on_adversarial] == [
        "held",
        "broken",
        "held",
        "broken",
        "held",
    ]


def test_clean_texts_say_who_counts_as_attacked(says: Says) -> None:
    result = run_static(says(table((1, 1, 1, 0, NAN), (1, 0, 0, 1, 1))), PAIRS)
    assert [record.outcome for record in result.attacks] == [
        "held",
        "broken",
        "skipped",
        "broken",
        "error",
    ]
    assert (result.adversarial, result.clean) == (Rate.of(3, 5), Rate.of(3, 5))
    assert (result.aua, result.asr, result.errors) == (Rate.of(1, 5), Rate.of(2, 3), 1)
    assert (result.attacks[0].truth_before, result.attacks[1].truth_after) == (0.9, 0.1)
    assert result.attacks[4].truth_before is None and "NaN" in result.attacks[4].reason


def test_two_victims_are_compared_on_all_texts_and_on_those_both_read_rightly(says: Says) -> None:
    first = run_static(says(table((1, 1, 0, 0, 1), (1, 0, 0, 1, 1))), PAIRS)
    second = run_static(says(table((1, 0, 0, 0, 1), (0, 0, 0, 0, 0))), PAIRS)
    paired = compare_static(first, second)
    assert (
        paired.adversarial.both_hold,
        paired.adversarial.only_first_breaks,
        paired.adversarial.only_second_breaks,
        paired.adversarial.both_break,
    ) == (1, 1, 2, 1)
    assert (
        paired.attacks is not None
        and paired.attacks.first == Rate.of(1, 4)
        and paired.attacks.second == Rate.of(2, 4)
    )
    alone = compare_static(*(replace(result, attacks=()) for result in (first, second)))
    assert alone.attacks is None


def test_a_text_is_asked_once_and_reported(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, queries = says({"a": 1, "b": 0, "a / b": 1}), []
    old = read_answers.__globals__["VictimService"].answer
    monkeypatch.setattr(
        "prunescope.engine.attacks.static.VictimService.answer",
        lambda self, items: queries.append(list(items)) or old(self, items),
    )
    reports: list[tuple[int, int]] = []
    result = read_answers(
        victim,
        [("a", None), ("b", None), ("a", None), ("a", "b")],
        lambda _, done, total: reports.append((done, total)),
    )
    assert queries == [["a", "b"], [("a", "b")]] and reports[-1] == (3, 3)
    assert [int(result[text].argmax()) for text in (("a", None), ("b", None), ("a", "b"))] == [
        1,
        0,
        1,
    ]


def test_answers_of_a_real_victim_are_its_probabilities(victim: Victim) -> None:
    result = read_answers(victim, [("a good film", None), ("the plot", "was thin")])
    logits = torch.cat(
        [victim.read(["a good film"])[0], victim.read(["the plot"], ["was thin"])[0]]
    )
    torch.testing.assert_close(
        torch.stack(list(result.values())), logits.double().softmax(dim=1), atol=1e-6, rtol=0
    )


def test_texts_that_fill_the_limit_are_counted(victim: Victim) -> None:
    texts = ("good " * 100, "good", "good", "good " * 99)
    result = run_static(
        victim,
        StaticSet(
            "set", Examples(texts, None, (0, 1, 0, 1)), Examples(texts[::-1], None, (0, 1, 0, 1))
        ),
    )
    assert result.cut == 2


# Transfer


def found_on_first(outcomes: str) -> list[AttackText]:
    words = {"b": "broken", "h": "held", "s": "skipped"}
    return [
        AttackText(
            AttackRecord(i, words[letter], 5, 1, 1, 0.9, 0.1),
            LABELS[i],
            CLEAN[i],
            ADVERSARIAL[i],
            1,
            0,
            0.1,
        )
        for i, letter in enumerate(outcomes)
    ]


def test_transfer_counts_what_broke_the_source_and_the_target_had_right(says: Says) -> None:
    """a, b, d broke the source; the target is wrong on clean d, and breaks on A alone."""
    target = says(table((1, 1, 0, 1, 1), (0, 1, 1, 1, 1)))
    result = transfer({"source": found_on_first("bbhbs")}, {"target": target})
    assert result == {"source": {"target": Transfer(3, Rate.of(1, 2), 0)}}


def test_transfer_between_all_and_from_a_victim_that_never_broke(says: Says) -> None:
    victims = {
        "x": says(table((1, 1, 0, 0, 1), (0, 0, 1, 1, 0))),
        "y": says(table((1, NAN, 0, 0, 1), (1, 0, 0, 1, 1))),
    }
    result = transfer({"x": found_on_first("bbbbb"), "y": found_on_first("hhshh")}, victims)
    assert result["x"] == {"x": Transfer(5, Rate.of(5, 5), 0), "y": Transfer(5, Rate.of(1, 4), 1)}
    assert result["y"] == {"x": Transfer(0, Rate.of(0, 0), 0), "y": Transfer(0, Rate.of(0, 0), 0)}


def test_a_label_that_the_target_lacks_is_refused(says: Says) -> None:
    texts = [replace(text, truth=2) for text in found_on_first("hb")]
    with pytest.raises(DataError, match="Row 1 of what broke source has the label 2"):
        transfer({"source": texts}, {"target": says(table((1,) * 5, (1,) * 5))})


# Files


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_labelled_texts_of_one_task(tmp_path: Path) -> None:
    path = write(
        tmp_path / "set.tsv",
        "task\ttext_a\ttext_b\tlabel",
        "sst2\ta film\t\t1",
        "qqp\twhy\thow\t0",
        "sst2\tno film\t\t0",
    )
    result = read_set(path, "sst2")
    assert (
        result.adversarial == Examples(("a film", "no film"), None, (1, 0)) and result.clean is None
    )
    assert (result.name, result.classes.names) == ("set.tsv, sst2", ("negative", "positive"))
    assert read_set(path, where=["task=qqp"]).adversarial == Examples(("why",), ("how",), (0,))
    with pytest.raises(SettingError, match="holds the tasks qqp, sst2; choose one with `task`"):
        read_set(path)
    with pytest.raises(SettingError, match="no row whose task is 'mnli'; it has qqp, sst2"):
        read_set(path, "mnli")


def test_advglues_own_file_has_a_list_of_rows_for_each_task(tmp_path: Path) -> None:
    lists = {
        "sst2": [
            {"idx": 0, "label": 1, "sentence": "a film"},
            {"idx": 1, "label": 0, "sentence": "no film"},
        ],
        "qqp": [{"idx": 0, "label": 1, "question1": "why", "question2": "how"}],
        "mnli-mm": [{"idx": 0, "label": 2, "premise": "a", "hypothesis": "b"}],
    }
    (tmp_path / "dev.json").write_text(json.dumps(lists))
    assert read_set(tmp_path / "dev.json", "sst2").adversarial == Examples(
        ("a film", "no film"), None, (1, 0)
    )
    assert read_set(tmp_path / "dev.json", "qqp").adversarial.pairs == ("how",)
    result = read_set(tmp_path / "dev.json", "mnli-mm")
    assert (result.adversarial.texts, result.classes.names) == (
        ("a",),
        ("entailment", "neutral", "contradiction"),
    )
    with pytest.raises(
        SettingError, match="holds the tasks mnli-mm, qqp, sst2; choose one with `task`"
    ):
        read_set(tmp_path / "dev.json")


def test_a_list_of_rows_in_json_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text('[{"text": "a film", "label": 1}]')
    assert read_set(tmp_path / "set.json").adversarial == Examples(("a film",), None, (1,))


def test_texts_side_by_side(tmp_path: Path) -> None:
    path = write(
        tmp_path / "set.csv",
        "run_type,text1,text2,original_class",
        "jin,good film,fine film,1",
        "x,a [[b]],a [[c]],0",
    )
    result = read_set(path)
    assert result.clean == Examples(("good film", "a b"), None, (1, 0))
    assert result.adversarial == Examples(("fine film", "a c"), None, (1, 0))
    assert "'original_class', is taken for true" in result.notices[0] and len(result.notices) == 1
    assert len(read_set(path, where=["run_type=jin"])) == 1


def test_a_blank_line_in_every_text_divides_a_pair(tmp_path: Path) -> None:
    line = (
        '{"original_text": "one\\n\\ntwo", "perturbed_text": "one\\n\\n[[three]]", '
        '"original_output": 2}'
    )
    result = read_set(write(tmp_path / "set.jsonl", line, line), "mnli")
    assert result.adversarial == Examples(("one", "one"), ("three", "three"), (2, 2))
    assert any("one blank line" in notice for notice in result.notices)
    assert any(notice.startswith("The clean texts of 2 rows occur") for notice in result.notices)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_the_broken_examples_of_a_log(tmp_path: Path, suffix: str) -> None:
    path = write_log(tmp_path / f"log{suffix}", found_on_first("bhsbh"))
    result = read_set(path)
    assert result.clean == Examples(("a", "d"), None, (1, 0)) and result.adversarial.texts == (
        "A",
        "D",
    )
    assert result.notices[0].startswith("2 of the 5 attacks")
    assert read_set(path, "sst2").classes.names == ("negative", "positive")
    with pytest.raises(SettingError, match="what the labels of 'sst3' mean is unknown"):
        read_set(path, "sst3")
    with pytest.raises(DataError, match="holds 2 attacks and none broke"):
        read_set(write_log(tmp_path / f"none{suffix}", found_on_first("hs")))


def test_rows_of_a_json_log_cannot_be_chosen_and_lines_of_json_are_no_log(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no columns to choose rows by"):
        read_set(write_log(tmp_path / "log.json", found_on_first("b")), where=["a=b"])
    lines = ['{"text": "a", "label": 1}', '{"text": "b", "label": 0}']
    assert read_set(
        write(tmp_path / "set.json", *lines), where=["label=0"]
    ).adversarial == Examples(("b",), None, (0,))


@pytest.mark.parametrize(
    ("lines", "says_what"),
    [
        (["text\tlabel"], "no rows"),
        ([""], "is empty"),
        (["words\tlabel", "a\t1"], "no text column"),
        (["text\tstars", "a\t1"], "no label column"),
        (["text\tlabel", " \t1"], "Row 1 of set.tsv has no text in 'text'"),
        (
            ["text_a\ttext_b\tlabel", "a\tb\t1", "a\t\t1"],
            "Row 2 of set.tsv has no text in 'text_a' or 'text_b'",
        ),
        (["text1\ttext2\toriginal_class", "a\t\t1"], "Row 1 of set.tsv has no text in 'text2'"),
        (["text\tlabel", "a\t0.5"], "0.5"),
    ],
    ids=str,
)
def test_a_file_that_is_no_set(tmp_path: Path, lines: list[str], says_what: str) -> None:
    with pytest.raises(DataError) as caught:
        read_set(write(tmp_path / "set.tsv", *lines))
    assert says_what in str(caught.value)


@pytest.mark.parametrize(
    ("where", "says_what"),
    [("size=3", "no column 'size', it has text, label"), ("size", "'size' is no choice")],
)
def test_a_choice_of_rows_that_is_none(tmp_path: Path, where: str, says_what: str) -> None:
    with pytest.raises(SettingError, match=says_what):
        read_set(write(tmp_path / "set.tsv", "text\tlabel", "a\t1"), where=[where])


# Labels


def of_task(classes: tuple[str, ...] | None, labels: tuple[int, ...] = (0, 1)) -> StaticSet:
    return StaticSet(
        "set",
        Examples(("a", "b"), None, labels),
        Examples(("c", "d"), None, labels),
        Classes(classes, True),
    )


def test_labels_follow_the_names_of_the_classes(says: Says) -> None:
    swapped = says({}, classes=("POSITIVE", "Negative"))
    fitted = fit_to_victim(of_task(("negative", "positive")), swapped)
    assert (
        fitted.adversarial.labels == (1, 0)
        and fitted.clean is not None
        and fitted.clean.labels == (1, 0)
    )
    assert fit_to_victim(of_task(None), swapped) == of_task(None)
    # as the file calls them
    own = StaticSet("set", Examples(("a",), None, (0,)), None, Classes(("positive",)))
    assert fit_to_victim(own, says({}, classes=("negative", "positive"))).adversarial.labels == (1,)


def test_labels_stay_where_names_do_not_tell_and_a_notice_says_so(says: Says) -> None:
    fitted = fit_to_victim(
        of_task(("negative", "positive")), says({}, classes=("LABEL_0", "LABEL_1"))
    )
    assert fitted.adversarial.labels == (0, 1)
    assert fitted.notices == (
        "The labels of set are taken for the classes of tiny in this order: negative for LABEL_0, "
        "positive for LABEL_1. Where that is wrong, say which is which with `label_map`.",
    )


def test_a_victim_with_other_classes_is_refused(says: Says) -> None:
    with pytest.raises(
        DataError,
        match=r"has 3 classes \(entailment, neutral, contradiction\) and tiny has 2 \(no, yes\)",
    ):
        fit_to_victim(of_task(("entailment", "neutral", "contradiction")), says({}))
    with pytest.raises(DataError, match=r"label 2, outside the model's 0\.\.1"):
        run_static(says({}), of_task(None, (0, 2)))
    with pytest.raises(DataError, match=r"label 5, outside the 0\.\.1 of the names no, yes"):
        fit_to_victim(of_task(("no", "yes"), (0, 5)), says({}))


def test_the_published_sets_are_read() -> None:
    folder = Path(os.environ.get("PRUNESCOPE_DATA") or ".") / "published_attacks"
    if not (folder / "advglue_dev.tsv").is_file():
        pytest.skip("PRUNESCOPE_DATA names no folder with published_attacks/")
    sizes = {"sst2": 148, "qqp": 78, "mnli": 121, "mnli-mm": 162}
    for task, size in sizes.items():
        result = read_set(folder / "advglue_dev.tsv", task)
        assert len(result) == size and (result.adversarial.pairs is None) is (task == "sst2")
    sampled = read_set(
        folder / "reevaluating_100_sampled_per_run.parquet", "imdb", ["run_type=jin"]
    )
    assert (
        len(sampled) == 100
        and sampled.clean is not None
        and sampled.clean.labels == sampled.adversarial.labels
    )
    inference = read_set(folder / "reevaluating_mnli_textfooler.parquet", "mnli")
    assert len(inference) == 966 and inference.adversarial.pairs is not None
    run = "run=results/bert-mr-test/word-swap-embedding/lax/greedyWIR_delete.csv"
    assert len(read_set(folder / "textattack_search_benchmark_bert_mr.parquet", where=[run])) == 394
