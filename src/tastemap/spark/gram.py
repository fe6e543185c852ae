"""Sums Gram matrices of items on executors, from which EASE and ItemKNN learn on the driver."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as fn

from tastemap import memory, parallel
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.models.ease import EASE
from tastemap.models.item_knn import ItemKNN
from tastemap.progress import say
from tastemap.ranking.scorer import check_total, largest_size
from tastemap.spark.als import Training
from tastemap.spark.collect import collect
from tastemap.spark.frames import ITEM, USER, WEIGHT
from tastemap.spark.session import quiet_pandas
from tastemap.training.inverse import TILE, Symmetric
from tastemap.typing import Counts, Doubles, Floats

# The rows of the matrix that are summed at a time: those of the tiles in which EASE solves its equations.
BLOCK_ROWS = TILE

# Returns the values of pairs whose products the matrix sums, given the pairs of some users, whole: float32, (pairs,).
MakeValues = Callable[[Rows], Floats]


class Block(NamedTuple):
    """Some rows of the matrices.

    first : the item of the first row
    sums : CSR, float64: the sums of products of values over the users who have both items
    shared : CSR, float64, of the same places: how many users these are
    """

    first: int
    sums: Any
    shared: Any


def sum_products(training: Training, make_values: MakeValues) -> Iterator[Block]:
    """Give the Gram matrix of the items, block by block, with each pair of items once: columns up to those of a block.

    make_values : a function that Spark can send to executors
    """
    n_items = len(training.items.ids)
    with quiet_pandas():
        parts = gather_users(training).mapInArrow(partial(_multiply_batches, n_items, make_values), _SCHEMA)
    keyed = parts.rdd.map(lambda row: (row["block"], bytes(row["part"])))
    for number, part in keyed.reduceByKey(_add).toLocalIterator():
        yield Block(number * BLOCK_ROWS, *pickle.loads(part))


def gather_users(training: Training) -> DataFrame:
    """Return a Spark frame with a row for each user: the rows of the items, and their weights."""
    lists = [fn.collect_list(name).alias(many) for name, many in (("row", "rows"), (WEIGHT, "weights"))]
    return training.pairs.join(training.items.rows, ITEM).groupBy(USER).agg(*lists).drop(USER)


_SCHEMA = "block int, part binary"


def read_users(batch: pa.RecordBatch) -> Rows:
    """Return the pairs of the users of a batch, as `gather_users` has them."""
    lists: Any = batch.column("rows")
    weights: Any = batch.column("weights")
    starts: Counts = np.append(0, np.cumsum(np.diff(lists.offsets.to_numpy()), dtype=np.int64))
    items, values = lists.flatten().to_numpy(), weights.flatten().to_numpy()
    who = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((items, who))
    return freeze_rows(Rows(starts, items[order].astype(np.int32), values[order].astype(np.float32)))


def _multiply_batches(
    n_items: int, make_values: MakeValues, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Sum the products of a partition, and give the blocks that have any."""
    total: dict[int, tuple[Any, Any]] = {}
    for batch in batches:
        if not batch.num_rows:
            continue
        pairs = read_users(batch)
        values = make_values(pairs).astype(np.float64)
        shape = (len(pairs.counts), n_items)
        X = sp.csr_matrix((values, pairs.indices, pairs.indptr), shape)
        ones = sp.csr_matrix((np.ones(len(values)), pairs.indices, pairs.indptr), shape)
        columns, their_ones = X.tocsc(), ones.tocsc()
        for number, block in enumerate(parallel.row_blocks(n_items, BLOCK_ROWS)):
            part = columns[:, block].T @ X[:, : block.stop], their_ones[:, block].T @ ones[:, : block.stop]
            if part[1].nnz:
                own = tuple(one.tocsr() for one in part)
                before = total.get(number)
                total[number] = own if before is None else (before[0] + own[0], before[1] + own[1])
    for number, part in total.items():
        columns_of: list[Any] = [pa.array([number], pa.int32()), pa.array([pickle.dumps(part)], pa.binary())]
        yield pa.RecordBatch.from_arrays(columns_of, names=["block", "part"])


def _add(one: bytes, other: bytes) -> bytes:
    """Return the sum of two parts of a block."""
    (a, b), (c, d) = pickle.loads(one), pickle.loads(other)
    return pickle.dumps((a + c, b + d))


def learn_ease(model: EASE, training: Training) -> None:
    """Set the fitted arrays of EASE, whose equations are solved on the driver."""
    n = len(training.items.ids)
    _tell_memory(model, training)

    def sum_up() -> tuple[Symmetric, Doubles]:
        A = Symmetric(n)
        for rows in A.rows:
            rows[:] = 0
        for block in sum_products(training, partial(_take_shares, float(model.user_exponent))):
            A.rows[block.first // BLOCK_ROWS][:] = block.sums.toarray()
        return A, _sum_by_item(training, fn.col(WEIGHT).cast("double") ** 2)

    model.solve(sum_up, None)
    check_total(_find_heaviest(training), largest_size(model.weights_), "a user")


def learn_item_knn(model: ItemKNN, training: Training) -> None:
    """Set the fitted arrays of ItemKNN, whose neighbours are chosen on the driver."""
    n = len(training.items.ids)
    weights = _sum_by_item(training, fn.col(WEIGHT).cast("double"))
    blocks = list(sum_products(training, partial(_take_values, model.used_, weights)))
    sums, shared = (_complete(blocks, n, which) for which in ("sums", "shared"))
    if model.similarity == "normalised":
        of_history, of_scored = model.scale_items(weights)
    else:
        lengths = np.sqrt(sums.diagonal())
        of_history = of_scored = np.divide(1, lengths, out=np.zeros(n), where=lengths > 0)
    rows = np.repeat(np.arange(n), np.diff(sums.indptr))
    totals = sums.data * of_scored[rows] * of_history[sums.indices]
    model.learn_from_sums(sums.indptr.astype(np.int64), sums.indices.astype(np.int32), totals, shared.data)
    check_total(_find_heaviest(training), largest_size(model.similarities_), "a user")


def sum_squares(training: Training) -> Doubles:
    """Return the sum of the squared weights of each user, in no order, float64."""
    squares = training.pairs.groupBy(USER).agg(fn.sum(fn.col(WEIGHT).cast("double") ** 2).alias("sum"))
    return collect(squares.select("sum"))["sum"].to_numpy()


def _tell_memory(model: EASE, training: Training) -> None:
    """Say what solving takes, and raise DataError where the driver has not as much free."""
    n_users, n = len(training.users.ids), len(training.items.ids)
    sizes = {"paired_items": n, "items": n, "users": n_users, "pairs": 0}
    needed = max(sum(phase.values()) for phase in model.find_needs(sizes).learning)
    memory.ask(f"EASE of {n:,} items, on the driver,", needed, "fit ImplicitALS", "leave out rare items")
    if needed >= memory.SMALL:
        say(f"EASE of {n:,} items takes {memory.show_bytes(needed)} on the driver", None)


def _complete(blocks: list[Block], n: int, which: str) -> Any:
    """Return a whole symmetric matrix, CSR with ascending columns, of the blocks of its lower half."""
    parts = []
    for block in sorted(blocks, key=lambda one: one.first):
        part = getattr(block, which).tocoo()
        parts.append((part.data, part.row + block.first, part.col))
    data, rows, columns = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    mirrored = columns < rows // BLOCK_ROWS * BLOCK_ROWS  # the tile on the diagonal is whole
    data = np.concatenate([data, data[mirrored]])
    both = np.concatenate([rows, columns[mirrored]]), np.concatenate([columns, rows[mirrored]])
    whole = sp.csr_matrix((data, both), (n, n))
    whole.sort_indices()
    return whole


def _sum_by_item(training: Training, value: Column) -> Doubles:
    """Return a sum over the pairs of each item, in the order of the rows: float64, (n_items,)."""
    sums = training.pairs.groupBy(ITEM).agg(fn.sum(value).alias("sum")).join(training.items.rows, ITEM)
    return collect(sums.select("row", "sum")).sort("row")["sum"].to_numpy()


def _find_heaviest(training: Training) -> float:
    """Return the largest sum of the weights of a user."""
    sums = training.pairs.groupBy(USER).agg(fn.sum(fn.col(WEIGHT).cast("double")).alias("sum"))
    found = sums.agg(fn.max("sum")).first()
    assert found is not None
    return float(found[0])


def _take_shares(user_exponent: float, pairs: Rows) -> Floats:
    """Return the values of EASE: weights times the root of what the user counts."""
    squares = np.add.reduceat(pairs.data.astype(np.float64) ** 2, pairs.indptr[:-1])
    return (pairs.data * np.repeat(squares ** (-user_exponent / 2), pairs.counts)).astype(np.float32)


def _take_values(used: ItemKNN, weights: Doubles, pairs: Rows) -> Floats:
    """Return the values of ItemKNN.

    weights : float64, (n_items,): the sums of the items' weights
    """
    return used.make_values(pairs, weights).astype(np.float32)
