"""Weights in models: what 0 means, and that the unit of weights changes nothing."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from rewriting import rewrite
from tastemap.models.shared import stored

OF_LIKES = [name for name, cls in tm.MODELS.items() if not cls.abilities.ratings]
# The weights of these tests are as far apart as can be.
pytestmark = pytest.mark.filterwarnings("ignore:the weights have a heavy tail")
of_likes = pytest.mark.parametrize("name", OF_LIKES)


def camps() -> pl.DataFrame:
    """Return two camps: everybody was shown 60 % of the items and liked those of the own camp."""
    rng = np.random.default_rng(0)
    rows = [(u, i, int((i < 10) == (u < 50))) for u in range(100) for i in range(20) if rng.random() < 0.6]
    return pl.DataFrame(rows, schema=["user", "item", "label"], orient="row")


def read(frame: Any, weight: str = "label", **options: Any) -> tm.Interactions:
    """Return the pairs of a frame, one after the other."""
    table = pl.DataFrame(frame)
    ordered = table if "at" in table.columns else table.with_row_index("at")
    return tm.Interactions.from_frame(ordered, weight=weight, time="at", **options)


def split(interactions: tm.Interactions) -> tuple[tm.Interactions, tm.Interactions]:
    return tm.split.random(interactions, 0.3, seed=1)


def make(name: str) -> Any:
    quick = {"factors": 8, "epochs": 5}
    cls = tm.MODELS[name]
    return cls(**{key: value for key, value in quick.items() if key in cls.__dataclass_fields__})


# -- weight 0 ----------------------------------------------------------------------------------------------------------


@of_likes
def test_a_pair_of_weight_zero_is_as_if_it_were_absent(name: str) -> None:
    train, test = split(read(camps()))
    with pytest.warns(tm.TastemapWarning, match=r"424 of 855 pairs have the weight 0, which is no like") as warned:
        model = make(name).fit(train)
    assert [warning.filename for warning in warned] == [__file__]
    plain = make(name).fit(train.likes())
    assert model.popularity_.sum() == model.activity_.sum() == len(model.interactions) == 431
    assert model.recommend(k=20).equals(plain.recommend(k=20))
    metrics = ("recall@5", "ndcg@5")
    assert tm.evaluate(model, test, metrics=metrics).means == tm.evaluate(plain, test.likes(), metrics=metrics).means


@pytest.mark.parametrize(("name", "low", "high"), [("Popular", 0.2, 0.32), ("EASE", 0.84, 1), ("ItemKNN", 0.82, 1)])
def test_who_ranks_what_was_liked_is_measured_as_better_than_popularity(name: str, low: float, high: float) -> None:
    train, test = split(read(camps()))
    with pytest.warns(tm.TastemapWarning, match="the weight 0"):
        model = tm.MODELS[name]().fit(train)
    assert low < tm.evaluate(model, test, metrics="recall@5")["recall@5"] <= high


def test_to_say_that_zeros_are_negatives_makes_no_pair_and_no_warning() -> None:
    frame = camps()
    interactions = read(frame, zeros="negatives")
    assert len(interactions) == frame["label"].sum()
    assert interactions.shape == read(frame).shape
    tm.EASE().fit(interactions)  # warnings are errors here
    with pytest.raises(tm.DataError, match="nothing is liked: every weight is 0"):
        read({"user": [1], "item": [2], "label": [0]}, zeros="negatives")
    with pytest.raises(tm.DataError, match="nothing is liked: no pair has a weight above 0"):
        tm.EASE().fit(read({"user": [1], "item": [2], "label": [0]}))
    matrix = read(frame).matrix
    assert len(tm.Interactions.from_csr(matrix, zeros="negatives")) == len(interactions)


def test_models_of_ratings_keep_zeros_and_are_measured_on_likes_and_on_all_ratings() -> None:
    train, test = split(read(camps()))
    model = tm.SVD(factors=2, epochs=3).fit(train)
    assert len(model.interactions or ()) == len(train)
    both = tm.evaluate(model, test, metrics=("ndcg@5", "rmse"), exclude=None)
    assert both["ndcg@5"] == tm.evaluate(model, test.likes(), metrics="ndcg@5", exclude=None)["ndcg@5"]
    assert both["rmse"] == tm.evaluate(model, test, metrics="rmse")["rmse"]
    assert both.n_rated.sum() == len(test)


@of_likes
def test_an_update_with_weight_zero_takes_a_like_back(name: str) -> None:
    train = split(read(camps()))[0].likes()
    user, item = train.to_frame().row(0)[:2]
    model = make(name).fit(train)
    updated = model.update(read({"user": [user], "item": [item], "label": [0.0]}))
    assert len(updated.interactions) == len(train) - 1
    assert item in set(updated.recommend(user, k=20)["item"])
    with pytest.warns(tm.TastemapWarning, match="1 of 2 pairs have the weight 0"):
        model.update(read({"user": [user, user], "item": [item, 99], "label": [0.0, 0.0]}))


def test_validation_is_measured_on_likes() -> None:
    train, test = split(read(camps()))
    one, other = (make("BPR").fit(train.likes(), validation=part) for part in (test, test.likes()))
    assert [done.metric for done in one.epochs_] == [done.metric for done in other.epochs_]


def test_lists_of_others_are_measured_on_likes() -> None:
    train, test = split(read(camps()))
    lists = tm.EASE().fit(train.likes()).recommend(k=5)
    found = tm.evaluate_lists(lists, test, metrics="recall@5", train=train)
    assert found.means == tm.evaluate_lists(lists, test.likes(), metrics="recall@5", train=train.likes()).means


# -- units -------------------------------------------------------------------------------------------------------------


def counts(unit: float = 1.0) -> tm.Interactions:
    """Return counts with a long tail, in another unit."""
    rng = np.random.default_rng(3)
    users, items = np.nonzero(rng.random((60, 30)) < 0.3)
    weight = np.minimum(rng.zipf(1.7, len(users)), 300).astype(np.float32) * np.float32(unit)
    return read({"user": users, "item": items, "weight": weight}, "weight")


@of_likes
@pytest.mark.parametrize("exponent", [-80, -7, 20, 80])
def test_weights_in_another_unit_give_the_same_bits(name: str, exponent: int) -> None:
    unit = 2.0**exponent
    one, other = make(name).fit(counts()), make(name).fit(counts(unit))
    assert other.state.unit == one.state.unit * unit
    for array in one.fitted_arrays:
        np.testing.assert_array_equal(getattr(one, array), getattr(other, array))
    assert one.recommend(k=9).equals(other.recommend(k=9))
    history = {0: 3.0, 5: 1.0, 7: 40.0}
    in_its_unit = {item: weight * unit for item, weight in history.items()}
    assert one.recommend_for(history, k=9).equals(other.recommend_for(in_its_unit, k=9))
    assert one.recommend_for([0, 5], k=9).equals(other.recommend_for([0, 5], k=9))
    news = {"user": [0, 99], "item": [5, 7], "weight": [7.0, 2.0]}
    again = {**news, "weight": [weight * unit for weight in news["weight"]]}
    assert one.update(read(news, "weight")).recommend(k=9).equals(other.update(read(again, "weight")).recommend(k=9))
    if one.abilities.explains:
        assert one.explain(0, 5).frame.equals(other.explain(0, 5).frame)


@of_likes
def test_equal_weights_of_any_size_are_likes(name: str) -> None:
    ones, tenths = counts().binarize(), counts().binarize().divide(10)
    assert make(name).fit(ones).recommend(k=9).equals(make(name).fit(tenths).recommend(k=9))


@of_likes
def test_the_unit_is_kept_in_the_file_and_by_an_update(name: str, tmp_path: Path) -> None:
    model = make(name).fit(counts(0.01))
    model.save(tmp_path / "model")
    loaded = tm.load(tmp_path / "model")
    assert loaded.state.unit == model.state.unit == pytest.approx(counts(0.01).matrix.data.mean())
    assert loaded.recommend_for({0: 0.03, 5: 0.01}).equals(model.recommend_for({0: 0.03, 5: 0.01}))
    assert loaded.update(counts()).state.unit == model.state.unit
    assert f"A weight of {model.state.unit:.6g} counts as 1." in model.card()


def test_a_file_without_a_unit_takes_weights_as_they_are() -> None:
    model = tm.EASE().fit(counts())
    header = stored.header_of("EASE", {}, {}, model.state, [])
    del header["unit"]
    arrays = stored.arrays_of(model.state, {}, True)
    assert stored.state_of(arrays, header).unit == 1


@pytest.mark.parametrize("name", ["BPR", "WARP"])
def test_the_unit_of_older_files_of_pairwise_models_is_an_array(name: str, tmp_path: Path) -> None:
    model = make(name).fit(counts())
    model.save(tmp_path / "model")
    rewrite(tmp_path / "model", arrays={"mean_weight_": np.array([model.state.unit])}, unit=...)
    loaded = tm.load(tmp_path / "model")
    assert loaded.state.unit == model.state.unit
    assert loaded.recommend(k=5).equals(model.recommend(k=5))
    rewrite(tmp_path / "model", arrays={"mean_weight_": np.array([])})
    with pytest.raises(tm.ModelFileError, match="'unit' in the header must be a finite number"):
        tm.load(tmp_path / "model")


def test_models_of_ratings_take_ratings_as_they_are() -> None:
    assert tm.ExplicitALS(factors=2, epochs=2).fit(counts()).state.unit == 1


@pytest.mark.filterwarnings("ignore:the model cannot tell")  # beside it all other weights are 0
@pytest.mark.parametrize("heaviest", [1e30, 3e38])
@of_likes
def test_one_enormous_weight_is_learned_from(name: str, heaviest: float) -> None:
    frame = (
        counts()
        .to_frame()
        .with_columns(weight=pl.when(pl.int_range(pl.len()) == 0).then(heaviest).otherwise(pl.col("weight")))
    )
    model = make(name).fit(read(frame, "weight"))
    assert model.recommend(k=9)["score"].is_finite().all()


def test_weights_too_small_for_floats_are_refused() -> None:
    with pytest.raises(tm.DataError, match="too small for 32-bit floats: multiply"):
        read({"user": [1, 1], "item": [1, 2], "weight": [1e-50, 1.0]}, "weight")


@pytest.fixture(scope="module")
def plays(data_folder: Path) -> pl.DataFrame:
    """The plays of Last.fm, counts up to 352,698, and each as a share of the user's."""
    path = data_folder / "lastfm" / "user_artists.dat"
    if not path.exists():
        pytest.skip(f"needs Last.fm: {path} is absent")
    frame = pl.read_csv(path, separator="\t").rename({"userID": "user", "artistID": "item"})
    frame = frame.filter(pl.len().over("item") >= 20)
    return frame.with_columns(share=pl.col("weight") / pl.col("weight").sum().over("user"))


@pytest.mark.parametrize("name", list(tm.MODELS))
def test_plays_and_shares_of_a_long_tail_stay_finite_with_the_defaults(name: str, plays: pl.DataFrame) -> None:
    """Every model is finite, and personal ones of likes find more than Popular does in any unit."""
    found = {}
    for weight, factor in (("weight", 1.0), ("weight", 0.01), ("weight", 1e6), ("share", 1.0)):
        frame = plays.select("user", "item", w=pl.col(weight) * factor)
        train, test = tm.split.random(read(frame, "w"), 0.2, seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tm.TastemapWarning)
            model: Any = tm.MODELS[name]().fit(train)
        for array in model.fitted_arrays:
            assert np.isfinite(getattr(model, array)).all()
        found[weight, factor] = tm.evaluate(model, test)["ndcg@10"]
    if name in OF_LIKES:
        same = [found["weight", factor] for factor in (1.0, 0.01, 1e6)]
        assert same == pytest.approx([same[0]] * 3, abs=1e-3)
        if name in ("EASE", "ItemKNN", "ImplicitALS", "BPR", "WARP"):
            assert min(found.values()) > 0.1
    assert all(map(math.isfinite, found.values()))
