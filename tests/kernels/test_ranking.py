from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import ranking as reference
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.ranking import top_k as ranking
from tastemap.ranking.top_k import (
    BLOCK_ITEMS,
    BLOCK_QUERIES,
    FEW_QUERIES,
    SPARE,
    Candidates,
    ComputedCandidates,
    Hidden,
    Lists,
    Ties,
    VectorCandidates,
)

Array = npt.NDArray[Any]


def vectors(n: int, d: int, seed: int, whole: bool = False) -> Array:
    rng = np.random.default_rng(seed)
    return (rng.integers(-2, 3, (n, d)) if whole else rng.standard_normal((n, d))).astype(np.float32)


def hiding(mask: Array) -> Hidden:
    indptr = np.concatenate(([0], np.cumsum(mask.sum(axis=1))))
    columns = np.nonzero(mask)[1].astype(np.int32)
    return Hidden(freeze_rows(Rows(indptr, columns, np.ones(len(columns), np.float32))), np.arange(len(mask)))


def shuffled(n_items: int) -> Array:
    """Return a place for each item, in no order."""
    return np.random.default_rng(n_items).permutation(n_items)


def top_k(queries: Array, catalogue: Candidates, k: int, hidden: Sequence[Hidden] = ()) -> Lists:
    return ranking.top_k(queries, catalogue, k, hidden, Ties.of(shuffled(catalogue.n_items)))


def expected(P: Array, Q: Array, k: int, hidden: Array | None = None) -> list[list[tuple[int, float]]]:
    return reference.top_k(P, Q, k, hidden, shuffled(len(Q)))


def as_pairs(lists: Lists) -> list[list[tuple[int, float]]]:
    rows = zip(*lists, strict=True)
    return [list(zip(items[:n].tolist(), scores[:n].tolist(), strict=True)) for items, scores, n in rows]


@pytest.fixture
def second_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The queries that were ranked by scoring everything."""
    ranked: list[int] = []
    original = ranking._rank_exactly

    def counting(*arguments: Any) -> None:
        ranked.append(arguments[4])
        original(*arguments)

    monkeypatch.setattr(ranking, "_rank_exactly", counting)
    return ranked


@settings(max_examples=40)
@given(
    n=st.sampled_from([1, FEW_QUERIES, FEW_QUERIES + 1, 9]),
    n_items=st.integers(1, 60),
    d=st.integers(1, 11),
    k=st.integers(1, 70),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    whole=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_lists_are_those_of_the_full_sort(
    n: int, n_items: int, d: int, k: int, share: float, whole: bool, seed: int
) -> None:
    P, Q = vectors(n, d, seed, whole), vectors(n_items, d, seed + 1, whole)
    mask = np.random.default_rng(seed).random((n, n_items)) < share
    lists = top_k(P, VectorCandidates(Q), k, [hiding(mask)])
    assert as_pairs(lists) == expected(P, Q, k, mask)
    beyond = np.arange(lists.rows.shape[1]) >= lists.counts[:, None]
    assert (lists.rows[beyond] == -1).all()
    assert (lists.scores[beyond] == -np.inf).all()


@pytest.mark.parametrize("n", [1, 3, 20])
def test_only_candidates_appear_and_keep_their_rows(n: int) -> None:
    P, Q = vectors(n, 6, 0), vectors(50, 6, 1)
    rows = np.array([3, 4, 17, 29, 44])
    mask = np.zeros((n, 50), bool)
    mask[:, [4, 30]] = True
    lists = top_k(P, VectorCandidates(Q, rows), 4, [hiding(mask)])
    mask[:, np.setdiff1d(np.arange(50), rows)] = True
    assert as_pairs(lists) == expected(P, Q, 4, mask)


@pytest.mark.parametrize("n", [2, 20])
def test_several_things_are_hidden_at_once_and_row_minus_one_hides_nothing(n: int) -> None:
    P, Q = vectors(n, 4, 2), vectors(30, 4, 3)
    masks = [np.random.default_rng(s).random((n, 30)) < 0.3 for s in (1, 2)]
    first, second = map(hiding, masks)
    second.rows[::2] = -1
    masks[1][::2] = False
    assert as_pairs(top_k(P, VectorCandidates(Q), 8, [first, second])) == expected(P, Q, 8, masks[0] | masks[1])


@pytest.mark.parametrize("k", [1, 10, 40])
def test_equal_vectors_beyond_the_proposals_are_ranked_by_place(k: int, second_passes: list[int]) -> None:
    P = vectors(BLOCK_QUERIES + 6, 7, 4)
    Q = np.repeat(vectors(3, 7, 5), k + SPARE + 30, axis=0)
    np.random.default_rng(0).shuffle(Q)
    assert as_pairs(top_k(P, VectorCandidates(Q), k)) == expected(P, Q, k)
    assert len(second_passes) == len(P), "nobody's list can be certain"


def test_scores_closer_than_a_product_can_tell_are_ranked_exactly(second_passes: list[int]) -> None:
    rng = np.random.default_rng(6)
    P = np.ones((20, 48), np.float32) + vectors(20, 48, 7) * np.float32(1e-3)
    one = rng.uniform(0.5, 1, 48)
    Q = (one + one * rng.choice([-1, 0, 1], (500, 48)) * 2.0**-23).astype(np.float32)
    assert as_pairs(top_k(P, VectorCandidates(Q), 5)) == expected(P, Q, 5)
    assert len(second_passes) == 20


@pytest.mark.parametrize("exponent", [-60, -70, -72, 30])
def test_tiny_and_huge_vectors_are_ranked_like_others(exponent: int) -> None:
    # 2^-144 is below the smallest normal number: scores keep a few bits only, and tie.
    P, Q = (vectors(n, 8, n) * np.float32(2.0**exponent) for n in (30, 400))
    assert as_pairs(top_k(P, VectorCandidates(Q), 5)) == expected(P, Q, 5)


def test_well_separated_scores_need_no_second_pass(second_passes: list[int]) -> None:
    Q = np.linspace(1, 2, 300, dtype=np.float32)[:, None]
    lists = top_k(np.ones((10, 1), np.float32), VectorCandidates(Q), 5)
    assert lists.rows.tolist() == [[299, 298, 297, 296, 295]] * 10
    assert second_passes == []


def test_more_queries_and_more_items_than_a_block() -> None:
    P, Q = vectors(BLOCK_QUERIES + 3, 5, 8), vectors(BLOCK_ITEMS + 2000, 5, 9)
    Q[-1] = Q[0]  # equal vectors in different blocks
    mask = np.random.default_rng(1).random((len(P), len(Q))) < 0.5
    assert as_pairs(top_k(P, VectorCandidates(Q), 7, [hiding(mask)])) == expected(P, Q, 7, mask)


def test_one_query_a_batch_and_all_give_the_same_bits() -> None:
    P, Q = vectors(2 * BLOCK_QUERIES + 5, 33, 10), vectors(700, 33, 11)
    catalogue = VectorCandidates(Q)
    whole = top_k(P, catalogue, 12)
    for size in (1, 3, 7, BLOCK_QUERIES):
        parts = [top_k(P[start : start + size], catalogue, 12) for start in range(0, len(P), size)]
        for all_at_once, pieces in zip(whole, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(np.concatenate(pieces), all_at_once)


@pytest.mark.parametrize("n", [0, 2, 20])
def test_nothing_to_rank(n: int) -> None:
    P, Q = vectors(n, 3, 1), vectors(6, 3, 2)
    assert top_k(P, VectorCandidates(Q, np.empty(0, np.int64)), 5).rows.shape == (n, 0)
    everything = np.ones((n, 6), bool)
    assert top_k(P, VectorCandidates(Q), 5, [hiding(everything)]).counts.tolist() == [0] * n


# -- scores that a model computes itself -------------------------------------------------------------------------------


class Table(ComputedCandidates):
    """Scores in a table; queries are its row numbers."""

    people, cells = 4, 64

    def __init__(self, table: Array, rows: Array | None = None) -> None:
        super().__init__(table.shape[1], rows)
        self.table = table

    def block_scores(self, queries: Array, items: Array, out: Array) -> None:
        assert out.shape == (len(queries), len(items))
        assert (np.diff(items) >= 0).all()
        out[:] = self.table[np.ix_(queries, items)]


@settings(max_examples=40)
@given(
    n=st.integers(1, 11),
    n_items=st.integers(1, 60),
    k=st.integers(1, 70),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    some=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_computed_scores_are_ranked_as_they_are_ties_by_place(
    n: int, n_items: int, k: int, share: float, some: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = vectors(n, n_items, seed, whole=True)
    rows = np.flatnonzero(rng.random(n_items) < 0.6) if some else None
    mask = rng.random((n, n_items)) < share
    lists = top_k(np.arange(n), Table(scores, rows), k, [hiding(mask)])
    if rows is not None:
        mask[:, np.setdiff1d(np.arange(n_items), rows)] = True
    assert as_pairs(lists) == expected(scores, np.eye(n_items, dtype=np.float32), k, mask)
    beyond = np.arange(lists.rows.shape[1]) >= lists.counts[:, None]
    assert (lists.rows[beyond] == -1).all()
    assert (lists.scores[beyond] == -np.inf).all()


def test_an_item_scored_minus_infinity_is_never_listed() -> None:
    scores = np.array([[1, -np.inf, 2], [-np.inf] * 3], np.float32)
    assert as_pairs(top_k(np.arange(2), Table(scores), 3)) == [[(2, 2.0), (0, 1.0)], []]


def test_pairs_have_the_computed_scores_in_the_order_asked() -> None:
    scores = vectors(9, 40, 0)
    who, items = np.random.default_rng(1).integers(0, (9, 40), (100, 2)).T
    table = Table(scores, np.arange(3, 40))
    items = np.maximum(items, 3)
    np.testing.assert_array_equal(table.pair_scores(np.arange(9), who, items), scores[who, items])
    assert table.pair_scores(np.arange(9), who[:0], items[:0]).shape == (0,)
