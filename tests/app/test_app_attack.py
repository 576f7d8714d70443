"""The attack page as a person meets it: default, linked, empty, running, done, cancelled, failed,
damaged, and hostile.
"""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE
from made_up_studies import made_up_study, save
from made_up_texts import attack_result, batch_result, with_texts
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.charts import attack, files
from prunescope.app.charts.text import for_chart, plain
from prunescope.app.components.text_diff import escaped, marked
from prunescope.engine import (
    AttackSnapshot,
    CuratedSentence,
    CuratedSentences,
    LiveJob,
    Study,
    bundled_reviews,
)
from prunescope.engine.progress import ProgressState


def page(**query: str) -> AppTest:
    """At the sparsity that most of these studies measured, unless the address says another."""
    return app_at("attack", {"sparsity": "50", **query}).run()


def of(requests: list[LiveJob], do: str) -> LiveJob:
    return [job for job in requests if job.do == do][-1]


def told(app: AppTest) -> str:
    return "\n".join(
        block.value for kind in (app.text, app.caption, app.info, app.warning) for block in kind
    ).replace("\\", "")


def blocks(app: AppTest) -> str:
    """What stands in the page's own HTML."""
    return " ".join(block.body for block in app.get("html"))


def view(app: AppTest) -> dict[str, str]:
    """What the address carries."""
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in app.query_params.items()
    }


def attacked(requests: list[LiveJob], study: Study, **result: object) -> AppTest:
    """The page after an attack that ended with a result."""
    app = page(study=study.key[:12])
    app.text_area(key="a-text").set_value({**attack_result(), **result}["text"])
    app.button(key="a-start").click().run()
    answer = {**attack_result(), **result}
    end(requests, answer)
    app.run()
    transfer = of(requests, "transfer")
    transfer.state = "done"
    transfer.result = {name: answer[name] for name in ("transfer", "importance")}
    return app.run()


def end(requests: list[LiveJob], result: dict[str, Any]) -> None:
    """The attack that was asked for last ends with a result, and so does what follows."""
    job = of(requests, "attack")
    job.sides = {side["name"]: side for side in result["sides"]}
    job.state, job.result = "done", {**result, "unready": []}


def test_an_empty_store_says_what_to_do(cache: Path, requests: list[LiveJob]) -> None:
    app = page()
    assert not app.exception
    assert app.header[0].value == "No study yet"
    assert [link.proto.page for link in app.get("page_link")] == ["check"]


def test_the_page_opens_on_the_first_study_and_has_its_victims_made_ready(
    cache: Path, requests: list[LiveJob]
) -> None:
    study = save(cache, made_up_study())
    app = page()
    assert not app.exception
    assert app.selectbox(key="study").value == study.key and app.multiselect(
        key="a-victims"
    ).value == [f"{study.key[:12]}@0.5"]
    assert [job.do for job in requests] == ["ready"]
    assert requests[0].arguments["victims"] == [
        {"name": "Dense", "study": study.key, "sparsity": 0.0},
        {"name": "50%", "study": study.key, "sparsity": 0.5},
    ]
    app.run()
    assert len(requests) == 1


def test_an_attack_names_victims_attack_seed_budget_text_and_label(
    cache: Path, requests: list[LiveJob]
) -> None:
    study = save(cache, made_up_study())
    app = page()
    app.text_area(key="a-text").set_value("what a film")
    app.selectbox(key="a-truth").set_value(1)
    app.selectbox(key="a-attack").set_value("textfooler-like")
    app.multiselect(key="a-victims").set_value([f"{study.key[:12]}@0.4", f"{study.key[:12]}@0.9"])
    app.number_input(key="a-seed").set_value(3)
    app.number_input(key="a-queries").set_value(40)
    app.button(key="a-start").click().run()
    assert not app.exception
    arguments = of(requests, "attack").arguments
    assert [victim["sparsity"] for victim in arguments["victims"]] == [0.0, 0.4, 0.9]
    assert {name: value for name, value in arguments.items() if name != "victims"} == {
        "attack": "textfooler-like",
        "seed": 3,
        "queries": 40,
        "seconds": None,
        "text": "what a film",
        "label": 1,
    }


def test_a_percentage_that_was_typed_is_a_level_of_the_study(
    cache: Path, requests: list[LiveJob]
) -> None:
    from prunescope.engine.reading.levels import parse

    study, pattern = made_up_study(), made_up_study((0.0, 0.5), pattern="2:4")
    assert parse("63", [study], study) == (study, 0.63) and parse(" 12.5 % ", [study], study) == (
        study,
        0.125,
    )
    assert parse(f"{study.key[:12]}@0.9", [study], pattern) == (study, 0.9)
    for text in (
        "",
        "101",
        "-3",
        "half",
        f"{study.key[:12]}@x",
        f"{study.key[:12]}@1.5",
        "feedbeef0000@0.5",
        "@0.5",
    ):
        assert parse(text, [study], study) is None
    assert parse("63", [pattern], pattern) is None and parse("50", [pattern], pattern) == (
        pattern,
        0.5,
    )


def test_levels_of_studies_with_the_same_classes_are_offered_and_others_are_not(
    cache: Path, requests: list[LiveJob]
) -> None:
    own = save(cache, made_up_study())
    same = save(cache, made_up_study((0.0, 0.5), method="wanda", attacked=10))
    other = save(cache, made_up_study((0.0, 0.6), label_names=["a", "b", "c"], attacked=5))
    app = page(study=own.key[:12], victims=f"{own.key[:12]}@0.5 {same.key[:12]}@0.7")
    options = " ".join(app.multiselect(key="a-victims").options)
    assert "Wanda, 70%" in options and app.multiselect(key="a-victims").value == [
        f"{own.key[:12]}@0.5",
        f"{same.key[:12]}@0.7",
    ]
    assert [victim["name"] for victim in requests[-1].arguments["victims"]] == [
        "Dense",
        "50%",
        "Wanda, 70%",
    ]
    assert other.key[:4] not in options and "60%" not in options.replace("Wanda, 60%", "")


def test_a_sentence_is_picked_by_label_and_brings_its_label(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, with_texts())
    reviews = bundled_reviews()
    app = page()
    app.selectbox(key="a-pick-label").set_value(0).run()
    picker = app.selectbox(key="a-picked")
    rows = [int(option.split(":")[0]) for option in picker.options[1:]]
    assert rows and all(reviews.labels[row] == 0 for row in rows)
    app = picker.set_value(rows[2]).run()
    assert not app.exception and app.text_area(key="a-text").value == reviews.texts[rows[2]]
    app.button(key="a-start").click().run()
    assert of(requests, "attack").arguments["label"] == 0
    assert view(app)["row"] == str(rows[2]) and "text" not in app.query_params


def test_a_sentence_is_picked_by_what_the_study_found(cache: Path, requests: list[LiveJob]) -> None:
    # of 20 attacked, dense breaks the first 8, the level at 50 % the first 12
    study = save(cache, with_texts())
    app = page()
    kinds = app.selectbox(key="a-pick-kind").options
    assert "only 50% fails" in kinds
    app.selectbox(key="a-pick-kind").set_value("only B breaks").run()
    assert [option.split(":")[0] for option in app.selectbox(key="a-picked").options[1:]] == [
        "8",
        "9",
        "10",
        "11",
    ]
    assert study.level(0.5) is not None


def test_typing_over_a_picked_sentence_lets_go_of_its_label(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, with_texts())
    app = page(row="3")
    assert app.text_area(key="a-text").value == bundled_reviews().texts[3]
    app.text_area(key="a-text").set_value("something else").run()
    app.button(key="a-start").click().run()
    assert of(requests, "attack").arguments["label"] is None and "row" not in app.query_params


def test_texts_that_are_not_here_are_told_and_nothing_else_is_lost(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study(spec={"model": "embedded", "data": "/nowhere/sst2"}))
    app = page()
    assert not app.exception and "not on this machine" in told(app)


def test_an_attack_that_lacks_something_stands_apart_and_says_what(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page(attack="checklist")
    assert "CheckList needs flair" in told(app) and "DeepWordBug is picked instead" in told(app)
    assert app.selectbox(key="a-attack").value == "deepwordbug"
    assert "CheckList" not in app.selectbox(key="a-attack").options
    assert any("CheckList needs flair" in text.value for text in app.markdown)
    assert not app.button(key="a-start").disabled


def test_the_address_carries_the_view_and_opens_it_again(
    cache: Path, requests: list[LiveJob]
) -> None:
    study = save(cache, made_up_study())
    app = page()
    app.text_area(key="a-text").set_value("what a film")
    app.multiselect(key="a-victims").set_value([f"{study.key[:12]}@0.9"])
    app.number_input(key="a-seed").set_value(7).run()
    carried = view(app)
    assert carried == {
        "sparsity": "90",
        "victims": f"{study.key[:12]}@0.9",
        "attack": "deepwordbug",
        "text": "what a film",
        "seed": "7",
    }
    again = page(**carried)
    assert (
        again.text_area(key="a-text").value == "what a film"
        and again.number_input(key="a-seed").value == 7
    )
    assert again.multiselect(key="a-victims").value == [f"{study.key[:12]}@0.9"]


def test_a_long_text_stays_out_of_the_address(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page()
    app.text_area(key="a-text").set_value("secret " * 40).run()
    assert "text" not in app.query_params


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        (
            {"study": "feedbeef0000"},
            "The study “feedbeef0000” is not in this store",
        ),
        ({"victims": "feedbeef0000@0.5"}, "The link names the victim “feedbeef0000@0.5”"),
        ({"attack": "nonsense"}, "The link says attack = “nonsense”"),
        ({"row": "7"}, "The link names row “7”"),
        ({"job": "0123"}, "The attack of this link is over"),
        ({"batch": "0123"}, "The batch of this link is over"),
    ],
)
def test_a_stale_link_says_so(
    cache: Path, requests: list[LiveJob], query: dict[str, str], notice: str
) -> None:
    save(cache, made_up_study())
    app = page(**query)
    assert not app.exception and notice in told(app)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e400", "x", "", "99999999999999999999"])
def test_numbers_of_a_link_that_are_out_of_range_are_passed_over(
    cache: Path, requests: list[LiveJob], value: str
) -> None:
    save(cache, made_up_study())
    app = page(seed=value, queries=value, seconds=value, row=value, label=value)
    assert not app.exception and app.number_input(key="a-queries").value == 0


def test_a_reload_finds_the_attack_that_is_running(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page().button(key="a-start").click().run()
    job = of(requests, "attack")
    job.state = "running"
    again = page(job=view(app)["job"])
    assert "cancel-attack" in [button.key for button in again.button]
    again.button(key="cancel-attack").click().run()
    assert job.state == "cancelled" and "Cancelled" in told(again)


def test_steps_are_shown_while_the_attack_runs(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page()
    app.text_area(key="a-text").set_value("a fine film")
    app.button(key="a-start").click().run()
    job = of(requests, "attack")
    job.state, job.snapshots = (
        "running",
        {"50%": AttackSnapshot("try", 7, "a f1ne film", 0.4, [(1, 0.9), (7, 0.4)])},
    )
    app.run()
    assert not app.exception
    assert "<u>[f1ne]</u>" in blocks(app) and "trying changes" in blocks(app)
    assert "7 queries, confidence down to 40.0%" in blocks(app)
    assert "DeepWordBug at work" in told(app)


def test_the_result_of_one_model_stands_while_another_is_pruned_and_says_how_long(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page().button(key="a-start").click().run()
    job = of(requests, "attack")
    job.state, job.unready = "running", ["50%"]
    job.sides = {"Dense": attack_result()["sides"][0]}
    app.run()
    prune = of(requests, "prune")
    prune.state, prune.progress = "running", ProgressState("block 2: output", 1, 4, 40.2)
    app.run()
    assert "The dense model withstands the attack." in blocks(app)
    assert "Being pruned first, about 40 s left." in blocks(app)
    assert "cancel-attack" in [button.key for button in app.button]


def test_while_a_model_is_pruned_a_sparser_one_is_attacked_under_its_own_name(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page()
    app.button(key="a-start").click().run()
    job = of(requests, "attack")
    job.state, job.unready, job.stand_ins = "running", ["50%"], {"50%": "75%"}
    app.run()
    assert "It must be pruned first" in blocks(app)
    dense, sparse = attack_result()["sides"][:2]
    job.sides = {"Dense": {**dense, "name": "Dense"}, "75%": {**sparse, "name": "75%"}}
    prune = of(requests, "prune")
    prune.state, prune.progress = "running", ProgressState("block 2: output", 1, 4, 40.2)
    app.run()
    assert not app.exception
    assert "75%, while 50% is being pruned" in blocks(app)
    assert "50% takes its place when it is pruned. About 40 s left." in blocks(app)
    prune.state, prune.result = "done", {"notice": None}
    job.state = "done"
    job.result = {**attack_result(), "sides": [job.sides["Dense"]], "unready": ["50%"]}
    app.run()
    assert "75%, while 50% is attacked" in blocks(app)
    later = of(requests, "attack")
    assert later is not job
    later.sides = {"50%": {**sparse, "name": "50%"}}
    later.state, later.result = "done", {**attack_result(), "sides": list(later.sides.values())}
    app.run()
    assert "75%" not in blocks(app)


def test_models_that_must_be_pruned_are_named_before_the_click(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page()
    ready = of(requests, "ready")
    ready.state, ready.unready = "done", ["50%"]
    app.run()
    assert "50% must be pruned first; the others do not wait for it." in told(app) or (
        "50% (about" in told(app) and "must be pruned first" in told(app)
    )
    assert [job.do for job in requests] == ["ready"], "nothing is pruned before it is asked for"
    ready.stand_ins = {"50%": "75%"}
    assert "Until then 75% is attacked in place of 50%." in told(app.run())
    ready.unready, ready.stand_ins = [], {}
    assert "All of these are attacked at once." in told(app.run())


def test_a_model_that_withstood_shows_how_close_it_came(
    cache: Path, requests: list[LiveJob]
) -> None:
    app = attacked(requests, save(cache, made_up_study()))
    assert "How close it came: 61.0% with this text" in blocks(app)
    assert "9 texts tried, changing 2 of 3 words" in blocks(app)


def test_a_result_is_old_once_the_form_holds_something_else(
    cache: Path, requests: list[LiveJob]
) -> None:
    app = attacked(requests, save(cache, made_up_study()))
    assert "earlier attack" not in told(app)
    app.text_area(key="a-text").set_value("another film").run()
    assert "Below is an earlier attack, on “a fine film”" in told(app)
    assert "another sentence" in told(app) and "50%" in blocks(app)
    app.text_area(key="a-text").set_value("a fine film")
    app.number_input(key="a-seed").set_value(9).run()
    assert "The form holds other settings" in told(app)


def test_a_click_on_a_curated_sentence_attacks_it_at_once(
    cache: Path, requests: list[LiveJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = save(cache, made_up_study())
    one = CuratedSentence(
        "Never dull.", 1, study.key[:12], 0.8, "deepwordbug", 4, "Look at “dull”.", {}
    )
    elsewhere = replace(one, text="Not here.", study="feedbeef0000")
    shown = CuratedSentences((one, elsewhere), 240)
    monkeypatch.setattr("prunescope.engine.data.curated.curated_sentences", lambda: shown)
    monkeypatch.setattr("prunescope.engine.curated_sentences", lambda: shown, raising=False)
    app = page()
    assert "found by searching 240 sentences" in told(app) and "Look at “dull”" in told(app)
    assert not [button for button in app.button if button.key == "a-card-1"]
    app.button(key="a-card-0").click().run()
    arguments = of(requests, "attack").arguments
    assert (arguments["text"], arguments["label"], arguments["seed"]) == ("Never dull.", 1, 4)
    assert [victim["sparsity"] for victim in arguments["victims"]] == [0.0, 0.8]
    assert view(app)["sparsity"] == "80"
    app.run()
    assert len([job for job in requests if job.do == "attack"]) == 1
    app.text_area(key="a-text").set_value("My own, and it says the opposite.").run()
    assert app.selectbox(key="a-truth").value == -1, "the label goes with its sentence"
    app.selectbox(key="a-truth").set_value(0).run()
    app.text_area(key="a-text").set_value("Another of my own.").run()
    assert app.selectbox(key="a-truth").value == 0, "one that was picked by hand stays"


def test_another_sparsity_travels_to_the_other_pages(cache: Path, requests: list[LiveJob]) -> None:
    study = save(cache, made_up_study())
    app = page()
    app.multiselect(key="a-victims").set_value([f"{study.key[:12]}@0.9"]).run()
    assert view(app)["sparsity"] == "90"


def test_a_failed_attack_is_one_sentence(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page().button(key="a-start").click().run()
    of(requests, "attack").state, of(requests, "attack").reason = (
        "failed",
        "The text has 2000 characters; shorten it.",
    )
    app.run()
    assert (
        not app.exception
        and app.error[0].value.replace("\\", "") == "The text has 2000 characters; shorten it."
    )


def test_the_result_shows_every_side_the_transfer_and_the_words(
    cache: Path, requests: list[LiveJob]
) -> None:
    app = attacked(requests, save(cache, made_up_study()))
    assert not app.exception
    shown = blocks(app)
    assert "The dense model withstands the attack. The 50% model fails." in shown
    for kind, verdict in (("withstands", "withstands"), ("fails", "fails")):
        assert re.search(rf'<div class="side {kind}">.*?</span> {verdict}</span>', shown)
    assert "<u>[f1ne]</u>" in shown and "positive → negative" in shown
    assert "93.0% → 21.0%" in shown and "1 of 3 words changed" in shown and "0.81" in shown
    frame = app.dataframe[0].value
    assert frame.iloc[0].tolist() == ["50%", "withstands · 60%", "fails · 21%"]


def test_a_result_without_breaks_and_without_words_is_told(
    cache: Path, requests: list[LiveJob]
) -> None:
    app = attacked(requests, save(cache, made_up_study()), transfer={}, importance=None)
    assert not app.exception
    assert "No model failed" in told(app) and "2 to 60 words" in told(app)


def test_a_batch_is_asked_for_shown_and_found_again(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page()
    app.number_input(key="a-count").set_value(20)
    app.button(key="a-batch").click().run()
    job = of(requests, "batch")
    assert job.arguments["count"] == 20 and len(job.arguments["victims"]) == 2
    job.state, job.progress = "running", ProgressState("attack", 3, 40)
    again = page(batch=view(app)["batch"])
    assert any(
        "attack 3 of 40" in bar.proto.text.replace("\\", "") for bar in again.get("progress")
    )
    job.state, job.result = "done", batch_result()
    again.run()
    assert not again.exception
    assert "both withstand 1, only Dense fails 0, only 50% fails 1, both fail 2; p = 1." in told(
        again
    )


@pytest.mark.parametrize(
    "text", ["a fine film", 'it\'s $HOME `ls` "x"; rm -rf /', "--sparsity 0.9", *HOSTILE[:4]]
)
def test_the_command_line_says_the_same_and_is_quoted(text: str) -> None:
    import shlex

    from prunescope.engine.cli.main import parsed
    from prunescope.engine.reading import commands

    study = made_up_study(spec={"model": "my model", "data": None, "seed": 3, "method": "wanda"})
    request = commands.AttackCommand(text, "textfooler-like", 1, 3, 40)
    lines = commands.shell(
        *(commands.attack_command(study, sparsity, request) for sparsity in (0.5, 0.9))
    ).splitlines()
    assert len(lines) == 2
    for line, sparsity in zip(lines, (0.5, 0.9), strict=True):
        options = parsed(shlex.split(line)[1:])
        assert (options.model, options.method, options.sparsity, options.text) == (
            "my model",
            "wanda",
            sparsity,
            text,
        )
        assert (options.attack, options.seed, options.label, options.max_queries) == (
            "textfooler-like",
            3,
            "1",
            40,
        )


def test_a_damaged_study_is_set_aside_with_a_notice(cache: Path, requests: list[LiveJob]) -> None:
    good, bad = save(cache, made_up_study()), save(cache, made_up_study((0.0, 0.5)))
    path = cache / "studies" / bad.key / "study.json"
    path.write_bytes(path.read_bytes()[:-30])
    app = page()
    assert not app.exception and "set aside" in told(app)
    assert app.selectbox(key="study").value == good.key


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_written_and_never_rendered(text: str) -> None:
    markup = {"<u>[", "]</u>", "<span class='was'>", "</span>"}
    for written in (
        marked([[text, text], ["plain", text], [text, "plain"]]),
        escaped(text),
        for_chart(text),
    ):
        bare = written
        for tag in markup:
            bare = bare.replace(tag, "")
        assert "<" not in bare and ">" not in bare
    assert not re.search(r"(?<!\\)[`*_\[\]()<>$&:#|~]", plain(text))
    for character in "\u202e\u2066\u200b\u200d\ufeff\x00\x1b\x7f":
        assert character not in escaped(text)
    assert html.unescape(escaped("naïve “film” <b>")) == "naïve “film” <b>"


def test_hostile_text_passes_through_the_whole_page(cache: Path, requests: list[LiveJob]) -> None:
    text = " ".join(text for text in HOSTILE if len(text) < 60)
    perturbed = text.replace("x", "y")
    app = attacked(
        requests,
        save(cache, made_up_study(label_names=["<b>no</b>", "$yes$"])),
        **{**attack_result(text=text, perturbed=perturbed), "label_names": ["<b>no</b>", "$yes$"]},
    )
    assert not app.exception
    for block in app.get("html"):
        assert not re.search(r"<(?!/?(div|p|u|span|style)\b)", block.body)
    assert not any(
        "<b>" in markdown.value or "onerror" in markdown.value for markdown in app.markdown
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_survives_the_exports(text: str) -> None:
    outcome = attack_result(perturbed=f"{text} fine film", text="a fine film")
    table = attack.sides_table(outcome).assign(extra=text)
    for make in (files.to_csv, files.to_json, files.to_markdown, files.to_latex):
        assert "50%" in make(table, {"text": text}).replace("\\", "")


def test_the_charts_escape_names_and_words() -> None:
    result = attack_result(("Dense", "<b>50</b> %"), "a <i>fine</i> film", "a <i>f1ne</i> film")
    paths = attack.paths({side["name"]: side["path"] for side in result["sides"]}, "<b>yes</b>")
    words = attack.importance_map(attack.importance_table(result["importance"]))
    assert words.layout.yaxis.automargin, "the victims are named beside their rows"
    for figure in (paths, words):
        assert not re.search(
            r"<(?!br>|extra>|/extra>)", json.dumps(figure.to_plotly_json(), default=list)
        )


def test_victims_differ_in_dash_marker_and_sign_and_not_by_colour_alone() -> None:
    assert all(len(set(column)) == 4 for column in zip(*attack.LOOKS, strict=True))
    names = ("Dense", "a", "b", "c")
    figure = attack.paths(dict.fromkeys(names, ((1, 0.9), (5, 0.2))), "positive")
    assert figure.layout.yaxis.title.text == "confidence in “positive”"
    assert attack.paths({}, None).layout.yaxis.title.text == "confidence in the true label"
    assert [trace.name for trace in figure.data] == list(names) and list(figure.data[0].y) == [
        90.0,
        20.0,
    ]


def test_of_a_long_text_the_words_that_matter_most_are_drawn_in_their_order() -> None:
    falls = [0.001 * index for index in range(50)]
    table = attack.importance_table(
        {"words": [f"w{index}" for index in range(50)], "falls": {"Dense": falls}}
    )
    figure = attack.importance_map(table)
    assert list(figure.layout.xaxis.ticktext) == [f"w{index}" for index in range(20, 50)]


def test_the_batch_table_and_chart_hold_every_rate_with_its_interval() -> None:
    table = attack.batch_table(batch_result())
    assert table["acc"].tolist() == [100.0, 100.0] and table["aua"].tolist() == [50.0, 25.0]
    assert table["p_holm"].isna().tolist() == [True, False]
    figure = attack.batch_chart(table)
    assert list(figure.data[1].x) == [100.0, 25.0, 75.0]
    assert figure.data[1].error_x.array[1] == pytest.approx(table["aua_high"][1] - 25)
    assert attack.batch_transfer(batch_result()).iloc[0].tolist() == [
        "Dense",
        2,
        "50% of 2",
        "50% of 2",
    ]


def test_a_study_that_was_removed_meanwhile_is_told_and_its_victims_go(
    cache: Path, requests: list[LiveJob]
) -> None:
    first, second = save(cache, made_up_study()), save(cache, made_up_study((0.0, 0.5)))
    app = page(study=first.key[:12], victims=f"{first.key[:12]}@0.9")
    shutil.rmtree(cache / "studies" / first.key)
    app.text_area(key="a-text").set_value("a fine film").run()
    assert not app.exception and app.selectbox(key="study").value == second.key
    assert "is not in this store" in told(app) and first.key[:12] not in " ".join(
        app.multiselect(key="a-victims").value
    )


def test_a_text_without_words_cannot_be_attacked(cache: Path, requests: list[LiveJob]) -> None:
    save(cache, made_up_study())
    app = page()
    assert not app.button(key="a-start").disabled
    app.text_area(key="a-text").set_value("!!! … ?").run()
    assert app.button(key="a-start").disabled


def test_a_label_that_is_none_leaves_the_automatic_one(
    cache: Path, requests: list[LiveJob]
) -> None:
    save(cache, made_up_study())
    app = page(label="7")
    assert "the automatic one is shown" in told(app) and app.selectbox(key="a-truth").value == -1
