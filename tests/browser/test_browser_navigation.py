"""Getting about: Back from every page, the bar, a phone's drawer, and the "?" of a page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from waiting import new_context, settled

OUTSIDE = "data:text/html,<title>outside</title>"
PAGES = (
    "/",
    "/layers",
    "/attack",
    "/compare",
    "/figure",
    "/check",
    "/studies",
    "/dense",
    "/bias",
    "/about",
)


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    yield page
    page.close()


def complete(page: Page) -> None:
    """The page is drawn, its script at rest, and its history in our hands."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    settled(page)
    page.wait_for_function("Object.hasOwn(history, 'pushState')")


@pytest.mark.parametrize("path", PAGES)
def test_back_leaves_a_page_at_the_first_press_after_a_cold_load(
    address: str, page: Page, path: str
) -> None:
    page.goto(OUTSIDE)
    page.goto(address + path)
    complete(page)
    page.go_back()
    expect(page).to_have_title("outside")


def test_back_and_forward_lead_through_the_pages_one_by_one(address: str, page: Page) -> None:
    page.goto(f"{address}/compare")
    complete(page)
    for name in ("Attack", "Layers", "About"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_title(f"{name} · PruneScope")
        complete(page)
    for name in ("Layers", "Attack", "Compare"):
        page.go_back()
        expect(page).to_have_title(f"{name} · PruneScope")
        complete(page)
    for name in ("Attack", "Layers", "About"):
        page.go_forward()
        expect(page).to_have_title(f"{name} · PruneScope")
        complete(page)


def test_the_selection_is_picked_on_every_page_that_a_door_or_the_bar_leads_to(
    address: str, page: Page
) -> None:
    page.goto(address)
    complete(page)
    page.get_by_test_id("stPageLink").filter(has_text="Make a figure").click()
    expect(page).to_have_title("Figure · PruneScope")
    tags = page.locator(".st-key-studies [data-tag-index]")
    expect(tags).to_have_count(3)
    for name in ("Compare", "Explore", "Figure"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_title(f"{name} · PruneScope")
        complete(page)
    expect(tags).to_have_count(3)


def test_the_drawer_of_a_phone_closes_after_a_choice(address: str, browser: Browser) -> None:
    context = new_context(browser, width=390)
    page = context.new_page()
    page.goto(f"{address}/about")
    complete(page)
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Studies").click()
    expect(page).to_have_title("Studies · PruneScope")
    expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")
    context.close()


def test_help_is_one_press_away_by_keyboard_and_quiet_before(address: str, page: Page) -> None:
    page.goto(f"{address}/about")
    complete(page)
    words = page.get_by_text("defines every number")
    assert words.count() == 0
    button = page.get_by_role("button", name="About this page")
    button.focus()
    page.keyboard.press("Enter")
    expect(words).to_be_visible()
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()


RING = """() => {  // contrast of the ring around what is focused against the page
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(document.activeElement);
  const page = getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor;
  const [low, high] = [style.outlineColor, page].map(luminance).sort((a, b) => a - b);
  return style.outlineStyle === "none" ? 1 : (high + 0.05) / (low + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboard_s_place_in_the_bar_is_seen(
    address: str, browser: Browser, scheme: str
) -> None:
    context = new_context(browser, scheme)
    page = context.new_page()
    page.goto(f"{address}/about")
    complete(page)
    reached = set[str]()
    for _ in range(20):
        page.keyboard.press("Tab")
        if "stTopNavLink" in (page.evaluate("document.activeElement.dataset.testid") or ""):
            reached.add(page.evaluate("document.activeElement.textContent"))
            assert page.evaluate(RING) >= 3
    names = page.get_by_test_id("stTopNavLink").all_inner_texts()
    assert reached == set(names) >= {"Explore", "Attack", "About"}, "all of them are in the bar"
    context.close()
