"""From rows of a table to the rows of a matrix: numbers for ids, rows by user, items in order, equal pairs merged.

Arguments:
    ids              int64 (n,): ids, or what stands for them
    keys, numbers    int64, int32 (2^b,): a table of what is numbered, by hash; -1 is a free place
    distinct         int64 (2^b / 2,), written: the id of each number

    indptr           int64 (users + 1,): where the rows of each user start
    items, order     int32 (rows,): the item of each row, and its place in the table; int64 places where there are more
    keys2, moved     uint64 (2, longest), the type of `order` (longest,): scratch, for the most rows of a user

    runs             int64 (users + 1,): where the distinct pairs of each user start
    policy           int64: one of those below, for rows of one pair

"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.jit import jit_exact

SUM, MEAN, LAST, MAX, MIN = range(5)  # the first two add

# Up to here each entry is put in its place by comparing.
SHORT = 40


@jit_exact
def number_ids(ids, distinct, keys, numbers, n, out):
    """Set out[j], int32, to the number of ids[j], for new ids the next one from n on.

    Returns how many ids were numbered, fewer than all where the table is half full, and the next number.
    """
    mask, most = np.uint64(len(numbers) - 1), len(distinct)
    for j in range(ids.shape[0]):
        x = ids[j]
        h = np.uint64(x) * np.uint64(0x9E3779B97F4A7C15)
        place = (h ^ (h >> np.uint64(32))) & mask
        while numbers[place] >= 0 and keys[place] != x:
            place = (place + np.uint64(1)) & mask
        if numbers[place] < 0:
            if n == most:
                return j, n
            keys[place], numbers[place], distinct[n] = x, n, x
            n += 1
        out[j] = numbers[place]
    return ids.shape[0], n


@jit_exact
def place_rows(users, items, first, low, high, ends, by_user, order):
    """Put each row whose user is from low up to high behind the earlier ones of this user.

    users, items: int32 (n,), of the rows from place `first` of the table on. ends: int64 (users,), where the next row
    of each user goes, moved on. by_user, order: written.
    """
    for j in range(users.shape[0]):
        u = users[j]
        if low <= u < high:
            by_user[ends[u]], order[ends[u]] = items[j], first + j
            ends[u] += 1


@jit_exact
def sort_rows(indptr, start, stop, items, order, keys2, moved, n_bytes, sizes):
    """Bring the rows of the users from start to stop into the order of their items, equal ones as they are.

    n_bytes: the bytes of the largest item. sizes: int64 (users,), set to the number of distinct items of each user.
    """
    counts = np.empty(256, np.int64)
    for u in range(start, stop):
        low = indptr[u]
        n = indptr[u + 1] - low
        is_sorted, now = True, 0
        for j in range(1, n):
            is_sorted &= items[low + j - 1] <= items[low + j]
        if not is_sorted:
            for j in range(n):
                keys2[0, j] = (np.uint64(items[low + j]) << np.uint64(32)) | np.uint64(j)
                moved[j] = order[low + j]
            if n <= SHORT:
                for j in range(1, n):
                    key, at = keys2[0, j], j
                    while at > 0 and keys2[0, at - 1] > key:
                        keys2[0, at] = keys2[0, at - 1]
                        at -= 1
                    keys2[0, at] = key
            else:
                for byte in range(n_bytes):
                    shift = np.uint64(32 + 8 * byte)
                    counts[:] = 0
                    for j in range(n):
                        counts[(keys2[now, j] >> shift) & np.uint64(255)] += 1
                    at = 0
                    for digit in range(256):
                        at, counts[digit] = at + counts[digit], at
                    for j in range(n):
                        key = keys2[now, j]
                        digit = (key >> shift) & np.uint64(255)
                        keys2[1 - now, counts[digit]] = key
                        counts[digit] += 1
                    now = 1 - now
            for j in range(n):
                key = keys2[now, j]
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
def merge_weights(indptr, runs, start, stop, items, order, weights, policy, out):
    """Write the weight of each distinct pair, merged in 64 bits; return how many are too small for 32.

    weights: float64, by place in the table. out: float32, (pairs,).
    """
    n_lost = 0
    for u in range(start, stop):
        j, at = indptr[u], runs[u]
        while j < indptr[u + 1]:
            item, merged, n = items[j], weights[order[j]], 1
            j += 1
            while j < indptr[u + 1] and items[j] == item:
                weight = weights[order[j]]
                if policy <= MEAN:
                    merged += weight
                elif policy == LAST or (policy == MAX and weight > merged) or (policy == MIN and weight < merged):
                    merged = weight
                n += 1
                j += 1
            if policy == MEAN:
                merged /= n
            out[at] = np.float32(merged)
            n_lost += merged != 0 and out[at] == 0
            at += 1
    return n_lost


@jit_exact
def merge_times(indptr, runs, start, stop, items, order, times, policy, out):
    """Write the time of each distinct pair: of its LAST row, the MAX or the MIN; times and out int64."""
    for u in range(start, stop):
        at = runs[u] - 1
        for j in range(indptr[u], indptr[u + 1]):
            time = times[order[j]]
            if j == indptr[u] or items[j] != items[j - 1]:
                at += 1
                out[at] = time
            elif policy == LAST or (policy == MAX and time > out[at]) or (policy == MIN and time < out[at]):
                out[at] = time
