from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

import tastemap as tm
from tastemap.cli import app
from tastemap.data.datasets import Dataset

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
SHELL = "".join(re.findall(r"^```sh\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^tastemap (.*?)(?: +#.*)?$", SHELL, flags=re.MULTILINE)


def _offline(examples: list[str]) -> list[str]:
    return [example for example in examples if "datasets" not in example]


def test_the_examples_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = _offline(EXAMPLES)
    assert len(examples) == 4
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert re.search(r"listener +song +rank +score\n0 +ann +(Hey|Ohm) +1 ", printed)
    assert "# ImplicitALS" in printed


def test_the_example_on_real_data_runs(ml100k: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = set(EXAMPLES) - set(_offline(EXAMPLES))
    exec(compile(example, "README.md", "exec"), {"tm": tm})
    assert "neighbour" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_have_the_options_that_the_readme_uses(command: str) -> None:
    name, *args = shlex.split(command)
    # Parsed, not run: a wrong option or a missing argument raises.
    get_command(app).commands[name].make_context(name, args)  # type: ignore[attr-defined]


def test_the_table_of_the_api_names_what_exists() -> None:
    names = set(re.findall(r"\btm\.(\w+)", README))
    assert names <= set(dir(tm))
    methods = set(re.findall(r"\bmodel\.(\w+)\(", README))
    assert all(hasattr(tm.ImplicitALS, method) for method in methods)
