"""What people's data are like at their oddest: ids, weights, times and shapes, as plain Python values."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAN, INF = float("nan"), float("inf")

# Whole numbers at the ends of the types that hold ids.
ENDS = [0, 1, -1, 2**31 - 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, 10**30]

# Texts that some program reads as something else: numbers, nothing, dates, commands, other columns.
TEXTS = [
    "", " ", "0", "00", "007", "1", "+1", "1.0", "1e5", "-0", "nan", "NaN", "NA", "N/A", "null", "NULL", "None", "\\N",
    "inf", "true", "2020-01-01", "=1+1", "@x", "-1", "a", "b", "A", "ä", "a\u0308", "é", "ß", "İ", "日本", "עברית",
    "\u202eabc", "\x00", "a\x00b", "\ud800", "x\udcffy", "\x1b[31m", "\x1b]0;t\x07", "\x9b1m", "\ufeff", "a,b", 'q"q',
    "l\nl", "l\rl", "t\tt", "a;b", "a|b", "'", "\\", "*", "^a.*$", "[x]", "{y}", "%s", "x" * 300, "🙂", "\u200b",
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from(TEXTS), st.text(max_size=4), st.integers(0, 20).map(str)
)
small = st.integers(0, 8)


def is_missing(text: str) -> bool:
    """Tell whether a text stands for a missing value in some program."""
    return text.strip().lower() in ("", "na", "n/a", "<na>", "nan", "null", "none", "\\n")


integers = st.one_of(small, st.sampled_from(ENDS), st.integers(-(2**63), 2**64 - 1))

WEIGHTS = [0.0, -0.0, 1.0, 2.0, 0.5, 5.0, 1e-3, 1e-8, 1e-30, 1e-40, 5e-324, 1e6, 1e12, 3e38, 3.5e38, 1e300, -1.0]
weights = st.one_of(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]), st.sampled_from(WEIGHTS), st.floats(0, 100, width=32))
odd_weights = st.one_of(weights, st.sampled_from([NAN, INF, -INF, -5.0, None]))

# One object of each kind that people pass by mistake.
WRONG: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 10, 10**6, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.0, -0.0, 0.5, 1.0, 2.5,
    1e-12, 1e38, 1e39, 1e308, NAN, INF, -INF, "", "1", "a", "none", "nan", "x" * 5000, b"x", [], [1], [0, 1], ["a"],
    (), {},
    {"a": 1}, [[1]], [None], 1j, ..., {1, 2}, range(3), "\ud800",
    "a\nb", "\x1b[31m",
]  # fmt: skip
wrong = st.sampled_from(WRONG)


@st.composite
def pairs(draw: st.DrawFn, most: int = 40, distinct: bool = True) -> list[tuple[int, int]]:
    """Return pairs of numbers of a user and an item: scattered, one user, one item, a grid, a diagonal."""
    shape = draw(st.sampled_from(["scattered"] * 4 + ["one user", "one item", "grid", "diagonal", "one pair"]))
    n_users, n_items = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    if shape == "one pair":
        return [(0, 0)]
    if shape == "one user":
        return [(0, i) for i in range(n_items)]
    if shape == "one item":
        return [(u, 0) for u in range(n_users)]
    if shape == "diagonal":
        return [(u, u) for u in range(n_users)]
    grid = [(u, i) for u in range(n_users) for i in range(n_items)]
    if shape == "grid":
        return grid[: 2 * most]
    chosen = st.lists(st.sampled_from(grid), min_size=1, max_size=most, unique=distinct)
    return draw(chosen)


@st.composite
def ids(draw: st.DrawFn, n: int) -> list[Any]:
    """Return so many distinct ids: small numbers, large ones, plain texts or odd ones."""
    kind = draw(st.sampled_from(["small", "small", "large", "letters", "texts"]))
    if kind == "small":
        return list(range(n))
    if kind == "letters":
        return [f"i{place}" for place in range(n)]
    signed = draw(st.booleans())
    low, high = (-(2**63), 2**63 - 1) if signed else (0, 2**64 - 1)
    fitting = [end for end in ENDS if low <= end <= high]
    of_kind: Any = st.one_of(st.sampled_from(fitting), st.integers(low, high))
    if kind == "texts":
        readable = [text for text in TEXTS if text.isprintable() and text.strip() and not is_missing(text)]
        of_kind = st.one_of(st.sampled_from(readable), st.text(st.characters(codec="utf-8"), min_size=1, max_size=4))
        of_kind = of_kind.filter(lambda text: not is_missing(text))
    return draw(st.lists(of_kind, min_size=n, max_size=n, unique=True))


def columns(found: list[tuple[int, int]]) -> tuple[int, int]:
    """Return how many users and items pairs have."""
    return 1 + max(u for u, _ in found), 1 + max(i for _, i in found)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Return columns of users, items and weights that every model should be able to learn from."""
    found = draw(pairs())
    n_users, n_items = columns(found)
    users, items = draw(ids(n_users)), draw(ids(n_items))
    kind = draw(st.sampled_from(["ones", "ratings", "any", "equal", "none"]))
    allowed = weights.filter(lambda w: w == 0 or 1e-38 <= w <= 3e38)
    each: Any = {
        "ones": st.just(1.0),
        "none": st.just(1.0),
        "ratings": st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]),
        "any": allowed,
        "equal": st.just(draw(allowed)),
    }[kind]
    table: dict[str, list[Any]] = {"user": [users[u] for u, _ in found], "item": [items[i] for _, i in found]}
    if kind != "none":
        table["weight"] = [draw(each) for _ in found]
    return table
