"""Checks of updates with new interactions."""

from __future__ import annotations

from tastemap.errors import DataError, UnknownIdError
from tastemap.testing.data import (
    Make,
    data,
    ensure,
    ensure_refused,
    ensure_same_lists,
    ensure_same_model,
    make_fitted,
    news,
    pairs,
    quietly,
    read,
)


def check_update_knows_the_news(make: Make) -> None:
    """Update returns a new model that knows new users, items and pairs, and leaves the old one as it is."""
    model = make_fitted(make)
    changed = model.update(news())
    ensure_same_model(model, make_fitted(make), "update must leave the old model")
    ensure(changed is not model and type(changed) is type(model), "update must return a new model of the same class")
    ensure(list(changed.users) == [*model.users, "new"], "update must add new users behind the known")
    ensure(list(changed.items) == [*model.items, 500], "update must add new items behind the known")
    assert changed.interactions is not None
    merged = {(user, film): told for user, film, *told in changed.interactions.to_frame().rows()}
    old = {(user, film): told for user, film, *told in pairs().rows()}
    new = {(user, film): told for user, film, *told in news().to_frame().rows()}
    late = {pair: [weight, max(day, old.get(pair, [0, day])[1])] for pair, (weight, day) in new.items()}
    ensure(merged == old | late, "update must merge the interactions, with the later time of each pair")
    ensure(changed.popularity_.sum() == len(merged), "update must count the pairs anew")
    shown = changed.recommend(["new", "u1"], k=100)
    seen = set(shown.select("person", "film").rows()) & set(merged)
    ensure(not seen, f"update must hide what is seen now, got {seen}")
    ensure(shown["score"].is_finite().all(), "scores after an update must be finite")
    ensure(500 in set(changed.recommend("u3", k=100)["film"]), "update must recommend the new item")
    ensure(len(changed.epochs_) == len(model.epochs_), "update must keep the epochs of the training")
    ensure_same_lists(
        model.update(news()).recommend(k=9), changed.recommend(k=9), "update must give the same every time"
    )


@quietly
def check_updates_in_turn(make: Make) -> None:
    """A second update works, and an update with ids of another type or without Interactions is refused."""
    model = make_fitted(make)
    twice = model.update(news()).update(read({"person": ["newer"], "film": [501], "stars": [1.0]}))
    ensure(list(twice.items)[-2:] == [500, 501], "two updates must add the items of both")
    ensure(501 not in set(twice.recommend("newer", k=100)["film"]), "the second update must hide what is seen")
    numbered = read({"person": [1], "film": [100], "stars": [1.0]})
    ensure_refused(lambda: model.update(numbered), UnknownIdError, "person", what="update with ids of another type")
    frame: object = pairs()
    ensure_refused(lambda: model.update(frame), DataError, "Interactions", "DataFrame", what="update with a frame")  # type: ignore[arg-type]
    ensure_same_model(
        model.update(data()), model.update(data()), "update with known pairs must give the same every time"
    )
