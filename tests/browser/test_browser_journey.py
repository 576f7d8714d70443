"""One journey in a real Chromium against the real app: load, slide, export, share."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect


@pytest.fixture(scope="module")
def page(address: str, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".st-key-layers .js-plotly-plot .main-svg").first).to_be_visible(timeout=60_000)
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
