from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap import memory
from tastemap.memory import available_memory
from tastemap.models.shared import answers
from tastemap.ranking import similar


def test_some_memory_is_there() -> None:
    available = available_memory()
    assert available is None or 1e6 < available < 1e15


def test_the_narrowest_of_machine_container_and_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, container, limit, expected in (
        (5, 3, 4, 3),
        (5, None, 4, 4),
        (5, None, None, 5),
        (None, None, None, None),
    ):
        monkeypatch.setattr(memory, "_read_machine", lambda machine=machine: machine)
        monkeypatch.setattr(memory, "_read_container", lambda container=container: container)
        monkeypatch.setattr(memory, "_read_limit", lambda limit=limit: limit)
        assert available_memory() == expected


def test_what_needs_more_than_is_free_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 10**9)
    memory.ask("a table", 2 * 10**9)
    with pytest.raises(tm.DataError, match=r"^a table takes 3\.0 GB, and 2\.0 GB are free: ask for less$") as caught:
        memory.ask("a table", 3 * 10**9, "ask for less")
    assert caught.value.facts == {"needed": 3 * 10**9, "available": 2 * 10**9}
    monkeypatch.setattr(memory, "available_memory", lambda: None)  # where the system does not say
    memory.ask("a table", 10**15)


def test_small_needs_do_not_ask_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    memory.ask("a list", memory.SMALL - 1)


def pairs(n_users: int = 30, n_items: int = 20, seed: int = 0, shape: tuple[int, int] | None = None) -> tm.Interactions:
    """Return ratings of some users and items; ``shape`` adds ids without a pair to the maps."""
    W = np.random.default_rng(seed).integers(0, 4, (n_users, n_items))
    users, items = np.nonzero(W)
    matrix = sp.csr_array((W[users, items].astype(np.float32), (users, items)), shape=shape or W.shape)
    made = tm.Interactions.from_csr(matrix)
    return tm.Interactions(made.matrix, made.users, made.items, time=np.arange(len(users)))


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 1 GB free."""
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)


every = pytest.mark.parametrize("name", list(tm.MODELS))
# GraphFilter has no more vectors than the rank, whatever its factors.
with_factors = pytest.mark.parametrize(
    "name", [name for name in tm.MODELS if hasattr(tm.MODELS[name], "factors") and name != "GraphFilter"]
)


@with_factors
@pytest.mark.parametrize("factors", [3_000_000, 2**62])
@pytest.mark.usefixtures("little")
def test_factors_that_do_not_fit_are_refused_before_they_are_made(name: str, factors: int) -> None:
    model = tm.MODELS[name](factors=factors)
    with pytest.raises(
        tm.DataError,
        match=rf"^{name} with {factors:,} factors of 30 users, .* 1\.0 GB are free: lower factors",
    ):
        model.fit(pairs())
    with pytest.raises(tm.NotFittedError):
        _ = model.users


@with_factors
def test_an_update_that_does_not_fit_leaves_the_model_as_it_was(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tm.MODELS[name](factors=2).fit(pairs())
    before, news = model.recommend(k=3), pairs(seed=1)
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    monkeypatch.setattr(memory, "SMALL", 0)
    with pytest.raises(tm.DataError, match="are free: "):
        model.update(news)
    monkeypatch.undo()
    assert model.recommend(k=3).equals(before)


@every
@pytest.mark.usefixtures("little")
def test_ids_without_a_pair_have_no_cost_that_grows_with_their_square(name: str) -> None:
    quick = {"factors": 2, "epochs": 1}
    small = {key: value for key, value in quick.items() if hasattr(tm.MODELS[name], key)}
    model = tm.MODELS[name](**small).fit(pairs(shape=(300_000, 300_000)))
    answer = model.recommend(k=3, exclude_seen=False)
    assert answer["user"].n_unique() == 30
    assert answer["item"].max() < 20
    assert sum(getattr(model, array).nbytes for array in model.fitted_arrays) < 30 * 600_000


@pytest.mark.usefixtures("little")
def test_more_neighbours_than_there_are_cost_no_more_than_there_are() -> None:
    bounded = tm.ItemKNN(neighbours=19).fit(pairs())
    endless = tm.ItemKNN(neighbours=10**9).fit(pairs())
    for array in tm.ItemKNN.fitted_arrays:
        np.testing.assert_array_equal(getattr(endless, array), getattr(bounded, array))


@pytest.mark.usefixtures("little")
def test_more_singular_vectors_than_there_are_cost_no_more_than_there_are() -> None:
    bounded = tm.GraphFilter(factors=20, noise=0.0).fit(pairs())
    endless = tm.GraphFilter(factors=2**62, noise=0.0).fit(pairs())
    for array in tm.GraphFilter.fitted_arrays:
        np.testing.assert_array_equal(getattr(endless, array), getattr(bounded, array))


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize("name", ["ImplicitALS", "EASE", "Random"])
def test_long_lists_are_bounded_by_the_items_or_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = tm.MODELS[name]().fit(pairs())
    assert model.recommend(k=10**6).equals(model.recommend(k=20))
    assert model.recommend([1], k=2**60).equals(model.recommend([1], k=20))
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "available_memory", lambda: 30 * 20 * 60)  # not quite enough for frames
    asked = [lambda: model.recommend(k=10**6), lambda: model.recommend_for([[1]] * 30, k=20)]
    if model.abilities.similar_items:
        asked.append(lambda: model.similar_items([*model.items, *range(10)], k=20))
    for ask in asked:
        with pytest.raises(tm.DataError, match=r"^30 lists of 20 items takes .*: lower k, or ask for fewer at a time$"):
            ask()
    monkeypatch.setattr(memory, "available_memory", lambda: 30 * 20 * 7)
    with pytest.raises(tm.DataError, match="30 lists of 20 items"):
        model.recommend_rows(np.arange(30), k=99)


@pytest.mark.parametrize("k", [3, 10**6])
def test_long_lists_are_written_for_fewer_users_at_a_time(
    k: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = tm.EASE().fit(pairs())
    monkeypatch.setattr(answers, "PLACES_AT_ONCE", 60)
    asked: list[int] = []
    recommend = type(model)._recommend

    def count(self: Any, users: Any, *options: Any) -> Any:
        asked.append(len(users))
        return recommend(self, users, *options)

    expected = model.recommend(k=k, candidates=model.items.ids)
    monkeypatch.setattr(tm.EASE, "_recommend", count)
    model.recommend_all(tmp_path / "all.parquet", k=k, candidates=iter(model.items.ids))
    assert max(asked) == (20 if k == 3 else 3)
    assert pl.read_parquet(tmp_path / "all.parquet").equals(expected)


def test_distances_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tm.ImplicitALS(factors=5).fit(pairs())
    whole = model.similar_items(model.items.ids, k=7, metric="euclidean")
    monkeypatch.setattr(similar, "GAPS_AT_ONCE", 100)
    assert model.similar_items(model.items.ids, k=7, metric="euclidean").equals(whole)
