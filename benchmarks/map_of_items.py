"""The map of 50,000 items: seconds to make it, from data to drawn in a browser, and of a step of zoom.

The data are made: items in planted groups, each of whose people have items of one group mostly. The browser is Chromium
without a GPU, driven by Playwright; run it where tastemap is installed with the group dev. Drawn is when the canvas
shows points, counted from when the browser has got the message with the data; a step of zoom goes from the turn of the
wheel until the chart has drawn.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from side_by_side import Report, Row, command_line, met

ITEMS, QUICK, GROUPS, USERS, PAIRS_OF_USER = 50_000, 5_000, 60, 25_000, 50
MOST_DRAW_SECONDS, STEPS = 1.0, 20

# Notes when the large message came, and when the canvas first showed something.
WATCH = """(() => {
  const size = (data) => data.byteLength ?? data.size ?? data.length;
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", (event) => {
        if (size(event.data) > 100000) { window.cameAt = performance.now(); window.bytes = size(event.data); }
      });
    }
  };
  const look = () => {
    const canvas = document.querySelector(".nicegui-echart canvas");
    if (canvas) {
      const part = canvas.getContext("2d").getImageData(canvas.width / 4, canvas.height / 4, 300, 200).data;
      if (part.some((value, place) => place % 4 == 3 && value)) { window.drawnAt = performance.now(); return; }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""

# Notes how many milliseconds pass from each turn of the wheel until the chart has drawn.
TIME = """() => {
  const box = document.querySelector(".nicegui-echart"), chart = getElement(+box.id.slice(1)).chart;
  window.steps = [];
  box.addEventListener("wheel", () => { window.turnedAt = performance.now(); }, { capture: true });
  chart.on("rendered", () => {
    if (window.turnedAt) window.steps.push(performance.now() - window.turnedAt);
    window.turnedAt = null;
  });
}"""


def make(folder: Path, items: int) -> None:
    """Write a model and a file of items."""
    import numpy as np
    import polars as pl

    import tastemap as tm

    rng = np.random.default_rng(1)
    group = np.sort(rng.integers(0, GROUPS, items))
    starts = np.searchsorted(group, np.arange(GROUPS + 1))
    users = np.repeat(np.arange(USERS), PAIRS_OF_USER)
    own = (users * 7919) % GROUPS
    is_own = rng.random(len(users)) < 0.9
    within = starts[own] + (rng.random(len(users)) ** 2 * (starts[own + 1] - starts[own])).astype(np.int64)
    chosen = np.where(is_own, within, rng.integers(0, items, len(users)))
    everybody = np.concatenate([users, rng.integers(0, USERS, items)])
    likes = tm.Interactions.from_frame(
        {"user": everybody, "item": np.concatenate([chosen, np.arange(items)])}, duplicates="last"
    )
    tm.ImplicitALS(factors=64, epochs=3).fit(likes, progress=False).save(folder / "made.safetensors")
    words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty"]
    titles = [f"The {words[g % 10]} of place {n} ({1950 + n % 70})" for n, g in enumerate(group)]
    genres = [f"Genre {g % 12}" for g in group]
    pl.DataFrame({"item": range(items), "title": titles, "genre": genres}).write_csv(folder / "items.csv")


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the explorer; returns its process and address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tastemap", "explore", str(folder / "made.safetensors"), "--port", str(port)]
    command += ["--items", str(folder / "items.csv"), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/health/ready").close()
            break
        except OSError:
            time.sleep(0.1)
    return process, address


def measure(address: str) -> Row:
    """Open the map in a browser and return the seconds and milliseconds."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        start = time.monotonic()
        page.goto(f"{address}/explore/map")
        page.wait_for_function("() => window.drawnAt", timeout=60_000)
        whole = time.monotonic() - start
        came, drawn, size = (page.evaluate(f"() => window.{name}") for name in ("cameAt", "drawnAt", "bytes"))
        page.wait_for_timeout(1000)
        page.evaluate(TIME)
        page.locator(".nicegui-echart").hover()
        for turn in range(STEPS):
            page.mouse.wheel(0, -100 if turn < STEPS / 2 else 100)
            page.wait_for_timeout(300)
        steps = sorted(page.evaluate("() => window.steps"))
        picture = os.environ.get("PICTURE")
        if picture:
            page.screenshot(path=picture)
        browser.close()
    return {
        "page to drawn, s": whole,
        "message, MB": size / 1e6,
        "data to drawn, s": (drawn - came) / 1000,
        "zoom step, ms": steps[len(steps) // 2],
        "slowest step, ms": steps[-1],
    }


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    options = parser.parse_args()
    items = QUICK if options.quick else options.items
    report = Report(options.json)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, items)
        start = time.monotonic()
        command = [sys.executable, "-m", "tastemap.explore.atlas", str(folder / "made.safetensors")]
        # It ends when its standard input does.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as making:
            assert making.wait() == 0
        seconds = time.monotonic() - start
        process, address = serve(folder)
        try:
            found = measure(address)
        finally:
            process.terminate()
            process.wait()
    row = {"items": items, "map made, s": seconds, **found}
    row["target"] = met(row["data to drawn, s"], MOST_DRAW_SECONDS)
    report.table(f"The map of {items:,} items", [row])
    report.finish()


if __name__ == "__main__":
    main()
