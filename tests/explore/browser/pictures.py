"""Makes pictures of every view of the explorer, in both widths and both themes: `make pictures`.

The models are of the likes of MovieLens 1M in TASTEMAP_DATA. All pictures go into build/pictures, to be looked at, and
those that the documents show into docs/_static/explorer.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

import tastemap as tm
from explore.browser.browsing import COMPLETE, NARROW, WIDE, open_browser
from serve.running import start

ROOT = Path(__file__).parents[3]
VIEWS = {
    "items": "/?item=1",
    "people": "/people?user=4&without=260",
    "taste": "/taste?like=1&like=588&like=364&like=1196&dislike=589",
    "map": "/map",
    "data": "/data",
    "models": "/models",
}
READY = {"items": "item", "people": "person", "taste": "likes", "map": "map", "data": "data", "models": "models"}
SHOWN = ("items", "taste", "map")

# Milliseconds that a map may take, and that charts take to be drawn.
LONGEST, DRAWN = 180_000, 1_500


def write_files(folder: Path, data: Path) -> list[Path]:
    """Write three models of the likes of MovieLens 1M, the films, and return the models' paths."""
    ratings = tm.datasets.movielens("1m", path=data / "ml-1m")
    likes = ratings.interactions.at_least(4).binarize()
    assert isinstance(ratings.items, pl.DataFrame)
    ratings.items.write_csv(folder / "films.csv")
    paths = []
    for model in (tm.EASE(), tm.ImplicitALS(), tm.WARP()):
        model.fit(likes, progress=False).save(path := folder / f"{type(model).__name__}.safetensors")
        paths.append(path)
    return paths


def take(page: Any, view: str, path: Path, whole: bool) -> None:
    """Take a picture of a page that is open."""
    page.locator(COMPLETE[READY[view]]).first.wait_for(timeout=LONGEST)
    page.wait_for_timeout(DRAWN)
    page.screenshot(path=path, full_page=whole)


def main() -> None:
    """Make all pictures."""
    folder = ROOT / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        models = write_files(Path(name), Path(os.environ.get("TASTEMAP_DATA", ROOT.parent / "shared" / "data")))
        words = ("--items", Path(name, "films.csv"), "--no-browser")
        server = start(Path(name), models, *words, command="explore")
        try:
            with open_browser() as browser:
                for width, size in (("wide", WIDE), ("narrow", NARROW)):
                    for theme in ("light", "dark"):
                        viewport = dict(zip(("width", "height"), size, strict=True))
                        context = browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")
                        for view, address in VIEWS.items():
                            page = context.new_page()
                            page.goto(f"{server.url}/explore{address}")
                            take(page, view, folder / f"{view}-{width}-{theme}.png", whole=width == "narrow")
                            page.close()
                        context.close()
        finally:
            server.stop()
    shown = ROOT / "docs" / "_static" / "explorer"
    shown.mkdir(exist_ok=True)
    for view in SHOWN:
        shutil.copyfile(folder / f"{view}-wide-light.png", shown / f"{view}.png")


if __name__ == "__main__":
    main()
