"""One journey in a real Chromium against the real app, worker and models: load, slide, attack, export, share."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
WORKER_SECONDS = 240_000  # ms, a bound for a machine under load, not a claim

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; install the package chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cache, log = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("log") / "app.log"
    with log.open("wb") as out:
        app = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)], cwd=ROOT, stdout=out,
            stderr=out, env={**os.environ, "PRUNESCOPE_CACHE": str(cache)},
        )  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", app, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.wait(timeout=30)


def _wait_for(url: str, app: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            assert app.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(f"the app did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_context(viewport={"width": 1440, "height": 1800}, accept_downloads=True)
        browser.close()


@pytest.fixture(scope="module")
def page(address: str, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".st-key-layers .js-plotly-plot .main-svg").first).to_be_visible(timeout=60_000)
    expect(page.locator(".st-key-attack button")).to_be_visible(timeout=60_000)
    return page


def card(page: Page, label: str) -> str:
    return page.locator('[data-testid="stMetric"]', has_text=label).locator('[data-testid="stMetricValue"]').inner_text()


def slide(page: Page, steps: int) -> None:
    thumb = page.locator('.st-key-sparsity input[type="range"]')
    thumb.focus()
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
    page.wait_for_timeout(1500)  # the page reruns after the last key


def test_it_opens_on_a_complete_study(page: Page) -> None:
    assert card(page, "Acc").endswith("%") and card(page, "Aua").endswith("%")
    assert page.locator('[data-testid="stException"]').count() == 0


def test_sliding_moves_cards_and_cursor(page: Page) -> None:
    before = card(page, "Acc"), card(page, "Size, packed")
    slide(page, 20)
    expect(page.get_by_text("Layer errors at 70 %")).to_be_visible(timeout=20_000)
    assert (card(page, "Acc"), card(page, "Size, packed")) != before
    page.wait_for_function("new URLSearchParams(location.search).get('sparsity') === '70'", timeout=10_000)


def test_the_address_carries_the_view(page: Page, context: BrowserContext) -> None:
    other = context.new_page()
    page.wait_for_function("new URLSearchParams(location.search).get('study') !== null", timeout=10_000)
    other.goto(page.url)
    expect(other.get_by_text("Layer errors at 70 %")).to_be_visible(timeout=60_000)
    shown = other.locator('[data-testid="stMetric"]', has_text="Acc").locator('[data-testid="stMetricValue"]')
    expect(shown).to_have_text(card(page, "Acc"), timeout=20_000)
    other.close()


@pytest.mark.parametrize("kind", ["PNG", "SVG", "CSV"])
def test_a_chart_exports(page: Page, tmp_path: Path, kind: str) -> None:
    with page.expect_download(timeout=30_000) as download:
        page.locator(".st-key-export-curves").get_by_text(kind, exact=True).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    content = path.read_bytes()
    if kind == "PNG":
        assert content.startswith(b"\x89PNG") and len(content) > 10_000
    elif kind == "SVG":
        assert ElementTree.fromstring(content).tag.endswith("svg")
    else:
        assert content.startswith(b"# study: ") and b"\nsparsity,achieved,acc," in content


def test_an_attack_at_an_unsolved_sparsity_shows_both_sides(page: Page) -> None:
    slide(page, -7)
    page.locator(".st-key-text textarea").fill("A warm, funny film that never wastes <b>a minute</b> of your time.")
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Attack at 63 % sparsity").click()
    expect(page.locator(".st-key-paths .js-plotly-plot .main-svg").first).to_be_visible(timeout=WORKER_SECONDS)
    assert page.get_by_text(re.compile("^Dense: (held|broken|wrong)")).count() == 1
    assert page.get_by_text(re.compile("^Pruned to 63 %: (held|broken|wrong)")).count() == 1
    sides = page.locator(".side p")
    assert sides.count() == 2
    assert sides.locator("b").count() == 0 and "<b>a" in sides.first.inner_text()
