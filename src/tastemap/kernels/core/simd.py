"""Vectors of LANES float32 numbers inside kernels.

The compiler vectorises a loop only where it can prove that no two arrays overlap, and gives up on the ones that matter
here (eight rows read, two written; draws among other work). These few functions say what is meant. The plain Python
bodies are their definition, and what runs when numba's compiler is off; compiled, each is one or a few machine
instructions on whatever vector unit there is. Row widths are multiples of LANES, and nothing is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import lower_builtin, models, register_jitable, register_model, type_callable

from tastemap.kernels.core.random import INCREMENT, MULTIPLIERS, SHIFTS, draw_below, mix

LANES = 16
_FUSE = ("contract", "nsz")  # a multiply and an add may become one instruction
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_GROUP = ir.VectorType(ir.FloatType(), LANES // 2)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_WORDS = ir.VectorType(ir.IntType(64), LANES // 2)


@register_jitable(forceinline=True)
def allocate(n_rows: int, width: int) -> Any:
    """Return an uninitialised float32 array (n_rows, width) that starts on a cache line.

    Where rows are whole lines a vector then never straddles two, which costs a third of the speed from the first cache.
    """
    numbers = np.empty(n_rows * width + LANES, np.float32)
    skip = (LANES - (numbers.ctypes.data // 4) % LANES) % LANES
    return numbers[skip : skip + n_rows * width].reshape(n_rows, width)


def zeros():
    """Return the zero vector."""
    return np.zeros(LANES, np.float32)


def splat(x):
    """Return a vector with every lane x."""
    return np.full(LANES, x, np.float32)


def load(a, f):
    """Return a[f : f + LANES]."""
    return a[f : f + LANES].copy()


def load_group(a, k):
    """Return a[k : k + LANES // 2], twice."""
    return np.tile(a[k : k + LANES // 2], 2)


def load_row(A, i, f):
    """Return A[i, f : f + LANES]."""
    return A[i, f : f + LANES].copy()


def splat_row(A, i, f):
    """Return a vector with every lane A[i, f]."""
    return np.full(LANES, A[i, f])


def store(a, f, v):
    """Set a[f : f + LANES] = v."""
    a[f : f + LANES] = v


def store_row(A, i, f, v):
    """Set A[i, f : f + LANES] = v."""
    A[i, f : f + LANES] = v


def store_group(a, k, v):
    """Set a[k : k + LANES // 2] to the first half of v."""
    a[k : k + LANES // 2] = v[: LANES // 2]


def store_draws(a, k, n, state):
    """Set a[k : k + LANES // 2] to draw_below(n, mix(state)), of state + 1, and so on: int64."""
    a[k : k + LANES // 2] = [draw_below(n, np.uint64(mix(state + np.uint64(g)))) for g in range(LANES // 2)]


def prefetch_row(A, i, f):
    """Ask for the cache line that holds A[i, f], without waiting for it."""


def add(a, b):
    """Return a + b, lane by lane."""
    return a + b


def subtract(a, b):
    """Return a - b, lane by lane."""
    return a - b


def multiply(a, b):
    """Return a b, lane by lane."""
    return a * b


def multiply_add(a, b, c):
    """Return a b + c, lane by lane."""
    return a * b + c


def any_at_least(a, b):
    """Tell whether a >= b in any lane; NaN is at least nothing."""
    return bool((a >= b).any())


def zeros_double():
    """Return the zero vector of float64 lanes."""
    return np.zeros(LANES)


def multiply_add_double(a, b, c):
    """Return a b + c in float64 lanes, where a b is exact: the same bits whether or not the machine fuses the two."""
    return a.astype(np.float64) * b + c


def store_rounded(a, f, v):
    """Set a[f : f + LANES] to float64 lanes, rounded to float32."""
    a[f : f + LANES] = v


def total(v):
    """Return the sum of the lanes, halves first, so that the order is fixed."""
    while len(v) > 1:
        v = v[: len(v) // 2] + v[len(v) // 2 :]
    return v[0]


def totals(v0, v1, v2, v3, v4, v5, v6, v7):
    """Return the totals of the eight vectors, twice."""
    return np.array([total(v) for v in (v0, v1, v2, v3, v4, v5, v6, v7)] * 2, np.float32)


def lane(v, k):
    """Return a vector with every lane v[k]."""
    return np.full(LANES, v[k], np.float32)


class _Vector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


class _DoubleVector(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float64x{LANES}")


_vector, _double_vector = _Vector(), _DoubleVector()


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _FLOATS)


@register_model(_DoubleVector)
class _DoubleVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _DOUBLES)


def _compiles(function: Callable[..., Any], returns: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Register the decorated function, which emits LLVM code, as the compiled form of `function`.

    `returns` has the arguments' names and gives the type of the result; `arguments` are the types taken.
    """

    def decorate(emit: Callable[..., Any]) -> Callable[..., Any]:
        type_callable(function)(lambda context: returns)
        lower_builtin(function, *arguments)(
            lambda context, builder, signature, args: emit(context, builder, signature.args, args)
        )
        return emit

    return decorate


@_compiles(zeros, lambda: _vector)
def _zeros(context, builder, kinds, args):
    return ir.Constant(_FLOATS, [0.0] * LANES)


@_compiles(splat, lambda x: _vector, types.Float)
def _splat(context, builder, kinds, args):
    x = context.cast(builder, args[0], kinds[0], types.float32)
    return _spread(builder, x, LANES)


@_compiles(lane, lambda v, k: _vector, _Vector, types.Integer)
def _lane(context, builder, kinds, args):
    return _spread(builder, builder.extract_element(args[0], args[1]), LANES)


@_compiles(load, lambda a, f: _vector, types.Array, types.Integer)
@_compiles(load_row, lambda A, i, f: _vector, types.Array, types.Integer, types.Integer)
def _load(context, builder, kinds, args):
    return builder.load(_address(context, builder, kinds, args), align=4)


@_compiles(load_group, lambda a, k: _vector, types.Array, types.Integer)
def _load_group(context, builder, kinds, args):
    group = builder.load(_address(context, builder, kinds, args, _GROUP), align=4)
    return _shuffled(builder, group, group, range(LANES))


@_compiles(splat_row, lambda A, i, f: _vector, types.Array, types.Integer, types.Integer)
def _splat_row(context, builder, kinds, args):
    return _spread(builder, builder.load(_element(context, builder, kinds, args)), LANES)


@_compiles(prefetch_row, lambda A, i, f: types.none, types.Array, types.Integer, types.Integer)
def _prefetch_row(context, builder, kinds, args):
    byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", (byte_pointer,), kind)
    address = builder.bitcast(_element(context, builder, kinds, args), byte_pointer)
    to_read, into_all_caches, data = number(0), number(3), number(1)
    builder.call(prefetch, [address, to_read, into_all_caches, data])
    return context.get_dummy_value()


@_compiles(store, lambda a, f, v: types.none, types.Array, types.Integer, _Vector)
@_compiles(store_row, lambda A, i, f, v: types.none, types.Array, types.Integer, types.Integer, _Vector)
def _store(context, builder, kinds, args):
    builder.store(args[-1], _address(context, builder, kinds[:-1], args[:-1]), align=4)
    return context.get_dummy_value()


@_compiles(store_group, lambda a, k, v: types.none, types.Array, types.Integer, _Vector)
def _store_group(context, builder, kinds, args):
    half = _shuffled(builder, args[-1], args[-1], range(LANES // 2))
    builder.store(half, _address(context, builder, kinds[:-1], args[:-1], _GROUP), align=4)
    return context.get_dummy_value()


@_compiles(store_draws, lambda a, k, n, state: types.none, types.Array, types.Integer, types.Integer, types.uint64)
def _store_draws(context, builder, kinds, args):
    def all_lanes(x: int) -> Any:
        return ir.Constant(_WORDS, [x] * (LANES // 2))

    n = _spread(builder, context.cast(builder, args[2], kinds[2], types.uint64), LANES // 2)
    state = _spread(builder, args[3], LANES // 2)
    # As `mix` and `draw_below` in random.py.
    z = builder.add(state, ir.Constant(_WORDS, [(INCREMENT + g) % 2**64 for g in range(LANES // 2)]))
    for shift, factor in zip(SHIFTS, MULTIPLIERS, strict=False):
        z = builder.mul(builder.xor(z, builder.lshr(z, all_lanes(shift))), all_lanes(factor))
    bits = builder.xor(z, builder.lshr(z, all_lanes(SHIFTS[-1])))
    draws = builder.lshr(builder.mul(builder.lshr(bits, all_lanes(32)), n), all_lanes(32))
    builder.store(draws, _address(context, builder, kinds[:2], args[:2], _WORDS), align=8)
    return context.get_dummy_value()


@_compiles(add, lambda a, b: _vector, _Vector, _Vector)
def _add(context, builder, kinds, args):
    return builder.fadd(args[0], args[1], flags=_FUSE)


@_compiles(subtract, lambda a, b: _vector, _Vector, _Vector)
def _subtract(context, builder, kinds, args):
    return builder.fsub(args[0], args[1], flags=_FUSE)


@_compiles(multiply, lambda a, b: _vector, _Vector, _Vector)
def _multiply(context, builder, kinds, args):
    return builder.fmul(args[0], args[1], flags=_FUSE)


@_compiles(multiply_add, lambda a, b, c: _vector, _Vector, _Vector, _Vector)
def _multiply_add(context, builder, kinds, args):
    return builder.fadd(builder.fmul(args[0], args[1], flags=_FUSE), args[2], flags=_FUSE)


@_compiles(any_at_least, lambda a, b: types.boolean, _Vector, _Vector)
def _any_at_least(context, builder, kinds, args):
    lanes = builder.fcmp_ordered(">=", args[0], args[1])
    bits = builder.bitcast(lanes, ir.IntType(LANES))
    return builder.icmp_unsigned("!=", bits, ir.IntType(LANES)(0))


@_compiles(zeros_double, lambda: _double_vector)
def _zeros_double(context, builder, kinds, args):
    return ir.Constant(_DOUBLES, [0.0] * LANES)


@_compiles(multiply_add_double, lambda a, b, c: _double_vector, _Vector, _Vector, _DoubleVector)
def _multiply_add_double(context, builder, kinds, args):
    a, b = (builder.fpext(v, _DOUBLES) for v in args[:2])
    return builder.fadd(builder.fmul(a, b, flags=_FUSE), args[2], flags=_FUSE)


@_compiles(store_rounded, lambda a, f, v: types.none, types.Array, types.Integer, _DoubleVector)
def _store_rounded(context, builder, kinds, args):
    rounded = builder.fptrunc(args[-1], _FLOATS)
    builder.store(rounded, _address(context, builder, kinds[:-1], args[:-1]), align=4)
    return context.get_dummy_value()


@_compiles(total, lambda v: types.float64 if v == _double_vector else types.float32, _Vector)
@_compiles(total, lambda v: types.float64 if v == _double_vector else types.float32, _DoubleVector)
def _total(context, builder, kinds, args):
    rest, n = args[0], LANES
    while n > 1:
        n //= 2
        rest = builder.fadd(_shuffled(builder, rest, rest, range(n)), _shuffled(builder, rest, rest, range(n, 2 * n)))
    return builder.extract_element(rest, ir.Constant(ir.IntType(32), 0))


@_compiles(totals, lambda v0, v1, v2, v3, v4, v5, v6, v7: _vector, *[_Vector] * 8)
def _totals(context, builder, kinds, args):
    sums, run = list(args), LANES
    while run > 1:
        run //= 2
        # Two vectors become one that holds half as many partial sums of each: the first's, then the second's. In the
        # last round one vector is left and meets itself.
        pairs = zip(sums[::2], sums[1::2] or sums, strict=True)
        sums = [_folded(builder, a, b, run) for a, b in pairs]
    return sums[0]


def _folded(builder: Any, a: Any, b: Any, run: int) -> Any:
    lower = [i for i in range(2 * LANES) if i % (2 * run) < run]
    upper = [i + run for i in lower]
    return builder.fadd(_shuffled(builder, a, b, lower), _shuffled(builder, a, b, upper))


def _shuffled(builder: Any, a: Any, b: Any, lanes: Any) -> Any:
    lanes = list(lanes)
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def _spread(builder: Any, x: Any, n: int) -> Any:
    vector = ir.Constant(ir.VectorType(x.type, n), ir.Undefined)
    first = builder.insert_element(vector, x, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, first, first, [0] * n)


def _address(context: Any, builder: Any, kinds: Any, args: Any, vector: Any = _FLOATS) -> Any:
    return builder.bitcast(_element(context, builder, kinds, args), vector.as_pointer())


def _element(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
    """Return the address of array[index] or array[row, column]."""
    array = context.make_array(kinds[0])(context, builder, args[0])
    *row, offset = (
        context.cast(builder, index, kind, types.intp) for index, kind in zip(args[1:], kinds[1:], strict=True)
    )
    if row:
        n_columns = cgutils.unpack_tuple(builder, array.shape)[1]
        offset = builder.add(builder.mul(row[0], n_columns), offset)
    return builder.gep(array.data, [offset])
