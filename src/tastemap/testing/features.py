"""Checks of features of users and items; a model that takes none must refuse them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from tastemap.data.features import Features
from tastemap.errors import DataError, NotSupportedError, UnknownIdError
from tastemap.evaluation.evaluate import evaluate
from tastemap.models.load import load
from tastemap.testing.data import (
    FILMS,
    GHOST,
    NEW_FILM,
    NEW_PERSON,
    UNSEEN,
    Make,
    data,
    ensure,
    ensure_each_refused,
    ensure_near,
    ensure_refused,
    ensure_same_lists,
    ensure_same_model,
    film_features,
    history_of,
    make_described,
    make_fitted,
    people,
    people_features,
    read,
    temporary_folder,
    times_of,
)


def _takes(make: Make) -> bool:
    return make().abilities.features


def _films(**columns: list[Any]) -> Features:
    """Return features of films, made like those of the training."""
    return film_features().transform(pl.DataFrame(columns))


def check_features_are_refused_by_a_model_that_takes_none(make: Make) -> None:
    """A model that takes no features says so by its name, and names one that does."""
    if _takes(make):
        return
    model = make_fitted(make)
    calls: dict[str, Callable[[], Any]] = {
        "fit with item_features": lambda: make().fit(data(), item_features=film_features()),
        "fit with user_features": lambda: make().fit(data(), user_features=people_features()),
        "update with item_features": lambda: model.update(data(), item_features=film_features()),
        "recommend_for with user_features": lambda: model.recommend_for([100], user_features=people_features()),
        "add_items": lambda: model.add_items(film_features()),
    }
    ensure_each_refused(calls, NotSupportedError, type(model).__name__, "features", "ImplicitALS")


def check_ids_with_features_alone_are_known(make: Make) -> None:
    """Items and users with features but without a pair are recommended, measured and compared like the others."""
    if not _takes(make):
        return
    model = make_described(make)
    listed = set(model.recommend(people(), k=100, exclude_seen=False)["film"])
    ensure(listed == {*FILMS, UNSEEN, NEW_FILM}, f"items with features alone must be listed, got {listed}")
    everyone = set(model.recommend(k=3)["person"])
    ensure({GHOST, NEW_PERSON} <= everyone, "users with features alone must be among everyone")
    theirs = model.recommend(NEW_PERSON, k=100)
    ensure(len(theirs) == len(FILMS) + 2, "a user with features alone must get all items")
    predicted = model.predict(NEW_PERSON, theirs["film"]).tolist()
    ensure(predicted == theirs["score"].to_list(), "predict must give the scores of a user with features alone")
    if model.abilities.similar_items:
        ensure(
            NEW_FILM in set(model.similar_items(100, k=100)["neighbour"]), "an item with features must be a neighbour"
        )
        ensure(model.similar_items(NEW_FILM)["score"].is_finite().all(), "an item with features must have neighbours")
    if model.abilities.similar_users:
        ensure(
            NEW_PERSON in set(model.similar_users("u1", k=100)["neighbour"]), "a user with features must be a neighbour"
        )
    folded = set(model.recommend_for([NEW_FILM, 100], k=100)["film"])
    ensure(NEW_FILM not in folded, "an item with features alone must be hidden when it is in the history")
    test = read({"person": [NEW_PERSON], "film": [NEW_FILM], "stars": [1.0]})
    (rank,) = theirs.filter(pl.col("film") == NEW_FILM)["rank"]
    ensure_near(
        evaluate(model, test, metrics="mrr@20")["mrr@20"], 1 / rank, "evaluate must measure a user with features alone"
    )


def check_id_without_a_feature_stays_unknown(make: Make) -> None:
    """An id whose features are all absent is as unknown as before."""
    if not _takes(make):
        return
    films = Features.from_frame({"film": [100, UNSEEN], "genre": ["war", None]}, id="film", columns="genre")
    model = make().fit(data(), item_features=films, progress=False)
    ensure(UNSEEN not in set(model.recommend(k=100)["film"]), "an item without a feature must not be listed")
    if model.abilities.similar_items:
        ensure_refused(
            lambda: model.similar_items(UNSEEN), UnknownIdError, UNSEEN, what="similar items of an unknown item"
        )


def check_features_leave_the_interactions(make: Make) -> None:
    """Fitting with features leaves the interactions and their id maps as they are."""
    if not _takes(make):
        return
    before = data().fingerprint()
    make_described(make)
    ensure(data().fingerprint() == before, "fitting with features must leave the interactions")
    ensure(NEW_FILM not in data().items, "fitting with features must leave the ids of the interactions")


def check_features_change_what_is_learned(make: Make) -> None:
    """Features change the lists of known users and of new users."""
    if not _takes(make):
        return
    model, plain = make_described(make), make_fitted(make)
    differs = not model.recommend("u1", k=9)["score"].equals(plain.recommend("u1", k=9)["score"])
    ensure(differs, "features must change the scores of a user")
    old, young = (people_features().only([user]) for user in people()[:2])
    one, other = (model.recommend_for({103: 1, 105: 2}, k=9, user_features=who) for who in (old, young))
    ensure(not one["score"].equals(other["score"]), "a person's features must count beside the history")
    alone = model.recommend_for([NEW_FILM], k=9)["score"]
    unseen = model.recommend_for([UNSEEN], k=9)["score"]
    ensure(not alone.equals(unseen), "an item that only its features tell of must count in a history")
    without, with_it = (model.recommend_for(history, k=9)["score"] for history in ([103], [103, NEW_FILM]))
    ensure(not without.equals(with_it), "an item that only its features tell of must count beside others in a history")


def check_people_without_a_history(make: Make) -> None:
    """A new user with features and an empty history gets the list of a known user with the same features alone."""
    if not _takes(make):
        return
    model = make_described(make)
    own = model.recommend(NEW_PERSON, k=6)
    alone = model.recommend_for([], k=6, user_features=people_features().only([NEW_PERSON]))
    ensure(
        alone["film"].to_list() == own["film"].to_list(), "features alone must give the list of a user with the same"
    )
    ensure_near(
        alone["score"], own["score"], "features alone must give the scores of a user with the same", tolerance=1e-6
    )
    two = people_features().only(["u1", NEW_PERSON])
    both = model.recommend_for([history_of("u1"), []], k=6, user_features=two)
    second = both.filter(pl.col("history") == 1).drop("history")
    ensure_same_lists(second, alone.drop("history"), "an empty history among others must get the same list")
    ensure_refused(
        lambda: model.recommend_for([], k=6), DataError, "empty", what="a person without history and features"
    )
    one = people_features().only(["u1"])
    ensure_refused(
        lambda: model.recommend_for([[100], [101]], user_features=one), DataError, 1, 2, what="1 feature row for 2"
    )


def check_folding_in_with_features(make: Make) -> None:
    """Where the abilities say so, a user's history and features give that user's list, before and after an update."""
    if not _takes(make) or not make().abilities.folds_in_exactly:
        return
    model = make_described(make)
    updated = model.update(read({"person": ["u1"], "film": [800], "stars": [2.0]}))
    for who, told in ((model, ""), (updated, " after an update")):
        for user in people():
            history, times = history_of(user, who.interactions), times_of(user, who.interactions)
            about = people_features().only([user])
            own = who.recommend(user, k=20)
            folded = who.recommend_for(history, times=times, k=20, user_features=about)
            ensure(
                folded["film"].to_list() == own["film"].to_list(), f"history and features must give the own list{told}"
            )
            ensure_near(folded["score"], own["score"], f"history and features must give the user's own scores{told}")


def check_what_are_no_features_is_refused(make: Make) -> None:
    """Frames, and features of other ids, of another type or not in the training, are refused in a sentence."""
    if not _takes(make):
        return
    frame: Any = pl.DataFrame({"film": [100], "genre": ["war"]})
    nothing: Any = None
    model, plain = make_described(make), make_fitted(make)
    ensure_each_refused(
        {
            "fit with a frame for features": lambda: make().fit(data(), item_features=frame),
            "update with a frame for features": lambda: model.update(data(), user_features=frame),
            "recommend_for with a frame for features": lambda: model.recommend_for([100], user_features=frame),
            "add_items of a frame": lambda: model.add_items(frame),
            "add_items of None": lambda: model.add_items(nothing),
        },
        DataError,
        "Features",
    )
    films = Features.from_frame({"film": [1, 2], "genre": ["war", "noir"]}, id="film", columns="genre")
    fit = partial(make().fit, data(), item_features=films)
    ensure_refused(fit, DataError, "item_features", "film", "1, 2", what="fit with features of other ids")
    text = Features.from_frame({"film": ["100"], "genre": ["war"]}, id="film", columns="genre")
    ensure_each_refused(
        {
            "fit with ids of another type": lambda: make().fit(data(), item_features=text),
            "add_items with ids of another type": lambda: model.add_items(text),
        },
        UnknownIdError,
        "film",
    )
    other = Features.from_frame({"film": [800], "colour": ["red"]}, id="film", columns="colour")
    ensure_each_refused(
        {
            "add_items of unknown features": lambda: model.add_items(other),
            "update with unknown features": lambda: model.update(data(), item_features=other),
        },
        DataError,
        "colour=red",
        "transform",
    )
    ensure_each_refused(
        {
            "add_items of a model without": lambda: plain.add_items(film_features()),
            "item features for a model without": lambda: plain.update(data(), item_features=film_features()),
        },
        NotSupportedError,
        "fitted without",
        "item_features",
    )
    ensure_each_refused(
        {
            "user features for a model without": lambda: plain.update(data(), user_features=people_features()),
            "a person's features for a model without": lambda: plain.recommend_for([], user_features=people_features()),
        },
        NotSupportedError,
        "fitted without",
        "user_features",
    )


def check_added_items(make: Make) -> None:
    """add_items returns a new model that lists the items by their features, and leaves the old one as it is."""
    if not _takes(make):
        return
    model = make_described(make)
    before = model.recommend(k=100)
    more = _films(film=[800, 801], genre=["war", "noir|unheard of"])
    grown = model.add_items(more)
    ensure(grown is not model, "add_items must return a new model")
    ensure_same_lists(model.recommend(k=100), before, "add_items must leave the old model")
    ensure(list(grown.items) == [*model.items, 800, 801], "add_items must add ids behind the known")
    ensure({800, 801} <= set(grown.recommend("u1", k=100)["film"]), "added items must be listed")
    added, alike = grown.predict("u1", [800, 801]).tolist(), model.predict("u1", [NEW_FILM, UNSEEN]).tolist()
    ensure(added == alike, "an added item must score as one with the same features")
    others = grown.recommend(k=100).filter(~pl.col("film").is_in([800, 801])).drop("rank")
    ensure_same_lists(others, before.drop("rank"), "add_items must leave the others' scores")
    assert grown.interactions is not None
    ensure(
        grown.interactions.shape == (len(model.users), len(model.items) + 2), "add_items must widen the interactions"
    )
    ensure_same_model(grown.add_items(more), grown, "adding the same items again must change nothing")


def check_update_takes_features(make: Make) -> None:
    """Update takes features of new ids and changed ones of known ids."""
    if not _takes(make):
        return
    model = make_described(make)
    new = read({"person": ["late", "u1"], "film": [100, 800], "stars": [1.0, 2.0]})
    films = _films(film=[800, 801, 102], genre=["war", "noir", "noir"])
    late = people_features().transform(pl.DataFrame({"person": ["late", "later"], "age": ["old", "young"]}))
    changed = model.update(new, item_features=films, user_features=late)
    ensure(list(changed.items) == [*model.items, 800, 801], "update must add items that only features tell of")
    ensure(list(changed.users) == [*model.users, "late", "later"], "update must add users that only features tell of")
    ensure(801 in set(changed.recommend("u3", k=100)["film"]), "update must list items that only features tell of")
    own = changed.recommend("later", k=100)
    ensure(len(own) == len(changed.items), "a new user with features alone must get all items")
    alone = changed.recommend_for([], k=100, user_features=late.only(["later"]))
    ensure_near(
        alone["score"], own["score"], "after an update, features alone must give the user's scores", tolerance=1e-6
    )
    moved = changed.predict("u3", 102) != model.update(new).predict("u3", 102)
    ensure(moved, "changed features of a known item must change its score")


def check_explanations_with_features(make: Make) -> None:
    """With features, contributions and baseline add up to the score, or leaving one item out keeps the features."""
    if not _takes(make) or not make().abilities.explains:
        return
    model = make_described(make)
    for user in people():
        for item in (100, NEW_FILM):
            reasons = model.explain(user, item)
            if reasons.kind == "exact":
                (score,) = model.predict(user, item)
                ensure_near(reasons.score, score, "with features, an exact explanation must be of the score")
                whole = reasons.frame["contribution"].sum() + reasons.baseline
                ensure_near(whole, score, "with features, contributions and baseline must add up to the score")
    reasons, history, about = model.explain("u1", NEW_FILM), history_of("u1"), people_features().only(["u1"])
    if reasons.kind == "leave-one-out":
        without = {film: weight for film, weight in history.items() if film != reasons.frame["film"][0]}
        whole, rest = (
            model.recommend_for(own, user_features=about, candidates=[NEW_FILM])["score"][0]
            for own in (history, without)
        )
        contribution = reasons.frame["contribution"][0]
        ensure_near(contribution, whole - rest, "leaving one item out must leave the user's features", tolerance=1e-6)


def check_loaded_model_knows_its_features(make: Make) -> None:
    """A loaded model handles added items, updates with features and new users with features like the saved one."""
    if not _takes(make):
        return
    model = make_described(make)
    with temporary_folder() as folder:
        model.save(folder / "model")
        again = load(folder / "model")
    more = _films(film=[800], genre=["war"])
    ensure_same_model(again.add_items(more), model.add_items(more), "add_items of a loaded model must be the same")
    new = read({"person": ["u1"], "film": [800], "stars": [2.0]})
    one, other = (who.update(new, item_features=more) for who in (again, model))
    ensure_same_model(one, other, "update of a loaded model with features must be the same")
    lonely = people_features().only([NEW_PERSON])
    one, other = (who.recommend_for([], user_features=lonely) for who in (again, model))
    ensure_same_lists(one, other, "features alone must get the same list of a loaded model")
    told = "Features: 2 of 16 person, 2 of 12 film."
    ensure(told in model.card(), f"the card must tell {told!r}")


def check_file_without_history_holds_nobodys_features(make: Make) -> None:
    """A file without interactions holds no user's features, but its model takes new items and users with features."""
    if not _takes(make):
        return
    model = make_described(make)
    with temporary_folder() as folder:
        model.save(folder / "model", interactions=False)
        bare = load(folder / "model")
        same = bare.recommend(exclude_seen=False), model.recommend(exclude_seen=False)
        ensure_same_lists(*same, "without interactions known users must get the same lists")
        lonely = people_features().only([NEW_PERSON])
        one, other = (who.recommend_for([], user_features=lonely) for who in (bare, model))
        ensure_same_lists(one, other, "without interactions features alone must get the same list")
        grown = bare.add_items(_films(film=[800], genre=["war"]))
        alike = grown.predict("u1", 800) == model.predict("u1", NEW_FILM)
        ensure(alike, "without interactions an added item must score as one with the same features")
        ensure_refused(
            lambda: bare.update(data()), NotSupportedError, "interactions=False", what="update without interactions"
        )
        grown.save(folder / "grown", interactions=False)
        ensure_same_model(load(folder / "grown"), grown, "a model with added items must load as it was saved")
