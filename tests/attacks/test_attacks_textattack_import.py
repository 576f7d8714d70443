"""The gate around TextAttack's import, with a small package in its place that does all that
TextAttack may do.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import nltk
import pytest

from prunescope.engine.attacks.resources import Resources
from prunescope.engine.attacks.textattack_import import REDIRECTED, textattack

RUDE = """
import logging.config, os, pathlib, warnings
import bert_score
marker = (pathlib.Path(os.environ["TA_CACHE_DIR"]) / "post_install_check_3").exists()
for name in {redirected!r}:
    os.environ[name] = "/somewhere/else"
logging.config.dictConfig({{"version": 1}})
warnings.warn("old")
"""


def modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "textattack"]


@pytest.fixture(autouse=True)
def rude_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package `textattack` that redirects caches, silences loggers and warns; the real one is put
    back afterwards.
    """
    (tmp_path / "textattack").mkdir()
    (tmp_path / "textattack" / "__init__.py").write_text(RUDE.format(redirected=REDIRECTED))
    (tmp_path / "textattack" / "attack_recipes.py").write_text("")
    real = {name: sys.modules.pop(name) for name in modules()}
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(nltk.data, "path", [])
    yield
    for name in modules():
        del sys.modules[name]
    sys.modules.update(real)


def resources(*search: str) -> Resources:
    return Resources(search, "built in", "")


def test_existing_loggers_are_enabled_again():
    logger = logging.getLogger("prunescope.was.here.before")
    textattack(resources())
    assert not logger.disabled


def test_loggers_that_were_disabled_stay_so():
    logger = logging.getLogger("prunescope.was.silent.before")
    logger.disabled = True
    textattack(resources())
    assert logger.disabled


@pytest.mark.parametrize("value", [None, "/my/own"])
def test_cache_folders_are_put_back(monkeypatch: pytest.MonkeyPatch, value: str | None):
    for name in REDIRECTED:
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(
            name, value
        )
    textattack(resources())
    assert {os.environ.get(name) for name in REDIRECTED} == {value}


def test_download_is_off_during_the_import():
    assert textattack(resources()).marker


def test_warnings_of_the_import_are_not_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        textattack(resources())


def test_second_call_does_not_import_again():
    assert textattack(resources()) is textattack(resources())


def test_nltk_looks_where_the_resources_say():
    textattack(resources("/one", "/two"))
    textattack(resources("/three"))
    assert nltk.data.path == ["/three"]


def test_what_no_recipe_uses_is_not_imported_and_is_itself_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delitem(sys.modules, "bert_score", raising=False)
    package = textattack(resources())
    assert not hasattr(package.bert_score, "BERTScorer") and "bert_score" not in sys.modules
