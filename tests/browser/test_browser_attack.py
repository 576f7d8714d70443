"""A journey through attack and compare in a real Chromium, with real workers and models: attack,
reload, cancel, link.
"""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from playwright.sync_api import TimeoutError as TimedOut
from waiting import AGAIN, act_until, new_context, param, param_is, param_is_not, settled

from prunescope.engine import Store

SIDES = ".sides .side > .text"  # the text of every model
LONG = (
    "The teacher knows her subject, and she loves it more than anybody I have met. Sadly she reads "
    "every slide aloud, takes "
    "no questions, and the recordings stop halfway through week four, which nobody had told us. "
) * 4


@pytest.fixture(scope="module")
def victim() -> str:
    """A study that is pruned by magnitude, so a level of it is made at once."""
    return next(
        study.key[:12]
        for study in Store().studies()
        if study.bundled and study.about["method"] == "magnitude"
    )


@pytest.fixture(scope="module")
def page(address: str, context: BrowserContext, victim: str) -> Page:
    page = context.new_page()
    page.goto(f"{address}/attack?study={victim}&victims={victim}@0.5&attack=deepwordbug")
    expect(page.locator(".st-key-a-start button")).to_be_visible()
    return page


def type_text(page: Page, text: str, in_address: bool = True) -> None:
    """Type the sentence; the address says when the page has taken it up."""
    page.locator(".st-key-a-text textarea").fill(text)
    page.keyboard.press("Control+Enter")
    param_is(page, "text", text if in_address else None)
    settled(page)


def test_an_attack_shows_both_sides_and_renders_no_text(page: Page) -> None:
    type_text(page, "A warm, funny film that never wastes <b>a minute</b> of your time.")
    page.locator(".st-key-a-start button").click()
    expect(page.locator(".st-key-importance .js-plotly-plot .main-svg").first).to_be_visible()
    badges = page.locator(".sides .badge")
    assert badges.filter(has_text=re.compile("withstands|fails|wrong")).count() == 2
    expect(page.locator(".sides .headline")).to_contain_text("The dense model")
    sides = page.locator(SIDES)
    assert (
        sides.count() == 2
        and sides.locator("b").count() == 0
        and "<b>a" in sides.first.inner_text()
    )
    assert page.locator('[data-testid="stException"]').count() == 0


def test_another_browser_opens_the_same_view_with_its_result(page: Page, browser: Browser) -> None:
    param_is_not(page, "job", None)
    other = new_context(browser).new_page()
    other.goto(page.url)
    expect(other.locator(".st-key-importance .js-plotly-plot .main-svg").first).to_be_visible()
    texts = [tab.locator(SIDES).first.inner_text() for tab in (page, other)]
    assert texts[0] == texts[1]
    other.context.close()


def test_a_result_is_old_from_the_first_letter_of_another_sentence_on(page: Page) -> None:
    outcome, text = page.locator(".st-key-a-outcome"), page.locator(".st-key-a-text textarea")
    before = text.input_value()
    text.press_sequentially(" More")
    expect(outcome).to_have_class(re.compile("ps-typed-over"))
    text.fill(before)
    expect(outcome).not_to_have_class(re.compile("ps-typed-over"))


def test_one_click_on_a_sentence_attacks_it(page: Page) -> None:
    card = page.locator(".st-key-a-cards button").first
    if card.count() == 0:
        pytest.skip("no sentences ship")
    sentence, before = card.inner_text(), param(page, "job")
    card.click()
    param_is_not(page, "job", before)
    expect(page.locator(".st-key-a-text textarea")).to_have_value(sentence)
    expect(page.locator(".sides .badge").filter(has_text="fails").first).to_be_visible()


def test_an_attack_goes_on_over_a_reload_and_is_cancelled(page: Page) -> None:
    expect(page.locator(".st-key-importance")).to_be_visible()  # the one before has ended
    settled(page)
    label, option = page.locator(".st-key-a-truth"), page.get_by_role("option", name="positive")
    act_until(page.get_by_text("Label, seed and budget").click, label)
    act_until(label.get_by_role("combobox").click, option)
    option.click()
    type_text(page, LONG, in_address=False)
    before = param(page, "job")
    page.locator(".st-key-a-start button").click()
    param_is_not(page, "job", before)
    page.reload()
    cancel = page.locator(".st-key-cancel-attack button")
    expect(cancel.or_(page.locator(".st-key-importance"))).to_be_visible()
    if cancel.is_visible():  # a fast machine may be done by now
        with suppress(TimedOut):  # or while it is being clicked
            cancel.click(timeout=AGAIN)
        expect(page.get_by_text("Cancelled.").or_(page.get_by_text("True label:"))).to_be_visible()


def test_compare_carries_its_view_into_another_browser(page: Page, browser: Browser) -> None:
    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".st-key-pareto .js-plotly-plot .main-svg").first).to_be_visible()
    page.locator(".st-key-c-y").get_by_text("Acc", exact=True).click()
    param_is(page, "y", "acc")
    other = new_context(browser).new_page()
    other.goto(page.url)
    expect(other.locator(".st-key-pareto .js-plotly-plot .main-svg").first).to_be_visible()
    expect(other.locator(".st-key-pareto .ytitle")).to_have_text("Acc")
    assert param(other, "studies") == param(page, "studies")
    assert other.locator('[data-testid="stException"]').count() == 0
    other.context.close()
