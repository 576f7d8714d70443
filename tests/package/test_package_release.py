"""What names the version and the papers, names the same ones."""

import re

import yaml

import prunescope
from prunescope.engine.paths import PROJECT
from prunescope.engine.reading.titles import PAPERS

CITATION = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))


def test_citation_and_changelog_name_the_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([\d.]+)\] - ([\d-]+)$", changelog, re.MULTILINE)
    assert newest
    assert newest[1] == CITATION["version"] == prunescope.__version__
    assert newest[2] == str(CITATION["date-released"])


def test_the_citation_names_both_papers_and_their_authors() -> None:
    assert len(CITATION["references"]) == len(PAPERS)
    for reference, paper in zip(CITATION["references"], PAPERS.values(), strict=True):
        assert reference["title"] in paper and str(reference["year"]) in paper
        authors = [author["family-names"] for author in reference["authors"]]
        assert f"{', '.join(authors[:-1])} and {authors[-1]}," in paper


def test_the_notice_names_every_part_of_the_bundle() -> None:
    notice = (PROJECT / "NOTICE").read_text(encoding="utf-8")
    parts = {path.name for path in (PROJECT / "cache" / "bundled").iterdir() if path.is_dir()}
    assert {part for part in parts if f"{part}/" not in notice} == set()
