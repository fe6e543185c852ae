"""What every model promises. A new model is tested by being in MODELS; what only it can tell goes in the tables."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tastemap as tm
from reference import als as reference
from reference import ease, knn
from tastemap import Interactions
from tastemap.models.shared.base import Model

Array = npt.NDArray[Any]
NAN, INF = float("nan"), float("inf")
GHOST, UNSEEN = "ghost", 999  # a user and an item in the id maps that have no pair
GLUTTON = "u5"  # has every item

SGD = {
    "factors": 5,
    "epochs": 2,
    "learning_rate": 0.037,
    "regularization": 0.037,
    "feature_regularization": 0.37,
    "seed": 1,
}
# For every hyper-parameter another value than the quick one, which must change what is learned ...
OTHERS: dict[str, dict[str, Any]] = {
    "Random": {"by_popularity": True, "seed": 1},
    "PersonalPopular": {"fill": False},
    "ItemKNN": {"neighbours": 3, "similarity": "tfidf", "shrinkage": 0.7, "bm25_k1": 0.7, "bm25_b": 0.3},
    "EASE": {"regularization": 3.7},
    "ImplicitALS": {
        "factors": 5,
        "epochs": 2,
        "alpha": 1.37,
        "unobserved_weight": 0.37,
        "regularization": 0.037,
        "frequency_exponent": 0.37,
        "loss": "hu",
        "regularization_scale": "count",
        "solver": "cholesky",
        "cg_steps": 1,
        "feature_regularization": 0.37,
        "seed": 1,
    },
    "ExplicitALS": {
        "factors": 5,
        "epochs": 2,
        "regularization": 0.37,
        "bias_regularization": 0.37,
        "biases": False,
        "regularization_scale": "none",
        "seed": 1,
    },
    "SVD": {
        "factors": 5,
        "epochs": 2,
        "learning_rate": 0.037,
        "regularization": 0.37,
        "bias_regularization": 0.37,
        "seed": 1,
    },
    "SVDpp": {
        "factors": 5,
        "epochs": 2,
        "learning_rate": 0.037,
        "regularization": 0.37,
        "bias_regularization": 0.37,
        "implicit_learning_rate": 0.037,
        "implicit_regularization": 0.37,
        "seed": 1,
    },
    "BPR": {**SGD, "negatives": "popularity"},
    "WARP": {**SGD, "max_sampled": 2},
}
# ... some of them only where there are features ...
OF_FEATURES = {"feature_regularization"}
# ... and some change nothing that is learned, but the lists that are made from it.
CHANGE_LISTS = {("PersonalPopular", "fill")}
# Values that must be refused.
COUNTS: list[Any] = [0, -1, 2.5, True, "6", None]
AMOUNTS: list[Any] = [-0.1, NAN, INF, True, "1", None]
SWITCHES: list[Any] = [1, "yes", None]
SEEDS: list[Any] = [-1, 2**64, 0.5, True, None]
SGD_REFUSED: dict[str, list[Any]] = {
    "factors": COUNTS,
    "epochs": COUNTS,
    "learning_rate": [0, *AMOUNTS],
    "regularization": AMOUNTS,
    "feature_regularization": AMOUNTS,
    "seed": SEEDS,
}
REFUSED: dict[str, dict[str, list[Any]]] = {
    "Random": {"by_popularity": SWITCHES, "seed": SEEDS},
    "PersonalPopular": {"fill": SWITCHES},
    "ItemKNN": {
        "neighbours": COUNTS,
        "similarity": ["jaccard", None],
        "shrinkage": AMOUNTS,
        "bm25_k1": AMOUNTS,
        "bm25_b": [1.1, *AMOUNTS],
    },
    "EASE": {"regularization": [0, *AMOUNTS]},
    "ImplicitALS": {
        "factors": COUNTS,
        "epochs": COUNTS,
        "cg_steps": COUNTS,
        "alpha": [0, *AMOUNTS],
        "unobserved_weight": AMOUNTS,
        "regularization": AMOUNTS,
        "frequency_exponent": AMOUNTS,
        "feature_regularization": AMOUNTS,
        "loss": ["bpr", None],
        "regularization_scale": ["users", None],
        "solver": ["lu", None],
        "seed": SEEDS,
    },
    "ExplicitALS": {
        "factors": COUNTS,
        "epochs": COUNTS,
        "regularization": [0, *AMOUNTS],
        "bias_regularization": AMOUNTS,
        "biases": [0, 1, "yes", None],
        "regularization_scale": ["frequency", None],
        "seed": SEEDS,
    },
    "SVD": {
        "factors": COUNTS,
        "epochs": COUNTS,
        "learning_rate": [0, *AMOUNTS],
        "regularization": [0, *AMOUNTS],
        "bias_regularization": AMOUNTS,
        "seed": SEEDS,
    },
    "SVDpp": {
        "factors": COUNTS,
        "epochs": COUNTS,
        "learning_rate": [0, *AMOUNTS],
        "regularization": [0, *AMOUNTS],
        "bias_regularization": AMOUNTS,
        "implicit_learning_rate": AMOUNTS,
        "implicit_regularization": AMOUNTS,
        "seed": SEEDS,
    },
    "BPR": {**SGD_REFUSED, "negatives": ["hard", None]},
    "WARP": {**SGD_REFUSED, "max_sampled": COUNTS},
}
# The vectors in which items and users are compared, from the model's docstring.
SPACES: dict[str, Callable[[Any], tuple[Array, Array]]] = {
    "ImplicitALS": reference.spaces,
    **{
        name: lambda model: (model.item_factors_, model.user_factors_)
        for name in ("ExplicitALS", "SVD", "SVDpp", "BPR", "WARP")
    },
}
# Models whose fitted users or folded-in people are found by gradient steps: they end near each other ...
APPROXIMATE = {"BPR", "WARP", "SVD", "SVDpp"}
# ... or, for some, at the same place, when trained to the end.
TO_THE_END = {name: {"epochs": 1000, "learning_rate": 0.2} for name in ("SVD", "SVDpp")}
# Where a model compares items otherwise: the similarities of the items 100 to 110 by each metric that it knows.
SIMILARITIES: dict[str, dict[str, Callable[[Any], Array]]] = {
    "EASE": {
        "cosine": lambda model: ease.partial_correlations(np.nan_to_num(weights()), model.regularization),
        "dot": lambda model: ease.weights(np.nan_to_num(weights()), model.regularization),
    },
    "ItemKNN": {
        "cosine": lambda model: knn.similarities(weights(), model.similarity, model.shrinkage),
    },
}
# What a model cannot do by its nature.
UNABLE = {
    "Random": {"similar_items", "similar_users", "item_vectors", "explain"},
    "Popular": {"similar_items", "similar_users", "item_vectors", "explain"},
    "PersonalPopular": {"similar_items", "similar_users", "item_vectors"},
    "ItemKNN": {"similar_users", "item_vectors"},
    "EASE": {"similar_users", "item_vectors"},
}
# Models that know a user by the training pairs alone: without them they recommend to new histories only.
NEED_HISTORY = {"PersonalPopular", "ItemKNN", "EASE"}
# Models to which a user and somebody else with the same history are two people.
TELL_APART = {"Random"}


def can(name: str, method: str) -> bool:
    return method not in UNABLE.get(name, ())


def able(method: str) -> Any:
    return pytest.mark.parametrize("name", [name for name in tm.MODELS if can(name, method)])


every_model = pytest.mark.parametrize("name", tm.MODELS)
folds_in_exactly = pytest.mark.parametrize("name", [name for name in tm.MODELS if name not in APPROXIMATE | TELL_APART])
rating_model = pytest.mark.parametrize("name", [name for name in tm.MODELS if tm.MODELS[name].abilities.ratings])
every_field = pytest.mark.parametrize(
    ("name", "field"), [(name, field.name) for name, cls in tm.MODELS.items() for field in fields(cls)]
)


# Parameters for quick models of little data.
QUICK: dict[str, dict[str, Any]] = {"EASE": {"regularization": 2.0}, "ItemKNN": {"similarity": "bm25"}}


def make(name: str, **changed: Any) -> Model:
    cls = tm.MODELS[name]
    quick = {"factors": 6, "epochs": 3}
    own = {field.name for field in fields(cls)}
    return cls(**{**{key: value for key, value in quick.items() if key in own}, **QUICK.get(name, {}), **changed})


@cache
def pairs(seed: int = 0, n_users: int = 14, n_items: int = 11) -> pl.DataFrame:
    """Return pairs under names of the caller's own, users as strings, items as integers."""
    rng = np.random.default_rng(seed)
    has = rng.random((n_users, n_items)) < 0.4
    has[5] = True
    has[:, 0] |= ~has.any(axis=1)
    users, items = np.nonzero(has)
    stars = rng.integers(1, 6, len(users)).astype(float)
    return pl.DataFrame({"person": [f"u{u}" for u in users], "film": 100 + items, "stars": stars})


def read(frame: Any, **more: Any) -> Interactions:
    return Interactions.from_frame(frame, user="person", item="film", weight="stars", **more)


@cache
def data(seed: int = 0) -> Interactions:
    frame = pairs(seed)
    users = [*frame["person"].unique(maintain_order=True), GHOST]
    return read(frame, users=users, items=[UNSEEN, *frame["film"].unique().sort()])


def weights() -> Array:
    """Return the weights of the items 100 to 110, NaN where there is no pair."""
    W = np.full(data().shape, np.nan)
    W[data().row_of_pair(), data().matrix.indices] = data().matrix.data
    return W[:, 1:]


def features_of_films() -> tm.Features:
    films = {"film": range(100, 111), "genre": ["war", "noir", None] * 3 + ["war", "noir"]}
    return tm.Features.from_frame(films, id="film", columns="genre")


@cache
def fitted(name: str) -> Model:
    return make(name).fit(data())


def arrays(model: Model) -> dict[str, Array]:
    return {name: getattr(model, name) for name in ("popularity_", *model.fitted_arrays)}


def assert_equal(one: Model, other: Model) -> None:
    """Assert that two models have the same bits and give the same lists."""
    assert type(one) is type(other)
    assert asdict(one) == asdict(other)
    assert (list(one.users), list(one.items)) == (list(other.users), list(other.items))
    for name, array in arrays(one).items():
        np.testing.assert_array_equal(array, arrays(other)[name], err_msg=name)
        assert array.dtype == arrays(other)[name].dtype
    if one.interactions is not None and other.interactions is not None:
        assert one.recommend(k=4).equals(other.recommend(k=4))


def people() -> list[str]:
    return list(dict.fromkeys(pairs()["person"]))


def history_of(user: str) -> dict[int, float]:
    mine = pairs().filter(pl.col("person") == user)
    return dict(zip(mine["film"], mine["stars"], strict=True))


def shown_score(model: Model, score: float) -> float:
    """Return a score as it is shown: ratings within the range of the training's."""
    return float(np.clip(score, *model.range_)) if model.abilities.ratings else score  # type: ignore[attr-defined]


def refuses(call: Callable[[], Any], error: type[Exception] | tuple[type[Exception], ...], *words: object) -> None:
    """Assert that a call is refused in one sentence with the given words."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert str(word) in text


# -- fit ---------------------------------------------------------------------------------------------------------------


@every_model
def test_init_only_stores(name: str) -> None:
    wrong = dict.fromkeys((field.name for field in fields(tm.MODELS[name])), object())
    model = tm.MODELS[name](**wrong)
    assert vars(model) == wrong


@every_model
def test_fitting_twice_is_fitting_once_and_leaves_the_input(name: str) -> None:
    likes = data()
    before = copy.deepcopy((likes.matrix.data, likes.matrix.indices, likes.matrix.indptr, likes.fingerprint()))
    parameters = asdict(make(name))
    model = make(name)
    assert model.fit(likes) is model
    assert_equal(model.fit(likes), fitted(name))
    assert asdict(model) == parameters
    assert [name for name in vars(model) if not name.startswith("_") and not name.endswith("_")] == list(parameters)
    for old, new in zip(before, (likes.matrix.data, likes.matrix.indices, likes.matrix.indptr), strict=False):
        np.testing.assert_array_equal(old, new)
    assert likes.fingerprint() == before[-1]


@every_model
def test_fitting_to_other_data_forgets_the_first(name: str) -> None:
    other = read(pairs(seed=3, n_users=8, n_items=7))
    model = make(name).fit(data())
    model.recommend(k=2)  # whatever is kept for the next call must go as well
    if can(name, "explain"):
        model.explain("u1", next(iter(history_of("u1"))))
    assert_equal(model.fit(other), make(name).fit(other))


@every_field
def test_every_hyper_parameter_changes_what_is_learned(name: str, field: str) -> None:
    assert field in OTHERS.get(name, {}), f"say in OTHERS another value of {name}.{field}"
    assert OTHERS[name][field] != getattr(make(name), field)
    given = {"item_features": features_of_films()} if field in OF_FEATURES else {}
    one, other = (make(name, **changed).fit(data(), **given) for changed in ({}, {field: OTHERS[name][field]}))
    if (name, field) in CHANGE_LISTS:
        assert not other.recommend(exclude_seen=False).equals(one.recommend(exclude_seen=False))
        return
    assert any(
        array.shape != arrays(other)[key].shape or not np.array_equal(array, arrays(other)[key])
        for key, array in arrays(one).items()
    )


@every_field
def test_bad_hyper_parameters_are_refused_by_name_and_value(name: str, field: str) -> None:
    assert field in REFUSED.get(name, {}), f"say in REFUSED bad values of {name}.{field}"
    for value in REFUSED[name][field]:
        refuses(lambda value=value: make(name, **{field: value}).fit(data()), ValueError, field, repr(value))


@every_field
def test_numpy_numbers_are_as_good_as_pythons_own(name: str, field: str, tmp_path: Path) -> None:
    value = getattr(make(name), field)
    if isinstance(value, str):
        return
    model = make(name, **{field: np.asarray(value)[()]}).fit(data())
    model.save(tmp_path / "model")
    assert_equal(tm.load(tmp_path / "model"), fitted(name))


@every_model
def test_a_model_that_has_learned_nothing_says_so(name: str, tmp_path: Path) -> None:
    model = make(name)
    for call in (
        lambda: model.users,
        lambda: model.items,
        lambda: model.interactions,
        lambda: model.recommend("u1"),
        lambda: model.recommend_for([100]),
        lambda: model.recommend_rows([0]),
        lambda: model.similar_items(100),
        lambda: model.similar_users("u1"),
        lambda: model.predict("u1", 100),
        lambda: model.update(data()),
        lambda: model.save(tmp_path / "model"),
        lambda: model.card(),
    ):
        refuses(call, tm.NotFittedError, name, "fit")
    if can(name, "explain"):
        refuses(lambda: model.explain("u1", 100), tm.NotFittedError, name, "fit")


@every_model
@pytest.mark.parametrize("nothing", [None, [1, 2], pairs()])
def test_fit_takes_interactions_only(name: str, nothing: Any) -> None:
    refuses(lambda: make(name).fit(nothing), tm.DataError, "Interactions", type(nothing).__name__)


@every_model
@pytest.mark.parametrize(
    "options", [{"patience": 2}, {"validation": data(), "patience": 0}, {"validation": data(), "metric": "ndcg"}]
)
def test_bad_training_options_are_refused_and_what_was_learned_stays(name: str, options: dict[str, Any]) -> None:
    model = make(name).fit(data())
    refuses(lambda: model.fit(data(1), **options), ValueError)
    assert_equal(model, fitted(name))


@pytest.mark.parametrize("name", [name for name in tm.MODELS if "epochs" not in vars(make(name))])
def test_a_model_without_epochs_says_so_where_options_need_them(name: str, tmp_path: Path) -> None:
    options = {"patience": 2, "callbacks": print, "checkpoint": tmp_path / "checkpoint"}
    for option, value in options.items():
        more = {option: value, "validation": data()}
        refuses(lambda more=more: make(name).fit(data(), **more), ValueError, name, "without epochs", option)
    assert_equal(make(name).fit(data(), validation=data()), fitted(name))


@every_model
def test_validation_without_a_shared_id_is_refused(name: str) -> None:
    strangers = read(pl.DataFrame({"person": ["x"], "film": [1], "stars": [1.0]}))
    refuses(lambda: make(name).fit(data(), validation=strangers), tm.DataError, "validation")


# -- recommend ---------------------------------------------------------------------------------------------------------


@every_model
def test_all_a_batch_and_one_user_give_the_same_lists(name: str) -> None:
    model = fitted(name)
    everyone = model.recommend(k=3)
    assert everyone["person"].unique(maintain_order=True).to_list() == [u for u in people() if u != GLUTTON]
    assert everyone.equals(model.recommend(people(), k=3))
    assert everyone.equals(pl.concat([model.recommend(user, k=3) for user in people()]))
    rows = model.users.rows(people())
    lists = model.recommend_rows(rows, 3)
    flat = [item for items, count in zip(lists.rows, lists.counts, strict=True) for item in items[:count]]
    assert model.items.take(flat).to_list() == everyone["film"].to_list()
    for row, *expected in zip(rows, *lists, strict=True):
        (items,), (scores,), (count,) = model.recommend_rows(row, 3)
        assert items.tolist() == expected[0].tolist()
        assert scores.tolist() == expected[1].tolist()
        assert count == expected[2]


@every_model
def test_ranks_count_from_one_and_scores_fall(name: str) -> None:
    for (_user,), mine in fitted(name).recommend(k=5).group_by("person"):
        assert mine["rank"].to_list() == list(range(1, len(mine) + 1))
        assert mine["score"].is_sorted(descending=True)
        assert mine["score"].is_finite().all()


@every_model
def test_seen_items_never_appear_and_too_large_a_k_gives_what_is_left(name: str) -> None:
    shown = fitted(name).recommend(k=1000)
    expected = [(u, i) for u in people() for i in range(100, 111) if i not in history_of(u)]
    assert sorted(shown.select("person", "film").rows()) == sorted(expected)
    assert fitted(name).recommend(GLUTTON).is_empty()
    everything = fitted(name).recommend(k=1000, exclude_seen=False)
    assert everything.group_by("person").len()["len"].to_list() == [11] * len(people())


@every_model
def test_candidates_limit_the_lists_and_may_have_no_training_pair(name: str) -> None:
    model = fitted(name)
    among = model.recommend(k=10, candidates=[UNSEEN, 103, 107, 103], exclude_seen=False)
    assert set(among["film"]) == {UNSEEN, 103, 107}
    assert len(among) == 3 * len(people())
    unseen = among.filter(pl.col("film") == UNSEEN)
    expected = [0.0] * len(people())
    if model.abilities.ratings:
        biases = model.user_biases_[model.users.rows(people())]  # type: ignore[attr-defined]
        expected = [shown_score(model, model.mean_[0] + bias) for bias in biases]  # type: ignore[attr-defined]
    assert unseen["score"].to_list() == pytest.approx(expected)
    assert UNSEEN not in set(model.recommend(k=100)["film"])
    refuses(lambda: model.recommend(candidates=[103, 5]), tm.UnknownIdError, "film", 5)


@every_model
def test_no_candidates_means_no_rows(name: str) -> None:
    assert fitted(name).recommend(people(), candidates=[]).is_empty()
    assert fitted(name).recommend(people()[0], candidates=[]).is_empty()
    assert fitted(name).recommend_for([100], candidates=[]).is_empty()


@every_model
def test_excluded_ids_are_hidden_from_everyone_and_excluded_pairs_from_their_user(name: str) -> None:
    model = fitted(name)
    whole = model.recommend(k=100)
    assert model.recommend(k=100, exclude=[103, 107, 12345]).equals(
        whole.filter(~pl.col("film").is_in([103, 107])).with_columns(rank=pl.col("score").cum_count().over("person"))
    )
    banned = pl.DataFrame({"person": ["u0", "u1", "stranger"], "film": [103, 107, 103]})
    for frame in (banned, banned.to_pandas(), banned.to_arrow(), banned.to_dict(as_series=False)):
        left = model.recommend(k=100, exclude=frame)
        expected = whole.join(banned, on=["person", "film"], how="anti")
        assert left.drop("rank").equals(expected.drop("rank"))
    assert model.recommend(k=100, exclude=[]).equals(whole)
    assert model.recommend(k=100, exclude=banned.clear()).equals(whole)
    refuses(lambda: model.recommend(exclude=banned.rename({"film": "movie"})), tm.DataError, "film")


@every_model
@pytest.mark.parametrize("strangers", [["nobody"], [GHOST], ["nobody", GHOST]])
def test_unknown_users_raise_are_skipped_or_get_what_is_popular(name: str, strangers: list[str]) -> None:
    model = fitted(name)
    asked = ["u3", *strangers, "u1"]
    refuses(lambda: model.recommend(asked), tm.UnknownIdError, repr(strangers[0]), "on_unknown")
    assert model.recommend(asked, on_unknown="skip").equals(model.recommend(["u3", "u1"]))
    assert model.recommend(strangers, on_unknown="skip").is_empty()
    mixed = model.recommend(asked, k=4, on_unknown="popular")
    assert mixed["person"].unique(maintain_order=True).to_list() == asked
    counts = pairs().group_by("film").len().sort(["len", "film"], descending=[True, False]).head(4)
    for stranger in strangers:
        theirs = mixed.filter(pl.col("person") == stranger)
        assert theirs["film"].to_list() == counts["film"].to_list()
        assert theirs["score"].to_list() == counts["len"].to_list()
    known = mixed.filter(~pl.col("person").is_in(strangers))
    assert known.equals(model.recommend(["u3", "u1"], k=4))
    refuses(lambda: model.recommend(asked, on_unknown="ignore"), ValueError, "on_unknown", "'ignore'")
    refuses(lambda: model.recommend(7), tm.UnknownIdError, "person")


@every_model
@pytest.mark.parametrize("k", [0, -1, True, 2.5, "3", None])
def test_k_is_a_whole_number_of_at_least_one(name: str, k: Any) -> None:
    model = fitted(name)
    calls = [
        lambda: model.recommend("u1", k=k),
        lambda: model.recommend_for([100], k=k),
        lambda: model.recommend_rows([0], k),
    ]
    calls += [lambda: model.similar_items(100, k=k)] if can(name, "similar_items") else []
    calls += [lambda: model.similar_users("u1", k=k)] if can(name, "similar_users") else []
    for call in calls:
        refuses(call, ValueError, "k must be", repr(k))


@every_model
@pytest.mark.parametrize(
    ("kind", "frame"), [("polars", pairs()), ("pandas", pairs().to_pandas()), ("pyarrow", pairs().to_arrow())]
)
def test_frames_come_back_as_they_went_in_under_the_callers_names(name: str, kind: str, frame: Any) -> None:
    classes = {"polars": pl.DataFrame, "pandas": pd.DataFrame, "pyarrow": pa.Table}
    model = make(name).fit(read(frame))
    calls = {
        "recommend": (lambda **how: model.recommend("u1", **how), ["person", "film", "rank", "score"]),
        "recommend_for": (lambda **how: model.recommend_for([100], **how), ["history", "film", "rank", "score"]),
        "similar_items": (lambda **how: model.similar_items(100, **how), ["film", "neighbour", "rank", "score"]),
        "similar_users": (lambda **how: model.similar_users("u1", **how), ["person", "neighbour", "rank", "score"]),
        "explain": (lambda **how: model.explain("u1", 103, **how).frame, ["film", "contribution"]),
    }
    for method, (call, names) in calls.items():
        if not can(name, method):
            continue
        assert isinstance(call(), classes[kind])
        for other, cls in classes.items():
            shown = call(frame=other)
            assert isinstance(shown, cls)
            assert list(getattr(shown, "column_names", shown.columns)) == names
        refuses(lambda call=call: call(frame="excel"), ValueError, "frame", "'excel'")


@every_model
def test_results_join_the_callers_tables(name: str) -> None:
    films = pl.DataFrame({"film": range(100, 111), "title": [f"Film {i}" for i in range(11)]})
    assert fitted(name).recommend("u1").join(films, on="film", how="left")["title"].null_count() == 0


@every_model
@pytest.mark.parametrize("column", ["rank", "score"])
def test_a_column_called_like_one_of_ours_is_refused_before_it_gets_lost(name: str, column: str) -> None:
    taken = Interactions.from_frame(pairs().rename({"film": column}), user="person", item=column)
    refuses(lambda: make(name).fit(taken), tm.DataError, repr(column))


@every_model
def test_user_rows_are_checked(name: str) -> None:
    model = fitted(name)
    for rows in ([len(model.users)], [-1], [0, 10**6]):
        refuses(lambda rows=rows: model.recommend_rows(rows), tm.UnknownIdError, "rows", rows[-1])
    assert model.recommend_rows([], 3).rows.shape[0] == 0


@every_model
@pytest.mark.parametrize("rows", [[0.5], [True, False], [[0, 1]], ["u1"]], ids=str)
def test_user_rows_are_whole_numbers_in_one_dimension(name: str, rows: Any) -> None:
    refuses(lambda: fitted(name).recommend_rows(rows), (ValueError, tm.UnknownIdError), "rows")


@every_model
def test_other_things_than_interactions_and_ids_are_refused_in_a_sentence(name: str) -> None:
    model = fitted(name)
    refuses(lambda: model.update(pairs()), tm.DataError, "Interactions", "DataFrame")
    refuses(lambda: tm.evaluate(model, pairs()), tm.DataError, "Interactions", "DataFrame")
    refuses(lambda: model.recommend(pairs().select("person")), (ValueError, tm.UnknownIdError), "person")


@every_model
def test_nothing_asked_nothing_answered(name: str) -> None:
    model = fitted(name)
    assert model.recommend([]).columns == ["person", "film", "rank", "score"]
    assert model.recommend([]).is_empty()
    assert model.predict([], []).shape == (0,)


@every_model
def test_ids_of_an_empty_answer_keep_their_type(name: str) -> None:
    shown = fitted(name).recommend([])
    assert shown.schema["person"] == pl.String
    assert shown.schema["film"] == pl.Int64


@every_model
@pytest.mark.parametrize(
    "options",
    [{}, {"k": 100, "exclude_seen": False}, {"candidates": [103, UNSEEN]}, {"exclude": pairs().head(9)}],
    ids=str,
)
def test_everybodys_lists_in_a_file_are_those_of_recommend(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tastemap.models.shared.answers.USERS_AT_ONCE", 4)
    fitted(name).recommend_all(tmp_path / "lists.parquet", **options)
    assert pl.read_parquet(tmp_path / "lists.parquet").equals(fitted(name).recommend(**options))
    assert [path.name for path in tmp_path.iterdir()] == ["lists.parquet"]


@every_model
def test_an_error_on_the_way_leaves_no_file_of_lists(name: str, tmp_path: Path) -> None:
    refuses(lambda: fitted(name).recommend_all(tmp_path / "lists.parquet", k=0), ValueError, "k must be")
    refuses(lambda: make(name).recommend_all(tmp_path / "lists.parquet"), tm.NotFittedError, name)
    assert not list(tmp_path.iterdir())


# -- fold in -----------------------------------------------------------------------------------------------------------


@folds_in_exactly
def test_folding_in_a_training_history_gives_the_users_own_list(name: str) -> None:
    model = fitted(name)
    for user in people():
        own = model.recommend(user, k=5)
        folded = model.recommend_for(history_of(user), k=5)
        assert folded["film"].to_list() == own["film"].to_list()
        np.testing.assert_allclose(folded["score"], own["score"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TO_THE_END)
def test_folding_in_a_training_history_gives_about_the_users_own_scores(name: str) -> None:
    model = make(name, **TO_THE_END[name]).fit(data())
    for user in people():
        folded = model.recommend_for(history_of(user), k=20)
        np.testing.assert_allclose(folded["score"], model.predict(user, folded["film"]), atol=0.05)


@every_model
def test_histories_come_as_ids_mappings_and_lists_of_these(name: str) -> None:
    model = fitted(name)
    liked = 5 if model.abilities.ratings else 1  # who names an item without a rating likes it
    one, two = model.recommend_for([103, 105], k=4), model.recommend_for({104: 2.0, 101: 1.0}, k=4)
    for same in (
        (103, 105),
        [105, 103],
        np.array([103, 105]),
        pl.Series([103, 105]),
        {103: liked, 105: liked},
        {105: float(liked), 103: float(liked)},
    ):
        assert model.recommend_for(same, k=4).equals(one)
    assert model.recommend_for([101, 104], weights=[1, 2], k=4).equals(two)
    both = pl.concat([one, two.with_columns(history=pl.lit(1, pl.Int64))])
    assert model.recommend_for([[103, 105], {104: 2.0, 101: 1.0}], k=4).equals(both)
    assert model.recommend_for([[103, 105], [104, 101]], weights=[None, [2, 1]], k=4).equals(both)
    many = model.recommend_for([[103, 105]] * 9, k=4)
    assert many.drop("history").equals(pl.concat([one.drop("history")] * 9))
    assert many["history"].unique().sort().to_list() == list(range(9))
    assert model.recommend_for(103, k=4).equals(model.recommend_for([103], k=4))


@every_model
def test_a_history_is_not_recommended_and_neither_is_what_is_excluded(name: str) -> None:
    shown = fitted(name).recommend_for([103, 105], k=100, exclude=[101])
    assert set(shown["film"]) == set(range(100, 111)) - {101, 103, 105}
    with_seen = fitted(name).recommend_for([103, 105], k=100, exclude=[101], exclude_seen=False)
    assert {103, 105} <= set(with_seen["film"]) == {*shown["film"], 103, 105}
    among = fitted(name).recommend_for([103], k=100, candidates=[103, 104, UNSEEN])
    assert set(among["film"]) == {104, UNSEEN}


@every_model
@pytest.mark.parametrize(
    ("history", "options", "error", "words"),
    [
        ([], {}, tm.DataError, ["empty"]),
        ({}, {}, tm.DataError, ["empty"]),
        ([[103], []], {}, tm.DataError, ["empty"]),
        ([103, 5], {}, tm.UnknownIdError, ["film", 5]),
        (["103"], {}, tm.UnknownIdError, ["film", "103"]),
        ([103, 103], {}, tm.DataError, ["once"]),
        ([103, 104], {"weights": [1]}, ValueError, ["weights", 1, 2]),
        ([[103], [104]], {"weights": [[1]]}, ValueError, ["weights", 1, 2]),
        ({103: 1}, {"weights": [1]}, ValueError, ["weights"]),
        ([103], {"weights": [NAN]}, tm.DataError, ["weights", "nan"]),
        ([103], {"weights": [1e39]}, tm.DataError, ["weights", "1e+39"]),
        ([103, 104], {"weights": ["a", "b"]}, ValueError, ["weights"]),
        ([103], {"exclude": pairs()}, ValueError, ["exclude"]),
    ],
)
def test_bad_histories_are_refused(
    name: str, history: Any, options: dict[str, Any], error: type[Exception], words: list[Any]
) -> None:
    refuses(lambda: fitted(name).recommend_for(history, **options), error, *words)


@every_model
def test_negative_weights_of_a_history_are_for_ratings_only(name: str) -> None:
    model = fitted(name)
    if model.abilities.ratings:
        assert len(model.recommend_for([103], weights=[-1], k=3)) == 3
    else:
        refuses(lambda: model.recommend_for([103], weights=[-1]), tm.DataError, "weights", -1)


@every_model
@pytest.mark.parametrize("weight", [1e-38, 1e20, 1e38])
def test_extreme_weights_of_a_history_give_finite_scores_or_a_sentence(name: str, weight: float) -> None:
    try:
        shown = fitted(name).recommend_for([103, 104], weights=[weight, 1])
    except (ValueError, tm.DivergenceError) as error:
        refusal = str(error)
    else:
        assert len(shown) == 9
        assert shown["score"].is_finite().all()
        return
    assert "weight" in refusal


# -- similar, predict, explain -----------------------------------------------------------------------------------------


def similarities(vectors: Array, metric: str) -> Array:
    V = vectors.astype(np.float64)
    if metric == "euclidean":
        return -np.sqrt(((V[:, None] - V[None]) ** 2).sum(axis=2))
    if metric == "cosine":
        V = V / np.linalg.norm(V, axis=1, keepdims=True)
    return V @ V.T


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("side", ["items", "users"])
@pytest.mark.parametrize("name", SPACES)
def test_neighbours_are_those_of_the_vectors_without_itself(name: str, metric: str, side: str) -> None:
    model = fitted(name)
    of_items, of_users = SPACES[name](model)
    ids, find, vectors = {
        "items": (list(range(100, 111)), model.similar_items, of_items[model.items.rows(list(range(100, 111)))]),
        "users": (people(), model.similar_users, of_users[model.users.rows(people())]),
    }[side]
    expected = similarities(vectors, metric)
    shown = find(ids, k=len(ids) + 5, metric=metric)
    column = shown.columns[0]
    assert shown.equals(pl.concat([find(one, k=len(ids) + 5, metric=metric) for one in ids]))
    for place, one in enumerate(ids):
        mine = shown.filter(pl.col(column) == one)
        assert set(mine["neighbour"]) == set(ids) - {one}
        assert mine["score"].is_sorted(descending=True)
        own = [expected[place, ids.index(other)] for other in mine["neighbour"]]
        np.testing.assert_allclose(mine["score"], own, rtol=1e-4, atol=1e-4)
    assert find(ids[0], k=3, metric=metric).equals(shown.head(3))


@pytest.mark.parametrize(("name", "metric"), [(name, metric) for name in SIMILARITIES for metric in SIMILARITIES[name]])
def test_neighbours_are_those_of_the_models_own_similarity(name: str, metric: str) -> None:
    model, ids = fitted(name), list(range(100, 111))
    expected = SIMILARITIES[name][metric](model)
    shown = model.similar_items(ids, k=20, metric=metric)
    assert shown.equals(pl.concat([model.similar_items(one, k=20, metric=metric) for one in ids]))
    for place, one in enumerate(ids):
        mine = shown.filter(pl.col("film") == one)
        assert set(mine["neighbour"]) == set(ids) - {one}
        assert mine["score"].is_sorted(descending=True)
        own = [expected[place, ids.index(other)] for other in mine["neighbour"]]
        np.testing.assert_allclose(mine["score"], own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_metric_that_a_model_does_not_know_is_refused(name: str) -> None:
    for metric in {"cosine", "dot", "euclidean"} - SIMILARITIES[name].keys():
        refuses(
            lambda metric=metric: fitted(name).similar_items(100, metric=metric), tm.NotSupportedError, name, metric
        )


def test_every_model_with_similar_items_has_them_tested() -> None:
    assert {name for name in tm.MODELS if can(name, "similar_items")} == SPACES.keys() | SIMILARITIES.keys()


@able("item_vectors")
def test_item_vectors_are_those_that_similar_items_compares(name: str) -> None:
    model = fitted(name)
    ids, vectors = model.item_vectors()
    assert (ids.name, ids.to_list()) == ("film", list(range(100, 111)))
    expected = similarities(SPACES[name](model)[0][model.items.rows(ids)], "cosine")
    np.testing.assert_allclose(similarities(vectors, "cosine"), expected, rtol=1e-4, atol=1e-4)


@able("similar_items")
def test_similar_items_of_candidates_and_of_unknown_items(name: str) -> None:
    model = fitted(name)
    assert set(model.similar_items(100, candidates=[100, 104, 106])["neighbour"]) == {104, 106}
    assert model.similar_items(100, candidates=[]).is_empty()
    for unknown in (5, UNSEEN):
        refuses(lambda unknown=unknown: model.similar_items([100, unknown]), tm.UnknownIdError, "film", unknown)
    refuses(lambda: model.similar_items(100, metric="jaccard"), ValueError, "metric", "'jaccard'")


@able("similar_users")
def test_similar_users_of_unknown_users(name: str) -> None:
    refuses(lambda: fitted(name).similar_users(["u1", GHOST]), tm.UnknownIdError, "person", GHOST)


@every_model
def test_predict_gives_the_scores_that_recommend_shows(name: str) -> None:
    model = fitted(name)
    shown = model.recommend(k=100, exclude_seen=False)
    scores = model.predict(shown["person"], shown["film"])
    assert scores.dtype == np.float32
    assert scores.tolist() == shown["score"].to_list()
    mine = shown.filter(pl.col("person") == "u1")
    assert model.predict("u1", mine["film"]).tolist() == mine["score"].to_list()
    whose = shown.filter(pl.col("film") == 104)
    assert model.predict(whose["person"], 104).tolist() == whose["score"].to_list()
    refuses(lambda: model.predict(["u1", "u2"], [100, 101, 102]), ValueError, "users", "items", 2, 3)
    for user, item, word in (("nobody", 100, "nobody"), (GHOST, 100, GHOST), ("u1", 5, 5), ("u1", UNSEEN, UNSEEN)):
        refuses(lambda user=user, item=item: model.predict(user, item), tm.UnknownIdError, word)


@able("explain")
def test_explanations_add_up_to_the_score(name: str) -> None:
    model = fitted(name)
    for user in people():
        for item in (100, 106):
            reasons = model.explain(user, item)
            assert set(reasons.frame["film"]) == set(history_of(user))
            assert reasons.frame["contribution"].is_sorted(descending=True)
            if reasons.kind == "exact":
                (score,) = model.predict(user, item)
                assert shown_score(model, reasons.score) == pytest.approx(score, abs=1e-4)
                whole = reasons.baseline + reasons.frame["contribution"].sum()
                assert whole == pytest.approx(reasons.score, abs=1e-4)
    for user, item, word in (("nobody", 100, "nobody"), (GHOST, 100, GHOST), ("u1", 5, 5), ("u1", UNSEEN, UNSEEN)):
        refuses(lambda user=user, item=item: model.explain(user, item), tm.UnknownIdError, word)


@pytest.mark.parametrize(("name", "method"), [(name, method) for name in UNABLE for method in sorted(UNABLE[name])])
def test_what_a_model_cannot_do_it_says_in_a_sentence(name: str, method: str) -> None:
    arguments = {"similar_items": (100,), "similar_users": ("u1",), "explain": ("u1", 100)}.get(method, ())
    refuses(lambda: getattr(fitted(name), method)(*arguments), tm.NotSupportedError, name)


# -- update ------------------------------------------------------------------------------------------------------------


def news() -> Interactions:
    """A new user, a new item, a new pair of known ids, a changed weight."""
    some = next(iter(history_of("u2")))
    frame = {"person": ["new", "new", "u1", "u2"], "film": [103, 500, 500, some], "stars": [5.0, 4.0, 3.0, 1.5]}
    return read(frame)


@every_model
def test_update_knows_the_news_and_leaves_the_old_model(name: str) -> None:
    model = make(name).fit(data())
    changed = model.update(news())
    assert_equal(model, fitted(name))
    assert changed is not model
    assert list(changed.users) == [*model.users, "new"]
    assert list(changed.items) == [*model.items, 500]
    merged = {(u, i): w for u, i, w in changed.interactions.to_frame().rows()}
    old = {(u, i): w for u, i, w in pairs().rows()}
    assert merged == old | {(u, i): w for u, i, w in news().to_frame().rows()}
    assert changed.popularity_.sum() == len(merged)
    shown = changed.recommend(["new", "u1"], k=100)
    assert not {(u, i) for u, i in shown.select("person", "film").rows()} & set(merged)
    assert 500 in set(changed.recommend("u3", k=100)["film"])
    assert len(changed.epochs_) == len(model.epochs_)


@able("explain")
def test_explanations_still_add_up_after_an_update(name: str) -> None:
    changed = fitted(name).update(news())
    for user in [*people(), "new"]:
        (score,) = changed.predict(user, 106)
        assert shown_score(changed, changed.explain(user, 106).score) == pytest.approx(score, abs=1e-4)


@folds_in_exactly
def test_folding_in_still_gives_the_users_own_list_after_an_update(name: str) -> None:
    changed = fitted(name).update(news())
    for user in people():
        pairs_of = changed.interactions.to_frame().filter(pl.col("person") == user)
        history = dict(zip(pairs_of["film"], pairs_of["stars"], strict=True))
        folded, own = changed.recommend_for(history, k=20), changed.recommend(user, k=20)
        assert folded["film"].to_list() == own["film"].to_list()
        np.testing.assert_allclose(folded["score"], own["score"], rtol=1e-4, atol=1e-4)


@every_model
def test_updates_in_turn_and_ids_of_another_type(name: str) -> None:
    twice = fitted(name).update(news()).update(read({"person": ["newer"], "film": [501], "stars": [1.0]}))
    assert list(twice.items)[-2:] == [500, 501]
    assert 501 not in set(twice.recommend("newer", k=100)["film"])
    numbered = Interactions.from_frame({"person": [1], "film": [100], "stars": [1.0]}, user="person", item="film")
    refuses(lambda: fitted(name).update(numbered), tm.UnknownIdError, "person")


# -- save and load -----------------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_loaded_model_is_the_saved_one(name: str, kind: str, tmp_path: Path) -> None:
    frame = pairs() if kind == "polars" else pairs().to_pandas()
    model = make(name).fit(read(frame))
    model.save(tmp_path / "model.safetensors")
    again = tm.load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert asdict(again) == asdict(model)
    for key, array in arrays(model).items():
        np.testing.assert_array_equal(array, arrays(again)[key])
    answers = [
        lambda m: m.recommend(k=3),
        lambda m: m.recommend_for([[103], {104: 2}], k=3),
        lambda m: m.update(news()).recommend(k=3),
        lambda m: m.similar_items(100),
        lambda m: m.explain("u1", 103).frame,
    ]
    for ask, method in zip(answers, ["", "", "", "similar_items", "explain"], strict=True):
        if can(name, method):
            one, other = ask(model), ask(again)
            assert type(one) is type(other)
            assert one.equals(other)
    assert [(e.epoch, e.objective, e.metric) for e in again.epochs_] == [
        (e.epoch, e.objective, e.metric) for e in model.epochs_
    ]
    assert again.card() == model.card()


@every_model
def test_without_history_only_what_needs_it_is_refused(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    model.save(tmp_path / "model", interactions=False)
    bare = tm.load(tmp_path / "model")
    assert bare.interactions is None
    assert bare.recommend_for([103]).equals(model.recommend_for([103]))
    of_known = [lambda m: m.recommend(people(), exclude_seen=False), lambda m: pl.Series(m.predict("u1", 100))]
    strangers = {"users": ["nobody"], "on_unknown": "popular", "exclude_seen": False}
    assert bare.recommend(**strangers).equals(model.recommend(**strangers))
    if name not in NEED_HISTORY:
        for ask in of_known:
            assert ask(bare).equals(ask(model))
    calls = [
        *([lambda ask=ask: ask(bare) for ask in of_known] if name in NEED_HISTORY else []),
        lambda: bare.recommend("u1"),
        lambda: bare.recommend_rows([0]),
        lambda: bare.update(data()),
        lambda: bare.save(tmp_path / "other"),
        lambda: tm.evaluate(bare, data()),
    ]
    if can(name, "explain"):
        calls.append(lambda: bare.explain("u1", 100))
    for call in calls:
        refuses(call, tm.NotSupportedError, "interactions=False")
    bare.save(tmp_path / "other", interactions=False)
    assert_equal(tm.load(tmp_path / "other"), bare)


@every_model
def test_without_history_a_user_without_pairs_is_still_unknown(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    model.save(tmp_path / "model", interactions=False)
    bare = tm.load(tmp_path / "model")
    if name not in NEED_HISTORY:
        assert bare.recommend(exclude_seen=False).equals(model.recommend(exclude_seen=False))
    refuses(lambda: bare.recommend(GHOST, exclude_seen=False), tm.UnknownIdError, GHOST)


@every_model
def test_the_card_tells_parameters_data_and_versions(name: str) -> None:
    card = fitted(name).card()
    assert card.startswith(f"# {name}\n")
    for field, value in asdict(make(name)).items():
        assert f"| {field} | {value} |" in card
    assert re.search(r"Data: \d+ pairs, 15 person x 12 film", card)
    assert data().fingerprint() in card


# -- degenerate data ---------------------------------------------------------------------------------------------------


DEGENERATE = {
    "one user": {"person": ["a"] * 3, "film": [1, 2, 3], "stars": [1.0, 2.0, 3.0]},
    "one item": {"person": ["a", "b", "c"], "film": [1] * 3, "stars": [1.0, 2.0, 3.0]},
    "one pair": {"person": ["a"], "film": [1], "stars": [1.0]},
    "everybody has everything": {"person": list("aabb"), "film": [1, 2] * 2, "stars": [1.0] * 4},
    "weights of zero": {"person": list("aab"), "film": [1, 2, 1], "stars": [0.0] * 3},
    "a weight of zero": {"person": list("aab"), "film": [1, 2, 1], "stars": [0.0, 1.0, 1.0]},
    "tiny weights": {"person": list("aab"), "film": [1, 2, 1], "stars": [1e-38, 1e-30, 1e-38]},
}


@every_model
@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("changed", [{}, {"solver": "cholesky"}, {"solver": "subspace"}, {"loss": "hu"}], ids=str)
def test_degenerate_data_gives_finite_answers(name: str, case: str, changed: dict[str, Any], tmp_path: Path) -> None:
    if not changed.keys() <= {field.name for field in fields(tm.MODELS[name])}:
        return
    frame = DEGENERATE[case]
    pairs_of = read(frame, users=[*dict.fromkeys(frame["person"]), "idle"], items=[9, 1, 2, 3])
    tells_nothing = tm.MODELS[name].abilities.ratings and len(set(frame["stars"])) == 1
    with pytest.warns(UserWarning, match="every weight is .* ImplicitALS") if tells_nothing else nullcontext():
        model = make(name, **changed).fit(pairs_of)
    for array in arrays(model).values():
        assert np.isfinite(array).all()
    shown = model.recommend(exclude_seen=False)
    items = set(frame["film"])
    assert set(shown["film"]) == items
    assert shown["score"].is_finite().all()
    left = model.recommend()
    taken = set(zip(frame["person"], frame["film"], strict=True))
    assert len(left) == len(set(frame["person"])) * len(items) - len(taken)
    assert model.recommend_for([1])["score"].is_finite().all()
    model.save(tmp_path / "model")
    assert_equal(tm.load(tmp_path / "model"), model)


@able("explain")
def test_negative_weights_are_refused_by_a_model_that_has_no_meaning_for_them(name: str) -> None:
    signed = read(pairs().with_columns(stars=-pl.col("stars")), allow_negative=True)
    if tm.MODELS[name].abilities.ratings:
        assert (make(name).fit(signed).recommend(k=20)["score"] <= -1).all()
    else:
        refuses(lambda: make(name).fit(signed), tm.DataError, "negative")


# -- ratings -----------------------------------------------------------------------------------------------------------


@rating_model
def test_shown_scores_stay_within_the_ratings_and_lists_are_ordered_before(name: str) -> None:
    model = fitted(name)
    assert model.range_.tolist() == [1, 5]
    shown = model.recommend(k=20, exclude_seen=False)
    assert shown["score"].is_between(1, 5).all()
    queries, vectors = model.scoring_vectors()
    for (user,), mine in shown.group_by("person"):
        raw = vectors[model.items.rows(mine["film"])] @ queries[model.users.rows([user])[0]]
        assert (np.diff(raw) <= 1e-5).all()
    high = model.recommend_for(dict.fromkeys(range(100, 108), 50.0), k=20)
    assert (high["score"] == 5).all()
    assert high["film"].n_unique() == len(high) == 3


@rating_model
def test_the_warning_of_equal_ratings_points_at_the_call_of_fit(name: str) -> None:
    alike = read({"person": ["a", "b"], "film": [1, 2], "stars": [3.0, 3.0]})
    with pytest.warns(UserWarning, match="every weight is 3") as warned:
        make(name).fit(alike)
    assert [warning.filename for warning in warned] == [__file__]


@rating_model
def test_a_rating_beyond_the_range_widens_it_in_an_update(name: str) -> None:
    wider = fitted(name).update(read({"person": ["u1"], "film": [103], "stars": [9.0]}))
    assert wider.range_.tolist() == [1, 9]
    assert wider.mean_ == fitted(name).mean_
