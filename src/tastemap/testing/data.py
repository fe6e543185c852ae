"""Small data for checks, and the assertions of checks with their messages."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tastemap.data.features import Features
from tastemap.data.interactions import Interactions
from tastemap.errors import TastemapWarning
from tastemap.models.shared.base import Model
from tastemap.typing import Arrays

Make = Callable[[], Model]

GHOST, UNSEEN = "ghost", 999  # a user and an item in the id maps that have no pair
GLUTTON = "u5"  # has every item
FILMS = list(range(100, 111))
KINDS = [kind for kind in ("polars", "pandas", "pyarrow") if find_spec(kind)]  # of frames
NEW_FILM, NEW_PERSON = 700, "newcomer"  # known by features alone


@cache
def pairs(seed: int = 0, n_users: int = 14, n_items: int = 11) -> pl.DataFrame:
    """Return pairs with column names other than the defaults; users are strings, items are integers, days repeat."""
    rng = np.random.default_rng(seed)
    has = rng.random((n_users, n_items)) < 0.4
    has[5] = True
    has[:, 0] |= ~has.any(axis=1)
    users, items = np.nonzero(has)
    stars = rng.integers(1, 6, len(users)).astype(float)
    days = rng.integers(0, 20, len(users))
    return pl.DataFrame({"person": [f"u{u}" for u in users], "film": 100 + items, "stars": stars, "day": days})


def read(frame: Any, **more: Any) -> Interactions:
    """Return a frame of pairs as interactions; one row a day in a dict without days."""
    if isinstance(frame, Mapping):
        frame = {"day": list(range(len(frame["film"]))), **frame}
    return Interactions.from_frame(frame, user="person", item="film", weight="stars", time="day", **more)


@cache
def data(seed: int = 0) -> Interactions:
    """Return the pairs as interactions whose id maps also hold a user and an item without a pair."""
    frame = pairs(seed)
    users = [*frame["person"].unique(maintain_order=True), GHOST]
    return read(frame, users=users, items=[UNSEEN, *frame["film"].unique().sort()])


@cache
def other_data() -> Interactions:
    """Return other pairs, of fewer users and items."""
    return read(pairs(seed=3, n_users=8, n_items=7))


def people() -> list[str]:
    """Return the users with a pair."""
    return list(dict.fromkeys(pairs()["person"]))


def history_of(user: str, interactions: Interactions | None = None) -> dict[int, float]:
    """Return a user's items and their weights, the newest last."""
    mine = _find_pairs(user, interactions)
    return dict(zip(mine["film"], mine["stars"], strict=True))


def times_of(user: str, interactions: Interactions | None = None) -> list[int]:
    """Return the times of a user's items, as `history_of` has these."""
    return _find_pairs(user, interactions)["day"].to_list()


def _find_pairs(user: str, interactions: Interactions | None) -> pl.DataFrame:
    frame = pairs() if interactions is None else interactions.to_frame("polars")
    return frame.filter(pl.col("person") == user).sort("day", maintain_order=True)


def news() -> Interactions:
    """Return a new user, a new item, a new pair of known ids and a changed weight."""
    some = min(history_of("u2"))
    return read({"person": ["new", "new", "u1", "u2"], "film": [103, 500, 500, some], "stars": [5.0, 4.0, 3.0, 1.5]})


@cache
def film_features() -> Features:
    """Return the genres of films, also of an unseen film and of one outside the data, but not of film 103."""
    genres = ["war", "noir", "war|noir", None, "war", "noir", "war", "noir", "war", "noir", "war", "noir", "war"]
    films = {"film": [*FILMS, UNSEEN, NEW_FILM], "genre": genres}
    return Features.from_frame(films, id="film", columns="genre", separator="|")


@cache
def people_features() -> Features:
    """Return the ages of all users, and of one outside the data."""
    everyone = [*people(), GHOST, NEW_PERSON]
    ages = ["old" if place % 2 else "young" for place in range(len(everyone))]
    return Features.from_frame({"person": everyone, "age": ages}, id="person", columns="age")


def make_changed(make: Make, **parameters: Any) -> Model:
    """Return an unfitted model with some other parameters."""
    return replace(make(), **parameters)


def make_fitted(make: Make, **parameters: Any) -> Model:
    """Return the model with some other parameters, fitted to the pairs."""
    return make_changed(make, **parameters).fit(data(), progress=False)


def make_described(make: Make, **parameters: Any) -> Model:
    """Return the model with some other parameters, fitted to the pairs and the features."""
    model = make_changed(make, **parameters)
    return model.fit(data(), user_features=people_features(), item_features=film_features(), progress=False)


def arrays(model: Model) -> Arrays:
    """Return the arrays that a model has learned, by name."""
    return {name: getattr(model, name) for name in ("popularity_", *model.fitted_arrays)}


def quietly(check: Callable[[Make], None]) -> Callable[[Make], None]:
    """Make a check silent about lists that a model cannot tell apart, where its data are too small to learn from."""

    @wraps(check)
    def checked(make: Make) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the model cannot tell the", TastemapWarning)
            check(make)

    return checked


def ensure(condition: object, sentence: str) -> None:
    """Raise AssertionError with a sentence where a condition does not hold."""
    if not condition:
        raise AssertionError(sentence)


def ensure_same_model(one: Model, other: Model, sentence: str) -> None:
    """Raise AssertionError where two models differ in parameters, ids, any bit of an array, or lists."""
    ensure(asdict(one) == asdict(other), f"{sentence}: its parameters differ, {one} and {other}")
    ensure(list(one.users) == list(other.users) and list(one.items) == list(other.items), f"{sentence}: its ids differ")
    theirs = arrays(other)
    for name, array in arrays(one).items():
        equal = array.dtype == theirs[name].dtype and np.array_equal(array, theirs[name])
        ensure(equal, f"{sentence}: {name} differs")
    if one.interactions is not None and other.interactions is not None:
        ensure_same_lists(one.recommend(k=4), other.recommend(k=4), sentence)


def ensure_same_lists(one: Any, other: Any, sentence: str) -> None:
    """Raise AssertionError where two frames of results differ in any bit."""
    ensure(type(one) is type(other) and one.equals(other), f"{sentence}: the lists differ")


def ensure_near(one: Any, other: Any, sentence: str, tolerance: float = 1e-4) -> None:
    """Raise AssertionError where scores differ by more than a float32's rounding."""
    alike = np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=tolerance, atol=tolerance)
    ensure(alike, f"{sentence}: got {np.ravel(one)[:5]} and {np.ravel(other)[:5]}")


def ensure_refused(
    call: Callable[[], Any], error: type[Exception] | tuple[type[Exception], ...], *words: object, what: str
) -> None:
    """Raise AssertionError where a call does not raise the error with one sentence that contains the words."""
    kinds = " or ".join(kind.__name__ for kind in (error if isinstance(error, tuple) else (error,)))
    try:
        call()
    except error as caught:
        text = str(caught)
    except Exception as caught:
        told = f"{type(caught).__name__}: {caught}"
        raise AssertionError(f"{what} must be refused with {kinds}, got {told}") from caught
    else:
        raise AssertionError(f"{what} must be refused with {kinds}, and is not")
    ensure("\n" not in text, f"{what} must be refused in one line, got {text!r}")
    for word in words:
        ensure(str(word) in text, f"the sentence that refuses {what} must name {word}, got {text!r}")


def ensure_each_refused(
    calls: Mapping[str, Callable[[], Any]], error: type[Exception] | tuple[type[Exception], ...], *words: object
) -> None:
    """Raise AssertionError where any of several calls, named by their descriptions, is not refused."""
    for what, call in calls.items():
        ensure_refused(call, error, *words, what=what)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Provide a folder that is deleted after the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
