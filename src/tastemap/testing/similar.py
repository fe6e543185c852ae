"""Checks of similar items, similar users and explanations; a model without one of these must refuse it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast, get_args

import numpy as np
import polars as pl

from tastemap.errors import DataError, NotSupportedError, UnknownIdError
from tastemap.ranking.similar import Closeness, find_trust
from tastemap.testing.data import (
    FILMS,
    GHOST,
    UNSEEN,
    Make,
    ensure,
    ensure_near,
    ensure_refused,
    ensure_same_lists,
    history_of,
    make_fitted,
    pairs,
    people,
    read,
)


def check_what_a_model_cannot_do(make: Make) -> None:
    """Questions beyond a model's abilities are refused with NotSupportedError, in a sentence with the model's name."""
    model = make_fitted(make)
    can = model.abilities
    unable: dict[str, tuple[object, Callable[[], Any]]] = {
        "similar_items": (can.similar_items, lambda: model.similar_items(100)),
        "similar_users": (can.similar_users, lambda: model.similar_users("u1")),
        "explain": (can.explains, lambda: model.explain("u1", 100)),
    }
    for method, (able, call) in unable.items():
        if not able:
            what = f"{method}, which is not among the abilities,"
            ensure_refused(call, NotSupportedError, type(model).__name__, what=what)


def check_neighbours(make: Make) -> None:
    """Each item, or user, has all others as neighbours and not itself; scores fall, and batches change nothing."""
    model = make_fitted(make)
    sides: list[tuple[bool, list[Any], Callable[..., Any]]] = [
        (model.abilities.similar_items, FILMS, model.similar_items),
        (model.abilities.similar_users, people(), model.similar_users),
    ]
    for able, ids, ask in sides:
        if not able:
            continue
        for metric in get_args(Closeness):
            try:
                shown = ask(ids, k=len(ids) + 5, metric=metric)
            except NotSupportedError as error:
                ensure(metric in str(error), f"a metric that is not known must be named, got {error}")
                ensure(metric != "cosine", "cosine, the default, must be known")
                continue
            one_by_one = pl.concat([ask(one, k=len(ids) + 5, metric=metric) for one in ids])
            ensure_same_lists(one_by_one, shown, f"neighbours by {metric} must be the same one by one")
            for one in ids:
                mine = shown.filter(pl.col(shown.columns[0]) == one)
                ensure(set(mine["neighbour"]) == set(ids) - {one}, f"{one} must have all others as neighbours")
                falls = mine["score"].is_sorted(descending=True) and mine["score"].is_finite().all()
                ensure(falls, f"scores of neighbours by {metric} must be finite and fall")
            ensure_same_lists(
                ask(ids[0], k=3, metric=metric), shown.head(3), "a small k must give the first of a large one"
            )


def check_neighbours_of_candidates_and_of_unknown_ids(make: Make) -> None:
    """Candidates limit the neighbours, and ids without a training pair have none."""
    model = make_fitted(make)
    if model.abilities.similar_items:
        among = set(model.similar_items(100, candidates=[100, 104, 106])["neighbour"])
        ensure(among == {104, 106}, f"only candidates may be neighbours, got {among}")
        ensure(model.similar_items(100, candidates=[]).is_empty(), "no candidates must give no neighbours")
        for unknown in (5, UNSEEN):
            ensure_refused(
                partial(model.similar_items, [100, unknown]),
                UnknownIdError,
                "film",
                unknown,
                what="similar items of one without a training pair",
            )
        wrong = cast(Any, "jaccard")
        ensure_refused(
            lambda: model.similar_items(100, metric=wrong), ValueError, "metric", "'jaccard'", what="metric 'jaccard'"
        )
        counts = dict(zip(model.items, model.popularity_.tolist(), strict=True))
        for least in (0, 5, 10**6):
            expected = {film for film in FILMS if counts[film] >= least} - {100}
            shown = set(model.similar_items(100, k=100, min_pairs=least)["neighbour"])
            ensure(shown == expected, f"with min_pairs={least} the neighbours must be {expected}, got {shown}")
    if model.abilities.similar_users:
        asked = partial(model.similar_users, ["u1", GHOST])
        ensure_refused(asked, UnknownIdError, "person", GHOST, what="similar users of one without a training pair")


def check_item_vectors(make: Make) -> None:
    """item_vectors gives a finite vector for each known item; similar_items scores by cosine and what is known."""
    model = make_fitted(make)
    try:
        ids, vectors = model.item_vectors()
    except NotSupportedError as error:
        ensure(type(model).__name__ in str(error), f"a model without vectors must say so by its name, got {error}")
        return
    ensure((ids.name, ids.to_list()) == ("film", FILMS), f"item_vectors must have the known items, got {ids.to_list()}")
    ensure(vectors.shape[0] == len(FILMS) and vectors.dtype == np.float32, "item_vectors must be float32, one an item")
    if model.abilities.similar_items:
        shown = model.similar_items(FILMS, k=len(FILMS))
        place = {film: row for row, film in enumerate(FILMS)}
        V = vectors.astype(np.float64)
        V /= np.where(np.linalg.norm(V, axis=1) > 0, np.linalg.norm(V, axis=1), 1)[:, None]
        cosines = [V[place[one]] @ V[place[other]] for one, other in shown.select("film", "neighbour").rows()]
        trust = find_trust(model.popularity_, None)[model.items.rows(shown["neighbour"])]
        ensure_near(
            shown["score"], cosines * trust, "similar_items must score by the cosine of item_vectors, times the trust"
        )


def check_explanations(make: Make) -> None:
    """An explanation names the whole history, largest first; exact ones add up to the score."""
    model = make_fitted(make)
    kind = model.abilities.explains
    if not kind:
        return
    for who, told in (
        (model, "fitted"),
        (model.update(read({"person": ["new"], "film": [103], "stars": [4.0]})), "updated"),
    ):
        for user in people() if who is model else [*people(), "new"]:
            for item in (100, 106):
                reasons = who.explain(user, item)
                ensure(reasons.kind == kind, f"the abilities say that it explains {kind!r}, got {reasons.kind!r}")
                named = set(reasons.frame["film"]) == set(history_of(user, who.interactions))
                ensure(named, f"an explanation of a {told} model must name the user's history")
                ensure(reasons.frame["contribution"].is_sorted(descending=True), "contributions must fall")
                if kind == "exact":
                    whole = reasons.baseline + reasons.frame["contribution"].sum()
                    ensure_near(whole, reasons.score, "an exact explanation must add up to its score")
                if not model.abilities.ratings:  # predict clips ratings to their range
                    ensure_near(
                        who.predict(user, item)[0],
                        reasons.score,
                        f"the score explained by a {told} model must be shown",
                    )
    for user, item, unknown in (("nobody", 100, "nobody"), (GHOST, 100, GHOST), ("u1", 5, 5), ("u1", UNSEEN, UNSEEN)):
        ensure_refused(
            partial(model.explain, user, item), UnknownIdError, unknown, what=f"explain of the unknown {unknown}"
        )


def check_explanations_of_histories(make: Make) -> None:
    """The score of a new user's item is explained by the history and by what is disliked: it is that of the list."""
    model = make_fitted(make)
    kind = model.abilities.explains
    history = {103: 2.0, 105: 1.0}
    if not kind:
        ensure_refused(
            lambda: model.explain_for(history, 100), NotSupportedError, type(model).__name__, what="explain_for"
        )
        return
    for disliked in (None, [101], [101, 104]):
        shown = model.recommend_for(history, disliked=disliked, k=100)
        scores = dict(zip(shown["film"], shown["score"], strict=True))
        for item in (100, 106):
            why = model.explain_for(history, item, disliked=disliked)
            ensure(why.kind == kind, f"the abilities say that it explains {kind!r}, got {why.kind!r}")
            named = set(why.frame["film"])
            ensure(
                named == {*history, *(disliked or ())}, f"the history and what is disliked must be named, got {named}"
            )
            ensure(why.frame["contribution"].is_sorted(descending=True), "contributions must fall")
            if kind == "exact":
                whole = why.baseline + why.frame["contribution"].sum()
                ensure_near(whole, why.score, "an exact explanation must add up to its score")
            if not model.abilities.ratings:  # lists clip ratings to their range
                ensure_near(scores[item], why.score, "the score explained must be that of the list")
    ensure_refused(lambda: model.explain_for([[103], [105]], 100), ValueError, "one user", what="two histories")
    ensure_refused(lambda: model.explain_for([], 100), DataError, "empty", what="an empty history")
    ensure_refused(
        lambda: model.explain_for([103], UNSEEN), UnknownIdError, UNSEEN, what="explain_for of an unknown item"
    )


def check_disliked_items(make: Make) -> None:
    """Disliked items are not listed, each history has its own, and none changes nothing."""
    model = make_fitted(make)
    one = model.recommend_for([103, 105], disliked=[101], k=100)
    ensure(set(one["film"]).isdisjoint({101, 103, 105}), "disliked items must not be listed")
    two = model.recommend_for([104], disliked=[100, 101], k=100)
    both = model.recommend_for([[103, 105], [104]], disliked=[[101], [100, 101]], k=100)
    each = pl.concat([one, two.with_columns(history=pl.lit(1, pl.Int64))])
    ensure_same_lists(both, each, "two histories must get the lists of each, with what each dislikes")
    none = model.recommend_for([103, 105], k=100)
    ensure_same_lists(model.recommend_for([103, 105], disliked=101, k=100), one, "one id must be a list of one")
    ensure_same_lists(model.recommend_for([103, 105], disliked=[], k=100), none, "no dislikes must change nothing")
    some = model.recommend_for([[103, 105], [104]], disliked=[[], [100, 101]], k=100).filter(pl.col("history") == 0)
    ensure_same_lists(some, none, "the dislikes of one must change nothing for another")
    ensure_refused(
        lambda: model.recommend_for([103], disliked=[103]), DataError, 103, what="an item liked and disliked"
    )
    ensure_refused(lambda: model.recommend_for([103], disliked=[5]), UnknownIdError, 5, what="an unknown disliked item")
    ensure_refused(
        lambda: model.recommend_for([103], disliked={101: 1}), ValueError, "without weights", what="weighted dislikes"
    )
    ensure_refused(
        lambda: model.recommend_for([[103], [104]], disliked=[[101]]), ValueError, "each history", what="too few lists"
    )


def check_negative_weights(make: Make) -> None:
    """A model that explains by the history refuses weights below 0, unless weights are ratings."""
    model = make()
    signed = read(pairs().with_columns(stars=-pl.col("stars")), allow_negative=True)
    if model.abilities.ratings:
        scores = model.fit(signed, progress=False).recommend(k=20)["score"]
        ensure((scores <= -1).all(), "ratings below 0 must be predicted below 0")
    elif model.abilities.explains:
        ensure_refused(lambda: model.fit(signed), DataError, "negative", what="fit to negative weights")
