"""Models of other packages are found by their names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import tastemap as tm
from tastemap.models.shared.registry import MODELS

LIKES = tm.Interactions.from_frame({"user": ["a", "a", "b"], "item": [1, 2, 1]})

OURS = list(tm.MODELS)

# A package of its own: a model, one that cannot be imported, and one called otherwise than its entry point.
OUTSIDE = """
from dataclasses import dataclass
import tastemap as tm

@dataclass(kw_only=True, eq=False)
class Outsider(tm.Popular):
    strength: float = 1.0
"""
ENTRY_POINTS = """[tastemap.models]
Outsider = outside:Outsider
Broken = outside_broken:Broken
Called = outside:Outsider
"""


@pytest.fixture(autouse=True)
def registry(own_registry: None) -> None:
    pass


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the package is installed."""
    (tmp_path / "outside.py").write_text(OUTSIDE)
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return {"PYTHONPATH": f"{tmp_path}:{Path(tm.__file__).parents[1]}"}


def test_our_models_come_in_an_order_of_their_own() -> None:
    assert OURS[:3] == ["Random", "Popular", "PersonalPopular"]
    assert len(tm.MODELS) == len(OURS)
    assert tm.MODELS["EASE"] is tm.EASE
    assert "Nothing" not in tm.MODELS
    assert repr(tm.MODELS).startswith("<the models Random, Popular, ")


def test_the_registry_is_read_only() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        tm.MODELS["EASE"] = tm.BPR  # type: ignore[index]


def test_a_registered_model_is_loaded_and_called_by_its_name(tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class Loudest(tm.Popular):
        pass

    Loudest().fit(LIKES).save(tmp_path / "model")
    with pytest.raises(
        tm.ModelFileError, match=r"holds a 'Loudest', .*: import or install the package that has it, or"
    ):
        tm.load(tmp_path / "model")
    assert tm.register(Loudest) is Loudest
    assert tm.register(Loudest) is Loudest  # a module may be imported again
    assert tm.MODELS["Loudest"] is Loudest
    assert type(tm.load(tmp_path / "model")) is Loudest
    with pytest.raises(ValueError, match=r"got 'Loudest': pass Loudest\(\)"):
        tm.compare(["Loudest"], LIKES)


def test_a_parameter_that_another_packages_model_lacks_names_that_package(tmp_path: Path) -> None:
    model = tm.register(_popular("Wide", breadth=(int, 1)))
    model().fit(LIKES).save(tmp_path / "model")
    MODELS._classes["Wide"] = _popular("Wide")
    with pytest.raises(tm.ModelFileError, match=r"has the parameter 'breadth', .* update test_registry"):
        tm.load(tmp_path / "model")


def test_another_model_of_the_same_name_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"the name 'EASE' is taken by tastemap\.models\.ease\.EASE: rename your class"
    ):
        tm.register(_popular("EASE"))
    assert tm.MODELS["EASE"] is tm.EASE


def _popular(name: str, **parameters: tuple[type, Any]) -> type[tm.Model]:
    """Make a model like Popular with parameters."""
    return _class(name, tm.Popular, parameters, kw_only=True, eq=False)


def _class(name: str, base: type, parameters: dict[str, Any], **options: bool) -> Any:
    namespace: dict[str, Any] = {"__annotations__": {key: kind for key, (kind, _) in parameters.items()}}
    namespace |= {key: default for key, (_, default) in parameters.items() if default is not ...}
    return dataclass(**options)(type(name, (base,), {"__module__": __name__, **namespace}))


class Plain(tm.Popular):
    pass


@dataclass(kw_only=True, eq=False)
class Half(tm.Model):
    pass


@dataclass(kw_only=True, eq=False)
class Searching(tm.Popular):
    search_space: ClassVar[Any] = {"alfa": [1, 2]}


@dataclass(kw_only=True, eq=False)
class Timeless(tm.Popular):
    abilities: ClassVar[tm.Abilities] = tm.Abilities(epochs=True)


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (tm.EASE(), r"a model must be a subclass of tastemap.Model, got EASE\("),
        (dict, "a model must be a subclass of tastemap.Model, got <class 'dict'>"),
        (Plain, r"Plain is no dataclass, .*: put @dataclass\(kw_only=True, eq=False\) on it"),
        (Half, "Half lacks 'learn', 'learn_more', 'make_scorer', which every model has"),
        (
            _class("Placed", tm.Popular, {"k": (int, 1)}, eq=False),
            "Placed takes 'k' by its place or not at all: put kw_only=True",
        ),
        (_popular("Fixed", k=(int, field(default=1, init=False))), "Fixed takes 'k' by its place or not at all"),
        (_popular("Demanding", k=(int, ...)), "Demanding has no default for 'k'"),
        (_popular("Learned", k_=(int, 1)), "Learned calls a parameter 'k_', but what ends in '_' is learned"),
        (
            _class("Equal", tm.Popular, {}, kw_only=True),
            "two fitted models of Equal would be equal .* put eq=False into",
        ),
        (Searching, "Searching.search_space names 'alfa', which Searching has no parameter for"),
        (Timeless, "Timeless trains in epochs, but has no parameter 'epochs'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_whole_model_is_refused_in_a_sentence(cls: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence) as caught:
        tm.register(cls)
    assert "\n" not in str(caught.value)
    assert list(tm.MODELS) == OURS


def test_the_model_of_an_installed_package_is_imported_when_its_name_is_asked_for(
    installed: dict[str, str], run_python: Callable[..., str], tmp_path: Path
) -> None:
    said = run_python(
        """
        import sys
        import tastemap as tm
        tm.MODELS["EASE"]
        print("outside" in sys.modules)
        model = tm.MODELS["Outsider"](strength=2.0).fit(tm.Interactions.from_frame({"user": [1, 2], "item": [3, 3]}))
        model.save(sys.argv[1])
        print(type(model).__module__)
        """,
        tmp_path / "model",
        **installed,
    )
    assert said.split() == ["False", "outside"]
    loaded = run_python("import sys, tastemap as tm; print(tm.load(sys.argv[1]))", tmp_path / "model", **installed)
    assert loaded.strip() == "Outsider(last=None, strength=2.0)"


def test_an_offer_that_cannot_be_taken_is_left_out_with_a_warning_said_once(
    installed: dict[str, str], run_python: Callable[..., str]
) -> None:
    said = run_python(
        """
        import warnings
        import tastemap as tm
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            print(*tm.MODELS, len(tm.MODELS))
        print(*(warning.message for warning in caught), sep="\\n")
        """,
        **installed,
    )
    names, *warned = said.splitlines()
    assert names.split() == [*OURS, "Outsider", f"{len(OURS) + 1}"]
    assert warned == [
        "the model 'Broken' of the package outside is left out, because of ModuleNotFoundError: No module named "
        "'outside_broken'",
        "the model 'Called' of the package outside is left out, because of ValueError: its class is called 'Outsider': "
        "an entry point has the name of its class",
    ]


def test_the_command_line_knows_the_model_of_an_installed_package(
    installed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    pairs = {(int(user), int(item)) for user, item in rng.integers(0, 9, (60, 2))}
    (tmp_path / "likes.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in sorted(pairs)))
    for name, value in installed.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "tastemap", "compare", str(tmp_path / "likes.csv"), "--model", "Outsider"]
    command += ["--model", "Popular", "--set", "strength=3", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    board = json.loads(done.stdout)["models"]
    assert {row["model"]: row["parameters"] for row in board} == {
        "Outsider": {"last": None, "strength": 3.0},
        "Popular": {"last": None},
    }
