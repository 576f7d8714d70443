"""What the scripts of P1's tables share: the commands they repeat, and the table at the end.

P1 is Li, Lei, Cheng, Xu, "Towards Robust Pruning: An Adaptive Knowledge-Retention Pruning Strategy
for Language Models", EMNLP 2023; `published/p1.json` holds the figures that it prints.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from prunescope.engine.cli.main import main as run_command
from prunescope.engine.cli.papers import paper_options
from prunescope.engine.errors import SettingError
from prunescope.engine.paths import expanded, user_cache
from prunescope.runs.figures import RATES, Row, as_text, beside_published
from prunescope.runs.names import every_name_resolves
from prunescope.runs.sizes import SETS, DataSet, Scale, chosen_scale

AVERAGE = "Weight average"  # P1's name of the dense model that is pruned
PASSED = {"finetune": ("device",), "members": ("device", "resources"), "average": ("device",)}


@dataclass(slots=True)
class Run:
    """One table at one scale: runs its commands, or only lists them, and collects its rows."""

    options: argparse.Namespace
    scale: Scale
    sets: tuple[DataSet, ...]
    work: Path  # receives models
    commands: list[list[str]] = field(default_factory=list)
    rows: dict[Row, dict[str, list[float]]] = field(default_factory=dict)  # in %, one a seed
    dense: set[tuple[str, str, int]] = field(default_factory=set)  # measured by several studies

    def command(self, name: str, **settings: Any) -> dict[str, Any]:
        """Run `prunescope NAME --SETTING VALUE …` and return its JSON answer; list it in a
        dry run. Raises SystemExit with the command's exit code where that is not 0.
        """
        for option in PASSED.get(name, ("device", "resources", "cache")):
            settings[option] = getattr(self.options, option)
        words = [name]
        for setting, value in settings.items():
            if value is not None and value != "":
                words.append(f"--{setting.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        self.commands.append(words)
        sys.stderr.write(f"prunescope {' '.join(words)}\n")
        if self.options.dry_run:
            return {}
        with redirect_stdout(io.StringIO()) as stdout:
            code = run_command([*words, "--json", *(["--quiet"] if self.options.quiet else [])])
        if code:
            sys.exit(code)
        *table, answer = stdout.getvalue().splitlines()
        sys.stderr.writelines(f"{line}\n" for line in table)
        result: dict[str, Any] = json.loads(answer)
        return result

    def values(self, setting: str) -> list[str]:
        """The values of a setting in all commands, each once."""
        pairs = (pair for words in self.commands for pair in pairwise(words))
        return list(dict.fromkeys(value for flag, value in pairs if flag == f"--{setting}"))

    def average(self, data: DataSet) -> Path:
        """Fine-tune the members on a data set, and average them greedily by Aua."""
        scale, members = self.scale, self.work / data.name / "members"
        self.command(
            "members",
            recipe=scale.members,
            model=scale.base,
            **data.training(),
            attack=scale.attack,
            attack_examples=scale.selection_attacked,
            select_rows=scale.selection,
            out=members,
        )
        average = self.work / data.name / f"average-{scale.attack}"
        self.command("average", members=members, by="aua", out=average)
        return average

    def finetune(self, data: DataSet, name: str, **settings: Any) -> Path:
        """Fine-tune a dense model to compare with."""
        model, scale = self.work / data.name / name, self.scale
        rate = f"{scale.rate:g}"
        settings |= {"epochs": scale.epochs, "learning_rate": rate, "out": model}
        self.command("finetune", model=scale.base, **data.training(), **settings)
        return model

    def study(
        self, row: str, data: DataSet, model: Path, dense: str = AVERAGE, **settings: Any
    ) -> None:
        """Prune and attack a model; level 0 of the study is the row `dense`, once a seed."""
        answer = self.command("study", **self.measured(data, model, **settings))
        for level in answer.get("levels", ()):
            name, key = row, (dense, data.name, settings.get("seed", 0))
            if level["sparsity"] == 0:
                name = dense
                if key in self.dense:
                    continue
                self.dense.add(key)
            self.add((name, data.name, float(level["sparsity"])), level)

    def measured(self, data: DataSet, model: Path, **settings: Any) -> dict[str, Any]:
        """The settings of a command that measures a model, with this scale's counts."""
        scale = self.scale
        return {
            "model": model,
            "data": data.source,
            "calibration": scale.calibration,
            "held_out": scale.held_out,
            "eval_examples": data.evaluated,
            "attack": scale.attack,
            "attack_examples": data.attacked,
            **settings,
        }

    def add(self, row: Row, rates: dict[str, Any]) -> None:
        """Add one measurement, of one seed, to a row."""
        values = self.rows.setdefault(row, {})
        for name in RATES:
            if rates.get(name) and rates[name]["value"] is not None:
                values.setdefault(name, []).append(100 * rates[name]["value"])


def main(
    name: str,
    about: str | None,
    commands: Callable[[Run], None],
    arguments: Sequence[str] | None = None,
    sets: tuple[str, ...] = tuple(SETS),
    base: str | None = None,
) -> int:
    """Run the commands of one table and print its figures beside the published ones.

    `sets` and `base` are this table's own, `base` at full scale. Returns 0, or 2 where a dry run
    meets a name that cannot be used.
    """
    parser = argparse.ArgumentParser(f"python -m runs.{name}", description=about)
    paper_options(parser)
    options = parser.parse_args(arguments)
    try:
        scale = chosen_scale(options, sets, base)
    except SettingError as error:
        parser.exit(2, f"{error}\n")
    root = expanded(options.cache) if options.cache else user_cache()
    work = scale.folder(expanded(options.out) if options.out else root / "papers")
    run = Run(options, scale, tuple(scale.sized(SETS[data]) for data in scale.sets), work)
    commands(run)
    title = f"{(about or name).splitlines()[0].rstrip('.')} ({scale.name}, {scale.base})"
    if options.dry_run:
        sys.stdout.write(f"{title}: {len(run.commands)} commands\n")
        return 0 if every_name_resolves(scale.base, run.sets, run.values("attack"), options) else 2
    rows = beside_published(run.rows, name.replace("_", "-"))
    sys.stdout.write(f"{title}; printed: by P1, of its own models\n{as_text(rows)}")
    if options.json:
        answer = {"paper": name.replace("_", "-"), "scale": scale.name, "base": scale.base}
        sys.stdout.write(json.dumps({**answer, "rows": rows}) + "\n")
    return 0
