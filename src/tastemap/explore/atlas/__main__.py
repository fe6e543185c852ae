"""Makes the map of a model in a process of its own: `python -m tastemap.explore.atlas MODEL`.

It writes a line of JSON for each stage, then one with the digest of the model's file or with an error, and ends when
its standard input does: a server that is gone leaves no work behind.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tastemap.errors import TastemapError
from tastemap.explore.atlas.kept import Atlas, keep_atlas
from tastemap.explore.atlas.place import Stage, place
from tastemap.explore.atlas.regions import cut_regions
from tastemap.explore.atlas.vectors import find_vectors
from tastemap.models.load import load

# How much other processes go first, of 20.
NICENESS = 10


def make_atlas(path: Path, tell: Callable[[Stage], object] = lambda stage: None) -> str:
    """Make and keep the map of a model's file and return the file's digest; equal files give equal maps.

    tell : gets each stage when it begins
    """
    tell("load")
    model = load(path)
    tell("vectors")
    rows, vectors = find_vectors(model)
    places = place(vectors, tell)
    tell("regions")
    atlas = Atlas(rows, places, cut_regions(places, "near"), cut_regions(places, "far"))
    keep_atlas(atlas, path, str(model.digest_))
    return str(model.digest_)


def main() -> None:
    """Make the map of the model that the command line names."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    end_with_parent()
    try:
        _say("digest", make_atlas(Path(sys.argv[1]), lambda stage: _say("stage", stage)))
    except (TastemapError, OSError, ValueError, MemoryError) as error:
        _say("error", str(error) or type(error).__name__)


def _say(name: str, value: str) -> None:
    print(json.dumps({name: value}), flush=True)


def end_with_parent() -> None:
    """End this process when its standard input ends, which a parent that is killed does not keep open."""

    def wait() -> None:
        # Not sys.stdin, whose lock this thread would hold when the interpreter ends.
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
