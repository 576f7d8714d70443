"""An axe scan of every page in light and of some in dark. Skipped where the package that carries
axe-core is missing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from waiting import new_context, settled

from prunescope.engine import JobQueue, Store, StudySpec

axe = pytest.importorskip(
    "axe_playwright_python", reason="axe-core is not here; pip install axe-playwright-python"
)
CURSOR = ".js-plotly-plot .prunescope-cursor line"
CHART = ".js-plotly-plot .main-svg"
PAGES = {  # path: what is there once the page is complete
    "/": CURSOR,
    "/layers": CURSOR,
    "/compare": CHART,
    "/check?data=embedded": ".stDataFrame canvas",
    "/studies": ".stDataFrame canvas",
    "/dense": CHART,
    "/bias": CHART,
    "/about": ".katex",
}


DARK = ("/", "/studies", "/bias")
SCANS = [("light", path) for path in PAGES] + [("dark", path) for path in DARK]


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest, address: str, browser: Browser) -> Iterator[Page]:
    context = new_context(browser, request.param)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def failed(cache: Path) -> str:
    """A job that failed at once, as it asks for what is not there."""
    return JobQueue(cache).submit(StudySpec(model="/nowhere", levels=(0.5,), device="cpu")).id


def faults(page: Page) -> list[object]:
    settled(page)
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    results = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        (fault["impact"], fault["id"], fault["nodes"][0]["target"], fault["nodes"][0]["html"][:200])
        for fault in results["violations"]
    ]


@pytest.mark.parametrize(
    ("page", "path"), SCANS, indirect=["page"], ids=[" ".join(scan) for scan in SCANS]
)
def test_axe_finds_no_fault(address: str, page: Page, path: str, failed: str) -> None:
    page.goto(address + path + (f"?job={failed}" if path == "/studies" else ""))
    expect(page.locator(PAGES[path]).first).to_be_attached()
    if path == "/studies":
        expect(page.get_by_text("Failed", exact=False).first).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_axe_finds_no_fault_in_a_finished_attack(address: str, page: Page) -> None:
    magnitude = next(
        study.key[:12]
        for study in Store().studies()
        if study.bundled and study.about["method"] == "magnitude"
    )
    page.goto(f"{address}/attack?study={magnitude}&victims={magnitude}@0.5&text=A+warm+funny+film.")
    page.locator(".st-key-a-start button").click()
    expect(page.locator(f".st-key-importance {CHART}").first).to_be_visible()
    assert faults(page) == []
