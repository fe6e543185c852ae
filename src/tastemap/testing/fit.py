"""Checks of fitting."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import asdict, fields
from functools import partial
from typing import Any

import numpy as np

from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, NotFittedError
from tastemap.models.load import load
from tastemap.models.shared import registry
from tastemap.parallel import threads
from tastemap.testing.data import (
    Make,
    arrays,
    data,
    ensure,
    ensure_each_refused,
    ensure_refused,
    ensure_same_lists,
    ensure_same_model,
    history_of,
    make_fitted,
    other_data,
    pairs,
    quietly,
    read,
    temporary_folder,
)


def check_class_is_whole(make: Make) -> None:
    """The class is a dataclass of keyword parameters with defaults, and implements every method of a model."""
    try:
        registry.check_class(type(make()))
    except TypeError as error:
        raise AssertionError(str(error)) from error


def check_making_only_stores(make: Make) -> None:
    """Making a model only stores the parameters; `check`, which fit calls, refuses wrong ones."""
    cls = type(make())
    anything = dict.fromkeys((field.name for field in fields(cls)), object())
    try:
        model = cls(**anything)
    except Exception as error:
        raise AssertionError(f"__init__ must only store its parameters, but raises {error!r}") from error
    ensure(vars(model) == anything, f"__init__ must only store its parameters, but sets {sorted(vars(model))}")


def check_fit_can_be_repeated(make: Make) -> None:
    """Fitting returns the model, leaves parameters and input as they were, and gives the same bits every time."""
    likes, model = data(), make()
    parts = (likes.matrix.data, likes.matrix.indices, likes.matrix.indptr)
    before, print_before, parameters = copy.deepcopy(parts), likes.fingerprint(), asdict(model)
    ensure(model.fit(likes, progress=False) is model, "fit must return the model itself")
    ensure(
        asdict(model) == parameters, f"fit must leave the parameters as they are: {parameters} became {asdict(model)}"
    )
    same = all(np.array_equal(old, new) for old, new in zip(before, parts, strict=True))
    ensure(same and likes.fingerprint() == print_before, "fit must leave the interactions as they are")
    once = copy.deepcopy(arrays(model))
    ensure_same_model(model.fit(likes, progress=False), make_fitted(make), "fitting twice must be fitting once")
    for name, array in once.items():
        ensure(np.array_equal(array, arrays(model)[name]), f"fitting again must give the same bits: {name} differs")


def check_fit_sets_fitted_names_only(make: Make) -> None:
    """The public names that fit sets end in '_', and a file holds every array among them."""
    model = make_fitted(make)
    known = {field.name for field in fields(model)}
    public = [name for name in vars(model) if name not in known and not name.startswith("_")]
    stray = [name for name in public if not name.endswith("_")]
    ensure(not stray, f"the names that fit sets must end in '_', got {stray}")
    held = set(model.fitted_arrays)
    lost = [name for name in public if name not in held and isinstance(getattr(model, name), np.ndarray)]
    ensure(not lost, f"the arrays {lost} are learned, but not named among the fitted ones: no file holds them")
    # Private caches may be anything that can be computed again; the checks of loading find those that cannot.


def check_fit_forgets_what_was_learned_before(make: Make) -> None:
    """A second fit, to other data, gives the same model as a first fit to them."""
    model = make_fitted(make)
    model.recommend(k=2)  # the second fit must also drop cached values
    if model.abilities.similar_items:
        model.similar_items(100)
    if model.abilities.explains:
        model.explain("u1", next(iter(history_of("u1"))))
    fresh = make().fit(other_data(), progress=False)
    ensure_same_model(model.fit(other_data(), progress=False), fresh, "fitting to other data must forget the first")


def check_models_share_nothing(make: Make) -> None:
    """A fitted model stays as it is while another one is made and fitted."""
    alone = make_fitted(make)
    lists, folded = alone.recommend(k=4), alone.recommend_for([100, 103], k=4)
    model = make_fitted(make)
    other = make().fit(data(1), progress=False)  # before the first model answers and caches anything
    other_folded = other.recommend_for([100], k=4)
    for name, array in arrays(alone).items():
        ensure(np.array_equal(array, arrays(model)[name]), f"fitting another model must leave {name} of the first")
    ensure_same_lists(model.recommend(k=4), lists, "fitting another model must leave the first")
    ensure_same_lists(model.recommend_for([100, 103], k=4), folded, "fitting another model must leave the first")
    ensure_same_lists(other.recommend_for([100], k=4), other_folded, "a model that is asked must leave another")


def check_threads_change_nothing(make: Make) -> None:
    """One thread and three learn the same bits and give the same lists."""
    likes = read(pairs(1, 150, 60))
    with threads(1):
        alone = make().fit(likes, progress=False)
        lists = alone.recommend(k=5)
    with threads(3):
        together = make().fit(likes, progress=False)
        ensure_same_model(alone, together, "the number of threads must not change a bit")
        ensure_same_lists(together.recommend(k=5), lists, "the number of threads must not change a list")


def check_unfitted_model_says_so(make: Make) -> None:
    """A model that has learned nothing refuses every question with NotFittedError."""
    model = make()
    with temporary_folder() as folder:
        calls: dict[str, Callable[[], Any]] = {
            "users of an unfitted model": lambda: model.users,
            "items of an unfitted model": lambda: model.items,
            "interactions of an unfitted model": lambda: model.interactions,
            "recommend of an unfitted model": lambda: model.recommend("u1"),
            "recommend_for of an unfitted model": lambda: model.recommend_for([100]),
            "recommend_rows of an unfitted model": lambda: model.recommend_rows([0]),
            "recommend_all of an unfitted model": lambda: model.recommend_all(folder / "lists.parquet"),
            "similar_items of an unfitted model": lambda: model.similar_items(100),
            "similar_users of an unfitted model": lambda: model.similar_users("u1"),
            "predict of an unfitted model": lambda: model.predict("u1", 100),
            "update of an unfitted model": lambda: model.update(data()),
            "save of an unfitted model": lambda: model.save(folder / "model"),
            "card of an unfitted model": lambda: model.card(),
        }
        if model.abilities.explains:
            calls["explain of an unfitted model"] = lambda: model.explain("u1", 100)
        ensure_each_refused(calls, NotFittedError, type(model).__name__, "fit")
        ensure(not list(folder.iterdir()), "an unfitted model must leave no file")


def check_fit_takes_interactions_only(make: Make) -> None:
    """Fit refuses anything but Interactions with DataError."""
    nothings: list[Any] = [None, [1, 2], pairs()]
    for nothing in nothings:
        kind = type(nothing).__name__
        ensure_refused(partial(make().fit, nothing), DataError, "Interactions", kind, what=f"fit to {kind}")


def check_bad_options_leave_what_was_learned(make: Make) -> None:
    """Options that fit refuses leave the model as it was."""
    model = make_fitted(make)
    bad: list[dict[str, Any]] = [
        {"patience": 2},
        {"validation": data(), "patience": 0},
        {"validation": data(), "metric": "ndcg"},
    ]
    for options in bad:
        ensure_refused(partial(model.fit, data(1), **options), ValueError, what=f"fit with {sorted(options)}")
    ensure_same_model(model, make_fitted(make), "a fit that is refused must leave what was learned")


def check_validation_of_unknown_ids_is_refused(make: Make) -> None:
    """A validation part without a user or an item of the training part is refused with DataError."""
    unknown = read({"person": ["x"], "film": [1], "stars": [1.0]})
    ensure_refused(
        lambda: make().fit(data(), validation=unknown), DataError, "validation", what="validation of unknown ids"
    )


def check_column_of_results_is_refused(make: Make) -> None:
    """Data with a column that has the name of a column of results are refused."""
    for column in ("rank", "score"):
        taken = Interactions.from_frame(pairs().rename({"film": column}), user="person", item=column, time="day")
        ensure_refused(partial(make().fit, taken), DataError, repr(column), what=f"a column called {column}")


@quietly
def check_degenerate_data(make: Make) -> None:
    """All answers are finite for one user, one item, one pair, any weights, and users who have every item."""
    cases: dict[str, dict[str, list[Any]]] = {
        "one user": {"person": ["a"] * 3, "film": [1, 2, 3], "stars": [1.0, 2.0, 3.0]},
        "one item": {"person": ["a", "b", "c"], "film": [1] * 3, "stars": [1.0, 2.0, 3.0]},
        "one pair": {"person": ["a"], "film": [1], "stars": [1.0]},
        "everybody has everything": {"person": list("aabb"), "film": [1, 2] * 2, "stars": [1.0] * 4},
        "a weight of zero": {"person": list("aab"), "film": [1, 2, 1], "stars": [0.0, 1.0, 1.0]},
        "tiny weights": {"person": list("aab"), "film": [1, 2, 1], "stars": [1e-38, 1e-30, 1e-38]},
    }
    nothing: dict[str, list[Any]] = {"person": list("aab"), "film": [1, 2, 1], "stars": [0.0] * 3}
    if make().abilities.ratings:
        cases["weights of zero"] = nothing
    else:
        cases["huge weights"] = {"person": list("aab"), "film": [1, 2, 1], "stars": [1e30, 1e38, 1.0]}
        ensure_refused(lambda: make().fit(read(nothing)), DataError, "liked", what="fit to weights of zero")
    for case, frame in cases.items():
        _check_case(make, case, frame)


def _check_case(make: Make, case: str, frame: dict[str, list[Any]]) -> None:
    who, items = set(frame["person"]), set(frame["film"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a model may say that such data tell nothing
        model = make().fit(read(frame, users=[*sorted(who), "idle"], items=[9, 1, 2, 3]), progress=False)
    for name, array in arrays(model).items():
        ensure(np.isfinite(array).all(), f"{name} must be finite where there is {case}")
    shown = model.recommend(exclude_seen=False, frame="polars")
    ensure(set(shown["film"]) == items, f"where there is {case}, all items with a pair must be listed")
    ensure(shown["score"].is_finite().all(), f"scores must be finite where there is {case}")
    taken = {
        (user, film) for user, film, stars in zip(*frame.values(), strict=True) if stars or model.abilities.ratings
    }
    n_left = len(model.recommend(frame="polars"))
    ensure(n_left == len(who) * len(items) - len(taken), f"where there is {case}, what is not seen must be listed")
    folded = model.recommend_for([1], frame="polars")["score"]
    ensure(folded.is_finite().all(), f"scores of a history must be finite where there is {case}")
    with temporary_folder() as folder:
        model.save(folder / "model")
        ensure_same_model(load(folder / "model"), model, f"a loaded model must be the saved one where there is {case}")
