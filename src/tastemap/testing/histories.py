"""Checks of new users, who are folded in from a history."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl

from tastemap.errors import DataError, DivergenceError, UnknownIdError
from tastemap.testing.data import (
    FILMS,
    UNSEEN,
    Make,
    ensure,
    ensure_near,
    ensure_refused,
    ensure_same_lists,
    history_of,
    make_fitted,
    news,
    pairs,
    people,
    read,
    times_of,
)


def check_histories_come_in_many_forms(make: Make) -> None:
    """A history is ids in any order, a mapping to weights, or a list of these; each history gets its own list."""
    model = make_fitted(make)
    # An item named without a weight counts as one of mean weight, where weights are ratings as one of the highest.
    liked = 5 if model.abilities.ratings else model.state.unit
    one, two = model.recommend_for([103, 105], k=4), model.recommend_for({104: 2.0, 101: 1.0}, k=4)
    forms: list[Any] = [(103, 105), np.array([103, 105]), pl.Series([103, 105])]
    forms += [] if model.abilities.uses_order else [[105, 103], {103, 105}]
    forms += [{103: liked, 105: liked}, {103: float(liked), 105: float(liked)}]
    for same in forms:
        ensure_same_lists(model.recommend_for(same, k=4), one, f"the history {same!r} must be the same as [103, 105]")
    if not model.abilities.ratings:
        disliked = model.recommend_for({103: liked, 104: 0, 105: liked}, candidates=FILMS, k=4)
        ensure_same_lists(disliked, one, "an item of weight 0 must be as if it were not in the history")
    weighted = model.recommend_for([104, 101], weights=[2, 1], k=4)
    ensure_same_lists(weighted, two, "weights must be the same as a mapping")
    both = pl.concat([one, two.with_columns(history=pl.lit(1, pl.Int64))])
    mixed = model.recommend_for([[103, 105], {104: 2.0, 101: 1.0}], k=4)
    ensure_same_lists(mixed, both, "two histories must get the lists of each")
    with_weights = model.recommend_for([[103, 105], [104, 101]], weights=[None, [2, 1]], k=4)
    ensure_same_lists(with_weights, both, "two histories with weights must get the lists of each")
    many = model.recommend_for([[103, 105]] * 9, k=4)
    ensure_same_lists(
        many.drop("history"), pl.concat([one.drop("history")] * 9), "nine alike must get one list nine times"
    )
    ensure(many["history"].unique().sort().to_list() == list(range(9)), "histories must be numbered from 0")
    ensure_same_lists(
        model.recommend_for(103, k=4), model.recommend_for([103], k=4), "one id must be a history of one item"
    )


def check_histories_have_an_order(make: Make) -> None:
    """Where the abilities say so, the order of a history counts: its times, else that in which items are given."""
    model = make_fitted(make)
    given = model.recommend_for([103, 105, 101], k=4)
    if not model.abilities.uses_order:
        ignored = model.recommend_for([101, 103, 105], times=[7, "never", None], k=4)
        ensure_same_lists(ignored, given, "a model that does not use the order must ignore it, and times")
        return
    ensure(not model.recommend_for([101, 105, 103], k=4).equals(given), "the order of a history must count")
    timed = model.recommend_for([103, 105, 101], times=[1, 3, 3], k=4)
    turned = model.recommend_for([105, 103, 101], times=[3, 1, 3], k=4)
    ensure_same_lists(turned, timed, "times must go before the order in which items are given")
    columns = {"person": ["x"] * 3, "film": [105, 103, 101], "stars": [model.state.unit] * 3, "day": [3, 1, 3]}
    told = model.recommend_for(pl.DataFrame(columns), k=4).drop("person")
    ensure_same_lists(told, timed.drop("history"), "a frame of a history must have its times")
    told = model.recommend_for(read(columns), k=4).drop("person")
    ensure_same_lists(told, timed.drop("history"), "interactions must have their times")
    ensure_refused(lambda: model.recommend_for({103, 105}), ValueError, "set", what="a history without an order")
    ensure_refused(lambda: model.recommend_for([103], times=[1, 2]), ValueError, "times", 2, 1, what="a time too many")
    ensure_refused(lambda: model.recommend_for([103], times=["?"]), DataError, "times", what="a time that is none")


def check_folding_in_gives_the_users_own_list(make: Make) -> None:
    """Where the abilities say so, a user's history gives that user's own list, before and after an update."""
    if not make().abilities.folds_in_exactly:
        return
    model = make_fitted(make)
    for who, told in ((model, ""), (model.update(news()), " after an update")):
        for user in people():
            own = who.recommend(user, k=20)
            times = times_of(user, who.interactions)
            folded = who.recommend_for(history_of(user, who.interactions), times=times, k=20)
            ensure(folded["film"].to_list() == own["film"].to_list(), f"a history must give the user's own list{told}")
            ensure_near(folded["score"], own["score"], f"a history must give the user's own scores{told}")


def check_history_is_not_recommended(make: Make) -> None:
    """Items of the history and excluded items are not recommended, all others are, and candidates limit the list."""
    model, films = make_fitted(make), set(FILMS)
    shown = set(model.recommend_for([103, 105], k=100, exclude=[101])["film"])
    ensure(shown == films - {101, 103, 105}, f"the history and what is excluded must be left out, got {shown}")
    whole = set(model.recommend_for([103, 105], k=100, exclude=[101], exclude_seen=False)["film"])
    ensure(whole == films - {101}, "with exclude_seen=False the history must be listed too")
    among = set(model.recommend_for([103], k=100, candidates=[103, 104, UNSEEN])["film"])
    ensure(among == {104, UNSEEN}, f"only candidates may be listed, got {among}")


def check_bad_histories_are_refused(make: Make) -> None:
    """An empty history, unknown or repeated items, and invalid weights are refused in a sentence."""
    model = make_fitted(make)
    nan = float("nan")
    bad: list[tuple[Any, dict[str, Any], type[Exception], list[object]]] = [
        ([], {}, DataError, ["empty"]),
        ({}, {}, DataError, ["empty"]),
        ([[103], []], {}, DataError, ["empty"]),
        ([103, 5], {}, UnknownIdError, ["film", 5]),
        (["103"], {}, UnknownIdError, ["film", "103"]),
        ([103, 103], {}, DataError, ["once"]),
        ([103, 104], {"weights": [1]}, ValueError, ["weights", 1, 2]),
        ([[103], [104]], {"weights": [[1]]}, ValueError, ["weights", 1, 2]),
        ({103: 1}, {"weights": [1]}, ValueError, ["weights"]),
        ([103], {"weights": [nan]}, DataError, ["weights", "nan"]),
        ([103], {"weights": [1e39]}, DataError, ["weights", "1e+39"]),
        ([103, 104], {"weights": ["a", "b"]}, ValueError, ["weights"]),
        ([103], {"exclude": pairs()}, ValueError, ["exclude"]),
    ]
    if not model.abilities.ratings:
        bad.append(([103], {"weights": [-1]}, DataError, ["weights", -1]))
        bad.append(([103], {"weights": [0]}, DataError, ["no like", "weight"]))
    for history, options, error, words in bad:
        ensure_refused(
            partial(model.recommend_for, history, **options),
            error,
            *words,
            what=f"the history {history} with {options}",
        )
    if model.abilities.ratings:
        ensure(len(model.recommend_for([103], weights=[-1], k=3)) == 3, "a rating in a history may be negative")


def check_extreme_weights_of_a_history(make: Make) -> None:
    """A history with extreme weights gets finite scores, or is refused in a sentence about its weights."""
    model = make_fitted(make)
    for weight in (1e-38, 1e20, 1e38):
        try:
            shown = model.recommend_for([103, 104], weights=[weight, 1])
        except (ValueError, DivergenceError) as error:
            ensure("weight" in str(error), f"what refuses the weight {weight} must speak of weights, got {error}")
        else:
            finite = len(shown) == len(FILMS) - 2 and shown["score"].is_finite().all()
            ensure(finite, f"with the weight {weight} in a history all scores must be finite")
