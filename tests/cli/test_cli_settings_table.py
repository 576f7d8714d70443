"""docs/SETTINGS.md says what the code says."""

from prunescope.engine import paths
from prunescope.engine.cli.main import parsed
from prunescope.engine.cli.settings_table import SECTIONS, settings_table
from prunescope.engine.config.describe import settings_of
from prunescope.engine.records import StudySpec


def test_the_page_of_settings_is_as_the_code_makes_it() -> None:
    page = (paths.PROJECT / "docs" / "SETTINGS.md").read_text(encoding="utf-8")
    assert page == settings_table()


def test_every_described_setting_is_on_the_page() -> None:
    page = settings_table()
    for _, _, record in SECTIONS:
        for name, described in settings_of(record).items():
            assert not described.setting.help or f"| `{name}` | `{described.flag}` |" in page


def test_a_study_has_an_option_for_every_setting_and_starts_with_its_default() -> None:
    options = parsed(["study"])
    for name, described in settings_of(StudySpec).items():
        if name != "levels":
            assert getattr(options, name) == described.default
            assert described.flag in options.parser.options()
