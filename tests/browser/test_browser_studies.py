"""The life of a study in a real Chromium: started by form, reloaded, cancelled, resumed, opened,
exported, deleted, imported.
"""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from prunescope.engine import JobQueue, Store, study_rows

SECONDS = 300_000  # ms, a bound for a machine under load, not a claim


@pytest.fixture(scope="module")
def page(address: str, context: BrowserContext) -> Page:
    context.add_init_script("localStorage.setItem('prunescope-tour', 'seen')")
    page = context.new_page()
    page.goto(f"{address}/studies")
    expect(page.locator(".st-key-start button")).to_be_enabled(timeout=60_000)
    return page


def settled(page: Page) -> None:
    expect(
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    ).to_be_attached(timeout=30_000)


def fill(page: Page, key: str, value: str) -> None:
    field = page.locator(f".st-key-new-{key} input")
    field.fill(value)
    field.press("Enter")
    settled(page)


def card(page: Page) -> Locator:
    return page.locator('[class*="st-key-job-"]').first


def job(page: Page) -> str:
    page.wait_for_function(
        "new URLSearchParams(location.search).get('job') !== null", timeout=SECONDS
    )
    return str(page.evaluate("new URLSearchParams(location.search).get('job')"))


def test_a_study_is_started_by_form_goes_on_over_a_reload_and_is_cancelled(
    page: Page, cache: Path
) -> None:
    fill(page, "method", "magnitude")  # no solver: the attack is what takes time
    fill(page, "levels", "0, 50")
    for key, value in (
        ("calibration", "16"),
        ("held_out", "4"),
        ("eval_examples", "24"),
        ("attack_examples", "24"),
    ):
        fill(page, key, value)
    page.locator(".st-key-start button").click()
    row = job(page)
    expect(card(page).locator('[role="progressbar"]')).to_be_visible(timeout=60_000)
    page.reload()
    expect(card(page)).to_contain_text("Running", timeout=60_000)
    page.locator(f".st-key-cancel-{row} button").dispatch_event(
        "click"
    )  # the card is drawn anew each second
    expect(card(page)).to_contain_text("Cancelled", timeout=20_000)
    assert JobQueue(cache).row(row).state == "cancelled"


def test_it_is_resumed_and_opens_in_explore(page: Page, cache: Path) -> None:
    row = job(page)
    page.locator(f".st-key-resume-{row} button").click()
    expect(card(page)).to_contain_text("Done", timeout=SECONDS)
    settled(page)
    page.locator(
        f".st-key-open-{row} button"
    ).first.click()  # a button with help is there twice, for a mouse and for a finger
    expect(page.locator(".st-key-cards section").first).to_contain_text("n = 24", timeout=60_000)
    assert f"study={(JobQueue(cache).row(row).study or '')[:12]}" in page.url


def test_it_is_exported_deleted_and_imported_again(page: Page, cache: Path, tmp_path: Path) -> None:
    made = next(one.study for one in JobQueue(cache).rows() if one.state == "done" and one.study)
    page.get_by_role("link", name="Studies", exact=True).click()
    table = page.locator('[class*="st-key-stored-"] .stDataFrame')
    expect(table).to_be_visible(timeout=60_000)
    settled(page)
    own = [one for one in study_rows(Store(cache)) if one.layer == "user"]
    place = [one.key for one in sorted(own, key=lambda one: -one.modified)].index(
        made
    )  # they stand on top, the newest first
    table.click(position={"x": 20, "y": 35 * (place + 1) + 17})
    export = page.locator(".st-key-export button")
    expect(export).to_be_visible(timeout=30_000)
    with page.expect_download(timeout=60_000) as download:
        export.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(export).to_be_hidden(timeout=30_000)
    assert Store(cache).study(made) is None
    page.get_by_text("Import a study from a file").click()
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(file)
    page.locator(".st-key-take-in button").click()
    expect(page.get_by_text("2 new levels")).to_be_visible(timeout=30_000)
    found = Store(cache).study(made)
    assert found is not None and [level.sparsity for level in found.levels] == [0.0, 0.5]
