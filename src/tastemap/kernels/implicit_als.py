"""Row solvers of alternating least squares: each row of P is the minimum of a quadratic, given Q.

For a row with columns i in S, confidences c_i and targets b_i the objective is

    sum over S of (c_i s_i^2 - 2 b_i s_i + b_i)  +  x' G x  +  ridge |x - m|^2,      s_i = x . q_i

so its minimum solves  (G + ridge I + sum c_i q_i q_i') x = sum b_i q_i + ridge m.  All solvers return the sum of the
rows' objectives, which falls out of numbers they have anyway. With b = c this is c (1 - s)^2, the objective of Rendle
et al. 2022; with b = c + missing it is that of Hu et al. 2008, where `missing` is the confidence of a pair that is not
there. The row's prior mean m is its row of `prior`; a `prior` without rows stands for zeros.

Three solvers, for A x = t the system above, row by row:

    cholesky_rows    x = A^-1 t, by A = U'U
    cg_rows          r = t - A x,  p = M^-1 r,  M the diagonal of A;  then `steps` times, with a = r' M^-1 r,
                     x += a / (p' A p) p,   r -= a / (p' A p) A p,   p = M^-1 r + (r' M^-1 r / a) p
    subspace_rows    for every block B of LANES columns in turn  x_B += A_BB^-1 (t - A x)_B

Matrices are `width` columns wide, a multiple of LANES, the columns beyond the factors zero: no loop has a remainder.

Arguments, the same in all solvers:

    indptr, indices, weights    int64 (n_rows + 1,), int32 (pairs,), float32 (pairs,): the pairs of each row of P, CSR
    start, stop                 the rows to solve: start up to stop - 1
    P                           float32 (n_rows, width): what rows start from, and the result; without pairs it is 0
    Q                           float32 (n_columns, width): the other side, which stays
    gram                        float32, G: the unobserved weight times Q'Q. `cholesky_rows` takes all, (width, width),
                                and Q in any basis. The others take the diagonal, (width,), and Q rotated so that the
                                rest is 0
    ridge                       float32 (n_rows,): the regularization of each row
    prior                       float32 (n_rows, width), in the basis of Q, or (0, width): the means m
    alpha                       float32: confidence for a unit of weight
    missing                     float32: what the target has beyond the confidence
    steps                       how many conjugate-gradient steps

They return the sum of the objectives of the rows with pairs, float64.
"""

from __future__ import annotations

import numpy as np

from tastemap.kernels.core.dense import GROUP, add_outer, cholesky, solve
from tastemap.kernels.core.jit import jit
from tastemap.kernels.core.simd import (
    LANES,
    add,
    allocate,
    lane,
    load,
    load_group,
    load_row,
    multiply,
    multiply_add,
    prefetch_row,
    splat,
    splat_row,
    store,
    store_group,
    store_row,
    total,
    totals,
    zeros,
)

CG_TILE = 1 << 17  # numbers of gathered rows that stay for the next pass: half of a core's second cache
SOLVED = np.float32(1e-30)  # below this the step, a ratio of squares, would be noise of numbers too small for float32
PREFETCH = 1 << 10  # numbers of Q that are on their way while one row is copied: beyond the caches, waiting is the time
CHOLESKY_TILE = 32  # gathered rows, twice, that stay in the first cache
BLOCK_TILE = 128  # rows of LANES numbers that stay in the first cache
SINGULAR = np.float32(1e-6)  # what rounding leaves of a pivot that is zero, where the largest is 1


@jit
def cg_rows(indptr, indices, weights, start, stop, P, Q, gram, ridge, prior, alpha, missing, steps):
    """Improve rows by `steps` conjugate-gradient steps from where they are.

    In the basis where G is diagonal a step costs no product with it, and the system's own diagonal is a good
    preconditioner: two steps do the work of three or four plain ones.
    """
    width = P.shape[1]
    longest = 0
    for u in range(start, stop):
        longest = max(longest, indptr[u + 1] - indptr[u])
    tile = min(_round_up(longest), CG_TILE // width // GROUP * GROUP)
    Y = allocate(tile, width)
    c = np.empty(tile, np.float32)
    b = np.empty(tile, np.float32)
    scratch = allocate(6, width)
    x, r, p, Ap, diagonal, inverse = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    objective = 0.0

    for u in range(start, stop):
        first = indptr[u]
        n = indptr[u + 1] - first
        if n == 0:
            for f in range(width):
                P[u, f] = 0
            continue
        for f in range(width):
            x[f] = P[u, f]
            diagonal[f] = gram[f] + ridge[u]
            inverse[f] = diagonal[f]
            r[f] = -diagonal[f] * x[f]
        if prior.shape[0] > 0:
            for f in range(width):
                pull = ridge[u] * prior[u, f]
                r[f] += pull
                objective += pull * (prior[u, f] - x[f])
        for offset in range(0, n, tile):
            m = min(tile, n - offset)
            _gather(indices, weights, first + offset, m, Q, alpha, missing, Y, c, b)
            objective += _residual(Y, _round_up(m), c, b, x, r, inverse)
        rz = np.float32(0)
        for f in range(width):
            objective -= x[f] * r[f]
            inverse[f] = 1 / inverse[f] if inverse[f] > 0 else np.float32(0)
            p[f] = inverse[f] * r[f]
            rz += r[f] * p[f]

        for _ in range(steps):
            for f in range(width):
                Ap[f] = diagonal[f] * p[f]
            for offset in range(0, n, tile):
                m = min(tile, n - offset)
                if n > tile:
                    _gather(indices, weights, first + offset, m, Q, alpha, missing, Y, c, b)
                _apply(Y, _round_up(m), c, p, Ap)
            pAp = np.float32(0)
            for f in range(width):
                pAp += p[f] * Ap[f]
            if pAp < SOLVED:
                break
            step = rz / pAp
            objective -= step * rz
            rz_before = rz
            rz = np.float32(0)
            for f in range(width):
                x[f] += step * p[f]
                r[f] -= step * Ap[f]
                rz += inverse[f] * r[f] * r[f]
            turn = rz / rz_before
            for f in range(width):
                p[f] = inverse[f] * r[f] + turn * p[f]
        for f in range(width):
            P[u, f] = x[f]
    return objective


@jit
def cholesky_rows(indptr, indices, weights, start, stop, P, Q, gram, ridge, prior, alpha, missing):
    """Solve rows exactly."""
    width = P.shape[1]
    A = allocate(width, width)
    Y = allocate(CHOLESKY_TILE, width)
    Z = allocate(CHOLESKY_TILE, width)
    c = np.empty(CHOLESKY_TILE, np.float32)
    b = np.empty(CHOLESKY_TILE, np.float32)
    scratch = allocate(2, width)
    x, target = scratch[0], scratch[1]
    objective = 0.0

    for u in range(start, stop):
        first = indptr[u]
        n = indptr[u + 1] - first
        if n == 0:
            for f in range(width):
                P[u, f] = 0
            continue
        for i in range(width):
            for f in range(i // LANES * LANES, width, LANES):
                store_row(A, i, f, load_row(gram, i, f))
            A[i, i] += ridge[u]
            target[i] = 0
        if prior.shape[0] > 0:
            for f in range(width):
                target[f] = ridge[u] * prior[u, f]
                objective += target[f] * prior[u, f]
        for offset in range(0, n, CHOLESKY_TILE):
            m = min(CHOLESKY_TILE, n - offset)
            _gather(indices, weights, first + offset, m, Q, alpha, missing, Y, c, b)
            for k in range(m):
                objective += b[k]
                for f in range(0, width, LANES):
                    y = load_row(Y, k, f)
                    store_row(Z, k, f, multiply(splat(c[k]), y))
                    store(target, f, multiply_add(splat(b[k]), y, load(target, f)))
            add_outer(A, 0, Z, Y, m)
        for f in range(width):
            x[f] = target[f]
        cholesky(A, Y, Z)
        solve(A, x)
        for f in range(width):
            P[u, f] = x[f]
            objective -= target[f] * x[f]
    return objective


@jit
def subspace_rows(indptr, indices, weights, start, stop, P, Q, gram, ridge, prior, alpha, missing):
    """Improve rows by solving LANES factors at a time exactly, given the others.

    Blocks of eigenvectors of G hardly depend on each other, and one round over them, from the small eigenvalues to the
    large, ends as low as the exact solution. The scores s_i are kept while the blocks of a row are worked, so that a
    block costs its own columns only.
    Rows of Q and scores are scaled by sqrt(c_i): one copy of a row then makes both sides of its outer product.
    """
    width = P.shape[1]
    longest = 0
    for u in range(start, stop):
        longest = max(longest, indptr[u + 1] - indptr[u])
    tile = min(_round_up(longest), CG_TILE // width // GROUP * GROUP)
    Y = allocate(tile, width)
    part = allocate(BLOCK_TILE, LANES)
    root = np.empty(_round_up(longest), np.float32)
    s = np.empty(_round_up(longest), np.float32)
    system = allocate(LANES + 1, LANES)  # a block's matrix, and its right side
    unit = allocate(LANES + 2, LANES)  # the unit vectors, and two rows of scratch
    for i in range(LANES):
        for f in range(LANES):
            unit[i, f] = np.float32(1) if f == i else np.float32(0)
    scratch = allocate(2, width)
    x, target = scratch[0], scratch[1]
    objective = 0.0

    for u in range(start, stop):
        first = indptr[u]
        n = indptr[u + 1] - first
        if n == 0:
            for f in range(width):
                P[u, f] = 0
            continue
        for f in range(width):
            x[f] = P[u, f]
            target[f] = 0
        if prior.shape[0] > 0:
            for f in range(width):
                target[f] = ridge[u] * prior[u, f]
                objective += target[f] * prior[u, f]
        for k in range(n):
            c = alpha * weights[first + k]
            objective += c + missing
            # A pair without confidence may have a target: one too small to count keeps the quotient finite.
            root[k] = np.sqrt(max(c, SOLVED))
            s[k] = (c + missing) / root[k]
        for k in range(n, _round_up(n)):
            s[k] = 0
        for offset in range(0, n, tile):
            m = min(tile, n - offset)
            _gather_scaled(indices, first, offset, m, Q, 0, root, Y)
            for k in range(0, _round_up(m), GROUP):
                _add_rows(target, Y, k, load_group(s, offset + k))
                store_group(s, offset + k, _scores(Y, k, x))

        for f in range(0, width, LANES):
            for i in range(LANES):
                store_row(system, i, 0, zeros())
                system[i, i] = gram[f + i] + ridge[u]
                system[LANES, i] = target[f + i] - system[i, i] * x[f + i]
            if n <= tile:
                _add_block(system, Y, n, f, s, 0)
            else:
                for offset in range(0, n, BLOCK_TILE):
                    m = min(BLOCK_TILE, n - offset)
                    _gather_scaled(indices, first, offset, m, Q, f, root, part)
                    _add_block(system, part, m, 0, s, offset)
            step = _solve_block(system, unit)
            store(x, f, add(load(x, f), step))
            if n <= tile:
                _add_scores(s, 0, Y, n, f, step)
            else:
                for offset in range(0, n, BLOCK_TILE):
                    m = min(BLOCK_TILE, n - offset)
                    _gather_scaled(indices, first, offset, m, Q, f, root, part)
                    _add_scores(s, offset, part, m, 0, step)
        for k in range(n):
            objective += s[k] * s[k]
        for f in range(width):
            objective += x[f] * ((gram[f] + ridge[u]) * x[f] - 2 * target[f])
            P[u, f] = x[f]
    return objective


@jit
def _round_up(n):
    return (n + GROUP - 1) // GROUP * GROUP


@jit
def _gather(indices, weights, first, n, Q, alpha, missing, Y, c, b):
    """Copy the rows of Q into Y, their confidences into c, their targets into b; zero rows fill the last group."""
    width = Q.shape[1]
    last = indices.shape[0] - 1
    distance = max(1, PREFETCH // width)
    for k in range(n):
        c[k] = alpha * weights[first + k]
        b[k] = c[k] + missing
        i = indices[first + k]
        # The next row of P starts where this one ends, so its rows of Q are fetched early as well.
        ahead = indices[min(first + k + distance, last)]
        for f in range(0, width, LANES):
            prefetch_row(Q, ahead, f)
            store_row(Y, k, f, load_row(Q, i, f))
    for k in range(n, _round_up(n)):
        c[k] = 0
        b[k] = 0
        for f in range(0, width, LANES):
            store_row(Y, k, f, zeros())


@jit
def _residual(Y, n, c, b, x, r, diagonal):
    """Add sum (b - c s) y to r and sum c y^2 to diagonal, over the rows of Y; return sum (b - b s)."""
    width = x.shape[0]
    objective = 0.0
    for k in range(0, n, GROUP):
        scores = _scores(Y, k, x)
        confidence = load_group(c, k)
        target = load_group(b, k)
        missed = multiply_add(multiply(splat(np.float32(-1)), target), scores, target)
        objective += 0.5 * total(missed)  # a group stands in it twice
        error = multiply_add(multiply(splat(np.float32(-1)), confidence), scores, target)
        _add_rows(r, Y, k, error)
        for f in range(0, width, LANES):
            even = load(diagonal, f)
            odd = zeros()
            for g in range(0, GROUP, 2):
                y = load_row(Y, k + g, f)
                z = load_row(Y, k + g + 1, f)
                even = multiply_add(multiply(lane(confidence, g), y), y, even)
                odd = multiply_add(multiply(lane(confidence, g + 1), z), z, odd)
            store(diagonal, f, add(even, odd))
    return objective


@jit
def _apply(Y, n, c, p, out):
    """Add to out the sum over the rows of Y of c (y . p) y."""
    for k in range(0, n, GROUP):
        _add_rows(out, Y, k, multiply(_scores(Y, k, p), load_group(c, k)))


@jit
def _scores(Y, k, p):
    """The products of p with the eight rows of Y from k on, twice."""
    s0, s1, s2, s3, s4, s5, s6, s7 = zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), zeros()
    for f in range(0, p.shape[0], LANES):
        v = load(p, f)
        s0 = multiply_add(load_row(Y, k, f), v, s0)
        s1 = multiply_add(load_row(Y, k + 1, f), v, s1)
        s2 = multiply_add(load_row(Y, k + 2, f), v, s2)
        s3 = multiply_add(load_row(Y, k + 3, f), v, s3)
        s4 = multiply_add(load_row(Y, k + 4, f), v, s4)
        s5 = multiply_add(load_row(Y, k + 5, f), v, s5)
        s6 = multiply_add(load_row(Y, k + 6, f), v, s6)
        s7 = multiply_add(load_row(Y, k + 7, f), v, s7)
    return totals(s0, s1, s2, s3, s4, s5, s6, s7)


@jit
def _add_rows(out, Y, k, s):
    """Add to out the sum over the eight rows of Y from k on of s_g y_g."""
    s0, s1, s2, s3 = lane(s, 0), lane(s, 1), lane(s, 2), lane(s, 3)
    s4, s5, s6, s7 = lane(s, 4), lane(s, 5), lane(s, 6), lane(s, 7)
    for f in range(0, out.shape[0], LANES):
        even = multiply_add(load_row(Y, k, f), s0, load(out, f))
        odd = multiply(load_row(Y, k + 1, f), s1)
        even = multiply_add(load_row(Y, k + 2, f), s2, even)
        odd = multiply_add(load_row(Y, k + 3, f), s3, odd)
        even = multiply_add(load_row(Y, k + 4, f), s4, even)
        odd = multiply_add(load_row(Y, k + 5, f), s5, odd)
        even = multiply_add(load_row(Y, k + 6, f), s6, even)
        odd = multiply_add(load_row(Y, k + 7, f), s7, odd)
        store(out, f, add(even, odd))


@jit
def _gather_scaled(indices, first, offset, n, Q, start, root, Y):
    """Copy n rows of Q, from the pair first + offset on, times their root into Y; zero rows fill the last group.

    As many columns as Y has, from `start` on.
    """
    width = Y.shape[1]
    last = indices.shape[0] - 1
    distance = max(1, PREFETCH // width)
    for k in range(n):
        i = indices[first + offset + k]
        ahead = indices[min(first + offset + k + distance, last)]
        scale = splat(root[offset + k])
        for f in range(0, width, LANES):
            prefetch_row(Q, ahead, start + f)
            store_row(Y, k, f, multiply(scale, load_row(Q, i, start + f)))
    for k in range(n, _round_up(n)):
        for f in range(0, width, LANES):
            store_row(Y, k, f, zeros())


@jit
def _add_block(system, Y, n, f, s, offset):
    """Add to the first LANES rows of `system` the sum of y y' over n rows of Y, columns f on; take s y from the last.

    The whole block stays in registers while Y runs past.
    """
    a0, a1, a2, a3 = load_row(system, 0, 0), load_row(system, 1, 0), load_row(system, 2, 0), load_row(system, 3, 0)
    a4, a5, a6, a7 = load_row(system, 4, 0), load_row(system, 5, 0), load_row(system, 6, 0), load_row(system, 7, 0)
    a8, a9, a10, a11 = load_row(system, 8, 0), load_row(system, 9, 0), load_row(system, 10, 0), load_row(system, 11, 0)
    a12, a13, a14 = load_row(system, 12, 0), load_row(system, 13, 0), load_row(system, 14, 0)
    a15, right = load_row(system, 15, 0), load_row(system, 16, 0)
    for k in range(n):
        y = load_row(Y, k, f)
        a0 = multiply_add(splat_row(Y, k, f), y, a0)
        a1 = multiply_add(splat_row(Y, k, f + 1), y, a1)
        a2 = multiply_add(splat_row(Y, k, f + 2), y, a2)
        a3 = multiply_add(splat_row(Y, k, f + 3), y, a3)
        a4 = multiply_add(splat_row(Y, k, f + 4), y, a4)
        a5 = multiply_add(splat_row(Y, k, f + 5), y, a5)
        a6 = multiply_add(splat_row(Y, k, f + 6), y, a6)
        a7 = multiply_add(splat_row(Y, k, f + 7), y, a7)
        a8 = multiply_add(splat_row(Y, k, f + 8), y, a8)
        a9 = multiply_add(splat_row(Y, k, f + 9), y, a9)
        a10 = multiply_add(splat_row(Y, k, f + 10), y, a10)
        a11 = multiply_add(splat_row(Y, k, f + 11), y, a11)
        a12 = multiply_add(splat_row(Y, k, f + 12), y, a12)
        a13 = multiply_add(splat_row(Y, k, f + 13), y, a13)
        a14 = multiply_add(splat_row(Y, k, f + 14), y, a14)
        a15 = multiply_add(splat_row(Y, k, f + 15), y, a15)
        right = multiply_add(splat(-s[offset + k]), y, right)
    store_row(system, 0, 0, a0)
    store_row(system, 1, 0, a1)
    store_row(system, 2, 0, a2)
    store_row(system, 3, 0, a3)
    store_row(system, 4, 0, a4)
    store_row(system, 5, 0, a5)
    store_row(system, 6, 0, a6)
    store_row(system, 7, 0, a7)
    store_row(system, 8, 0, a8)
    store_row(system, 9, 0, a9)
    store_row(system, 10, 0, a10)
    store_row(system, 11, 0, a11)
    store_row(system, 12, 0, a12)
    store_row(system, 13, 0, a13)
    store_row(system, 14, 0, a14)
    store_row(system, 15, 0, a15)
    store_row(system, 16, 0, right)


@jit
def _add_scores(s, offset, Y, n, f, step):
    """Add to s, from `offset` on, the products of n rows of Y, columns f on, with the step."""
    for k in range(0, n, GROUP):
        scores = totals(
            multiply(step, load_row(Y, k, f)),
            multiply(step, load_row(Y, k + 1, f)),
            multiply(step, load_row(Y, k + 2, f)),
            multiply(step, load_row(Y, k + 3, f)),
            multiply(step, load_row(Y, k + 4, f)),
            multiply(step, load_row(Y, k + 5, f)),
            multiply(step, load_row(Y, k + 6, f)),
            multiply(step, load_row(Y, k + 7, f)),
        )
        store_group(s, offset + k, add(load_group(s, offset + k), scores))


@jit
def _solve_block(system, unit):
    """Return A^-1 b for the symmetric A in the first LANES rows of `system` and b in its last; A is lost.

    Sweeping (Goodnight 1979) turns A into -A^-1 one pivot after the other. Every row takes the same step, so the rows
    do not wait for each other as in a triangular solution. A factor that depends on those before it is left out.
    """
    scales, old = LANES, LANES + 1
    # With a diagonal of ones no pivot is above 1, and the difference from 1 below keeps its digits.
    for i in range(LANES):
        unit[scales, i] = 1 / np.sqrt(system[i, i]) if system[i, i] > 0 else np.float32(0)
    scale = load_row(unit, scales, 0)
    for i in range(LANES):
        store_row(system, i, 0, multiply(multiply(splat_row(unit, scales, i), scale), load_row(system, i, 0)))
    store_row(system, LANES, 0, multiply(scale, load_row(system, LANES, 0)))
    for i in range(LANES):
        row, e, pivot = load_row(system, i, 0), load_row(unit, i, 0), system[i, i]
        swept = e  # this takes row and column out
        if pivot > SINGULAR:
            swept = multiply(splat(1 / pivot), multiply_add(splat(np.float32(-1)), e, row))
        store_row(unit, old, 0, row)
        minus = multiply(splat(np.float32(-1)), swept)
        for j in range(LANES):
            store_row(system, j, 0, multiply_add(splat_row(unit, old, j), minus, load_row(system, j, 0)))
        store_row(system, i, 0, multiply_add(splat(np.float32(-1)), e, swept))
    even, odd = zeros(), zeros()
    for i in range(0, LANES, 2):
        even = multiply_add(splat(-system[LANES, i]), load_row(system, i, 0), even)
        odd = multiply_add(splat(-system[LANES, i + 1]), load_row(system, i + 1, 0), odd)
    return multiply(scale, add(even, odd))
