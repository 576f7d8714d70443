"""What a study would read, before it starts: light, tolerant, and the same as the study itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_models import write_model, write_reviews

from prunescope.engine.data.label_map import LabelMap, label_map_text
from prunescope.engine.records import StudySpec
from prunescope.engine.studies.prepare import prepare
from prunescope.engine.studies.preview import StudyPreview, is_on_hub, preview_study


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


def test_the_preview_says_what_the_study_does(model: Path, tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "rows.tsv", 60)
    spec = StudySpec(
        model=str(model), data=str(data), attack_examples=10, calibration=20, held_out=5
    )
    preview = preview_study(spec)
    assert not preview.problem and preview.uses is not None and preview.model is not None
    prepared = prepare(spec)
    counts = prepared.study.about["counts"]
    assert counts == {
        "calibration": preview.uses.calibration,
        "held_out": preview.uses.held_out,
        "evaluation": preview.uses.evaluation,
        "attacked": preview.uses.attacked,
    }
    assert preview.model.classes == prepared.victim.label_names
    assert preview.model.prunable == prepared.study.about["prunable"]
    assert preview.model.inner == 64
    assert StudyPreview.of(json.loads(json.dumps(preview.payload()))) == preview


def test_labels_are_shown_with_what_they_mean_and_why(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = [f"film {n},{label}" for n in range(10) for label in ("LABEL_0", "LABEL_1", "")]
    path.write_text("text,label\n" + "\n".join(f"{n} {row}" for n, row in enumerate(rows)) + "\n")
    data = preview_study(StudySpec(model=str(model), data=str(path))).data
    assert data is not None
    lines = {line.label: (line.rows, line.target, line.why) for line in data.labels}
    assert lines == {
        "LABEL_0": (10, "LABEL_0", "name"),
        "LABEL_1": (10, "LABEL_1", "name"),
        "": (10, None, "left out"),
    }
    chosen = preview_study(
        StudySpec(model=str(model), data=str(path), label_map="LABEL_0=1,LABEL_1=0")
    ).data
    assert chosen is not None and {line.why for line in chosen.labels} == {"choice", "left out"}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("utterance,label\na,0\n", "text_column"),
        ("text,verdict\na,0\n", "label_column"),
        ("text,label\na,bad\nb,good\n", "label_map"),
        ("", "data"),
        ("text,label\na,0\n", "data"),
    ],
)
def test_a_problem_names_where_it_is_mended_and_the_rest_is_shown(
    tmp_path: Path, content: str, place: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content)
    preview = preview_study(StudySpec(data=str(path)))
    assert preview.problem and preview.place == place and preview.model is not None
    assert (preview.data is not None) == bool(content)


def test_a_model_that_cannot_be_opened_is_said_and_the_data_shown(tmp_path: Path) -> None:
    preview = preview_study(StudySpec(model=str(tmp_path)))
    assert preview.place == "model" and "config.json" in preview.problem
    assert preview.data is not None and preview.data.rows == 1820


def test_too_few_tokens_are_said_where_the_method_needs_them(model: Path, tmp_path: Path) -> None:
    data = str(write_reviews(tmp_path / "rows.tsv", 8))

    def lacking(**settings: object) -> int:
        uses = preview_study(StudySpec(model=str(model), data=data, **settings)).uses
        assert uses is not None
        return uses.lacking

    assert lacking() == 64, "four texts, one of them held out"
    assert lacking(method="magnitude") == lacking(force=True) == lacking(levels=(0.0,)) == 0
    assert preview_study(StudySpec(model=str(model), data=data, method="odd")).problem


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from prunescope.engine.studies.preview import preview_study; "
        "from prunescope.engine.records import StudySpec; preview_study(StudySpec()); "
        "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_names_of_the_hub_are_told_from_paths(tmp_path: Path) -> None:
    assert is_on_hub("nyu-mll/glue:sst2") and is_on_hub("imdb")
    assert not any(map(is_on_hub, ("embedded", "/nowhere", "rows.csv", str(tmp_path), "a/b/c")))


@pytest.mark.parametrize("labels", [("bad", "good"), ("a, b", "c=d"), ("'x'", '{"'), ("é", " ")])
def test_a_written_label_map_reads_back(labels: tuple[str, str]) -> None:
    text = label_map_text({labels[0]: 0, labels[1]: None})
    assert LabelMap.parse(text).targets == {labels[0]: 0, labels[1].strip(): None}
