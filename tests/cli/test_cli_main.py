"""The parser: a setting that a message names is phrased as this command's flag."""

import pytest

from prunescope.engine.cli.main import parsed
from prunescope.engine.errors import phrase


@pytest.mark.parametrize(
    ("command", "text", "phrased"),
    [
        ("study", "Give `levels=0,0.5`.", "Give --levels 0,0.5."),
        ("study", "Map it with `label_map`.", "Map it with --label-map."),
        ("study", "Use `label_map=neg one=0`.", "Use --label-map='neg one=0'."),
        ("study", "Use `label_map=-1=0`.", "Use --label-map=-1=0."),
        ("study", "Prune all the same with `force=true`.", "Prune all the same with --force."),
        ("alternatives", "Leave it out with `int8=false`.", "Leave it out with --no-int8."),
        ("demo", "Give `levels`.", "Give `levels`."),
    ],
)
def test_a_setting_is_phrased_as_the_flag_of_the_command(
    command: str, text: str, phrased: str
) -> None:
    assert phrase(text, parsed([command]).parser.flag_of) == phrased
