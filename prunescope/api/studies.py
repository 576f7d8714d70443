"""Studies: run or load them, read them as frames, figures and tables, and take their models."""

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import plotly.graph_objects as go

from prunescope.api.html import page
from prunescope.app.charts.paper_figure import MEASURES, paper_figure
from prunescope.app.charts.paper_table import to_frame, to_latex, to_markdown
from prunescope.app.charts.report import studies_report
from prunescope.engine.config.study import LEVELS, TOLERANCE, StudySpec
from prunescope.engine.errors import DataError, SettingError, StoreError
from prunescope.engine.formatting import did_you_mean
from prunescope.engine.pruning.methods import canonical_name
from prunescope.engine.reading.comparison import compare as compare_records
from prunescope.engine.reading.flips import same_examples
from prunescope.engine.reading.names import full_name, full_names
from prunescope.engine.reading.papers import figure_caption, literature_names, paper_table
from prunescope.engine.reading.provenance import provenance
from prunescope.engine.reading.safety import SafeSparsity, doubts, last_safe
from prunescope.engine.reading.series import curves, layer_table, together
from prunescope.engine.reading.verdicts import percent, safe_sentence
from prunescope.engine.records import LevelResult
from prunescope.engine.records import Study as StudyRecord
from prunescope.engine.store import Store
from prunescope.engine.store.listing import study_rows

if TYPE_CHECKING:  # imports torch
    from prunescope.api.models import Model

Width = Literal["single", "double", "slide"]
COLUMNS = {"single": 1, "double": 2, "slide": 3}  # panels beside one another
IN_TABLES = ("acc", "aua", "asr")
PICTURES = ("pdf", "svg", "png")


class StudyGroup:
    """Studies that are read together; a `Study` is a group of one."""

    def __init__(self, records: Sequence[StudyRecord]) -> None:
        self.records: tuple[StudyRecord, ...] = tuple(records)

    def frame(self) -> pd.DataFrame:
        """Every measure at every measured sparsity, a row a study and level.

        `sparsity` and `achieved` (zeros / prunable weights), `acc`, `aua` and `asr` with `_low`,
        `_high` (95% Wilson interval) and `_n` are in per cent; `cls_error` and `layer_error_…` are
        relative errors; `packed_bytes` are bytes. `collapsed` says that Aua and Asr mean nothing. A
        rate that was not measured is NaN. Several studies add the columns `study` and `key`.
        """
        return together(self.records)

    def figure(self, *measures: str, columns: int = 2) -> go.Figure:
        """Measures against sparsity as a Plotly figure: one panel a measure, one curve a study.

        Measures are acc, aua, asr, cls_error and size; without any, acc and aua. Intervals are
        shaded, collapsed models are faded. Raises SettingError for any other measure, and where no
        study has it.
        """
        if not isinstance(columns, int) or columns < 1:
            raise SettingError(f"`columns` is {columns!r}; give a whole number of at least 1.")
        listed = (
            measures[0] if len(measures) == 1 and not isinstance(measures[0], str) else measures
        )
        names = self._measures(listed)
        methods = literature_names(self.records)
        frames = [
            (name, curves(record)) for name, record in zip(methods, self.records, strict=True)
        ]
        return paper_figure(frames, names, columns)

    def save_figure(
        self,
        path: str | os.PathLike[str],
        *,
        measures: Sequence[str] = (),
        width: Width = "double",
        title: str = "",
        legend: Literal["top", "right", "bottom", "none"] = "top",
        band: bool = True,
        mono: bool = False,
        serif: bool = False,
    ) -> Path:
        """Write the figure as PDF, SVG or PNG, by the ending of `path`, and return the path.

        `width` is "single" (3.3 in) or "double" (6.9 in), the columns of a paper, or "slide"
        (16:9). `band` draws the intervals, `mono` is black and white, `serif` the typeface. Where
        the numbers come from stands in the file's metadata. Raises SettingError for anything else.
        """
        from prunescope.app.charts.paper import PRESETS, Style
        from prunescope.app.charts.paper.save import to_bytes
        from prunescope.app.charts.paper.style import LEGENDS

        target = _target(path, PICTURES, "a figure")
        for name, value, values in (("width", width, PRESETS), ("legend", legend, LEGENDS)):
            if value not in values:
                raise SettingError(f"`{name}` is {value!r}; use one of {', '.join(values)}.")
        names = self._measures(measures)
        about = {
            **provenance(self.records),
            "caption": " ".join(figure_caption(self.records, names, band)),
        }
        chart = self.figure(*names, columns=COLUMNS[width])
        style = Style(PRESETS[width], title, legend, band, mono, serif)
        return _write(target, to_bytes(chart, style, target.suffix[1:].lower(), about))

    def table(
        self,
        format: Literal["frame", "latex", "markdown"] = "frame",
        *,
        sparsities: Sequence[float] | None = None,
        measures: Sequence[str] = IN_TABLES,
    ) -> Any:
        """The table of a paper: methods × sparsities, each rate with its 95% interval.

        A DataFrame of texts, or LaTeX or Markdown with caption and provenance. `sparsities` are in
        [0, 1]; without them, all that every study measured. Bold is what beats every other method
        by McNemar's exact test, Holm-adjusted.
        """
        if format not in ("frame", "latex", "markdown"):
            raise SettingError(f"`format` is {format!r}; use frame, latex or markdown.")
        cells = paper_table(
            self.records, _shares(sparsities) or self._common(), self._measures(measures)
        )
        if format == "frame":
            return to_frame(cells)
        write = to_latex if format == "latex" else to_markdown
        return write(cells, provenance(self.records))

    def save_report(self, path: str | os.PathLike[str], points: float = TOLERANCE) -> Path:
        """Write everything as one HTML page that works offline, and return its path."""
        target = _target(path, ("html", "htm"), "a report")
        return _write(target, studies_report(self.records, points).encode())

    def _measures(self, measures: Sequence[str]) -> list[str]:
        if not isinstance(measures, str | list | tuple):
            raise SettingError(
                f"The measures are {measures!r}; give names of {', '.join(MEASURES)}."
            )
        names = [measures] if isinstance(measures, str) else list(map(str, measures))
        for name in names:
            if name not in MEASURES:
                raise SettingError(
                    f"The measure {name!r} is unknown; use {', '.join(MEASURES)}."
                    f"{did_you_mean(name, MEASURES)}"
                )
        measured = [name for name in names or ("acc", "aua") if self._has(name)]
        if not measured:
            raise SettingError(
                f"No study here has measured {' or '.join(names) or 'acc'}; measure it, or ask for "
                "another one."
            )
        return measured

    def _has(self, name: str) -> bool:
        if name == "size":
            return any(record.levels for record in self.records)
        levels = [level for record in self.records for level in record.levels]
        return any(getattr(level, name) is not None for level in levels)

    def _common(self) -> list[float]:
        """The sparsities that all studies measured, dense included."""
        common = [{level.sparsity for level in record.levels} for record in self.records]
        return sorted(set.intersection(*common)) if common else []


class Study(StudyGroup):
    """One study: a model, pruned by one method at several sparsities, and what was measured."""

    def __init__(self, record: StudyRecord, cache: str | Path | None = None) -> None:
        super().__init__([record])
        self._cache = cache

    @property
    def record(self) -> StudyRecord:
        """The record as it is stored."""
        return self.records[0]

    @property
    def key(self) -> str:
        """SHA-256 of everything that decides the result."""
        return self.record.key

    @property
    def name(self) -> str:
        """The study in words: model, data, method and attack."""
        return full_name(self.record)

    @property
    def levels(self) -> tuple[LevelResult, ...]:
        """What was measured, one record a sparsity, dense first."""
        return self.record.levels

    def level(self, sparsity: float) -> LevelResult:
        """What was measured at one sparsity, in [0, 1]. Raises DataError where nothing was."""
        (share,) = _shares([sparsity])
        if (level := self.record.level(share)) is None:
            measured = ", ".join(percent(level.sparsity) for level in self.levels) or "nothing yet"
            raise DataError(f"{percent(share)} was not measured; measured: {measured}.")
        return level

    def safe(self, points: float = TOLERANCE) -> SafeSparsity | None:
        """Up to which sparsity Acc and Aua stay within `points` of the dense model.

        `sure` holds with 95% confidence, `sparsity` is the best guess; both are shares in [0, 1].
        None where dense or every other level is missing. Raises SettingError for `points` outside
        [0, 100].
        """
        return last_safe(self.record, points)

    def summary(self, points: float = TOLERANCE) -> str:
        """The answer in sentences: up to which sparsity it is safe, and what to doubt."""
        safe = self.safe(points)
        sentences = ([safe_sentence(safe)] if safe else []) + list(doubts(self.record, points))
        return " ".join(sentences) or "Too little was measured to say up to where it is safe."

    def layers(self, sparsity: float | None = None) -> pd.DataFrame:
        """Relative error of every layer: rows `block.module`, a column a measured sparsity.

        The error is ‖(W X_d + b) − (Ŵ X_s + b̂)‖² / ‖W X_d − mean‖² on text that the pruner did not
        see. With `sparsity`, the pruner's record of every layer at that level instead.
        """
        if sparsity is not None:
            return layer_table(self.level(sparsity))
        errors = {level.sparsity: level.layer_errors for level in self.levels}
        return pd.DataFrame(errors).rename_axis(index="layer", columns="sparsity")

    def dense(self) -> "Model":
        """The dense model of the study."""
        from prunescope.api.models import model_of

        return model_of(self.record, 0.0, self._cache)

    def pruned(self, sparsity: float) -> "Model":
        """The model at one sparsity in [0, 1): one that ships, from the cache, or pruned now.

        Where the study's data is not on this machine, it is pruned on the embedded reviews, and
        `notices` of the model says so.
        """
        from prunescope.api.models import model_of

        (share,) = _shares([sparsity])
        return model_of(self.record, share, self._cache)

    def __repr__(self) -> str:
        """Name, key and levels."""
        measured = ", ".join(percent(level.sparsity) for level in self.levels)
        return f"<Study {self.key[:12]}: {self.name}; {measured or 'nothing measured yet'}>"

    def _repr_html_(self) -> str:
        """For notebooks: the answer and the table of rates."""
        heads, rows = _rates(self.record)
        return page(self.name, heads, rows, [self.summary(), f"Key {self.key[:12]}."])


class Comparison(StudyGroup):
    """Studies beside one another."""

    def at(self, sparsity: float) -> pd.DataFrame:
        """Every study at one sparsity, with what changed against the first one's dense model.

        Rates in per cent; `…_change` in points with `…_p`, from McNemar's exact test, Holm-adjusted
        over the studies; NaN where it cannot be paired, and `note` says why. The p of Asr is of
        the examples that both models classify correctly.
        """
        (share,) = _shares([sparsity])
        rows = compare_records(self.records, share, (self.records[0], 0.0))
        table = []
        for name, row in zip(full_names(self.records), rows, strict=True):
            note = row.note or same_examples(self.records[0], row.study)
            cells: dict[str, object] = {"study": name, "note": note}
            for measure in IN_TABLES:
                rate, change = row.rate(measure), row.changes.get(measure)
                cells[measure] = 100 * rate.value if rate and rate.value is not None else None
                cells[f"{measure}_change"] = change.points if change else None
                cells[f"{measure}_p"] = change.p if change else None
            table.append(cells)
        frame = pd.DataFrame(table).set_index("study")
        return frame.astype({name: float for name in frame.columns if name != "note"})

    def __repr__(self) -> str:
        """The names of the studies."""
        names = "\n".join(f"  {name}" for name in full_names(self.records))
        return f"<Comparison of {len(self.records)} studies:\n{names}>"

    def _repr_html_(self) -> str:
        """For notebooks: the table of a paper."""
        table = self.table("frame")
        rows = [list(map(str, row)) for row in table.itertuples(index=False)]
        names = ", ".join(full_names(self.records))
        return page(names, list(map(str, table.columns)), rows, [])


def run(
    model: str = "embedded",
    data: str = "embedded",
    levels: Sequence[float] | None = None,
    *,
    method: str = "adaptive",
    attack: str = "deepwordbug",
    cache: str | Path | None = None,
    progress: bool = True,
    **settings: Any,
) -> Study:
    """Prune a classifier at several sparsities, measure every level, and return the study.

    `model` is "embedded", a hub name or a folder; `data` is "embedded", a hub name, a folder or one
    file; `levels` are shares of zeros in [0, 1), 0 is the dense model; None is 0 to 0.95 in steps
    of 0.05, or 0 and an n:m pattern's own. `settings` are the other settings of a study, such as
    `eval_examples=200` or `pattern="2:4"`. What is stored in `cache` is not computed again; stopped
    with Ctrl+C, the same call goes on where it was. With `progress`, stderr shows an estimate.
    Raises InputError for anything that cannot work, before the long work begins.
    """
    from prunescope.engine.cli.console import Console
    from prunescope.engine.cli.options import own_sparsity
    from prunescope.engine.studies.run import run_study

    names = [field.name for field in fields(StudySpec)]
    for name in settings:
        if name not in names:
            meant = did_you_mean(name, names)
            if name == "tolerance":
                meant = " The tolerance belongs to the answer: study.safe(points=3)."
            raise SettingError(f"A study has no setting {name!r}.{meant}")
    if levels is None:
        own = own_sparsity(str(settings.get("pattern", "unstructured")))
        levels = LEVELS if own is None else (0.0, own)
    chosen = {"method": method, "attack": attack, **settings}
    spec = StudySpec(os.fspath(model), os.fspath(data), levels=_levels(levels), **chosen).rooted()
    record = run_study(spec, Store(cache), Console(quiet=not progress).report)
    return Study(record, cache)


def load(name: str, cache: str | Path | None = None) -> Study:
    """A stored study, by its key, the first digits of it, or its full name.

    Raises StoreError where none or several match.
    """
    store = Store(cache)
    rows = study_rows(store)
    names = dict(zip((row.key for row in rows), full_names(rows), strict=True))
    matches = [
        key
        for key, full in names.items()
        if name and (key.startswith(str(name).lower()) or full == name)
    ]
    if len(matches) != 1:
        raise StoreError(
            f"{len(matches) or 'No'} stored studies are called {str(name)[:120]!r}; `ps.studies()` "
            f"lists them.{did_you_mean(str(name), names.values())}"
        )
    record = store.study(matches[0])
    if record is None:
        raise StoreError(f"{' '.join(store.notices)} `ps.studies()` lists what can be read.")
    return Study(record, cache)


def studies(cache: str | Path | None = None) -> pd.DataFrame:
    """All stored studies, a row each, indexed by the first 12 digits of their keys: name, model,
    data, method, attack, the number of levels and of evaluated examples, and where they lie.
    """
    rows = study_rows(Store(cache))
    return pd.DataFrame(
        {
            "name": full_names(rows),
            "model": [row.about["model"] for row in rows],
            "data": [row.about["data"] for row in rows],
            "method": [canonical_name(row.about["method"]) for row in rows],
            "attack": [row.about["attack"] for row in rows],
            "levels": [len(row.levels) for row in rows],
            "examples": [row.about["counts"]["evaluation"] for row in rows],
            "stored": [row.layer for row in rows],
        },
        index=pd.Index([row.key[:12] for row in rows], name="key"),
    )


def compare(studies: Sequence[Study]) -> Comparison:
    """Studies beside one another. Raises SettingError for none, or the same one twice."""
    if not isinstance(studies, list | tuple) or not all(
        isinstance(study, Study) for study in studies
    ):
        raise SettingError("`compare` takes a list of studies, such as [ps.load(…), ps.load(…)].")
    keys = [study.key for study in studies]
    if not keys or len(set(keys)) < len(keys):
        raise SettingError(
            f"A comparison takes one study or more, each once; got {len(keys)}, of which "
            f"{len(set(keys))} are different."
        )
    return Comparison([study.record for study in studies])


def _levels(levels: Any) -> Any:
    """Levels as a tuple; what is no list goes on to the check that says so."""
    return tuple(levels) if isinstance(levels, Sequence) and not isinstance(levels, str) else levels


def _shares(values: Sequence[float] | None) -> list[float]:
    """Sparsities, checked to be shares: 50 is a percentage."""
    if (values is not None and not isinstance(values, Sequence)) or isinstance(values, str):
        raise SettingError(f"The sparsities are {values!r}; give a list, such as (0, 0.5, 0.875).")
    for value in values or ():
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise SettingError(f"The sparsity {value!r} is no number; give a share such as 0.5.")
        if not 0 <= value < 1:
            example = f", such as {value / 100:g}" if 1 < value < 100 else ""
            raise SettingError(
                f"The sparsity {value:g} is no share of zeros; give one from 0 to below 1{example}."
            )
    return list(values or ())


def _write(target: Path, content: bytes) -> Path:
    try:
        target.write_bytes(content)
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written ({error.strerror or error}); give another path."
        ) from error
    return target


def _target(path: str | os.PathLike[str], endings: Sequence[str], what: str) -> Path:
    target = Path(path).expanduser()
    if target.suffix[1:].lower() not in endings:
        listed = ", ".join(f".{ending}" for ending in endings)
        raise SettingError(f"{target.name!r} has no ending of {what}; use {listed}.")
    if not target.parent.is_dir():
        raise SettingError(f"The folder {target.parent} is not there; make it first.")
    return target


def _rates(record: StudyRecord) -> tuple[list[str], list[list[str]]]:
    """(heads, rows) of the table of rates, in per cent with their intervals."""
    heads = ["Sparsity", "Acc, %", "Aua, %", "Asr, %", "[CLS] error"]
    rows = []
    for level in record.levels:
        rates = (level.acc, level.aua, level.asr)
        cells = [
            "–"
            if rate is None or rate.value is None
            else f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"
            for rate in rates
        ]
        rows.append([percent(level.sparsity), *cells, f"{level.cls_error:.4f}"])
    return heads, rows
