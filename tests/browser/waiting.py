"""Waiting for what a page shows, never for time. `PATIENCE` bounds a wait on a machine under load;
a test passes as soon as the state is there.
"""

from collections.abc import Callable

from playwright.sync_api import Browser, BrowserContext, Download, Locator, Page, expect
from playwright.sync_api import TimeoutError as TimedOut

PATIENCE = 180_000  # ms
AGAIN = 20_000  # ms after which a click that had no effect is made again
expect.set_options(timeout=PATIENCE)


def new_context(browser: Browser, color_scheme: str = "light", width: int = 1440) -> BrowserContext:
    """A browser of its own, tall enough that a whole page fits, and patient."""
    context = browser.new_context(
        viewport={"width": width, "height": 1800},
        accept_downloads=True,
        color_scheme="dark" if color_scheme == "dark" else "light",
    )
    context.set_default_timeout(PATIENCE)
    return context


def settled(page: Page) -> None:
    """The page's script has run to its end."""
    expect(
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    ).to_be_attached()


def param(page: Page, name: str) -> str | None:
    """A part of the address."""
    value: str | None = page.evaluate(
        "name => new URLSearchParams(location.search).get(name)", name
    )
    return value


def param_is(page: Page, name: str, value: str | None) -> None:
    """Wait until the address says so."""
    page.wait_for_function(
        "([name, value]) => new URLSearchParams(location.search).get(name) === value",
        arg=[name, value],
    )


def param_is_not(page: Page, name: str, value: str | None) -> str:
    """Wait until the address says something else, and return it."""
    page.wait_for_function(
        "([name, other]) => ![null, other].includes("
        "new URLSearchParams(location.search).get(name))",
        arg=[name, value],
    )
    return param(page, name) or ""


def act_until(act: Callable[[], None], effect: Locator) -> None:
    """Act, and again while there is no effect: a click on what is being drawn anew is lost."""
    for _ in range(PATIENCE // AGAIN):
        act()
        try:
            return expect(effect).to_be_visible(timeout=AGAIN)
        except AssertionError:
            continue
    expect(effect).to_be_visible()


def download(page: Page, button: Locator, menu: Locator | None = None) -> Download:
    """The file that a button sends; clicked again where a click was lost, in a menu that is opened
    again where the page was drawn anew and closed it.
    """
    for _ in range(PATIENCE // (3 * AGAIN)):
        if menu is not None and not button.is_visible():
            act_until(menu.click, button)
        try:
            with page.expect_download(timeout=3 * AGAIN) as event:
                button.click(timeout=3 * AGAIN)
            return event.value
        except TimedOut:
            continue
    raise AssertionError("no file came")
