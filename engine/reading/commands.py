"""Command lines that reproduce what a page shows: a study, a pruned model, an attack.

Every command is a tuple of words, as a process takes them; `shell` writes such tuples as text for a
terminal. Settings at their defaults are left out. The tests parse every command back with the
command line's own parser.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from prunescope.engine.paths import BUNDLED, in_checkout
from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.records import Study, StudySpec
from prunescope.engine.studies.stored import stored_settings

if TYPE_CHECKING:
    from prunescope.engine.subnetworks.figures import SubnetworkTable
    from prunescope.engine.training.records import MemberSet

PROGRAM = ("prunescope",)
MODEL_FOLDER = "pruned-model"  # the folder of an exported model
ATTACK_FIELDS = ("attack", "max_queries", "max_seconds", "resources")
STUDY_FIELDS = (*ATTACK_FIELDS, "eval_examples", "attack_examples", "levels")  # not of an export
DEFAULTS = {field.name: getattr(StudySpec(), field.name) for field in fields(StudySpec)}
_PLAIN = re.compile(r"--[a-z-]+=")
Command = tuple[str, ...]
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttackCommand:
    """The attack on one text, as the attack page asks for it."""

    text: str
    attack: str
    label: int | None = None
    seed: int = 0
    max_queries: int | None = None
    max_seconds: float | None = None


def shell(*commands: Sequence[str]) -> str:
    """Commands as text for a terminal, one a line, with shell quoting."""
    return "\n".join(" ".join(map(_quoted, command)) for command in commands)


def command(*words: str) -> Command:
    """A command of this program: `command("runs", "list")`."""
    return (*PROGRAM, *words)


def study_command(settings: Settings, background: bool = False) -> Command:
    """The study with these settings of a `StudySpec`; the others keep their defaults."""
    flags = ("--background",) if background else ()
    return command("study", *flags, *_options(settings, tuple(DEFAULTS)))


def repeat_command(study: Study, levels: Iterable[float]) -> Command:
    """Measure these levels of a stored study again."""
    settings = {name: value for name, value in _settings(study).items() if name != "levels"}
    return (*study_command(settings), "--levels", _text(tuple(levels)))


def export_command(
    study: Study, sparsity: float, folder: str = MODEL_FOLDER, form: str = "packed"
) -> Command:
    """Prune the model of a study and write it to a folder."""
    where = () if form == "folder" else ("--format", form)
    words = _victim("export", _settings(study))
    return (*words, "--sparsity", _number(sparsity), *where, "--out", folder)


def attack_command(study: Study, sparsity: float, request: AttackCommand) -> Command:
    """Attack a text on the dense model of a study and on the same one pruned."""
    settings = _settings(study)
    attack_settings = {
        name: getattr(request, name) for name in ("attack", "max_queries", "max_seconds")
    }
    return (
        *_victim("attack", {**settings, "seed": request.seed}),
        *("--sparsity", _number(sparsity), "--attack", request.attack),
        *_options({**attack_settings, "resources": settings.get("resources")}, ATTACK_FIELDS[1:]),
        *(("--label", str(request.label)) if request.label is not None else ()),
        f"--text={request.text}",
    )


def member_commands(members: "MemberSet") -> tuple[Command, ...]:
    """Train members, average them, and study the average."""
    recipe, model = "RECIPE.json", f"{members.folder}/average-aua"
    if members.bundled:
        bundled = "cache/bundled" if in_checkout() else BUNDLED
        recipe, model = (
            f"{bundled}/members/{members.name}/recipe.json",
            f"embedded:{members.name}",
        )
    data = ("--data", f"PATH/TO/{members.data}")
    return (
        command("members", "--recipe", recipe, *data),
        command("average", "--members", members.data, "--by", "aua"),
        command("study", "--model", model, *data, "--levels", "0,0.5,0.875"),
    )


def subnetwork_commands(table: "SubnetworkTable") -> tuple[Command, ...]:
    """Reproduce a table of subnetworks, and the single steps that it takes."""
    data, rate = ("--data", "D"), ("--learning-rate", "2e-4")
    masks = ("--loss", "poe", "--bias", "BIAS", "--sparsity", "0.7")
    return (
        command("subnetworks", "--recipe", table.name, "--data", "PATH/TO/DATA"),
        command("biasmodel", *data, "--features", "overlap", "--out", "BIAS"),
        command("retrain", *data, *rate, "--out", "FULL"),
        command("masktrain", *data, "--start", "FULL", *masks, "--out", "MASK"),
        command("ood", "--model", "MASK", *data, "--ood", "HANS.parquet", "--task", "hans"),
    )


def _victim(name: str, settings: Settings) -> Command:
    """The command with the settings that decide a pruned model."""
    return command(
        name, *_options(settings, tuple(field for field in DEFAULTS if field not in STUDY_FIELDS))
    )


def _settings(study: Study) -> dict[str, Any]:
    """The settings of a stored study; data known by its name alone gets a path to fill in."""
    settings = {name: value for name, value in stored_settings(study).items() if name in DEFAULTS}
    settings["method"] = canonical_name(settings.get("method", DEFAULTS["method"]))
    if settings.get("data", "embedded") is None:
        settings["data"] = f"PATH/TO/{study.about['data']}"
    return settings


def _options(settings: Settings, names: Sequence[str]) -> list[str]:
    """The settings of these names that differ from their defaults, as options."""
    words: list[str] = []
    for name in names:
        value = settings.get(name, DEFAULTS[name])
        if value is None or value == DEFAULTS[name]:
            continue
        option, text = f"--{name.replace('_', '-')}", _text(value)
        if value is True:
            words.append(option)
        else:
            words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return words


def _text(value: Any) -> str:
    return ",".join(map(_number, value)) if isinstance(value, tuple | list) else str(value)


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _quoted(word: str) -> str:
    """A word for a shell; of `--option=value` the value alone is quoted."""
    if option := _PLAIN.match(word):
        return option[0] + shlex.quote(word[option.end() :])
    return shlex.quote(word)
