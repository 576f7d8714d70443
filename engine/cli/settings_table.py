"""docs/SETTINGS.md: every setting of every command, from the descriptions beside the fields."""

from dataclasses import MISSING

from prunescope.engine.baselines.spec import BaselineSpec
from prunescope.engine.cli.options import option_help
from prunescope.engine.cli.settings import (
    BiasSettings,
    ExportSettings,
    LatencySettings,
    MemberSettings,
    Places,
    SearchSettings,
    ShiftSettings,
    TableSettings,
    TrainingSettings,
)
from prunescope.engine.config.describe import Described, settings_of
from prunescope.engine.records import StudySpec
from prunescope.engine.subnetworks.spec import SubnetworkSpec
from prunescope.engine.training.spec import TrainSpec

SECTIONS: tuple[tuple[str, str, type], ...] = (
    ("A study", "study, sweep (as YAML keys), StudySpec", StudySpec),
    ("Places and output", "most commands", Places),
    ("Pruned models", "export, prune", ExportSettings),
    ("Baselines", "baselines, BaselineSpec", BaselineSpec),
    (
        "Fine-tuning",
        "finetune, masktrain, imp, retrain, recipes (as JSON keys), TrainSpec",
        TrainSpec,
    ),
    ("Training data", "finetune, members, masktrain, imp, retrain", TrainingSettings),
    ("Members and averages", "members, average", MemberSettings),
    (
        "Subnetworks",
        "masktrain, imp, retrain, recipes (as JSON keys), SubnetworkSpec",
        SubnetworkSpec,
    ),
    ("Searches", "masktrain, imp, retrain", SearchSettings),
    ("Bias models", "biasmodel", BiasSettings),
    ("Out of distribution", "ood", ShiftSettings),
    ("Tables of subnetworks", "subnetworks", TableSettings),
    ("Latency", "latency", LatencySettings),
)
BAR, ESCAPED = "|", r"\|"
HEAD = "| setting | option | values | default | what it is |\n| --- | --- | --- | --- | --- |\n"


def settings_table() -> str:
    """All settings as a Markdown page."""
    sections = (_section(title, where, record) for title, where, record in SECTIONS)
    return (
        "# Settings\n\n"
        "Made from the descriptions in the code by `prunescope.engine.cli.settings_table`; do not "
        "edit. A command may\nnarrow a setting or have another default: `--help` says so.\n\n"
    ) + "\n".join(sections)


def _section(title: str, where: str, record: type) -> str:
    settings = [described for described in settings_of(record).values() if described.setting.help]
    return f"## {title}\n\nUsed by: {where}.\n\n{HEAD}{''.join(map(_row, settings))}"


def _row(described: Described) -> str:
    if described.default is MISSING:
        default = "required"
    elif described.kind is bool:
        default = "on" if described.default else "off"
    else:
        default = described.default_text or "none"
    suffix = f" (default: {described.default_text})"
    about = option_help(described).replace("%%", "%").removesuffix(suffix)
    cells = (f"`{described.name}`", f"`{described.flag}`", described.values, default, about)
    return f"| {' | '.join(cell.replace(BAR, ESCAPED) for cell in cells)} |\n"
