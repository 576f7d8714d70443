"""Measure how the dashboard feels in a real Chromium.

    python -m benchmarks.browser [--moves 500] [--attacks 20]

Against the app, started fresh on the bundled studies: the first complete page; frames while the
slider is dragged; from letting go to a settled page; a change of page; a newcomer's first attack
and live attacks on 20 words, to their first step and to their end; memory of the app and of its
worker after many moves and attacks.
A bare Streamlit page in the same browser is the floor.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BARE = "import streamlit as st\nst.title('bare')\n"
COMPLETE = ".st-key-panel-aua .js-plotly-plot .prunescope-cursor"
SENTENCE = (
    "A {} and funny film that never wastes a single minute of your time and leaves you "
    "smiling long after the end."
)
WORDS = (
    "warm",
    "bright",
    "gentle",
    "clever",
    "quiet",
    "bold",
    "tender",
    "sharp",
    "lively",
    "honest",
)
READY = "All of these are attacked at once."
RESULT = ".st-key-a-fresh .st-key-importance .js-plotly-plot .main-svg >> nth=0"
STEP = """(old) => new URLSearchParams(location.search).get("job") !== old
  && [...document.querySelectorAll(".st-key-a-fresh .sides .fact")]
    .some((fact) => fact.textContent.includes("quer"))"""
CARD = ".st-key-a-card-0 button"  # the first of the sentences to click
AFTER = 15.0  # seconds from the server's start to a newcomer's first click
FRAMES = """() => { window.frames_ = []; let last = performance.now(); window.recording_ = true;
  const tick = (now) => { window.frames_.push(now - last); last = now;
    if (window.recording_) requestAnimationFrame(tick); };
  requestAnimationFrame(tick); }"""
LET_GO = """(value) => new Promise((done) => {
  const find = (root) => { for (const node of root.querySelectorAll('*')) {
    if (node.matches('input[type=range]')) return node;
    const inside = node.shadowRoot && find(node.shadowRoot);
    if (inside) return inside; } return null; };
  const input = find(document), start = performance.now();
  const app = document.querySelector('[data-testid=stApp]');
  input.value = value;
  input.dispatchEvent(new Event('input')); input.dispatchEvent(new Event('change'));

  const look = () => {
    const settled = new URLSearchParams(location.search).get('sparsity') === String(value)
      && app.getAttribute('data-test-script-state') === 'notRunning';
    if (settled || performance.now() - start > 20000) done(performance.now() - start);
    else requestAnimationFrame(look);
  };
  look(); })"""


@contextmanager
def served(script: str | None, cache: Path) -> Iterator[tuple[str, int]]:
    """The address of a Streamlit script, or of the dashboard, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    module = ["streamlit", "run", script] if script else ["prunescope.app"]
    app = subprocess.Popen(
        [sys.executable, "-m", *module, "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PRUNESCOPE_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", app.pid
    finally:
        app.terminate()
        app.wait(timeout=30)


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    line = next(
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def memory(app: int) -> dict[str, float]:
    """Megabytes of the app's process and of its worker."""
    children = [
        pid
        for one in Path(f"/proc/{app}/task").glob("*/children")
        for pid in one.read_text().split()
    ]
    workers = [
        int(pid)
        for pid in children
        if b"prunescope.engine.live.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return {"app": megabytes(app), "worker": sum(map(megabytes, workers))}


def attacks(page: Page, address: str, study: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the button to the first step shown, and to the result, of attacks on a
    sentence of 20 words.
    """
    first, done = [], []
    page.goto(f"{address}/attack?study={study}&victims={study}@0.5&attack=deepwordbug")
    page.get_by_text(READY).wait_for(timeout=600_000)
    for number in range(count):
        page.locator(".st-key-a-text textarea").fill(SENTENCE.format(WORDS[number % len(WORDS)]))
        page.keyboard.press("Control+Enter")
        # the page runs once more, and the result of the attack before goes
        page.wait_for_timeout(2000)
        old = page.evaluate("new URLSearchParams(location.search).get('job')")
        start = time.perf_counter()
        page.locator(".st-key-a-start button").click()
        page.wait_for_function(STEP, arg=old, timeout=120_000, polling=20)
        first.append(1000 * (time.perf_counter() - start))
        page.locator(RESULT).wait_for(timeout=120_000, state="attached")
        done.append(1000 * (time.perf_counter() - start))
    return first, done


def newcomer(chromium: Browser, cache: Path) -> float:
    """Milliseconds from the click on a sentence to the attack's first step, on a server that was
    started 15 seconds before.
    """
    with served(None, cache) as (address, _):
        start = time.perf_counter()
        page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(address)
        page.wait_for_selector(COMPLETE, timeout=120_000, state="attached")
        page.get_by_role("link", name="Watch a sentence break").click()
        page.locator(CARD).wait_for(timeout=120_000)
        page.wait_for_timeout(max(0.0, 1000 * (AFTER - (time.perf_counter() - start))))
        old = page.evaluate("new URLSearchParams(location.search).get('job')")
        click = time.perf_counter()
        page.locator(CARD).click()
        page.wait_for_function(STEP, arg=old, timeout=120_000, polling=20)
        return 1000 * (time.perf_counter() - click)


def seconds_until(page: Page, address: str, there: str) -> float:
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(there, timeout=120_000, state="attached")
    return time.perf_counter() - start


def drag(page: Page) -> list[float]:
    """Milliseconds of every frame while the thumb is dragged to and fro for some seconds."""
    box = page.locator("input[type=range]").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.evaluate(FRAMES)
    for turn in range(3):
        for step in range(60):
            share = step / 60 if turn % 2 == 0 else 1 - step / 60
            page.mouse.move(box["x"] + box["width"] * (0.05 + 0.9 * share), middle)
    frames = page.evaluate("() => { window.recording_ = false; return window.frames_; }")
    page.mouse.up()
    return [float(frame) for frame in frames[1:]]


def settle(page: Page, moves: int) -> list[float]:
    """Milliseconds from letting go to a settled page, many times."""
    draw = np.random.default_rng(0)
    return [float(page.evaluate(LET_GO, int(value))) for value in draw.integers(1, 95, moves)]


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": float(np.median(values)),
        "p95": float(np.quantile(values, 0.95)),
        "n": len(values),
    }


def measure(studies: str, moves: int, count: int) -> dict[str, Any]:
    """All figures of one run."""
    found: dict[str, Any] = {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        bare = Path(folder, "bare.py")
        bare.write_text(BARE)
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        with served(str(bare), Path(folder, "cache")) as (address, _):
            found["bare page, s"] = seconds_until(chromium.new_context().new_page(), address, "h1")
        found["first click to its first step, ms"] = newcomer(chromium, Path(folder, "new"))
        with served(None, Path(folder, "cache")) as (address, pid):
            found["first page, s"] = seconds_until(
                chromium.new_context().new_page(), address, COMPLETE
            )
            page = chromium.new_context(viewport={"width": 1440, "height": 1400}).new_page()
            found["page with 3 studies, s"] = seconds_until(
                page, f"{address}/?study={studies}", COMPLETE
            )
            page.wait_for_timeout(6000)  # the worker warms up
            found["frame while dragging, ms"] = spread(drag(page))
            page.wait_for_timeout(2000)
            found["let go to settled, ms"] = spread(settle(page, 40))
            before = memory(pid)
            settle(page, moves)
            found[f"memory after {moves} moves, MB"] = {"before": before, "after": memory(pid)}
            start = time.perf_counter()
            page.get_by_role("link", name="Layers").click()
            page.wait_for_selector(
                ".st-key-cell .js-plotly-plot .prunescope-cursor", timeout=60_000, state="attached"
            )
            found["to Layers, s"] = time.perf_counter() - start
            start = time.perf_counter()
            page.get_by_role("link", name="Explore").click()
            page.wait_for_selector(COMPLETE, timeout=60_000, state="attached")
            found["back to Explore, s"] = time.perf_counter() - start
            attacks(page, address, studies.split(",")[0], 1)  # the first one loads what all need
            before = memory(pid)
            first, done = attacks(page, address, studies.split(",")[0], count)
            found["attack to its first step, ms"], found["attack to its result, ms"] = (
                spread(first),
                spread(done),
            )
            found[f"memory after {count} attacks, MB"] = {"before": before, "after": memory(pid)}
        chromium.close()
    found["load after"] = os.getloadavg()[0]
    return found


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--studies",
        default="260eaa6447d8,334d350026bd,274cb701d857",
        help="beginnings of three studies' keys",
    )
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--attacks", type=int, default=20)
    options = parser.parse_args()
    print(json.dumps(measure(options.studies, options.moves, options.attacks), indent=1))


if __name__ == "__main__":
    main()
