"""Next item: the sums over all states of all users that the regression from a state to the next items takes.

A user's pairs in order of time have the places 0, 1, ..., each at a point x of the user's clock that never falls. The
state before place t has, for each rate a, the decayed past s_a = sum over the places p < t of
exp(-a (x_t-1 - x_p)) e(i_p); its targets are y = sum over the places q >= t of ahead^(q-t) e(i_q). The rows of states
and of matrices are 2 i + k for item i and rate k where there are two rates, and i where there is one.

    left      L_p = sum over the states t > p of exp(-(a + b) (x_t-1 - x_p))    `sum_left`
    gram      G = sum over users and states of s s'                             `state_rows`
    targets   C' = sum over users and states of y s'                            `target_rows`

All are double sums over the pairs of places of a user, because the sum over the states behind both places of a pair is
L of the later one, times what the earlier one has decayed until then. Terms below 2^-53 of the largest are left out.

Arguments of `sum_left`:

    starts           int64 (n_users + 1,): where the places of each user start
    clock            float64 (places,): x
    rate             float64: a + b
    out              float64 (places,), written

of `state_rows`:

    past             a `Past`
    rates            float64 (k,): one or two rates, the higher one first
    left             float64 (k, k, places): L for every two rates
    first            the row of G in row 0 of `out`
    out              float64 (rows, at least first + rows), written up to the diagonal of G

and of `target_rows`:

    past, rates      as for `state_rows`
    ahead            float64, from 0 to below 1
    first            the item in row 0 of `out`
    out              float64 (rows, k n_items), written
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tastemap.kernels.core.jit import jit_exact

# exp of less is no more than 2^-53.
LEAST = -53 * math.log(2)
TINY = 2.0**-53


class Past(NamedTuple):
    """All pairs in order of user and time, and where those of each item are.

    starts : int64, (n_users + 1,): where the places of each user start
    items : int32, (places,)
    clock : float64, (places,): x
    item_ptr : int64, (n_items + 1,): where each item starts in the next two
    places : int64, (places,): the places of each item
    owners : int32, (places,): the users of these
    """

    starts: Any
    items: Any
    clock: Any
    item_ptr: Any
    places: Any
    owners: Any


@jit_exact
def sum_left(starts, clock, rate, out):
    """Set out[p] = sum over the states behind place p of what is left there, at a rate, of what was 1 at p."""
    for u in range(starts.shape[0] - 1):
        start, end = starts[u], starts[u + 1]
        if end == start:
            continue
        out[end - 1] = 0.0
        for p in range(end - 2, start - 1, -1):
            out[p] = 1.0 + math.exp(-rate * (clock[p + 1] - clock[p])) * out[p + 1]


@jit_exact
def state_rows(past, rates, left, first, out):
    """Set out[r, c] = G[first + r, c] for c up to first + r, and 0 behind."""
    items, clock, n_rates = past.items, past.clock, rates.shape[0]
    slowest = rates[n_rates - 1]
    for r in range(out.shape[0]):
        row = first + r
        i, a = row // n_rates, row % n_rates
        rate = rates[a]
        out[r, :] = 0.0
        for entry in range(past.item_ptr[i], past.item_ptr[i + 1]):
            p = past.places[entry]
            owner = past.owners[entry]
            x = clock[p]
            for b in range(n_rates):
                if b <= a:
                    out[r, i * n_rates + b] += left[a, b, p]
            # The places before p, which have decayed until then.
            for q in range(p - 1, past.starts[owner] - 1, -1):
                age = x - clock[q]
                if -slowest * age < LEAST:
                    break
                if items[q] < i:
                    for b in range(n_rates):
                        out[r, items[q] * n_rates + b] += math.exp(-rates[b] * age) * left[a, b, p]
            # Those behind p.
            for q in range(p + 1, past.starts[owner + 1]):
                age = clock[q] - x
                if -rate * age < LEAST:
                    break
                if items[q] < i:
                    share = math.exp(-rate * age)
                    for b in range(n_rates):
                        out[r, items[q] * n_rates + b] += share * left[a, b, q]


@jit_exact
def target_rows(past, rates, ahead, first, out):
    """Set out[r, c] = C[c, first + r]."""
    items, clock, n_rates = past.items, past.clock, rates.shape[0]
    for r in range(out.shape[0]):
        j = first + r
        out[r, :] = 0.0
        for a in range(n_rates):
            rate = rates[a]
            for entry in range(past.item_ptr[j], past.item_ptr[j + 1]):
                q = past.places[entry]
                total, power = 0.0, 1.0
                for p in range(q - 1, past.starts[past.owners[entry]] - 1, -1):
                    # The state right behind p has it whole; those later see it as they see the place behind it.
                    total = power + total * math.exp(-rate * (clock[p + 1] - clock[p]))
                    if total < TINY:
                        break
                    out[r, items[p] * n_rates + a] += total
                    power *= ahead
