from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import metrics as reference
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.kernels.metrics import (
    RANKING_METRICS,
    count_reachable,
    diversities,
    novelties,
    ranking_metrics,
)

N_ITEMS = 16


def csr(rows: list[Any]) -> Rows:
    """Return CSR arrays of rows that are sets of items, of weight 1, or vectors."""
    parts = [
        dict.fromkeys(row, 1.0) if isinstance(row, set) else {j: row[j] for j in np.flatnonzero(row)} for row in rows
    ]
    indptr = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    entries = [entry for part in parts for entry in sorted(part.items())]
    indices, data = (np.array([entry[i] for entry in entries]) for i in (0, 1))
    return freeze_rows(Rows(indptr, indices.astype(np.int32), data.astype(np.float32)))


def padded(ranked: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    lists = np.full((len(ranked), max(1, *map(len, ranked))), -1, np.int32)
    for r, items in enumerate(ranked):
        lists[r, : len(items)] = items
    return lists, np.array([len(items) for items in ranked])


def measured(ranked: list[list[int]], relevant: list[set[int]], ks: list[int], hidden: list[set[int]]) -> np.ndarray:
    """Return the kernel's metrics; the CSR of test items is in reverse order of the lists."""
    lists, counts = padded(ranked)
    pairs, rows = csr(relevant[::-1]), np.arange(len(ranked))[::-1].copy()
    values, reachable = np.empty((len(ranked), len(ks), len(RANKING_METRICS))), np.empty((len(ranked), 3), np.int64)
    left_out = csr(hidden)
    count_reachable(
        np.ones(N_ITEMS, np.bool_), N_ITEMS, left_out.indptr, left_out.indices, np.arange(len(ranked)),
        pairs.indptr, pairs.indices, rows, reachable,
    )  # fmt: skip
    marks = np.zeros(2 * N_ITEMS, np.bool_)
    ranking_metrics(lists, counts, rows, pairs.indptr, pairs.indices, np.array(ks), reachable, marks, values)
    assert not marks.any()
    return values


lists_of_items = st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=12)
# Items from N_ITEMS on are unknown: in no list and in no ranking.
sets_of_items = st.sets(st.integers(0, 2 * N_ITEMS - 1), min_size=1)
cases = st.lists(st.tuples(lists_of_items, sets_of_items, st.sets(st.integers(0, N_ITEMS - 1))), min_size=1, max_size=5)
cutoffs = st.lists(st.integers(1, 14), min_size=1, max_size=3, unique=True).map(sorted)


@settings(max_examples=60)
@given(case=cases, ks=cutoffs)
def test_every_metric_is_what_its_definition_says(
    case: list[tuple[list[int], set[int], set[int]]], ks: list[int]
) -> None:
    ranked, relevant, hidden = (list(part) for part in zip(*case, strict=True))
    hidden = [items - set(shown) for items, shown in zip(hidden, ranked, strict=True)]
    values = measured(ranked, relevant, ks, hidden)
    for r in range(len(case)):
        for c, k in enumerate(ks):
            expected = reference.metrics(ranked[r], relevant[r], k)
            expected["auc"] = reference.auc(ranked[r], relevant[r], k, set(range(N_ITEMS)) - hidden[r])
            assert dict(zip(RANKING_METRICS, values[r, c], strict=True)) == pytest.approx(expected, rel=1e-12)


def test_without_test_items_only_what_divides_by_them_is_undefined() -> None:
    ((values,),) = measured([[1, 2]], [set()], [2], [set()])
    undefined = {name for name, value in zip(RANKING_METRICS, values, strict=True) if np.isnan(value)}
    assert undefined == {"recall", "ndcg", "map"}


@settings(max_examples=60)
@given(ranked=st.lists(lists_of_items, min_size=1, max_size=4), ks=cutoffs, seed=st.integers(0, 2**32))
def test_novelty_and_diversity_are_what_their_definitions_say(
    ranked: list[list[int]], ks: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (N_ITEMS, 5)).astype(float) * rng.integers(0, 2, (N_ITEMS, 1))
    lists, counts = padded(ranked)
    novel, diverse, sums = np.empty((len(ranked), len(ks))), np.empty((len(ranked), len(ks))), np.zeros(5)
    owners = {item: set(range(item)) for item in range(N_ITEMS)}
    information = -np.log2(np.maximum(np.arange(N_ITEMS), 1) / N_ITEMS)
    novelties(lists, counts, np.array(ks), information, novel)
    diversities(lists, counts, np.array(ks), *csr(list(vectors)), np.linalg.norm(vectors, axis=1), sums, diverse)
    assert not sums.any()
    for r, shown in enumerate(ranked):
        for c, k in enumerate(ks):
            assert novel[r, c] == pytest.approx(reference.novelty(shown, k, owners, N_ITEMS), abs=1e-12)
            assert diverse[r, c] == pytest.approx(reference.diversity(shown, k, vectors), abs=1e-12)


@settings(max_examples=40)
@given(
    rankable=st.sets(st.integers(0, N_ITEMS - 1)),
    hidden=st.lists(st.sets(st.integers(0, N_ITEMS - 1)), min_size=3, max_size=3),
    relevant=st.lists(sets_of_items, min_size=2, max_size=2),
)
def test_what_can_be_reached_is_counted(rankable: set[int], hidden: list[set[int]], relevant: list[set[int]]) -> None:
    mask = np.zeros(N_ITEMS, np.bool_)
    mask[list(rankable)] = True
    left_out, test, counts = csr(hidden), csr(relevant), np.empty((2, 3), np.int64)
    count_reachable(
        mask, len(rankable), left_out.indptr, left_out.indices, np.array([2, -1]),
        test.indptr, test.indices, np.array([1, 0]), counts,
    )  # fmt: skip
    first, second = relevant[1], relevant[0]
    assert counts[0].tolist() == [len(rankable - hidden[2]), len(first & rankable - hidden[2]), len(first & hidden[2])]
    assert counts[1].tolist() == [len(rankable), len(second & rankable), 0]
