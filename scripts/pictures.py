"""Take the README's pictures from the running dashboard: a still one and a moving one.

.venv/bin/python scripts/pictures.py ADDRESS docs

The still picture is the first screen; the moving one slides the sparsity, then watches a sentence
break on the attack page.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
]
SIZE = {"width": 1440, "height": 900}
SMALL = (864, 540)  # of the moving picture
READY = ".st-key-panel-aua .prunescope-cursor line"
STOPS = (0, 20, 40, 50, 60, 70, 75, 80, 85, 87.5)  # per cent, where the slider is shown
PAUSE, STEP, LAST = 1600, 420, 3500  # milliseconds a frame is shown


def moved(page: Page, percent: float) -> None:
    """Move the slider without letting it go: everything that follows it does so in the browser."""
    page.locator("input[type=range]").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
        percent,
    )
    page.wait_for_function("(value) => window.prunescope.percent === value", arg=percent)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))")


def sliding(page: Page) -> Iterator[tuple[Image.Image, int]]:
    """Frames of the slider on its way, with how long each is shown."""
    for percent in STOPS:
        moved(page, percent)
        yield picture(page), PAUSE if percent in (0, STOPS[-1]) else STEP


def breaking(page: Page, address: str) -> Iterator[tuple[Image.Image, int]]:
    """Frames of the first curated sentence under attack."""
    page.goto(f"{address}/attack")
    card = page.locator(".st-key-a-card-0 button").first
    card.wait_for(timeout=120_000)
    page.wait_for_timeout(12_000)  # the worker loads its models
    yield picture(page), PAUSE
    card.click()
    for _ in range(6):
        page.wait_for_timeout(400)
        yield picture(page), STEP
    page.locator(".st-key-a-fresh .st-key-importance .js-plotly-plot").wait_for(
        timeout=120_000, state="attached"
    )
    page.wait_for_timeout(1500)
    yield picture(page), LAST


def picture(page: Page) -> Image.Image:
    """What the window shows, small."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SMALL, Image.LANCZOS)


def _palette(images: list[Image.Image]) -> Image.Image:
    """128 colours for all frames, from a picture that holds some of them."""
    width, height = images[0].size
    together = Image.new("RGB", (width, height * len(images)))
    for index, image in enumerate(images):
        together.paste(image, (0, height * index))
    return together.quantize(128)


def main(address: str, folder: Path) -> None:
    """Write dashboard.png and dashboard.gif."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(address)
        page.wait_for_selector(READY, timeout=120_000, state="attached")
        page.wait_for_timeout(3000)
        page.screenshot(path=folder / "dashboard.png")
        frames = [*sliding(page), *breaking(page, address)]
        browser.close()
    palette = _palette([frames[0][0], frames[-1][0]])
    images = [image.quantize(128, palette=palette, dither=Image.Dither.NONE) for image, _ in frames]
    images[0].save(
        folder / "dashboard.gif",
        save_all=True,
        append_images=images[1:],
        duration=[duration for _, duration in frames],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
