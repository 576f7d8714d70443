"""Fifty hostile strings as names of studies, in the charts, cards, pickers and files of the real
pages.
"""

from pathlib import Path

import pytest
from hostile import HOSTILE
from made_up_studies import made_up_study, save
from playwright.sync_api import Browser, expect
from waiting import act_until, download, new_context, settled

CURSOR = ".js-plotly-plot .prunescope-cursor line"
MEANT = (
    "() => document.querySelectorAll('img[src=x], iframe[src*=example], a[href*=javascript], "
    "[onerror], [onload]').length"
)


@pytest.fixture(scope="module")
def keys(cache: Path) -> list[str]:
    texts = [" ".join(HOSTILE[start::2]) for start in range(2)]
    studies = [
        made_up_study(
            (0.0, 0.5, 0.8 + index / 10),
            data=text,
            model=text,
            method=text,
            label_names=[text, "b"],
        )
        for index, text in enumerate(texts)
    ]
    return [save(cache, study).key for study in studies]


@pytest.mark.parametrize("path", ["/", "/layers"])
def test_hostile_names_are_text_wherever_they_stand(
    address: str, browser: Browser, keys: list[str], tmp_path: Path, path: str
) -> None:
    context = new_context(browser)
    page, faults = context.new_page(), list[str]()
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: faults.append(request.url) if "example.invalid" in request.url else None,
    )
    page.goto(f"{address}{path}?study={','.join(keys)}&tab=layers")
    expect(page.locator(CURSOR).first).to_be_attached()
    settled(page)
    assert page.evaluate(MEANT) == 0 and faults == []
    assert page.locator('[data-testid="stException"]').count() == 0
    button = page.locator(".st-key-export-layers-html button")
    act_until(page.locator(".st-key-export-layers button").first.click, button)
    settled(page)
    download(page, button).save_as(tmp_path / "layers.html")
    page.goto((tmp_path / "layers.html").as_uri())
    expect(page.locator("#chart .main-svg").first).to_be_visible()
    assert page.evaluate(MEANT) == 0 and faults == []
    context.close()
