"""Checks of the lists of known users."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import polars as pl

from tastemap.data.frames import as_kind
from tastemap.errors import DataError, UnknownIdError
from tastemap.models.shared.base import Model
from tastemap.testing.data import (
    FILMS,
    GHOST,
    GLUTTON,
    KINDS,
    UNSEEN,
    Make,
    ensure,
    ensure_each_refused,
    ensure_near,
    ensure_refused,
    ensure_same_lists,
    history_of,
    make_fitted,
    pairs,
    people,
    quietly,
    read,
    temporary_folder,
)


def check_batches_change_no_list(make: Make) -> None:
    """All users, some and one at a time get the same lists, as frames and as arrays."""
    model = make_fitted(make)
    everyone = model.recommend(k=3)
    listed = everyone["person"].unique(maintain_order=True).to_list()
    ensure(listed == [user for user in people() if user != GLUTTON], f"everyone must get a list, got {listed}")
    ensure_same_lists(model.recommend(people(), k=3), everyone, "everyone and all by name must be the same")
    one_by_one = pl.concat([model.recommend(user, k=3) for user in people()])
    ensure_same_lists(one_by_one, everyone, "users one by one must get what they get together")
    rows = model.users.rows(people())
    lists = model.recommend_rows(rows, 3)
    flat = [item for items, count in zip(lists.rows, lists.counts, strict=True) for item in items[:count]]
    ensure(
        model.items.take(flat).to_list() == everyone["film"].to_list(), "recommend_rows must list what recommend does"
    )
    for row, *expected in zip(rows, *lists, strict=True):
        alone = [part[0] for part in model.recommend_rows(row, 3)]
        same = all(np.array_equal(one, other) for one, other in zip(alone, expected, strict=True))
        ensure(same, "recommend_rows must give one user what it gives many")


def check_ranks_count_from_one_and_scores_fall(make: Make) -> None:
    """In a list ranks count from 1, and scores are finite and fall."""
    for (user,), mine in make_fitted(make).recommend(k=5).group_by("person"):
        ensure(mine["rank"].to_list() == list(range(1, len(mine) + 1)), f"ranks of {user} must count from 1")
        ensure(mine["score"].is_sorted(descending=True), f"scores of {user} must fall, got {mine['score'].to_list()}")
        ensure(mine["score"].is_finite().all(), f"scores must be finite, got {mine['score'].to_list()} for {user}")


def check_seen_items_never_appear(make: Make) -> None:
    """With a k beyond the catalogue a user gets all known items but the seen ones, with exclude_seen=False all."""
    model = make_fitted(make)
    shown = sorted(model.recommend(k=1000).select("person", "film").rows())
    left = [(user, film) for user in people() for film in FILMS if film not in history_of(user)]
    ensure(shown == sorted(left), "a user must get all known items that are not seen")
    ensure(model.recommend(GLUTTON).is_empty(), "who has seen everything must get nothing")
    everything = model.recommend(k=1000, exclude_seen=False).group_by("person").len()["len"].to_list()
    ensure(everything == [len(FILMS)] * len(people()), "with exclude_seen=False everyone must get all known items")


@quietly
def check_users_for_items(make: Make) -> None:
    """users_for lists the users in the order of their predicted scores, those who have the item left out."""
    model = make_fitted(make)
    everyone = people()
    place = model.users.tie_order[model.users.rows(everyone)]
    for hide in (True, False):
        shown = model.users_for(FILMS, k=5, exclude_seen=hide)
        ensure(shown.columns == ["film", "person", "rank", "score"], f"users_for must not have {shown.columns}")
        for film in FILMS:
            scores = model.predict(everyone, film)
            order = [n for n in np.lexsort((place, -scores)) if not (hide and film in history_of(everyone[n]))][:5]
            mine = shown.filter(pl.col("film") == film)
            ensure(np.array_equal(mine["score"], scores[order]), f"scores of users for {film} must be those of predict")
            if not model.abilities.ratings:  # clipped ratings may be equal where scores are not
                who = [everyone[n] for n in order]
                ensure(mine["person"].to_list() == who, f"users for {film} must be {who}, got {mine['person']}")
            ensure(mine["rank"].to_list() == list(range(1, len(order) + 1)), "ranks of users must count from 1")
    one_by_one = pl.concat([model.users_for(film, k=5) for film in (103, 100, 103)])
    ensure_same_lists(
        model.users_for([103, 100, 103], k=5), one_by_one, "items one by one must get what they get together"
    )
    among = model.users_for(100, k=50, candidates=["u1", "u2"], exclude_seen=False)
    ensure(set(among["person"]) == {"u1", "u2"}, f"only candidates may be listed, got {among['person'].to_list()}")
    for ask, unknown in (
        (partial(model.users_for, [100, UNSEEN]), UNSEEN),
        (partial(model.users_for, 100, candidates=[GHOST]), GHOST),
    ):
        ensure_refused(ask, UnknownIdError, unknown, what=f"users_for with the unknown {unknown}")


def check_candidates_limit_the_lists(make: Make) -> None:
    """Candidates are the only items listed, even one without a training pair; an unknown one is refused."""
    model = make_fitted(make)
    among = model.recommend(k=10, candidates=[UNSEEN, 103, 107, 103], exclude_seen=False)
    ensure(set(among["film"]) == {UNSEEN, 103, 107}, f"only candidates may be listed, got {set(among['film'])}")
    ensure(len(among) == 3 * len(people()), "every candidate must be listed for everyone")
    ensure(among["score"].is_finite().all(), "an item without a training pair must have a finite score")
    ensure(UNSEEN not in set(model.recommend(k=100)["film"]), "an item without a training pair must be no candidate")
    ensure_refused(
        lambda: model.recommend(candidates=[103, 5]), UnknownIdError, "film", 5, what="a candidate that is unknown"
    )
    for nobody in (people(), people()[0]):
        ensure(model.recommend(nobody, candidates=[]).is_empty(), "no candidates must give no rows")
    ensure(model.recommend_for([100], candidates=[]).is_empty(), "no candidates must give no rows")


def check_excluded_items_never_appear(make: Make) -> None:
    """Excluded ids are hidden from everyone, excluded pairs from their user, and the others keep their order."""
    model = make_fitted(make)
    whole = model.recommend(k=100)
    kept = whole.filter(~pl.col("film").is_in([103, 107])).with_columns(rank=pl.col("score").cum_count().over("person"))
    ensure_same_lists(
        model.recommend(k=100, exclude=[103, 107, 12345]), kept, "excluded ids must be hidden from everyone"
    )
    banned = pl.DataFrame({"person": ["u0", "u1", "stranger"], "film": [103, 107, 103]})
    expected = whole.join(banned, on=["person", "film"], how="anti").drop("rank")
    for frame in (*(as_kind(banned, kind) for kind in KINDS), banned.to_dict(as_series=False)):
        left = model.recommend(k=100, exclude=frame).drop("rank")
        ensure_same_lists(left, expected, "excluded pairs must be hidden from their user")
    nothings: list[Any] = [[], banned.clear()]
    for nothing in nothings:
        ensure_same_lists(model.recommend(k=100, exclude=nothing), whole, "excluding nothing must change nothing")
    wrong = banned.rename({"film": "movie"})
    ensure_refused(lambda: model.recommend(exclude=wrong), DataError, "film", what="exclude without the items' column")


def check_unknown_users(make: Make) -> None:
    """Unknown users raise UnknownIdError, are skipped, or get the most popular items, as on_unknown says."""
    model = make_fitted(make)
    for unknown in (["nobody"], [GHOST], ["nobody", GHOST]):
        _check_unknown_users(model, unknown)
    asked = ["u3", "nobody"]
    ensure_refused(
        lambda: model.recommend(asked, on_unknown=cast(Any, "ignore")),
        ValueError,
        "on_unknown",
        "'ignore'",
        what="on_unknown='ignore'",
    )
    ensure_refused(lambda: model.recommend(7), UnknownIdError, "person", what="a user's id of another type")
    table: Any = pairs().select("person")
    ensure_refused(lambda: model.recommend(table), (ValueError, UnknownIdError), "person", what="a table of users")


def _check_unknown_users(model: Model, unknown: list[str]) -> None:
    asked = ["u3", *unknown, "u1"]
    ensure_refused(
        lambda: model.recommend(asked), UnknownIdError, repr(unknown[0]), "on_unknown", what="a user who is unknown"
    )
    skipped = model.recommend(asked, on_unknown="skip")
    ensure_same_lists(skipped, model.recommend(["u3", "u1"]), "skipping unknown users must leave the others")
    ensure(model.recommend(unknown, on_unknown="skip").is_empty(), "skipping all must leave nothing")
    mixed = model.recommend(asked, k=4, on_unknown="popular")
    ensure(mixed["person"].unique(maintain_order=True).to_list() == asked, "users must come in the order asked")
    places = pl.DataFrame({"film": model.items.ids, "place": model.items.tie_order})
    counts = pairs().group_by("film").len().join(places, on="film").sort(-pl.col("len").cast(pl.Int64), "place").head(4)
    for user in unknown:
        theirs = mixed.filter(pl.col("person") == user)
        popular = theirs["film"].to_list() == counts["film"].to_list()
        counted = theirs["score"].to_list() == counts["len"].to_list()
        ensure(popular and counted, "an unknown user must get the most popular items, scored by their numbers of pairs")
    known = mixed.filter(~pl.col("person").is_in(unknown))
    ensure_same_lists(known, model.recommend(["u3", "u1"], k=4), "unknown users must change no list of known users")


def check_k_is_a_whole_number(make: Make) -> None:
    """A k that is no whole number of at least 1 is refused with ValueError, by every question that takes one."""
    model = make_fitted(make)
    wrong: list[Any] = [0, -1, True, 2.5, "3", None]
    for k in wrong:
        calls: dict[str, Callable[[], Any]] = {
            f"recommend with k={k!r}": partial(model.recommend, "u1", k=k),
            f"recommend_for with k={k!r}": partial(model.recommend_for, [100], k=k),
            f"recommend_rows with k={k!r}": partial(model.recommend_rows, [0], k),
        }
        if model.abilities.similar_items:
            calls[f"similar_items with k={k!r}"] = partial(model.similar_items, 100, k=k)
        if model.abilities.similar_users:
            calls[f"similar_users with k={k!r}"] = partial(model.similar_users, "u1", k=k)
        ensure_each_refused(calls, ValueError, "k must be", repr(k))


def check_frames_come_back_as_they_went_in(make: Make) -> None:
    """Answers are frames of the training data's kind, or of the kind asked for, with the data's column names."""
    classes = {kind: type(as_kind(pairs(), kind)) for kind in KINDS}
    for kind in KINDS:
        model = make().fit(read(as_kind(pairs(), kind)), progress=False)
        for method, (ask, names) in _answers(model).items():
            ensure(isinstance(ask(), classes[kind]), f"{method} must give a frame of {kind} for data of {kind}")
            for other, cls in classes.items():
                shown = ask(frame=other)
                ensure(isinstance(shown, cls), f"{method} must give a frame of {other} if asked for it")
                columns = list(getattr(shown, "column_names", shown.columns))
                ensure(columns == names, f"{method} must have the columns {names}, got {columns}")
            ensure_refused(
                partial(ask, frame="excel"), ValueError, "frame", "'excel'", what=f"{method} as a frame of excel"
            )


def _answers(model: Model) -> dict[str, tuple[Callable[..., Any], list[str]]]:
    answers: dict[str, tuple[Callable[..., Any], list[str]]] = {
        "recommend": (lambda **how: model.recommend("u1", **how), ["person", "film", "rank", "score"]),
        "recommend_for": (lambda **how: model.recommend_for([100], **how), ["history", "film", "rank", "score"]),
    }
    if model.abilities.similar_items:
        columns = ["film", "neighbour", "rank", "score"]
        answers["similar_items"] = (lambda **how: model.similar_items(100, **how), columns)
    if model.abilities.similar_users:
        columns = ["person", "neighbour", "rank", "score"]
        answers["similar_users"] = (lambda **how: model.similar_users("u1", **how), columns)
    if model.abilities.explains:
        answers["explain"] = (lambda **how: model.explain("u1", 103, **how).frame, ["film", "contribution"])
    return answers


def check_ids_keep_their_type(make: Make) -> None:
    """Ids keep their type, in empty answers too, so that results can be joined with the caller's tables."""
    model = make_fitted(make)
    films = pl.DataFrame({"film": FILMS, "title": [f"Film {film}" for film in FILMS]})
    joined = model.recommend("u1").join(films, on="film", how="left")
    ensure(joined["title"].null_count() == 0, "results must join the caller's tables")
    empty = model.recommend([])
    ensure(empty.is_empty() and empty.columns == ["person", "film", "rank", "score"], "nobody must get an empty frame")
    types = (empty.schema["person"], empty.schema["film"])
    ensure(types == (pl.String, pl.Int64), f"an empty answer must keep the types of ids, got {types}")
    ensure(model.predict([], []).shape == (0,), "no pairs must have no scores")


def check_rows_of_users_are_checked(make: Make) -> None:
    """recommend_rows refuses rows beyond the users, and anything but whole numbers."""
    model = make_fitted(make)
    for rows in ([len(model.users)], [-1], [0, 10**6]):
        ensure_refused(partial(model.recommend_rows, rows), UnknownIdError, "rows", rows[-1], what=f"rows {rows}")
    ensure(model.recommend_rows([], 3).rows.shape[0] == 0, "no rows must give no lists")
    wrong: list[Any] = [[0.5], [True, False], [[0, 1]], ["u1"]]
    for rows in wrong:
        ensure_refused(partial(model.recommend_rows, rows), (ValueError, UnknownIdError), "rows", what=f"rows {rows}")


@quietly
def check_lists_in_a_file_are_those_of_recommend(make: Make) -> None:
    """recommend_all writes the rows that recommend returns, or no file."""
    model = make_fitted(make)
    options: list[dict[str, Any]] = [
        {},
        {"k": 100, "exclude_seen": False},
        {"candidates": [103, UNSEEN]},
        {"exclude": pairs().head(9)},
    ]
    with temporary_folder() as folder:
        for asked in options:
            model.recommend_all(folder / "lists.parquet", **asked)
            written = pl.read_parquet(folder / "lists.parquet")
            ensure_same_lists(
                written, model.recommend(**asked), f"recommend_all with {asked} must write what recommend returns"
            )
            ensure(len(list(folder.iterdir())) == 1, "recommend_all must write one file")
        ensure_refused(
            lambda: model.recommend_all(folder / "no", k=0), ValueError, "k must be", what="recommend_all with k=0"
        )
        ensure(not (folder / "no").exists(), "recommend_all must leave no file behind an error")


def check_predict_gives_the_scores_that_recommend_shows(make: Make) -> None:
    """Predict and recommend show the same score of a pair, bit for bit, and predict refuses unknown ids."""
    model = make_fitted(make)
    shown = model.recommend(k=100, exclude_seen=False)
    scores = model.predict(shown["person"], shown["film"])
    ensure(scores.dtype == np.float32, f"predict must return float32, got {scores.dtype}")
    ensure(scores.tolist() == shown["score"].to_list(), "predict must give the scores that recommend shows")
    mine, whose = shown.filter(pl.col("person") == "u1"), shown.filter(pl.col("film") == 104)
    for some, asked in ((mine, ("u1", mine["film"])), (whose, (whose["person"], 104))):
        ensure_near(model.predict(*asked), some["score"], "one id must be taken for all pairs", tolerance=0)
    ensure_refused(
        lambda: model.predict(["u1", "u2"], [100, 101, 102]),
        ValueError,
        "users",
        "items",
        2,
        3,
        what="predict of 2 users and 3 items",
    )
    for user, item, unknown in (("nobody", 100, "nobody"), (GHOST, 100, GHOST), ("u1", 5, 5), ("u1", UNSEEN, UNSEEN)):
        ensure_refused(
            partial(model.predict, user, item),
            UnknownIdError,
            unknown,
            what=f"predict of the unknown {unknown}",
        )
