"""The contract of all models, and promises of tastemap's models only. Every model in MODELS is tested."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import tastemap as tm
from reference import ease, graph_filter, knn, next_item
from reference.similar import trust, turns
from tastemap.models.shared.base import Model
from tastemap.ranking.similar import Closeness
from tastemap.testing import MODEL_CHECKS
from tastemap.testing import data as small
from tastemap.testing.data import FILMS, UNSEEN, data, ensure_near, history_of, news, pairs, people, read, times_of
from tastemap.testing.fit import check_degenerate_data
from tastemap.testing.parameters import check_parameters_change_what_is_learned
from tastemap.testing.recommend import check_lists_in_a_file_are_those_of_recommend

Array = npt.NDArray[Any]
NAN, INF = float("nan"), float("inf")

# Parameters for quick models of little data.
QUICK: dict[str, dict[str, Any]] = {
    "EASE": {"regularization": 2.0},
    "ItemKNN": {"similarity": "normalised"},
    "GraphFilter": {"noise": 0.1},
    "NextItem": {"regularization": 2.0},
}
# Values of parameters that change what is learned from little data, where the next one does not.
OTHERS: dict[str, dict[str, Any]] = {
    "ItemKNN": {"neighbours": 3, "bm25_k1": ..., "bm25_b": ...},
    "WARP": {"max_sampled": 2},
    "Popular": {"last": 5.0},
    "GraphFilter": {"noise": 9.0},
    "NextItem": {"step": 3.0},
}
# Values that must be refused, by the type of the parameter ...
COUNTS: list[Any] = [0, -1, 2.5, True, "6", None]
AMOUNTS: list[Any] = [-0.1, NAN, INF, True, "1", None]
SWITCHES: list[Any] = [0, 1, "yes", None]
SPANS: list[Any] = [0, -1.5, NAN, True, "30 days", "1mo", ""]
SEEDS: list[Any] = [-1, 2**64, 0.5, True, None]
# ... and beyond it.
REFUSED: dict[tuple[str, str], list[Any]] = {
    ("ItemKNN", "bm25_b"): [1.1],
    **{("ItemKNN", f"{name}_exponent"): [2.1] for name in ("user", "history", "item")},
    ("ItemKNN", "similarity_exponent"): [0, 2.1],
    ("EASE", "regularization"): [0],
    ("EASE", "dropout"): [1],
    ("EASE", "user_exponent"): [1.1],
    ("EASE", "item_exponent"): [1.1],
    ("NextItem", "regularization"): [0],
    **{("NextItem", name): [1] for name in ("decay", "slow_decay", "ahead")},
    ("NextItem", "slow_decay"): [1, 0.3],
    ("NextItem", "step"): [0, "1x"],
    ("ImplicitALS", "alpha"): [0],
    ("ExplicitALS", "regularization"): [0],
    ("SVD", "regularization"): [0],
    ("SVDpp", "regularization"): [0],
    **{(name, "learning_rate"): [0] for name in ("SVD", "SVDpp", "BPR", "WARP")},
}
# Models whose people folded in are found by gradient steps: trained to the end they are where the fitted users are.
TO_THE_END = {name: {"epochs": 1000, "learning_rate": 0.2} for name in ("SVD", "SVDpp")}
# Where a model compares items otherwise: the similarities of the items 100 to 110 by each metric that it knows.
SIMILARITIES: dict[str, dict[str, Callable[[Any], Array]]] = {
    "EASE": {
        "cosine": lambda model: ease.partial_correlations(
            np.nan_to_num(weights()), model.regularization, model.dropout, model.user_exponent
        ),
        "dot": lambda model: ease.weights(np.nan_to_num(weights()), **model.get_params()),
    },
    "GraphFilter": {
        "cosine": lambda model: graph_filter.cosines(np.nan_to_num(weights()), *own_filter(model)),
        "dot": lambda model: graph_filter.coefficients(np.nan_to_num(weights()), *own_filter(model)),
    },
    "ItemKNN": {
        "cosine": lambda model: (
            knn.normalised(
                weights(),
                model.used_.shrinkage,
                model.user_exponent,
                model.history_exponent,
                model.used_.item_exponent,
                model.used_.similarity_exponent,
            )
            * both_ways(model)
        ),
    },
    "NextItem": {
        "cosine": lambda model: follow_ups(model) * np.sqrt(np.divide.outer(*[(~np.isnan(weights())).sum(axis=0)] * 2)),
        "dot": lambda model: follow_ups(model),
    },
}


def follow_ups(model: Any) -> Array:
    """Return what having an item alone adds to the scores of the items 100 to 110."""
    position = data().recency.position
    sequences = []
    for first, last in pairwise(data().by_user.indptr):
        items = data().matrix.indices[first:last][np.argsort(-position[first:last])] - 1
        sequences.append((items, np.arange(len(items))))
    decays = [model.decay, model.slow_decay]
    B = next_item.weights(sequences, model.regularization, decays, model.ahead, 11)
    return B.reshape(11, 2, 11).sum(axis=1)


def both_ways(model: Any) -> Array:
    """Return what makes ItemKNN's similarities as large in both directions where weights are ones."""
    n = np.maximum((~np.isnan(weights())).sum(axis=0), 1.0)
    exponent = (model.history_exponent - model.used_.item_exponent) * model.used_.similarity_exponent / 2
    return (n[None, :] / n[:, None]) ** exponent


# Models that know a user by the training pairs alone: without them they recommend to new histories only.
NEED_HISTORY = {"PersonalPopular", "ItemKNN", "GraphFilter", "EASE", "NextItem"}


def those(**wanted: bool) -> Any:
    """Return a parametrization of a test over the models with these abilities."""
    able = {name: {ability: bool(getattr(cls.abilities, ability)) for ability in wanted} for name, cls in OURS.items()}
    return pytest.mark.parametrize("name", [name for name in OURS if able[name] == wanted])


def own_filter(model: Any) -> tuple[Any, ...]:
    """Return the parameters of a GraphFilter as its reference takes them."""
    return model.factors, model.low_pass, model.damping, model.used_.noise


OURS = dict(tm.MODELS)
every_model = pytest.mark.parametrize("name", OURS)
rating_model = those(ratings=True)
every_field = pytest.mark.parametrize(
    ("name", "field"), [(name, field.name) for name, cls in OURS.items() for field in fields(cls)]
)
with_vectors = pytest.mark.parametrize(
    "name", [name for name, cls in OURS.items() if cls.abilities.similar_items and name not in SIMILARITIES]
)


def make(name: str, **changed: Any) -> Model:
    quick = {"factors": 6, "epochs": 3}
    own = {field.name for field in fields(OURS[name])}
    return OURS[name](
        **{**{key: value for key, value in quick.items() if key in own}, **QUICK.get(name, {}), **changed}
    )


def fit_model(name: str) -> Model:
    return small.make_fitted(partial(make, name))


def weights() -> Array:
    """Return the weights of the items 100 to 110 as multiples of their mean, NaN where there is no pair."""
    W = np.full(data().shape, np.nan)
    W[data().row_of_pair(), data().matrix.indices] = data().matrix.data / data().matrix.data.mean(dtype=np.float64)
    return W[:, 1:]


def compared(name: str, side: str) -> tuple[Array, Array, Any]:
    """Return the factors of a side, the vectors that the cosine compares, and what it is multiplied by."""
    model: Any = fit_model(name)
    of_items, of_users = turns(model.item_factors_, model.popularity_)
    if side == "items":
        return model.item_factors_, model.item_factors_ @ of_items, trust(model.popularity_)
    return model.user_factors_, model.user_factors_ @ of_users, np.ones(len(model.users))


# -- what every model promises -----------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
def test_a_model_keeps_its_promises(name: str, check: Callable[..., None]) -> None:
    if check is check_parameters_change_what_is_learned:
        check = partial(check, others=OTHERS.get(name))
    check(partial(make, name))


def test_the_parameters_of_bm25_change_what_is_learned_with_it() -> None:
    exponents = {f"{name}_exponent": ... for name in ("user", "history", "item", "similarity")}
    bm25 = partial(make, "ItemKNN", similarity="bm25")
    check_parameters_change_what_is_learned(bm25, others={"neighbours": 3, **exponents})
    with pytest.raises(AssertionError, match="user_exponent=0"):
        check_parameters_change_what_is_learned(bm25, others={"neighbours": 3})


# -- parameters --------------------------------------------------------------------------------------------------------


@every_field
def test_bad_hyper_parameters_are_refused_by_name_and_value(name: str, field: str) -> None:
    kind = get_type_hints(OURS[name])[field]
    by_type = {int: SEEDS if field == "seed" else COUNTS, float: AMOUNTS, bool: SWITCHES}
    if type(None) in get_args(kind):  # None stands for what the data say
        spans = str in get_args(kind)
        bad = SPANS if spans else [value for value in by_type[get_args(kind)[0]] if value is not None]
    else:
        bad = [f"not {get_args(kind)[0]}", None] if get_origin(kind) is Literal else by_type[kind]
    for value in [*bad, *REFUSED.get((name, field), [])]:
        with pytest.raises(ValueError, match=field) as caught:
            make(name, **{field: value}).fit(data())
        assert repr(value) in str(caught.value)
        assert "\n" not in str(caught.value)


# -- lists -------------------------------------------------------------------------------------------------------------


@every_model
def test_an_item_without_a_pair_scores_nothing_or_an_average_rating_or_is_drawn(name: str) -> None:
    model: Any = fit_model(name)
    unseen = model.recommend(candidates=[UNSEEN], exclude_seen=False)
    assert unseen["person"].to_list() == people()
    if name == "Random":
        assert unseen["score"].n_unique() == len(people())  # drawn like any other item's
        return
    expected = [0.0] * len(people())
    if model.abilities.ratings:
        biases = model.user_biases_[model.users.rows(people())]
        expected = np.clip(model.mean_[0] + biases, *model.range_).tolist()
    assert unseen["score"].to_list() == pytest.approx(expected)


@every_model
def test_everybodys_lists_are_written_some_users_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tastemap.models.shared.answers.USERS_AT_ONCE", 4)
    check_lists_in_a_file_are_those_of_recommend(partial(make, name))


@pytest.mark.parametrize("name", TO_THE_END)
def test_folding_in_a_training_history_gives_about_the_users_own_scores(name: str) -> None:
    model = make(name, **TO_THE_END[name]).fit(data())
    for user in people():
        folded = model.recommend_for(history_of(user), times=times_of(user), k=20)
        np.testing.assert_allclose(folded["score"], model.predict(user, folded["film"]), atol=0.05)


@every_model
def test_only_models_that_score_by_the_history_need_the_training_pairs(name: str, tmp_path: Path) -> None:
    fit_model(name).save(tmp_path / "model", interactions=False)
    bare = tm.load(tmp_path / "model")
    asks: list[Callable[[], Any]] = [
        lambda: bare.recommend(people(), exclude_seen=False),
        lambda: bare.predict("u1", 100),
    ]
    for ask in asks:
        if name in NEED_HISTORY:
            with pytest.raises(tm.NotSupportedError, match="interactions=False"):
                ask()
        else:
            assert len(ask())


@pytest.mark.parametrize("changed", [{"solver": "cholesky"}, {"solver": "subspace"}, {"loss": "hu"}], ids=str)
def test_every_solver_handles_degenerate_data(changed: dict[str, Any]) -> None:
    check_degenerate_data(partial(make, "ImplicitALS", **changed))


# -- similar items and users -------------------------------------------------------------------------------------------


def similarities(vectors: Array, metric: str) -> Array:
    V = vectors.astype(np.float64)
    if metric == "euclidean":
        return -np.sqrt(((V[:, None] - V[None]) ** 2).sum(axis=2))
    if metric.endswith("cosine"):
        V = V / np.linalg.norm(V, axis=1, keepdims=True)
    return V @ V.T


@pytest.mark.parametrize("metric", get_args(Closeness))
@pytest.mark.parametrize("side", ["items", "users"])
@with_vectors
def test_neighbours_are_those_of_the_vectors(name: str, metric: Any, side: str) -> None:
    model = fit_model(name)
    ids, find, rows = {
        "items": (FILMS, model.similar_items, model.items.rows(FILMS)),
        "users": (people(), model.similar_users, model.users.rows(people())),
    }[side]
    factors, turned, counted = compared(name, side)
    if metric == "cosine":
        expected = similarities(turned[rows], metric) * counted[rows]
    else:
        expected = similarities(factors[rows], metric)
    shown = find(ids, k=len(ids), metric=metric)  # type: ignore[operator]
    for place, one in enumerate(ids):
        mine = shown.filter(pl.col(shown.columns[0]) == one)
        own = [expected[place, ids.index(other)] for other in mine["neighbour"]]
        np.testing.assert_allclose(mine["score"], own, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "metric"), [(name, metric) for name in SIMILARITIES for metric in SIMILARITIES[name]])
def test_neighbours_are_those_of_the_models_own_similarity(name: str, metric: Any) -> None:
    model = fit_model(name)
    expected = SIMILARITIES[name][metric](model)
    shown = model.similar_items(FILMS, k=20, metric=metric)
    for place, one in enumerate(FILMS):
        mine = shown.filter(pl.col("film") == one)
        own = [expected[place, FILMS.index(other)] for other in mine["neighbour"]]
        np.testing.assert_allclose(mine["score"], own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_metric_that_a_model_does_not_know_is_refused(name: str) -> None:
    unknown: set[Any] = {*get_args(Closeness)} - SIMILARITIES[name].keys()
    assert unknown
    for metric in unknown:
        with pytest.raises(tm.NotSupportedError, match=f"{name}.*{metric}"):
            fit_model(name).similar_items(100, metric=metric)


@with_vectors
def test_item_vectors_are_those_that_similar_items_compares(name: str) -> None:
    model = fit_model(name)
    ids, vectors = model.item_vectors()
    expected = similarities(compared(name, "items")[1][model.items.rows(ids)], "cosine")
    np.testing.assert_allclose(similarities(vectors, "cosine"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, cls in OURS.items() if not cls.abilities.similar_users])
def test_a_model_without_vectors_says_so(name: str) -> None:
    with pytest.raises(tm.NotSupportedError, match=name):
        fit_model(name).item_vectors()


# -- ratings -----------------------------------------------------------------------------------------------------------


@rating_model
def test_shown_scores_stay_within_the_ratings_and_lists_are_ordered_before(name: str) -> None:
    model: Any = fit_model(name)
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
def test_a_rating_that_is_explained_is_the_one_that_is_shown(name: str) -> None:
    for model in (fit_model(name), fit_model(name).update(news())):
        for user in people():
            for item in (100, 106):
                score = np.clip(model.explain(user, item).score, *model.range_)  # type: ignore[attr-defined]
                ensure_near(score, model.predict(user, item)[0], f"{user} and {item}")


@rating_model
def test_the_warning_of_equal_ratings_points_at_the_call_of_fit(name: str) -> None:
    alike = read({"person": ["a", "b"], "film": [1, 2], "stars": [3.0, 3.0]})
    with pytest.warns(UserWarning, match=r"every weight is 3.*ImplicitALS") as warned:
        make(name).fit(alike)
    assert [warning.filename for warning in warned] == [__file__]


@every_model
def test_there_is_no_other_warning(name: str) -> None:
    stars = [1.0, 2.0] if OURS[name].abilities.ratings else [3.0, 3.0]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        make(name).fit(read({"person": ["a", "b"], "film": [1, 2], "stars": stars}))
    assert [str(warning.message) for warning in warned] == []


@rating_model
def test_a_rating_beyond_the_range_widens_it_in_an_update(name: str) -> None:
    model: Any = fit_model(name)
    wider = model.update(read({"person": ["u1"], "film": [103], "stars": [9.0]}))
    assert wider.range_.tolist() == [1, 9]
    assert wider.mean_ == model.mean_


def test_the_pairs_of_the_checks_have_the_users_they_need() -> None:
    assert set(pairs().filter(person="u5")["film"]) == set(FILMS)
    assert UNSEEN in data().items
    assert UNSEEN not in set(pairs()["film"])
