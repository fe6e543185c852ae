"""Every line of curl and of Python on the page about serving, against a running server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")

from running import Server, films, likes, start

import tastemap as tm

if sys.platform == "win32":
    pytest.skip("processes are ended by signals of POSIX", allow_module_level=True)

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8000"
METHODS = {"get", "post", "put", "delete", "patch"}


class Line(NamedTuple):
    """A command of curl, and the JSON that the page shows below it."""

    command: str
    shown: str | None


def _find_lines() -> Iterator[Line]:
    for block in re.finditer(r"^```sh\n(.*?)^```$(?:\n+```json\n(.*?)^```$)?", PAGE, flags=re.DOTALL | re.MULTILINE):
        commands = re.findall(r"^curl .*(?:\n  .*)*", block[1], flags=re.MULTILINE)
        yield from (Line(command, None) for command in commands[:-1])
        yield from (Line(command, block[2]) for command in commands[-1:])


LINES = list(_find_lines())


def _find_code(kind: str) -> str:
    (code,) = re.findall(rf"^```python{kind}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(code)


def write_page_files(folder: Path) -> Path:
    """Write what the page names: the model, the table of items, a token."""
    films().write_csv(folder / "movies.csv")
    model = folder / "films.safetensors"
    tm.ImplicitALS(factors=8, epochs=3).fit(likes(), progress=False).save(model)
    (folder / "token").write_text("secret\n")
    return model


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("page")
    model = write_page_files(folder)
    server = start(folder, [model], "--items", folder / "movies.csv", "--events", folder / "events")
    yield server
    server.stop()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("line", LINES, ids=[re.sub(r"[^\w/]+", " ", line.command)[:60] for line in LINES])
def test_a_line_of_curl_answers_as_the_page_shows(page_server: Server, line: Line) -> None:
    command = line.command.replace(ADDRESS, f"127.0.0.1:{page_server.port}", 1)
    command = command.replace("curl ", "curl --silent --show-error --max-time 30 --write-out '\\n%{http_code}' ", 1)
    done = subprocess.run(command, shell=True, cwd=page_server.log.parent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    shown = json.loads(line.shown) if line.shown else {}
    assert (int(status), body[:500]) == (404 if "error" in shown else 200, body[:500])
    if "/metrics" in command:
        assert "\n# TYPE " in f"\n{body}"
    elif shown:
        answer = json.loads(body)
        assert list(answer) == list(shown)
        _check_keys(answer, shown)
    else:
        json.loads(body)


def _check_keys(answer: Any, shown: Any) -> None:
    """Check that what is shown has the names and types of the answer."""
    assert isinstance(answer, float | int if isinstance(shown, float) else type(shown)), (answer, shown)
    if isinstance(shown, dict):
        assert shown.keys() <= answer.keys()
        for name in shown:
            _check_keys(answer[name], shown[name])
    elif isinstance(shown, list):
        assert answer
        for one, other in zip(answer, shown, strict=False):
            _check_keys(one, other)


def test_the_client_asks(page_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(_find_code(""), names)
    exec(_find_code(" client").replace(ADDRESS, f"127.0.0.1:{page_server.port}"), names)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    assert all(re.fullmatch(r".+ -?\d.*", line) for line in printed)
    assert len([line for line in _find_code("").splitlines() if line]) <= 10


def test_the_application_is_made_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_page_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(_find_code(" server"), names)
    assert callable(names["app"])


def test_the_page_has_a_line_for_every_route(page_server: Server) -> None:
    paths = page_server.ask("/openapi.json").json["paths"]
    commands = [re.search(rf"{ADDRESS}(/[\w/]*)", line.command) for line in LINES]
    asked = [command[1] for command in commands if command]
    for path, methods in paths.items():
        if METHODS & methods.keys():
            pattern = re.sub(r"\\{\w+(:path)?\\}", r"[^/]+", re.escape(path))
            assert any(re.fullmatch(pattern, one) for one in asked), path
