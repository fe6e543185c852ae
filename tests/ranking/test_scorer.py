"""A scorer serves another process: it has plain arrays only and gives the same bits everywhere."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tastemap as tm
from tastemap.data._pairs import Rows, rows_at
from tastemap.ranking.scorer import FactorScorer, Scorer
from tastemap.ranking.top_k import Hidden, Lists

every = pytest.mark.parametrize("name", list(tm.MODELS))

IN_ANOTHER_PROCESS = """
import pickle, sys
import numpy as np
scorer = pickle.load(open(sys.argv[1], "rb"))
assert not [name for name in sys.modules if name in ("pandas", "pyarrow")]
lists = scorer.recommend(np.arange(len(scorer.known_users)), 7)
seen = scorer.seen
folded = scorer.rank_queries(scorer.fold(seen), 7)
np.savez(sys.argv[2], *lists, *folded)
"""


def fit_model(name: str) -> tm.Model:
    rng = np.random.default_rng(0)
    W = np.where(rng.random((70, 40)) < 0.3, rng.integers(1, 6, (70, 40)), 0)
    users, items = np.nonzero(W)
    frame = {"who": users, "what": [f"film {i}" for i in items], "stars": W[users, items].astype(float)}
    frame["day"] = np.arange(len(users))
    ratings = tm.Interactions.from_frame(frame, user="who", item="what", weight="stars", time="day")
    small = {"factors": 7} if hasattr(tm.MODELS[name], "factors") else {}
    return tm.MODELS[name](**small).fit(ratings, progress=False)


def parts(value: Any) -> list[Any]:
    """Return all objects that a pickle of an object would contain."""
    found = [value]
    if isinstance(value, dict):
        found += [part for one in value.values() for part in parts(one)]
    elif isinstance(value, tuple | list):
        found += [part for one in value for part in parts(one)]
    elif hasattr(value, "__dict__"):
        found += parts(vars(value))
    return found


def everybody(scorer: Scorer, k: int = 7) -> Lists:
    return scorer.recommend(np.arange(len(scorer.known_users)), k)


@every
def test_another_process_lists_the_same_to_the_bit(name: str, tmp_path: Path, run_python: Callable[..., str]) -> None:
    scorer = fit_model(name).scorer
    file, out = tmp_path / "scorer", tmp_path / "lists.npz"
    file.write_bytes(pickle.dumps(scorer))
    run_python(IN_ANOTHER_PROCESS, file, out, TASTEMAP_THREADS="1")
    with np.load(out) as there:
        found = [there[f"arr_{i}"] for i in range(6)]
    assert scorer.seen is not None
    here = [*everybody(scorer), *scorer.rank_queries(scorer.fold(scorer.seen), 7)]
    for one, other in zip(here, found, strict=True):
        assert one.tobytes() == other.tobytes()


@every
def test_a_scorer_holds_neither_frames_nor_ids_nor_locks_nor_a_fitted_model(name: str) -> None:
    scorer = fit_model(name).scorer
    everybody(scorer)
    for part in parts(pickle.loads(pickle.dumps(scorer))):
        assert type(part).__module__.partition(".")[0] not in ("polars", "pandas", "pyarrow", "narwhals")
        assert not isinstance(part, tm.IdMap | tm.Interactions | type(threading.Lock()) | type(threading.RLock()))
        assert not (isinstance(part, tm.Model) and hasattr(part, "_state"))


@every
def test_what_is_cached_is_not_pickled(name: str) -> None:
    scorer = fit_model(name).scorer
    before = len(pickle.dumps(scorer))
    everybody(scorer)
    assert scorer.seen is not None
    scorer.rank_queries(scorer.fold(scorer.seen), 3)
    assert len(pickle.dumps(scorer)) == before


@every
def test_lists_by_rows_are_those_by_ids(name: str) -> None:
    model = fit_model(name)
    users, items = model.users, model.items
    lists = model.scorer.recommend([3, 5], 4)
    shown = model.recommend([users[3], users[5]], k=4, frame="polars")
    assert [items[int(row)] for row in lists.rows.ravel()] == shown["what"].to_list()
    assert lists.scores.ravel().tolist() == shown["score"].to_list()


@every
def test_many_threads_may_ask_a_new_scorer_at_once(name: str) -> None:
    expected = everybody(fit_model(name).scorer)
    scorer = fit_model(name).scorer
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: everybody(scorer), range(16)))
    for lists in answers:
        assert all(one.tobytes() == other.tobytes() for one, other in zip(lists, expected, strict=True))


@every
def test_vectors_multiply_to_the_scores(name: str) -> None:
    model = fit_model(name)
    if not isinstance(model.scorer, FactorScorer):
        with pytest.raises(tm.NotSupportedError, match=f"{name} has no vectors of users and items: fit ImplicitALS"):
            model.scoring_vectors()
        return
    users, items = model.scoring_vectors()
    assert (users.dtype, items.dtype) == (np.float32, np.float32)
    assert (len(users), len(items)) == (len(model.users), len(model.items))
    scores = users.astype(np.float64) @ items.T.astype(np.float64)
    lists = everybody(model.scorer)
    shown = np.take_along_axis(scores, lists.rows.astype(np.int64), 1)
    np.testing.assert_allclose(model.scorer.show(shown.astype(np.float32)), lists.scores, rtol=1e-5, atol=1e-6)


def test_unknown_users_get_popular_items_and_hidden_items_are_left_out() -> None:
    scorer = fit_model("ImplicitALS").scorer
    (row,) = scorer.rank(np.array([-1]), 5).rows
    assert row.tolist() == np.lexsort((scorer.tie_order, -scorer.popularity))[:5].tolist()
    assert scorer.seen is not None
    seen = rows_at(scorer.seen, np.array([0])).indices
    assert not {*seen} & {*scorer.recommend(0, 40).rows[0]}
    assert {*seen} <= {*scorer.recommend(0, 40, exclude_seen=False).rows[0]}


def test_rows_that_do_not_exist_are_refused() -> None:
    scorer = fit_model("Popular").scorer
    for wrong in ([70], [-1]):
        with pytest.raises(tm.UnknownIdError, match="user rows go from 0 to 69, got"):
            scorer.recommend(wrong)
    with pytest.raises(ValueError, match="user rows must be whole numbers in one dimension, got float64 of shape"):
        scorer.recommend([0.5])
    with pytest.raises(ValueError, match="k must be a whole number of at least 1, got 0"):
        scorer.recommend([0], 0)


def test_without_training_pairs_only_new_users_are_served(tmp_path: Path) -> None:
    model = fit_model("EASE")
    model.save(tmp_path / "ease", interactions=False)
    scorer = tm.load(tmp_path / "ease").scorer
    with pytest.raises(tm.NotSupportedError, match="leaving out seen items needs the training pairs"):
        scorer.recommend([0])
    with pytest.raises(tm.NotSupportedError, match="scoring a known user needs the training pairs"):
        scorer.recommend([0], exclude_seen=False)
    history = Rows(np.array([0, 1]), np.array([2], np.int32), np.ones(1, np.float32))
    assert scorer.rank_queries(scorer.fold(history), 3).counts.tolist() == [3]


@pytest.mark.parametrize("name", ["ImplicitALS", "EASE", "ItemKNN", "Random", "PersonalPopular"])
def test_rows_and_arrays_from_outside_never_reach_a_kernel_unchecked(name: str) -> None:
    scorer = fit_model(name).scorer
    far, n_users = 1 << 30, len(scorer.known_users)
    for rows in ([-1], [n_users], [far]):
        with pytest.raises(tm.UnknownIdError, match=f"user rows go from 0 to {n_users - 1}, got"):
            scorer.queries(np.array(rows))
    one = scorer.queries(np.array([0]))
    for who, items in (([1], [0]), ([-1], [0]), ([0], [far]), ([0], [-1])):
        with pytest.raises(tm.UnknownIdError, match="go from 0 to"):
            scorer.score_pairs(one, np.array(who), np.array(items))
    for among in ([far], [-1]):
        with pytest.raises(tm.UnknownIdError, match="item rows go from 0 to 39"):
            scorer.among(np.array(among))
    with pytest.raises(ValueError, match="must ascend"):
        scorer.among(np.array([3, 1]))
    assert scorer.seen is not None
    with pytest.raises(tm.UnknownIdError, match="rows of hidden items go from -1 to"):
        scorer.rank_queries(one, 3, [Hidden(scorer.seen, np.array([far]))])
    for indptr, indices in (([0, 1], [far]), ([0, 1], [-1]), ([0, far], [0]), ([0, 2], [3, 1]), ([1, 1], [0])):
        histories = Rows(np.array(indptr), np.array(indices, np.int32), np.ones(len(indices), np.float32))
        with pytest.raises(tm.DataError, match="the matrix is damaged"):
            scorer.fold(histories)


def test_scores_that_no_float_holds_are_an_error_and_never_listed() -> None:
    scorer = FactorScorer(
        known_users=np.ones(1, bool),
        known_items=np.ones(2, bool),
        popularity=np.ones(2, np.int64),
        user_factors=np.full((1, 2), 1e30, np.float32),
        item_factors=np.array([[1e30, 0], [-1e30, 0]], np.float32),
        fold_in=lambda histories, features: (np.zeros((1, 2), np.float32), None),
    )
    with pytest.raises(tm.DataError, match="some scores are more than 32-bit floats hold"):
        scorer.recommend([0], exclude_seen=False)
    with pytest.raises(tm.DataError, match="some scores are more than 32-bit floats hold"):
        scorer.score_pairs(scorer.queries(np.array([0])), np.array([0]), np.array([0]))
