"""From rows of a table to the rows of a matrix: numbers for ids, rows by user, items in order, equal pairs merged.

Arguments of `number_near` and `number_far`:

    ids              int64 (n,): ids, or what stands for them
    low, near        int64, int32 (span,): the number of the id `low` and of those that follow; -1 is none
    table            int64 (2^b, 2): ids and their numbers, placed by a hash; -1 is a free place
    distinct         int64 (room,), written: the id of each number
    n                int64: how many numbers there are
    out              int32 (n,), written

of `group_rows` and `sort_rows`:

    users, items     int32 (n,): the numbers in some rows of the table; where they are sorted, the items of all rows
    first            int64: the place in the table of the first of them
    begin, end       int64: the users whose rows are placed
    ends             int64 (users,): where the next row of each user goes, moved on
    by_user          int32 (rows,), written: the items of each user's rows
    order            int32 (rows,), int64 where there are more: the place of each row in the table
    indptr           int64 (users + 1,): where the rows of each user start
    start, stop      int64: the users, words or ranks that are worked on
    keys, moved      uint64 (2, longest), as order (longest,): scratch, for the most rows of a user
    n_bytes          int64: the bytes of the largest item
    sizes            int64 (users,), written: the distinct items of each user

of `merge_places`, `merge_weights` and `merge_times`, beside these:

    runs             int64 (users + 1,): where the distinct pairs of each user start
    policy           int64: one of those below, for rows of one pair
    weights, times   float64, int64 (rows,): by place in the table
    own              as these (longest,): scratch
    out              float32, int64 (pairs,), written
    items_out        int32 (pairs,), written
    order_out        as order (pairs,), written

of `mark_places` and `rank_places`:

    places           int32 or int64 (n,): distinct
    marks            uint64 (words,): a bit for each place
    before           int64 (words,): how many places are marked in the words before each
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact

SUM, MEAN, LAST, MAX, MIN = range(5)  # the first two add

# Up to here each entry is put in its place by comparing.
SHORT = 40


@jit_exact
def number_near(ids, low, near, distinct, n, out):
    """Set out[j], int32, to the number of ids[j], for new ids the next one from n on.

    Returns how many ids were numbered, fewer than all where one lies outside or there is no room, and the next number.
    """
    for j in range(ids.shape[0]):
        place = np.uint64(ids[j]) - np.uint64(low)
        if place >= np.uint64(len(near)):
            return j, n
        if near[place] < 0:
            if n == len(distinct):
                return j, n
            near[place], distinct[n] = n, ids[j]
            n += 1
        out[j] = near[place]
    return ids.shape[0], n


@jit_exact
def number_far(ids, table, distinct, n, out):
    """Do as `number_near` with a table by hash, which takes any ids, half as many as it has places."""
    mask = np.uint64(len(table) - 1)
    for j in range(ids.shape[0]):
        x = ids[j]
        h = np.uint64(x) * np.uint64(0x9E3779B97F4A7C15)
        place = (h ^ (h >> np.uint64(32))) & mask
        while table[place, 1] >= 0 and table[place, 0] != x:
            place = (place + np.uint64(1)) & mask
        if table[place, 1] < 0:
            if n == len(distinct) or 2 * n >= len(table):
                return j, n
            table[place, 0], table[place, 1], distinct[n] = x, n, x
            n += 1
        out[j] = table[place, 1]
    return ids.shape[0], n


@jit_exact
def group_rows(users, items, first, begin, end, ends, by_user, order):
    """Put each row whose user is from begin up to end behind the earlier ones of this user."""
    for j in range(users.shape[0]):
        u = users[j]
        if begin <= u < end:
            by_user[ends[u]], order[ends[u]] = items[j], first + j
            ends[u] += 1


@jit_exact
def sort_rows(indptr, start, stop, items, order, keys, moved, n_bytes, sizes):
    """Bring the rows of the users from start to stop into the order of their items, equal ones as they are."""
    counts = np.empty(256, np.int64)
    for u in range(start, stop):
        low = indptr[u]
        n = indptr[u + 1] - low
        is_sorted, now = True, 0
        for j in range(1, n):
            is_sorted &= items[low + j - 1] <= items[low + j]
        if not is_sorted:
            for j in range(n):
                keys[0, j] = (np.uint64(items[low + j]) << np.uint64(32)) | np.uint64(j)
                moved[j] = order[low + j]
            if n <= SHORT:
                for j in range(1, n):
                    key, at = keys[0, j], j
                    while at > 0 and keys[0, at - 1] > key:
                        keys[0, at] = keys[0, at - 1]
                        at -= 1
                    keys[0, at] = key
            else:
                for byte in range(n_bytes):
                    shift = np.uint64(32 + 8 * byte)
                    counts[:] = 0
                    for j in range(n):
                        counts[(keys[now, j] >> shift) & np.uint64(255)] += 1
                    at = 0
                    for digit in range(256):
                        at, counts[digit] = at + counts[digit], at
                    for j in range(n):
                        key = keys[now, j]
                        digit = (key >> shift) & np.uint64(255)
                        keys[1 - now, counts[digit]] = key
                        counts[digit] += 1
                    now = 1 - now
            for j in range(n):
                key = keys[now, j]
                items[low + j] = np.int32(key >> np.uint64(32))
                order[low + j] = moved[np.int64(key & np.uint64(0xFFFFFFFF))]
        distinct = min(n, 1)
        for j in range(1, n):
            distinct += items[low + j - 1] != items[low + j]
        sizes[u] = distinct


@jit_exact
def merge_places(indptr, runs, start, stop, items, order, policy, items_out, order_out):
    """Write the item of each distinct pair, and the place of its first row, or of its last where policy is LAST."""
    for u in range(start, stop):
        at = runs[u] - 1
        for j in range(indptr[u], indptr[u + 1]):
            if j == indptr[u] or items[j] != items[j - 1]:
                at += 1
                items_out[at], order_out[at] = items[j], order[j]
            elif policy == LAST:
                order_out[at] = order[j]


@jit_exact
def merge_weights(indptr, runs, start, stop, items, order, weights, policy, own, out):
    """Write the weight of each distinct pair, merged in 64 bits; return how many are too small for 32."""
    n_lost = 0
    for u in range(start, stop):
        low = indptr[u]
        n = indptr[u + 1] - low
        for j in range(n):  # by itself, so that the processor waits for many at once
            own[j] = weights[order[low + j]]
        j, at = 0, runs[u]
        while j < n:
            merged, first = own[j], j
            j += 1
            while j < n and items[low + j] == items[low + first]:
                if policy <= MEAN:
                    merged += own[j]
                elif policy == LAST or (policy == MAX and own[j] > merged) or (policy == MIN and own[j] < merged):
                    merged = own[j]
                j += 1
            if policy == MEAN:
                merged /= j - first
            out[at] = np.float32(merged)
            n_lost += merged != 0 and out[at] == 0
            at += 1
    return n_lost


@jit_exact
def merge_times(indptr, runs, start, stop, items, order, times, policy, own, out):
    """Write the time of each distinct pair: of its LAST row, the MAX or the MIN."""
    for u in range(start, stop):
        low, at = indptr[u], runs[u] - 1
        n = indptr[u + 1] - low
        for j in range(n):
            own[j] = times[order[low + j]]
        for j in range(n):
            if j == 0 or items[low + j] != items[low + j - 1]:
                at += 1
                out[at] = own[j]
            elif policy == LAST or (policy == MAX and own[j] > out[at]) or (policy == MIN and own[j] < out[at]):
                out[at] = own[j]


@jit_exact
def mark_places(places, marks, start, stop):
    """Set the bit of each place in `marks` where its word is from start up to stop."""
    for j in range(places.shape[0]):
        word = places[j] >> 6
        if start <= word < stop:
            marks[word] |= np.uint64(1) << np.uint64(places[j] & 63)


@jit_exact
def rank_places(places, marks, before, start, stop):
    """Replace places[start:stop] by how many marked ones lie before each."""
    for j in range(start, stop):
        word = places[j] >> 6
        bits = marks[word] & ((np.uint64(1) << np.uint64(places[j] & 63)) - np.uint64(1))
        bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
        bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
        bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        places[j] = before[word] + np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))
