"""Take the README's picture from the running dashboard.

.venv/bin/python scripts/screenshot.py ADDRESS FILE [light|dark]
"""

import sys

from playwright.sync_api import sync_playwright

address, file, scheme = sys.argv[1], sys.argv[2], (sys.argv[3:] or ["light"])[0]
flags = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
    page = browser.new_page(
        viewport={"width": 1360, "height": 1010},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(address)
    page.wait_for_selector(
        ".st-key-curves .prunescope-cursor line", timeout=60_000, state="attached"
    )
    page.wait_for_timeout(3000)
    page.screenshot(path=file)
    browser.close()
