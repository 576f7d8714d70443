"""An axe scan of the pages, light and dark. Skipped where the package that carries axe-core is not installed."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not here; pip install axe-playwright-python")
CURSOR = ".js-plotly-plot .prunescope-cursor line"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/layers"])
def test_axe_finds_no_fault(address: str, browser: Browser, path: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 1800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address + path)
    expect(page.locator(CURSOR)).to_be_attached(timeout=60_000)
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached(timeout=30_000)
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
    assert [(fault["impact"], fault["id"], fault["nodes"][0]["target"]) for fault in found] == []
    context.close()
