from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import metrics as reference
from tastemap.data.pairs import Rows, read_only
from tastemap.kernels.metrics import RANKING_METRICS, ranking_metrics


def measured(ranked: list[list[int]], relevant: list[set[int]], k: int) -> np.ndarray:
    """Return the kernel's metrics: lists padded with -1, the CSR of test items in reverse order of the lists."""
    lists = np.full((len(ranked), max(1, *map(len, ranked))), -1, np.int32)
    for r, items in enumerate(ranked):
        lists[r, : len(items)] = items
    held = [sorted(items) for items in reversed(relevant)]
    indptr = np.concatenate(([0], np.cumsum([len(items) for items in held])))
    indices = np.array([item for items in held for item in items], np.int32)
    pairs = read_only(Rows(indptr, indices, np.ones(len(indices), np.float32)))
    values = np.empty((len(ranked), len(RANKING_METRICS)))
    rows = np.arange(len(ranked))[::-1].copy()
    counts = np.array([len(items) for items in ranked])
    ranking_metrics(lists, counts, rows, pairs.indptr, pairs.indices, k, values)
    return values


lists_of_items = st.lists(st.integers(0, 15), unique=True, max_size=12)
cases = st.lists(st.tuples(lists_of_items, st.sets(st.integers(0, 15), min_size=1)), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(case=cases, k=st.integers(1, 14))
def test_every_metric_is_what_its_definition_says(case: list[tuple[list[int], set[int]]], k: int) -> None:
    values = measured([ranked for ranked, _ in case], [relevant for _, relevant in case], k)
    for row, (ranked, relevant) in zip(values, case, strict=True):
        expected = reference.metrics(ranked, relevant, k)
        assert dict(zip(RANKING_METRICS, row, strict=True)) == pytest.approx(expected, rel=1e-12)


def test_without_test_items_only_what_divides_by_them_is_undefined() -> None:
    (values,) = measured([[1, 2]], [set()], 2)
    undefined = {name for name, value in zip(RANKING_METRICS, values, strict=True) if np.isnan(value)}
    assert undefined == {"recall", "ndcg", "map"}
