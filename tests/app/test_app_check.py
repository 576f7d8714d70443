"""The page Check my model as a person meets it: own rows in, what is read of them, settings, start,
and the form after a reload.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_studies import made_up_study, save
from pages import app_at
from streamlit.testing.v1 import AppTest

from prunescope.app.screens.check.link import view_of_study
from prunescope.app.screens.check.settings import levels_in
from prunescope.app.screens.check.start import command
from prunescope.engine import JobQueue, LiveJob, SettingError, Store, StudySpec, Workbench, paths

HOSTILE = "<b>**x**</b> $a$ [l](http://x) \u202etxt.exe"


class Asked(list[LiveJob]):
    """What the page asked of the worker; no worker runs."""


MEMBERS = paths.BUNDLED / "members"  # the built-in models are made of these


@pytest.fixture(autouse=True)
def requests(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    (paths.BUNDLED / "members").symlink_to(MEMBERS)
    jobs = Asked()

    def submit(self: Workbench, do: str, **arguments: Any) -> LiveJob:
        jobs.append(LiveJob(len(jobs) + 1, do, arguments))
        return jobs[-1]

    monkeypatch.setattr(Workbench, "submit", submit)
    monkeypatch.setattr(Workbench, "warm", lambda self: None)
    monkeypatch.setattr(Workbench, "cancel", lambda self, job: setattr(job, "state", "cancelled"))
    monkeypatch.setattr(JobQueue, "start", lambda self: None)
    return jobs


def page(**query: str) -> AppTest:
    return app_at("check", query).run()


def shown(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.text, app.info, app.warning, app.error, app.code)
    return "\n".join(str(block.value) for kind in kinds for block in kind).replace("\\", "")


def rows(folder: Path, labels: list[Any], name: str = "own.csv", **columns: str) -> Path:
    """Twenty rows for each label, as a file of the kind that the name says."""
    frame = pd.DataFrame(
        {
            columns.get("text", "text"): [
                f"a film of {n} good scenes" for n in range(20 * len(labels))
            ],
            columns.get("label", "label"): labels * 20,
        }
    )
    path = folder / name
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False, sep=columns.get("sep", ","))
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t")
        case ".jsonl":
            lines = [json.dumps(row) for row in frame.to_dict("records")]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        case ".parquet":
            frame.to_parquet(path)
    return path


def upload(app: AppTest, path: Path) -> AppTest:
    app.file_uploader(key="check-uploader").set_value((path.name, path.read_bytes(), "text/plain"))
    return app.run()


def test_an_empty_form_asks_for_data_and_cannot_start(cache: Path) -> None:
    app = page()
    assert not app.exception and "Name the data" in shown(app)
    assert app.button(key="start").disabled


@pytest.mark.parametrize("name", ["own.csv", "own.tsv", "own.jsonl", "own.parquet"])
def test_an_uploaded_file_is_shown_with_its_labels_and_what_it_is_used_for(
    cache: Path, tmp_path: Path, name: str
) -> None:
    app = upload(page(), rows(tmp_path, ["negative", "positive"], name))
    assert not app.exception and not app.error
    text = shown(app)
    assert "40 rows" in text and "same name" in text and "are evaluated" in text
    assert [box.label for box in app.selectbox if " · " in box.label] == [
        "negative · 20 rows",
        "positive · 20 rows",
    ]
    assert app.button(key="start").disabled is False
    (stored,) = (cache / "uploads").glob("*/*")
    assert stored.name == name


def test_the_form_and_the_upload_outlast_a_reload(cache: Path, tmp_path: Path) -> None:
    app = upload(page(), rows(tmp_path, [0, 1]))
    app.number_input(key="check-attack_examples").set_value(60).run()
    app.text_input(key="check-levels").set_value("0, 62.5").run()
    app.selectbox(key="check-pattern-listed").set_value("row").run()
    query = {name: "".join(value) for name, value in app.query_params.items()}
    assert query["data"].startswith("upload:") and query["attack_examples"] == "60"
    again = page(**query)
    assert not again.exception and "own.csv" in shown(again)
    assert again.number_input(key="check-attack_examples").value == 60
    assert again.text_input(key="check-levels").value == "0, 62.5"
    assert again.selectbox(key="check-pattern-listed").value == "row"


def test_a_link_to_an_upload_that_is_not_here_says_so(cache: Path) -> None:
    app = page(data="upload:0123456789ab")
    assert not app.exception and "is not on this machine; upload it again" in shown(app)


def test_a_damaged_upload_is_set_aside_and_said(cache: Path, tmp_path: Path) -> None:
    app = upload(page(), rows(tmp_path, [0, 1]))
    query = {name: "".join(value) for name, value in app.query_params.items()}
    (stored,) = (cache / "uploads").glob("*/*")
    stored.write_bytes(b"text,label\nother,1\n")
    assert "set aside" in shown(page(**query))
    assert not list((cache / "uploads").glob("*/*"))


def test_an_upload_can_be_deleted(cache: Path, tmp_path: Path) -> None:
    app = upload(page(), rows(tmp_path, [0, 1]))
    app.button(key="check-delete-file").click().run()
    assert not app.exception and not list((cache / "uploads").glob("*/*"))
    assert app.file_uploader(key="check-uploader") is not None


def test_only_the_label_that_is_no_class_is_asked_for(
    cache: Path, tmp_path: Path, requests: Asked
) -> None:
    app = upload(page(), rows(tmp_path, ["negative", "postive", "Positive"]))
    assert "the label “postive” means. Choose it below, or leave such rows out." in shown(app)
    assert app.selectbox(key="check-label-Positive").value == 1
    app.selectbox(key="check-label-postive").set_value(-1).run()
    assert not app.exception and not app.warning[0].value.startswith("Nothing says")
    assert app.button(key="start").disabled is False


def test_a_file_without_column_names_is_told_to_get_them(cache: Path, tmp_path: Path) -> None:
    app = upload(page(), rows(tmp_path, [0, 1], text="a good film", label="positive"))
    assert "begin the file with a line of column names" in shown(app)


def test_labels_that_nothing_explains_are_asked_for(
    cache: Path, tmp_path: Path, requests: Asked
) -> None:
    app = upload(page(), rows(tmp_path, ["bad", "good"]))
    assert "Nothing says which class of the model the labels “bad”, “good” mean" in shown(app)
    assert app.button(key="start").disabled and "label map" not in shown(app)
    app.selectbox(key="check-label-bad").set_value(0).run()
    assert app.button(key="start").disabled
    app.selectbox(key="check-label-good").set_value(1).run()
    assert "Nothing says" not in shown(app) and "your choice" in shown(app)
    app.button(key="start").click().run()
    assert requests[-1].arguments["spec"]["label_map"] == "bad=0,good=1"
    app.button(key="cancel-check").click().run()
    app.button(key="check-automatic").click().run()
    assert "Nothing says which class" in shown(app)


def test_columns_of_other_names_are_chosen_on_the_page(
    cache: Path, tmp_path: Path, requests: Asked
) -> None:
    path = rows(tmp_path, [0, 1], text="utterance", label="verdict")
    app = upload(page(), path)
    assert "Choose the text column above" in shown(app)
    assert app.button(key="start").disabled
    app.selectbox(key="check-text_column").set_value("utterance").run()
    assert "Choose the label column above" in shown(app)
    app.selectbox(key="check-label_column").set_value("verdict").run()
    assert not app.error
    app.button(key="start").click().run()
    spec = requests[-1].arguments["spec"]
    assert (spec["text_column"], spec["label_column"]) == ("utterance", "verdict")


def test_another_file_forgets_columns_that_it_does_not_have(cache: Path, tmp_path: Path) -> None:
    app = upload(page(), rows(tmp_path, [0, 1], text="utterance"))
    app.selectbox(key="check-text_column").set_value("utterance").run()
    app.button(key="check-other-file").click().run()
    app = upload(app, rows(tmp_path, [0, 1], "second.csv"))
    assert not app.exception and not app.error and "second.csv" in shown(app)


REFUSED = {
    "empty.csv": (b"", "empty"),
    "two.csv": (b"text,label\na film,1\n", "too few"),
    "latin.csv": ("text,label\nfílm,1\n".encode("latin-1"), "is not UTF-8"),
    "odd.parquet": (b"PAR1 and nothing", "not a readable Parquet file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_used_says_why(cache: Path, tmp_path: Path, name: str) -> None:
    content, says = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    app = upload(page(), tmp_path / name)
    assert not app.exception and says in shown(app) and name in shown(app)
    assert (
        str(cache) not in shown(app).split("prunescope study")[0]
        and app.button(key="start").disabled
    )


def test_a_path_and_a_model_folder_are_checked_when_typed(cache: Path, tmp_path: Path) -> None:
    app = page()
    app.radio(key="check-model-kind").set_value("folder").run()
    app.text_input(key="check-model-folder").set_value(str(tmp_path / "none")).run()
    app.radio(key="check-data-kind").set_value("path").run()
    app.text_input(key="check-data-path").set_value(str(rows(tmp_path, [0, 1]))).run()
    assert "There is no model folder" in shown(app) and "first 5 of 40 rows" in shown(app)
    assert app.button(key="start").disabled
    app.radio(key="check-data-kind").set_value("built-in").run()
    app.radio(key="check-data-kind").set_value("path").run()
    assert app.text_input(key="check-data-path").value.endswith("own.csv"), "typed, so kept"


def test_names_of_the_hub_are_looked_up_only_when_asked(cache: Path, requests: Asked) -> None:
    app = page(data="nyu-mll/glue:sst2")
    assert requests == [] and "Nothing is fetched until you press it" in shown(app)
    app.button(key="check-look-up").click().run()
    assert (
        requests[0].do == "preview" and requests[0].arguments["spec"]["data"] == "nyu-mll/glue:sst2"
    )


def test_what_strangers_wrote_is_shown_as_it_is(cache: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {HOSTILE: [f"{HOSTILE} {n}" for n in range(30)], "label": [HOSTILE, "x"] * 15}
    )
    frame.to_csv(tmp_path / "h.csv", index=False)
    app = upload(page(), tmp_path / "h.csv")
    app.selectbox(key="check-text_column").set_value(HOSTILE.strip()).run()
    assert not app.exception
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    marked = [str(block.value) for kind in kinds for block in kind]
    labels = [box.label for box in app.selectbox]
    assert not any("<b>" in text or "[l](" in text or "\u202e" in text for text in marked + labels)


def test_what_starts_is_checked_first_then_queued_and_named_in_the_address(
    cache: Path, requests: Asked
) -> None:
    app = page(data="embedded")
    app.text_input(key="check-levels").set_value("0, 62.5 %").run()
    app.number_input(key="check-seed").set_value(7).run()
    app.button(key="start").click().run()
    assert not app.exception and requests[0].do == "check"
    spec = requests[0].arguments["spec"]
    assert (spec["levels"], spec["seed"]) == ((0.0, 0.625), 7)
    assert JobQueue(cache).rows() == []  # not before it is known to be well
    requests[0].state, requests[0].result = "done", {"key": "k", "about": {}, "stored": []}
    app.run()
    (row,) = JobQueue(cache).rows()
    assert row.state == "queued" and row.arguments["seed"] == 7
    assert app.query_params["job"] in (row.id, [row.id])


def test_what_the_engine_refuses_is_said_and_not_queued(cache: Path, requests: Asked) -> None:
    app = page(data="embedded")
    app.button(key="start").click().run()
    requests[0].state, requests[0].reason = "failed", "too few tokens: or `force` it."
    app.run()
    assert "or “Force” it" in shown(app) and JobQueue(cache).rows() == []


def test_a_check_can_be_cancelled(cache: Path, requests: Asked) -> None:
    app = page(data="embedded")
    app.button(key="start").click().run()
    app.button(key="cancel-check").click().run()
    assert "Cancelled before it started" in shown(app) and JobQueue(cache).rows() == []


BAD = {
    "0, x": "is not a list of percentages",
    "120": "120% is not a sparsity",
    "nan": "nan% is not a sparsity",
    "": "no levels",
}


@pytest.mark.parametrize(("levels", "says"), BAD.items())
def test_a_field_that_cannot_be_is_said_at_once(cache: Path, levels: str, says: str) -> None:
    app = page(data="embedded")
    app.text_input(key="check-levels").set_value(levels).run()
    assert says in shown(app) and app.button(key="start").disabled


def test_a_like_study_gives_an_estimate(cache: Path) -> None:
    study = made_up_study(attacked=20)
    for level in study.levels:
        level.seconds.update(prune=100.0, evaluate=1.0, attack=20.0)
    save(cache, study)
    text = shown(page(data="embedded"))
    assert "on this machine" in text and "1 stored study of this model" in text


def test_the_command_line_says_what_the_form_says() -> None:
    spec = StudySpec(model="my model", levels=(0.0, 0.625), seed=3)
    assert command(spec).endswith("study --background --model 'my model' --levels 0,0.625 --seed 3")
    assert levels_in("50, 0,12.5%, 50") == (0.0, 0.125, 0.5)
    with pytest.raises(SettingError, match="percentages"):
        levels_in("a half")


def test_strangers_cannot_start_or_upload(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_PUBLIC", "1")
    app = page()
    assert not app.exception and not app.button and "public page" in shown(app)
    assert Store(cache).studies()[:0] == []


def test_a_link_to_a_study_shows_its_answer(cache: Path) -> None:
    study = save(cache, made_up_study())
    app = page(study=study.key[:12])
    assert not app.exception
    text = shown(app) + "\n".join(header.value for header in app.header)
    assert "with 95% confidence" in text or "is safe" in text
    assert "in place of" in text and "not measured on this machine" in text
    levels = app.selectbox(key="answer-level").options
    assert levels[0].startswith("40%") and not any("probably" in level for level in levels)
    assert "Size on disk, packed:" in text


def test_a_study_fills_the_form_again(cache: Path) -> None:
    spec = StudySpec(seed=5, calibration=64, label_map="0=0,1=1", max_queries=50)
    study = save(cache, made_up_study(spec={**asdict(spec)}))
    app = page(study=study.key[:12])
    app.button(key="again").click().run()
    assert not app.exception
    assert app.number_input(key="check-seed").value == 5
    assert app.number_input(key="check-calibration").value == 64
    assert app.text_input(key="check-max_queries").value == "50"
    assert app.text_input(key="check-levels").value == "0, 40, 50, 90"
    assert "".join(app.query_params["label_map"]) == "0=0,1=1"


def test_a_study_of_a_former_solver_is_measured_again_with_it(cache: Path) -> None:
    study = save(cache, made_up_study(spec={**asdict(StudySpec())}))
    former = replace(study, identity={**study.identity, "plan": {"method": {"solver": "joint"}}})
    assert view_of_study(former)["method"] == "adaptive:solver=joint-grouped"


def test_a_job_shows_its_progress_and_the_answer_when_levels_are_there(cache: Path) -> None:
    row = JobQueue(cache).submit(StudySpec(levels=(0.0, 0.5), device="cpu"))
    app = page(job=row.id)
    assert not app.exception and "Waiting" in shown(app)
    assert "The answer appears here with the first levels" in shown(app)
    study = save(cache, made_up_study())
    JobQueue(cache)._rows.change(row.id, "1", study=study.key, state="failed", reason="Stopped.")
    app = page(job=row.id)
    assert "Failed" in shown(app) and app.button(key=f"resume-{row.id}") is not None
    assert "in place of" in shown(app), "the levels that are there have an answer"


def test_a_study_without_a_level_says_where_it_stands(cache: Path) -> None:
    bare = made_up_study((0.0, 0.3))
    Store(cache).save_study(bare)
    app = page(study=bare.key[:12])
    assert not app.exception and "before a level was done" in shown(app)
