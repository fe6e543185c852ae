"""What every model promises about features of users and items; a model that takes none says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_contract import APPROXIMATE, GHOST, UNSEEN, assert_equal, data, history_of, make, people, read, refuses

import tastemap as tm
from tastemap.models.shared.base import Model

NEW_FILM, NEW_PERSON = 700, "newcomer"

every_taker = pytest.mark.parametrize("name", [name for name, cls in tm.MODELS.items() if cls.abilities.features])
every_other = pytest.mark.parametrize("name", [name for name, cls in tm.MODELS.items() if not cls.abilities.features])


@cache
def of_films() -> tm.Features:
    """Return genres of films: of one that nobody has seen, of one beyond the data, none of film 103."""
    genres = ["war", "noir", "war|noir", None, "war", "noir", "war", "noir", "war", "noir", "war", "noir", "war"]
    films = {"film": [*range(100, 111), UNSEEN, NEW_FILM], "genre": genres}
    return tm.Features.from_frame(films, id="film", columns="genre", separator="|")


@cache
def of_people() -> tm.Features:
    everyone = [*people(), GHOST, NEW_PERSON]
    ages = ["old" if place % 2 else "young" for place in range(len(everyone))]
    return tm.Features.from_frame({"person": everyone, "age": ages}, id="person", columns="age")


@cache
def described(name: str) -> Model:
    return make(name).fit(data(), user_features=of_people(), item_features=of_films())


@every_other
def test_a_model_that_takes_no_features_says_so_and_names_those_that_do(name: str) -> None:
    model = make(name).fit(data())
    calls: list[Callable[[], Any]] = [
        lambda: make(name).fit(data(), item_features=of_films()),
        lambda: make(name).fit(data(), user_features=of_people()),
        lambda: model.update(data(), item_features=of_films()),
        lambda: model.recommend_for([100], user_features=of_people()),
        lambda: model.add_items(of_films()),
    ]
    for call in calls:
        refuses(call, tm.NotSupportedError, name, "features", "ImplicitALS")


@every_taker
def test_items_and_users_with_features_alone_are_known(name: str) -> None:
    model = described(name)
    assert set(model.recommend(people(), k=100, exclude_seen=False)["film"]) == {*range(100, 111), UNSEEN, NEW_FILM}
    everyone = model.recommend(k=3)["person"].unique().to_list()
    assert {GHOST, NEW_PERSON} <= set(everyone)
    theirs = model.recommend(NEW_PERSON, k=100)
    assert len(theirs) == 13
    assert theirs["score"].to_list() == model.predict(NEW_PERSON, theirs["film"]).tolist()
    assert NEW_FILM in set(model.similar_items(100, k=100)["neighbour"])
    assert model.similar_items(NEW_FILM)["score"].is_finite().all()
    assert NEW_PERSON in set(model.similar_users("u1", k=100)["neighbour"])
    assert NEW_FILM not in set(model.recommend_for([NEW_FILM, 100], k=100)["film"])
    measured = tm.evaluate(model, read({"person": [NEW_PERSON], "film": [NEW_FILM], "stars": [1.0]}), metrics="mrr@20")
    (rank,) = theirs.filter(pl.col("film") == NEW_FILM)["rank"]
    assert measured["mrr@20"] == pytest.approx(1 / rank)


@every_taker
def test_an_id_whose_features_are_all_absent_stays_unknown(name: str) -> None:
    films = tm.Features.from_frame({"film": [100, UNSEEN], "genre": ["war", None]}, id="film", columns="genre")
    model = make(name).fit(data(), item_features=films)
    assert UNSEEN not in set(model.recommend(k=100)["film"])
    refuses(lambda: model.similar_items(UNSEEN), tm.UnknownIdError, UNSEEN)


@every_taker
def test_fitting_leaves_the_interactions_and_their_id_maps(name: str) -> None:
    before = data().fingerprint()
    described(name)
    assert data().fingerprint() == before
    assert NEW_FILM not in data().items


@pytest.mark.parametrize(
    "name", [name for name, cls in tm.MODELS.items() if cls.abilities.features and name not in APPROXIMATE]
)
def test_folding_in_a_history_with_the_users_features_gives_the_users_own_list(name: str) -> None:
    model = described(name)
    for user in people():
        own = model.recommend(user, k=5)
        folded = model.recommend_for(history_of(user), k=5, user_features=of_people().only([user]))
        assert folded["film"].to_list() == own["film"].to_list()
        np.testing.assert_allclose(folded["score"], own["score"], rtol=1e-4, atol=1e-4)


@every_taker
def test_features_of_a_person_count_beside_a_history(name: str) -> None:
    model = described(name)
    old, young = (of_people().only([user]) for user in people()[:2])
    one, other = (model.recommend_for({103: 1, 105: 2}, k=9, user_features=who) for who in (old, young))
    assert one["score"].to_list() != other["score"].to_list()


@every_taker
def test_who_has_features_may_come_without_a_history(name: str) -> None:
    model = described(name)
    own = model.recommend(NEW_PERSON, k=6)
    alone = model.recommend_for([], k=6, user_features=of_people().only([NEW_PERSON]))
    assert alone["film"].to_list() == own["film"].to_list()
    np.testing.assert_allclose(alone["score"], own["score"], rtol=1e-6)
    two = of_people().only(["u1", NEW_PERSON])
    both = model.recommend_for([history_of("u1"), []], k=6, user_features=two)
    assert both.filter(pl.col("history") == 1).drop("history").equals(alone.drop("history"))
    refuses(lambda: model.recommend_for([], k=6), tm.DataError, "empty")
    refuses(lambda: model.recommend_for([[100], [101]], user_features=of_people().only(["u1"])), tm.DataError, 1, 2)


@every_taker
def test_features_change_what_is_learned(name: str) -> None:
    plain = make(name).fit(data())
    assert not described(name).recommend("u1", k=9)["score"].equals(plain.recommend("u1", k=9)["score"])


@every_taker
def test_other_things_than_features_are_refused_in_a_sentence(name: str) -> None:
    frame = pl.DataFrame({"film": [100], "genre": ["war"]})
    model = described(name)
    for call in (
        lambda: make(name).fit(data(), item_features=frame),
        lambda: model.update(data(), user_features=frame),
        lambda: model.recommend_for([100], user_features=frame),
        lambda: model.add_items(frame),
        lambda: model.add_items(None),
    ):
        refuses(call, tm.DataError, "Features")


@every_taker
def test_features_of_other_ids_are_refused(name: str) -> None:
    films = tm.Features.from_frame({"film": [1, 2], "genre": ["war", "noir"]}, id="film", columns="genre")
    refuses(lambda: make(name).fit(data(), item_features=films), tm.DataError, "item_features", "film", "1, 2")
    text = tm.Features.from_frame({"film": ["100"], "genre": ["war"]}, id="film", columns="genre")
    refuses(lambda: make(name).fit(data(), item_features=text), tm.UnknownIdError, "film")
    refuses(lambda: described(name).add_items(text), tm.UnknownIdError, "film")


@every_taker
def test_features_that_the_training_did_not_have_are_refused(name: str) -> None:
    other = tm.Features.from_frame({"film": [800], "colour": ["red"]}, id="film", columns="colour")
    model = described(name)
    for call in (lambda: model.add_items(other), lambda: model.update(data(), item_features=other)):
        refuses(call, tm.DataError, "colour=red", "transform")
    plain = make(name).fit(data())
    for call, side in (
        (lambda: plain.add_items(of_films()), "item_features"),
        (lambda: plain.update(data(), user_features=of_people()), "user_features"),
        (lambda: plain.recommend_for([], user_features=of_people()), "user_features"),
    ):
        refuses(call, tm.NotSupportedError, "fitted without", side)


@every_taker
def test_added_items_are_recommended_and_the_old_model_stays(name: str) -> None:
    model = described(name)
    before = model.recommend(k=100)
    more = of_films().transform(pl.DataFrame({"film": [800, 801], "genre": ["war", "noir|unheard of"]}))
    grown = model.add_items(more)
    assert grown is not model
    assert model.recommend(k=100).equals(before)
    assert list(grown.items) == [*model.items, 800, 801]
    assert {800, 801} <= set(grown.recommend("u1", k=100)["film"])
    assert grown.predict("u1", [800, 801]).tolist() == model.predict("u1", [NEW_FILM, UNSEEN]).tolist()
    assert grown.recommend(k=100).filter(~pl.col("film").is_in([800, 801])).drop("rank").equals(before.drop("rank"))
    assert grown.interactions.shape == (len(model.users), len(model.items) + 2)
    assert_equal(grown.add_items(more), grown)


@every_taker
def test_an_update_takes_features_of_new_and_of_known_ids(name: str) -> None:
    model = described(name)
    news = read({"person": ["late", "u1"], "film": [100, 800], "stars": [1.0, 2.0]})
    films = of_films().transform(pl.DataFrame({"film": [800, 801, 102], "genre": ["war", "noir", "noir"]}))
    late = of_people().transform(pl.DataFrame({"person": ["late", "later"], "age": ["old", "young"]}))
    changed = model.update(news, item_features=films, user_features=late)
    assert list(changed.items) == [*model.items, 800, 801]
    assert list(changed.users) == [*model.users, "late", "later"]
    assert 801 in set(changed.recommend("u3", k=100)["film"])
    assert len(changed.recommend("later", k=100)) == 15
    alone = changed.recommend_for([], k=100, user_features=late.only(["later"]))
    np.testing.assert_allclose(alone["score"], changed.recommend("later", k=100)["score"], rtol=1e-6)
    # The film has pairs, and is described otherwise than before.
    assert changed.predict("u3", 102) != model.update(news).predict("u3", 102)
    for user in people() if name not in APPROXIMATE else ():
        pairs = changed.interactions.to_frame().filter(pl.col("person") == user)
        history = dict(zip(pairs["film"], pairs["stars"], strict=True))
        folded = changed.recommend_for(history, k=20, user_features=of_people().only([user]))
        np.testing.assert_allclose(folded["score"], changed.recommend(user, k=20)["score"], rtol=1e-4, atol=1e-4)


@every_taker
def test_explanations_and_the_baseline_add_up_to_the_score(name: str) -> None:
    model = described(name)
    for user in people():
        for item in (100, NEW_FILM):
            reasons = model.explain(user, item)
            if reasons.kind == "exact":
                (score,) = model.predict(user, item)
                assert reasons.score == pytest.approx(score, abs=1e-4)
                assert reasons.frame["contribution"].sum() + reasons.baseline == pytest.approx(score, abs=1e-4)


@every_taker
def test_leaving_one_out_leaves_the_users_features(name: str) -> None:
    model, user = described(name), "u1"
    reasons = model.explain(user, NEW_FILM)
    history, film = history_of(user), reasons.frame["film"][0]
    without = {item: weight for item, weight in history.items() if item != film}
    about = of_people().only([user])
    scores = [
        model.recommend_for(own, user_features=about, candidates=[NEW_FILM])["score"][0] for own in (history, without)
    ]
    if reasons.kind == "leave-one-out":
        assert reasons.frame["contribution"][0] == pytest.approx(scores[0] - scores[1], abs=1e-6)


@every_taker
def test_a_loaded_model_knows_its_features(name: str, tmp_path: Path) -> None:
    model = described(name)
    model.save(tmp_path / "model")
    again = tm.load(tmp_path / "model")
    assert_equal(again, model)
    more = of_films().transform(pl.DataFrame({"film": [800], "genre": ["war"]}))
    assert_equal(again.add_items(more), model.add_items(more))
    news = read({"person": ["u1"], "film": [800], "stars": [2.0]})
    assert_equal(again.update(news, item_features=more), model.update(news, item_features=more))
    lonely = of_people().only([NEW_PERSON])
    assert again.recommend_for([], user_features=lonely).equals(model.recommend_for([], user_features=lonely))
    assert again.card() == model.card()
    assert "Features: 2 of 16 person, 2 of 12 film." in model.card()
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@every_taker
def test_without_history_a_file_holds_nobodys_features(name: str, tmp_path: Path) -> None:
    model = described(name)
    model.save(tmp_path / "model", interactions=False)
    bare = tm.load(tmp_path / "model")
    assert bare.state.user_features is not None
    assert bare.state.user_features.rows is None
    assert bare.recommend(exclude_seen=False).equals(model.recommend(exclude_seen=False))
    lonely = of_people().only([NEW_PERSON])
    assert bare.recommend_for([], user_features=lonely).equals(model.recommend_for([], user_features=lonely))
    more = of_films().transform(pl.DataFrame({"film": [800], "genre": ["war"]}))
    grown = bare.add_items(more)
    assert grown.predict("u1", 800) == model.predict("u1", NEW_FILM)
    refuses(lambda: bare.update(data()), tm.NotSupportedError, "interactions=False")
    grown.save(tmp_path / "grown", interactions=False)
    assert_equal(tm.load(tmp_path / "grown"), grown)


@every_taker
def test_an_item_that_only_its_features_tell_of_counts_in_a_history(name: str) -> None:
    model = described(name)
    alone = model.recommend_for([NEW_FILM], k=9)["score"]
    assert alone.to_list() != model.recommend_for([UNSEEN], k=9)["score"].to_list()
    both = (model.recommend_for(history, k=9)["score"].to_list() for history in ([103], [103, NEW_FILM]))
    assert next(both) != next(both)
