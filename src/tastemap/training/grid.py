"""Conflict-free stochastic gradient descent: deals the pairs of an epoch into strata and runs one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tastemap import parallel
from tastemap.data._pairs import Rows, count_rows
from tastemap.kernels.sgd import Bucket, deal, shuffle
from tastemap.randomness import Stream, derive_state
from tastemap.typing import Ints

# With smaller blocks there are too few items to draw negatives from; smaller buckets are not worth a thread.
BLOCK_ROWS = 512
BUCKET_PAIRS = 20_000
MOST_BLOCKS = 64

NO_REACH = np.empty((0, 2), np.float32)


class Grid:
    """Deals training pairs into blocks that share no user and no item, anew for every epoch.

    pairs : the training pairs, CSR arrays over users x items; users and items without a pair take no part
    """

    def __init__(self, pairs: Rows, n_items: int, seed: int) -> None:
        self._pairs, self._seed = pairs, seed
        self._users = pairs.with_pairs.astype(np.int32)
        self._items = np.flatnonzero(count_rows(pairs.indices, n_items)).astype(np.int32)
        self._blocks, self._places = np.empty(n_items, np.uint8), np.empty(n_items, np.int32)
        n_pairs = len(pairs.indices)
        smallest_side = min(len(self._users), len(self._items))
        n_blocks = min(max(min(smallest_side // BLOCK_ROWS, n_pairs // BUCKET_PAIRS), 1), MOST_BLOCKS)
        # An even number: seven blocks take two threads as long as eight.
        self.n_blocks = n_blocks - n_blocks % 2 if n_blocks > 1 else 1
        self._dealt = np.empty(n_pairs, np.int32), np.empty(n_pairs, np.int32), np.empty(n_pairs, np.float32)

    def order_items(self, epoch: int) -> Ints:
        """Return the items with a pair in the order in which an epoch deals them into blocks: int32."""
        items = self._items.copy()
        shuffle(items, derive_state(self._derive_state(epoch), Stream.SHUFFLE_ITEMS))
        return items

    def run(
        self,
        epoch: int,
        work: Callable[[Bucket], float],
        after: Callable[[], None] | None = None,
        *,
        in_order: bool = False,
    ) -> float:
        """Call `work` for every bucket of the epoch and return the sum of its results, added in a fixed order.

        Buckets that run at the same time share neither a user nor an item.

        work : takes a bucket and returns a number, such as the sum of its losses
        after : called after each stratum, while no bucket runs
        in_order : whether the rows of the items stand in the order of `order_items`, so that those of a block lie side
            by side; the members of a bucket are then places in that order
        """
        B, pairs = self.n_blocks, self._pairs
        state = self._derive_state(epoch)
        users, items = self._users.copy(), self.order_items(epoch)
        shuffle(users, derive_state(state, Stream.SHUFFLE_USERS))
        size = -(-len(items) // B)
        self._blocks[items], self._places[items] = np.divmod(np.arange(len(items), dtype=np.int32), np.int32(size))
        # Blocks of users hold about equally many pairs; blocks of items equally many items, so negatives are uniform.
        ends = np.cumsum(pairs.counts[users])
        cuts = np.searchsorted(ends, np.arange(1, B) * (ends[-1] / B))
        cuts = np.concatenate(([0], cuts, [len(users)]))
        starts = np.concatenate(([0], ends))[cuts]
        counts = np.zeros((B, B), np.int64)
        rows = np.arange(len(items), dtype=np.int32) if in_order else items

        def deal_block(b: int) -> None:
            dealt_users, dealt_items, values = self._dealt
            deal(
                *pairs,
                people=users[cuts[b] : cuts[b + 1]],
                start=int(starts[b]),
                blocks=self._blocks,
                places=self._places,
                state=derive_state(state, Stream.DEAL),
                counts=counts[b],
                users=dealt_users,
                items=dealt_items,
                values=values,
            )

        parallel.run(deal_block, B)
        firsts = np.hstack([starts[:-1, None], starts[:-1, None] + np.cumsum(counts, axis=1)])
        results = np.zeros((B, B))
        for stratum in range(B):

            def work_on(b: int, stratum: int = stratum) -> None:
                c = (b + stratum) % B
                mine = slice(firsts[b, c], firsts[b, c + 1])
                dealt_users, dealt_items, values = self._dealt
                bucket = Bucket(
                    block=b,
                    users=dealt_users[mine],
                    items=dealt_items[mine],
                    values=values[mine],
                    members=rows[c * size : (c + 1) * size],
                    state=derive_state(state, Stream.BUCKET, b * B + c),
                    reach=NO_REACH,
                )
                results[stratum, b] = work(bucket)

            parallel.run(work_on, B)
            if after is not None:
                after()
        return float(results.sum())

    def _derive_state(self, epoch: int) -> np.uint64:
        return derive_state(derive_state(self._seed, Stream.EPOCHS), Stream.EPOCH, epoch)
