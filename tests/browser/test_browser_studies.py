"""The life of a study in a real Chromium: started by form, reloaded, cancelled, resumed, opened,
exported, deleted, imported.
"""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Position, expect
from small_models import write_reviews
from waiting import PATIENCE, act_until, download, param, param_is, param_is_not, settled

from prunescope.engine import JobQueue, Store, study_rows


@pytest.fixture(scope="module")
def page(address: str, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(f"{address}/check")
    expect(page.locator(".st-key-start button")).to_be_visible()
    return page


def fill(page: Page, key: str, value: str) -> None:
    field = page.locator(f".st-key-check-{key} input")
    field.fill(value)
    field.press("Enter")
    settled(page)


def card(page: Page) -> Locator:
    return page.locator('[class*="st-key-job-"]').first


def press(button: Locator, effect: Locator) -> None:
    """Press a button of a card, which is drawn anew each second."""

    def once() -> None:
        if button.first.is_visible():  # one with help is there twice, for a mouse and a finger
            button.first.dispatch_event("click")

    act_until(once, effect.first)


def job(page: Page) -> str:
    return param_is_not(page, "job", None)


def test_a_study_is_started_by_form_goes_on_over_a_reload_and_is_cancelled(
    page: Page, cache: Path, tmp_path: Path
) -> None:
    rows = write_reviews(tmp_path / "own.tsv", 560)
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(rows)
    expect(page.get_by_text("are evaluated")).to_be_visible()
    page.get_by_text("More settings", exact=True).click()
    # no solver; so many attacks outlast the reload
    page.locator(".st-key-check-method-listed input").click()
    page.get_by_role("option", name="Magnitude").click()
    settled(page)
    fill(page, "levels", "0, 50")
    for key, value in (
        ("calibration", "16"),
        ("held_out", "4"),
        ("eval_examples", "240"),
        ("attack_examples", "240"),
    ):
        fill(page, key, value)
    param_is(page, "attack_examples", "240")
    page.reload()  # the form and the upload are in the address
    expect(page.get_by_text("own.tsv", exact=True)).to_be_visible()
    expect(page.locator(".st-key-start button")).to_be_enabled()
    page.locator(".st-key-start button").click()
    row = job(page)
    expect(card(page).locator('[role="progressbar"]')).to_be_visible()
    page.reload()
    expect(card(page)).to_contain_text("Running")
    press(page.locator(f".st-key-cancel-{row} button"), card(page).get_by_text("Cancelled"))
    assert JobQueue(cache).row(row).state == "cancelled"


def test_it_is_resumed_and_answered_and_the_model_is_taken_home(
    page: Page, cache: Path, tmp_path: Path
) -> None:
    row = job(page)
    running, verdict = page.locator(f".st-key-cancel-{row} button"), page.locator(".st-key-verdict")
    press(page.locator(f".st-key-resume-{row} button"), running.or_(verdict).first)
    expect(verdict).to_be_visible(timeout=3 * PATIENCE)  # it has 480 attacks to make
    page.wait_for_url("**view=answer**", timeout=PATIENCE)  # its last level is done
    study = JobQueue(cache).row(row).study or ""
    assert param(page, "study") == study[:12]
    press(page.locator(".st-key-export-model button"), page.locator(".st-key-download-model"))
    sent = download(page, page.locator(".st-key-download-model button"))
    sent.save_as(tmp_path / sent.suggested_filename)
    assert sent.suggested_filename.endswith("-folder.zip")
    assert any(
        name.endswith("config.json")
        for name in zipfile.ZipFile(tmp_path / sent.suggested_filename).namelist()
    )


def test_it_is_exported_deleted_and_imported_again(page: Page, cache: Path, tmp_path: Path) -> None:
    jobs = JobQueue(cache).rows()
    key = next(row.study for row in jobs if row.state == "done" and row.study)
    page.get_by_role("link", name="Studies", exact=True).click()
    table = page.locator('[class*="st-key-stored-"] .stDataFrame')
    expect(table).to_be_visible()
    settled(page)
    own = [row for row in study_rows(Store(cache)) if row.layer == "user"]
    newest_first = [row.key for row in sorted(own, key=lambda row: -row.modified)]  # on top
    position = Position(x=20, y=35 * (newest_first.index(key) + 1) + 17)
    export = page.locator(".st-key-export button")
    act_until(lambda: table.click(position=position), export)
    sent = download(page, export)
    file = tmp_path / sent.suggested_filename
    sent.save_as(file)
    for_good = page.get_by_role("button", name="Delete for good")
    act_until(page.get_by_role("button", name="Delete", exact=True).click, for_good)
    for_good.click()
    expect(export).to_be_hidden()
    assert Store(cache).study(key) is None
    page.get_by_text("Import a study from a file").click()
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(file)
    page.locator(".st-key-take-in button").click()
    expect(page.get_by_text("2 new levels")).to_be_visible()
    study = Store(cache).study(key)
    assert study is not None and [level.sparsity for level in study.levels] == [0.0, 0.5]
