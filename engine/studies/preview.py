"""What a study would be, before it starts: its model, its data, and how the rows are used. Light to
import, and nothing is fetched but where `fetch` says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prunescope.engine.data.columns import Choice
from prunescope.engine.data.load import looks_like_path, read_source
from prunescope.engine.data.preview import DataPreview, LabelLine, preview_data
from prunescope.engine.data.records import Dataset
from prunescope.engine.data.source import DataSource
from prunescope.engine.errors import PruneScopeError, SettingError
from prunescope.engine.models.outline import ModelOutline, fetch_outline, model_outline
from prunescope.engine.paths import expanded
from prunescope.engine.pruning.methods import method_named
from prunescope.engine.records import StudySpec
from prunescope.engine.studies.examples import split

TOKENS_A_WORD = 1.2  # of BERT's tokenizer on SST-2 (1.16), the reviews (1.22) and AG News (1.24)


@dataclass(frozen=True, slots=True)
class StudyUses:
    """How many examples a study would use, and for what."""

    calibration: int
    held_out: int
    evaluation: int
    attacked: int
    tokens: int  # about, of all calibration texts
    # inputs of the widest layer, where the method needs a token for each and there are fewer
    lacking: int = 0


@dataclass(frozen=True, slots=True)
class StudyPreview:
    """What a study would work with; `problem` says why it cannot start."""

    model: ModelOutline | None
    data: DataPreview | None
    uses: StudyUses | None
    problem: str = ""
    # where the problem lies: "model", "data" (it cannot be read), or the name of a setting
    place: str = ""

    def payload(self) -> dict[str, Any]:
        """As JSON values, for a worker's answer."""
        return asdict(self)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "StudyPreview":
        """From JSON values."""
        model, data, uses = payload["model"], payload["data"], payload["uses"]
        return cls(
            ModelOutline(**_tuples(model)) if model else None,
            _data_of(data) if data else None,
            StudyUses(**uses) if uses else None,
            payload["problem"],
            payload["place"],
        )


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def _data_of(values: Mapping[str, Any]) -> DataPreview:
    lines = tuple(LabelLine(**line) for line in values["labels"])
    head = tuple(map(tuple, values["head"]))
    return DataPreview(**{**_tuples(values), "labels": lines, "head": head})


def is_on_hub(name: str) -> bool:
    """Whether a data set's name can only mean one of the hub's, which has to be fetched."""
    return name != "embedded" and not looks_like_path(name) and not expanded(name).exists()


def preview_study(
    spec: StudySpec,
    read: Callable[[str, Choice], DataSource] = read_source,
    fetch: bool = False,
) -> StudyPreview:
    """The preview of a study; `read` may be one that remembers what it has read.

    Raises SettingError for a label map that is none.
    """
    choice = Choice.of(**spec.reading)
    model, problem, setting = None, "", ""
    try:
        model = (fetch_outline if fetch else model_outline)(spec.model)
    except PruneScopeError as error:
        problem, setting = str(error), "model"
    try:
        source = read(spec.data, choice)
    except PruneScopeError as error:
        return StudyPreview(model, None, None, problem or str(error), setting or "data")
    classes, name = (model.classes, model.name) if model else ((), "the model")
    preview, data = preview_data(source, choice, classes, name, spec.seed)
    if preview.problem and not problem:
        problem, setting = preview.problem, preview.setting or "data"
    if data is None:
        return StudyPreview(model, preview, None, problem, setting)
    try:
        uses = _uses(data, spec, model)
    except PruneScopeError as error:
        place = error.setting if isinstance(error, SettingError) else None
        return StudyPreview(model, preview, None, problem or str(error), setting or place or "data")
    return StudyPreview(model, preview, uses, problem, setting)


def _uses(data: Dataset, spec: StudySpec, model: ModelOutline | None) -> StudyUses:
    calibration, held_out, evaluation = split(data, spec)
    attacked = 0 if spec.attack == "none" else min(spec.attack_examples, len(evaluation))
    texts = [*calibration.texts, *(calibration.pairs or ())]
    words = sum(len(text.split()) for text in texts)
    tokens = round(TOKENS_A_WORD * words + 2 * len(calibration))
    inputs = model.inner if model is not None and not spec.force else 0
    factored = method_named(spec.method).factored and any(spec.levels)
    return StudyUses(
        len(calibration),
        len(held_out),
        len(evaluation),
        attacked,
        tokens,
        inputs if factored and tokens < inputs else 0,
    )
