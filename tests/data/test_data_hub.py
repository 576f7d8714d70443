"""The hub, with `datasets.load_dataset` replaced: success, no network, unknown name, unusable
splits.
"""

import sys

import datasets
import pytest
from huggingface_hub.errors import HFValidationError

from prunescope.engine.data import Dataset, load_dataset
from prunescope.engine.data.columns import Choice
from prunescope.engine.data.hub import one_split
from prunescope.engine.errors import DataError, ResourceError


def split(
    labels: list[int], names: list[str] | None = None, text: str = "sentence"
) -> datasets.Dataset:
    label = datasets.ClassLabel(names=names) if names else datasets.Value("int64")
    features = datasets.Features(
        {text: datasets.Value("string"), "label": label, "idx": datasets.Value("int32")}
    )
    rows = {
        text: [f"text {n}" for n in range(len(labels))],
        "label": labels,
        "idx": list(range(len(labels))),
    }
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.fixture
def hub(monkeypatch):
    """Answer the next loads with these splits, or raise this error; the list collects what was
    asked for.
    """
    requests: list[tuple[str, str | None]] = []

    def _hub(answer):
        def load(path, name=None):
            requests.append((path, name))
            if isinstance(answer, Exception):
                raise answer
            return datasets.DatasetDict(answer)

        monkeypatch.setattr(datasets, "load_dataset", load)
        return requests

    return _hub


def loaded(name: str, **options: str) -> Dataset:
    return load_dataset(name, **options)  # type: ignore[arg-type]


def test_config_is_passed_on(hub):
    requests = hub({"train": split([0, 1]), "validation": split([1, 0])})
    data = loaded("nyu-mll/glue:sst2")
    assert requests == [("nyu-mll/glue", "sst2")]
    assert (data.name, data.source) == ("sst2", "hub (nyu-mll/glue:sst2: train, validation)")


def test_name_without_a_config(hub):
    requests = hub({"test": split([1, 0], text="text")})
    data = loaded("stanfordnlp/imdb")
    assert requests == [("stanfordnlp/imdb", None)]
    assert (data.name, data.train, data.evaluation.labels) == ("imdb", None, (1, 0))


def test_validation_wins_over_test(hub):
    hub({"test": split([-1, -1]), "validation": split([1, 0]), "train": split([0, 0, 1])})
    data = loaded("some/set")
    assert data.train is not None
    assert (data.train.labels, data.evaluation.labels) == ((0, 0, 1), (1, 0))


def test_class_label_gives_the_names(hub):
    hub({"validation": split([1, 0], names=["negative", "positive"])})
    assert loaded("some/set").label_names == ("negative", "positive")


def test_plain_integers_have_no_names(hub):
    hub({"validation": split([1, 0])})
    assert loaded("some/set").label_names is None


def test_columns_can_be_named(hub):
    hub({"validation": split([1, 0], text="utterance")})
    assert len(loaded("some/set", text_column="utterance").evaluation) == 2


def test_test_split_without_labels(hub):
    hub({"train": split([0, 1]), "test": split([-1, -1], names=["a", "b"])})
    with pytest.raises(
        DataError, match=r"split 'test' of some/set has no labels in 'label' \(-1 in 2 of 2 rows\)"
    ):
        loaded("some/set")


def test_missing_label_on_the_hub(hub):
    hub({"validation": split([0, None, 1])})  # type: ignore[list-item]
    data = loaded("some/set")
    assert data.evaluation.labels == (0, 1) and data.notices[0].startswith(
        "1 of the 3 rows of split 'validation' of some/set"
    )


def test_no_evaluation_split_lists_the_splits(hub):
    hub({"train": split([0, 1]), "extra": split([0, 1])})
    with pytest.raises(DataError, match="no validation or test split, it has train, extra"):
        loaded("some/set")


def test_matched_rows_of_mnli_are_evaluated(hub):
    hub(
        {
            name: split([0, 1], text="text")
            for name in ("train", "test_matched", "validation_mismatched", "validation_matched")
        }
    )
    assert (
        loaded("nyu-mll/glue:mnli").source == "hub (nyu-mll/glue:mnli: train, validation_matched)"
    )


def test_a_split_with_labels_goes_before_one_without(hub):
    hub({"validation": split([-1, -1]), "test": split([1, 0])})
    assert loaded("some/set").source == "hub (some/set: test)"


def test_a_missing_label_leaves_the_others_whole_numbers(hub):
    hub({"validation": split([1, 0, None])})  # type: ignore[list-item]
    table = one_split("some/set", None, Choice())
    assert repr(table.frame["label"].tolist()) == "[1, 0, None]" and table.class_names == {}


def test_a_split_that_is_named_comes_with_its_class_names(hub):
    hub({"validation": split([0]), "train": split([1, 0], names=["b", "a"])})
    table = one_split("some/set", "train", Choice())
    assert (table.frame["label"].tolist(), table.class_names) == ([1, 0], {"label": ("b", "a")})
    with pytest.raises(DataError, match="no split 'dev', it has validation, train"):
        one_split("some/set", "dev", Choice())


def test_a_missing_config_is_said_in_one_line(hub):
    hub(
        ValueError(
            "Config name is missing.\nPlease pick one among: ['ax', 'cola']\nExample of "
            "usage:\n\t`load('ax')`"
        )
    )
    with pytest.raises(
        DataError,
        match=r"missing\. Please pick one among: \['ax', 'cola'\]\); name a config as name:config",
    ):
        loaded("nyu-mll/glue")


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), TimeoutError("slow"), OSError("disk full")]
)
def test_no_network_says_what_else_works(hub, error):
    hub(error)
    with pytest.raises(ResourceError, match="name a local folder or a local file") as caught:
        loaded("some/set")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [datasets.exceptions.DatasetNotFoundError("gone"), HFValidationError("bad id")]
)
def test_unknown_name(hub, error):
    hub(error)
    with pytest.raises(
        DataError, match="'some/set' is neither here nor on the hub; check the spelling"
    ) as caught:
        loaded("some/set")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("BuilderConfig 'x' not found"),
        RuntimeError("Dataset scripts are no longer supported"),
        datasets.exceptions.DataFilesNotFoundError("no files"),
        datasets.exceptions.DatasetGenerationError("broken"),
    ],
)
def test_unusable_data_set(hub, error):
    hub(error)
    with pytest.raises(
        DataError, match=r"'some/set:x' cannot be used .*name a config as name:config"
    ) as caught:
        loaded("some/set:x")
    assert caught.value.__cause__ is error


def test_a_fault_of_our_own_is_not_swallowed(hub):
    hub(KeyError("bug"))
    with pytest.raises(KeyError):
        loaded("some/set")


@pytest.mark.parametrize("name", ["csv", "json:x", "parquet", "text"])
def test_names_of_file_readers_are_not_asked_for(hub, name):
    requests = hub({"validation": split([0, 1])})
    with pytest.raises(DataError, match="is a file format"):
        loaded(name)
    assert requests == []


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ResourceError, match="package datasets is missing"):
        loaded("some/set")
