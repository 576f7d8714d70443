"""The report of a whole study: everything in one page, and no text in it is more than text."""

import re
from dataclasses import replace

import pytest
from hostile import HOSTILE
from made_up_studies import made_up_study
from test_app_exports import Tags

from prunescope.app.charts import files, report
from prunescope.engine import Study


def study_report(study: Study, points: float) -> str:
    return report.studies_report([study], points)


def outside(page: str) -> str:
    """The page without Plotly."""
    return page.replace(files.plotly_script(), "")


def test_it_holds_every_level_the_paired_table_and_the_commands() -> None:
    page = outside(study_report(made_up_study(), 3.0))
    for level in ("0", "40", "50", "90"):
        assert f"<td>{level}</td>" in page
    assert "90.0 [82.6, 94.5], n = 100" in page
    assert (
        "prunescope study" in page
        and "<strong>No measured sparsity is safe" in page
        and "p, Holm" in page
    )
    assert made_up_study().key in page


def test_it_says_what_its_levels_were_measured_with() -> None:
    study = made_up_study()
    machine = {"device": "<i>A processor", "threads": 1, "torch": "2.13.0"}
    first = replace(study, levels=(replace(study.levels[0], machine=machine), *study.levels[1:]))
    assert "&lt;i&gt;A processor, 1 thread, PyTorch 2.13.0" in outside(study_report(first, 3.0))
    assert "measured with" not in outside(study_report(study, 3.0))


def test_it_asks_for_nothing_outside() -> None:
    page = outside(study_report(made_up_study(), 3.0))
    assert not re.search(r"(src|href)=", page) and "http" not in page


def test_a_study_without_attack_and_one_without_dense_have_a_report() -> None:
    assert "p, Holm" not in study_report(made_up_study(attacked=0), 3.0)
    assert "95% interval 0" not in outside(study_report(made_up_study((0.4, 0.5)), 3.0))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    study = made_up_study(
        model=text,
        data=text,
        method=text,
        label_names=[text, text],
        spec={"model": text, "data": text},
    )
    page = outside(study_report(study, 3.0))
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)
    assert len(scripts) == 3 and all("<" not in script for script in scripts)
    own = (
        "html head meta title style script body main h1 h2 p strong div table thead tbody tr th "
        "td dl dt dd pre"
    )
    assert set(Tags(page).found) <= set(own.split())
    assert not set("\x00\x1b\u202e\u200b") & set(page)


def test_several_studies_stand_in_one_report() -> None:
    studies = [made_up_study(), made_up_study((0.0, 0.5), method="sparsegpt")]
    page = outside(report.studies_report(studies, 3.0))
    assert all(study.key in page for study in studies)
    assert "2 studies: Adaptive (PruneScope), SparseGPT" in page
    places = re.findall(r'<div id="([^"]+)"', page)
    assert places == ["together", "curves-1", "layers-1", "curves-2", "layers-2"]
    assert page.count("<h3>Reproduce</h3>") == 2 and page.count("What the numbers mean") == 1
    assert "<td>90.0 (82.6–94.5)</td>" in page
    assert not re.search(r"(src|href)=", page) and "http" not in page
