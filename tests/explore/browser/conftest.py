from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explore.browser.browsing import CHROMIUM, Watch, open_browser, start_explorer, write_files
from serve.running import Server


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_files(tmp_path_factory.mktemp("explorer"))


@pytest.fixture(scope="session")
def server(models: list[Path]) -> Iterator[Server]:
    server = start_explorer(models[0].parent, models)
    yield server
    server.stop()
    log = server.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-4_000:]


# Playwright's loop is in the way of every other one in the process, so that it does not outlive a module.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("playwright", reason="needs Playwright")
    if CHROMIUM is None:
        pytest.skip("needs a browser: Chromium is not installed")
    with open_browser() as browser:
        yield browser


@pytest.fixture
def watch(browser: Any, server: Server) -> Iterator[Watch]:
    watch = Watch(browser, server)
    yield watch
    watch.close()
    assert watch.faults == []
