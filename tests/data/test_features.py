from __future__ import annotations

import pickle
import re
from collections import ChainMap
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import tastemap as tm
from reference import features as reference
from tastemap.data.features import Features
from tastemap.data.ids import IdMap
from tastemap.errors import DataError, NotSupportedError, UnknownIdError

NAN, INF = float("nan"), float("inf")

MOVIES: dict[str, list[Any]] = {
    "movie": [7, 3, 9, 4],
    "genres": ["Drama|Comedy", "Drama", None, ""],
    "studio": ["b", "a", "b", None],
    "adult": [False, True, None, False],
    "year": [1990, 2000, None, 1980],
}


def movies(*columns: str, **options: Any) -> Features:
    return Features.from_frame(MOVIES, id="movie", columns=list(columns), separator={"genres": "|"}, **options)


def rows_of(features: Features) -> list[dict[str, float]]:
    """Each row's features that are not zero."""
    dense = features.matrix.toarray()
    return [{name: float(x) for name, x in zip(features.names, row, strict=True) if x} for row in dense]


def test_columns_become_features_by_their_type() -> None:
    features = movies("genres")
    assert features.names == ("genres=Comedy", "genres=Drama")
    half = np.float32(1 / np.sqrt(2))
    assert features.matrix.toarray().tolist() == [[half, half], [0, 1], [0, 0], [0, 0]]
    assert list(features.ids) == [7, 3, 9, 4]
    both = Features.from_frame(MOVIES, id="movie", columns=["studio", "adult"])
    assert both.names == ("studio=a", "studio=b", "adult=false", "adult=true")
    assert both.matrix.toarray().tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]]
    year = Features.from_frame(MOVIES, id="movie", columns="year")
    deviation = np.sqrt(200 / 3)
    np.testing.assert_allclose(year.matrix.toarray().ravel(), [0, 10 / deviation, 0, -10 / deviation], rtol=1e-6)
    assert (len(both), both.n_features) == (4, 4)
    assert repr(both) == "Features: 4 ids of 'movie', 4 features, 1.5 a row: studio 2, adult 2"


def test_the_matrix_is_canonical_float32_csr_and_cannot_be_written() -> None:
    features = movies("year", "genres")
    assert features.matrix.dtype == np.float32
    assert features.matrix.has_canonical_format
    features.matrix.tocoo().tocsr().check_format()
    assert (features.matrix.data != 0).all()
    aligned = features.align(IdMap([3, 8, 7]))
    for array in (features.matrix.data, features.matrix.indices, features.matrix.indptr, *aligned):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    assert [array.dtype for array in aligned] == [np.int64, np.int32, np.float32]


VALUES = st.sampled_from(["a", "b", "cc", "é", "", None])


@given(
    st.lists(
        st.tuples(
            VALUES,
            st.lists(VALUES, max_size=4),
            st.none() | st.integers(-5, 5),
            st.none() | st.floats(-1e6, 1e6, width=32),
            st.none() | st.booleans(),
        ),
        min_size=1,
        max_size=20,
    ),
    st.booleans(),
)
@settings(max_examples=50)
def test_every_row_equals_the_naive_encoding(drawn: list[tuple[Any, ...]], scale: bool) -> None:
    rows = [("a", ["b"], 3, 0.5, True), *drawn]  # no column without values
    word, many, code, number, flag = (list(column) for column in zip(*rows, strict=True))
    frame = pl.DataFrame(
        {
            "id": [f"m{row}" for row in range(len(rows))],
            "word": word,
            "list": many,
            "text": [None if row % 5 == 4 else " | ".join(v or "" for v in values) for row, values in enumerate(many)],
            "code": code,
            "number": pl.Series(number, dtype=pl.Float64),
            "flag": flag,
        }
    )
    features = Features.from_frame(
        frame,
        id="id",
        columns=["word", "list", "text", "code", "number", "flag"],
        separator={"text": "|"},
        categorical=["code"],
        scale=scale,
    )
    texts = [[] if row % 5 == 4 else values for row, values in enumerate(many)]
    parts = [
        reference.hots("word", [[value] for value in word], scale),
        reference.hots("list", many, scale),
        reference.hots("text", texts, scale),
        reference.hots("code", [[] if value is None else [str(value)] for value in code], scale),
        reference.standardised("number", number) if scale else [{"number": v} if v else {} for v in number],
        reference.hots("flag", [[] if value is None else [str(value).lower()] for value in flag], scale),
    ]
    expected = [dict(ChainMap(*row)) for row in zip(*parts, strict=True)]
    for ours, theirs in zip(rows_of(features), expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    assert features.transform(frame) == features
    some = frame[::-2]
    assert features.transform(some) == features.only(some["id"])


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(2, 6))
def test_bins_cut_numbers_into_ranges_that_are_not_empty(numbers: list[int], n: int) -> None:
    frame = {"id": range(len(numbers)), "x": numbers}
    features = Features.from_frame(frame, id="id", columns=["x"], bins={"x": n})
    assert 1 <= features.n_features <= n
    dense = features.matrix.toarray()
    assert (dense.sum(axis=1) == 1).all()
    assert dense.sum(axis=0).all()
    for number, name in zip(numbers, np.array(features.names)[dense.argmax(axis=1)], strict=True):
        low, high = re.fullmatch(r"(?:(\d+)<=)?x(?:<(\d+))?", name).groups()
        assert int(low or 0) <= number < int(high or 31)


def test_bins_hold_about_equally_many_rows_and_are_open_at_both_ends() -> None:
    frame = {"id": range(90), "year": [1900 + i for i in range(90)], "x": [i / 4 for i in range(90)]}
    features = Features.from_frame(frame, id="id", columns=["year", "x"], bins={"year": 3, "x": 2})
    assert features.names == ("year<1930", "1930<=year<1960", "1960<=year", "x<11.25", "11.25<=x")
    assert features.matrix.sum(axis=0).tolist() == [[30, 30, 30, 45, 45]]
    far = features.transform({"id": ["a", "b"], "year": [-5, 9_999], "x": [11.25, None]})
    assert far.matrix.toarray().tolist() == [[1, 0, 0, 0, 1], [0, 0, 1, 0, 0]]


def test_more_bins_than_numbers_are_as_many_as_there_are_numbers() -> None:
    movies = {"movie": [1, 2, 3, 4], "year": [1990.0, 2000.0, 2000.0, 2010.0]}
    many, few = (Features.from_frame(movies, id="movie", columns="year", bins={"year": n}) for n in (10**12, 4))
    assert many == few
    assert many.names == ("year<2000", "2000<=year<2010", "2010<=year")


def test_far_numbers_are_clipped_and_a_constant_column_is_zero() -> None:
    features = Features.from_frame({"id": range(100), "x": [0] * 99 + [1], "y": [5] * 100}, id="id", columns=["x", "y"])
    assert features.matrix[99, 0] == 3
    assert features.matrix[:, 1].nnz == 0
    assert features.transform({"id": [0], "x": [-1e30], "y": [6]}).matrix.toarray().tolist() == [[-3, 0]]
    plain = Features.from_frame({"id": [1, 2], "x": [-1e30, 4]}, id="id", columns=["x"], scale=False)
    assert plain.matrix.toarray().ravel().tolist() == [np.float32(-1e30), 4]


def test_new_rows_get_the_same_features_and_what_is_unknown_is_ignored() -> None:
    features = movies("genres", "year")
    new = features.transform({"movie": [1, 2], "year": [2000, None], "genres": ["Comedy|War", "War"]})
    assert new.names == features.names
    assert new.matrix[0, 0] == 1  # the one genre of two that is known
    assert new.matrix[0, 2] == features.matrix[1, 2]
    assert new.matrix[1].nnz == 0
    assert len(features.transform({"movie": [], "year": [], "genres": []})) == 0
    nulls = features.transform({"movie": ["x"], "year": [None], "genres": [None]})
    assert nulls.matrix.nnz == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"genres": [1]}, "column 'genres' held strings when its features were made and holds Int64 now: cast it"),
        ({"genres": [["War"]]}, "column 'genres' held strings when its features were made and holds List(String) now"),
        ({"year": ["1990"]}, "column 'year' held numbers when its features were made and holds String now: cast it"),
        ({"year": [INF]}, "column 'year' has values that are not finite, inf in row 0"),
        ({"movie": [None]}, "column 'movie' has no id in row 0"),
    ],
)
def test_new_rows_of_another_type_are_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        movies("genres", "year").transform({"movie": [1], "genres": ["War"], "year": [1990], **columns})
    with pytest.raises(DataError, match="there is no column 'genres', only 'movie'"):
        movies("genres", "year").transform({"movie": [1]})


@pytest.mark.parametrize(
    "ids",
    [[4, 7, 100, 3, 9], [100, 200], [7, 3, 9, 4], [3, 4, 7, 9], []],
    ids=["some", "none", "same", "another order", "empty"],
)
def test_rows_are_aligned_with_another_map(ids: list[int]) -> None:
    features, other = movies("genres", "year"), IdMap(pl.Series(ids, dtype=pl.Int64))
    aligned = features.align(other)
    dense = sp.csr_matrix((aligned.data, aligned.indices, aligned.indptr), (len(ids), features.n_features)).toarray()
    known = dict(zip(features.ids, features.matrix.toarray().tolist(), strict=True))
    assert dense.tolist() == [known.get(value, [0] * features.n_features) for value in ids]
    back = Features.from_csr(sp.csr_matrix(dense), ids=other, names=features.names)
    assert back == features.only(ids) if set(ids) <= set(features.ids) else back != features


def test_ids_of_another_type_are_refused() -> None:
    with pytest.raises(UnknownIdError, match="movie values are integers here and never cast, got 'a' of type str"):
        movies("genres").align(IdMap(["a"]))
    with pytest.raises(UnknownIdError, match="never cast"):
        movies("genres") | Features.from_csr(sp.eye(1), ids=["a"])


def test_only_some_ids_are_kept_in_the_order_asked() -> None:
    features = movies("genres", "year")
    some = features.only([4, 7])
    assert list(some.ids) == [4, 7]
    np.testing.assert_array_equal(some.matrix.toarray(), features.matrix.toarray()[[3, 0]])
    assert some.transform(MOVIES) == features
    message = "2 of 3 movie values have no features: 8, 5. Leave them out."
    with pytest.raises(UnknownIdError, match=re.escape(message)):
        features.only([8, 7, 5])


def test_two_tables_stand_side_by_side_over_the_ids_of_either() -> None:
    left = movies("genres")
    right = Features.from_frame({"movie": [5, 9], "tag": ["x", "y"]}, id="movie", columns=["tag"])
    union = left | right
    assert list(union.ids) == [7, 3, 9, 4, 5]
    assert union.names == ("genres=Comedy", "genres=Drama", "tag=x", "tag=y")
    expected = np.zeros((5, 4), np.float32)
    expected[:4, :2] = left.matrix.toarray()
    expected[[4, 2], [2, 3]] = 1
    np.testing.assert_array_equal(union.matrix.toarray(), expected)
    assert union.transform({"movie": [1], "genres": ["Drama"], "tag": ["y"]}).matrix.toarray().tolist() == [
        [0, 1, 0, 1]
    ]
    with pytest.raises(DataError, match=r"both tables have features called 'genres=Comedy', 'genres=Drama': leave"):
        left | left
    with pytest.raises(TypeError):
        left | 3


def test_a_matrix_is_taken_as_it_is_but_has_no_encoding_of_new_rows() -> None:
    matrix = sp.coo_matrix(([1.0, 2.0, 0.0, 0.5], ([0, 0, 1, 2], [1, 1, 0, 0])), shape=(3, 2))
    features = Features.from_csr(matrix, ids=["x", "y", "z"], names=["a", "b"])
    assert rows_of(features) == [{"b": 3.0}, {}, {"a": 0.5}]
    assert features.matrix.nnz == 2
    assert matrix.nnz == 4
    assert Features.from_csr(sp.eye(2), ids=pl.Series("user", [4, 5])).names == ("0", "1")
    assert Features.from_csr(sp.eye(2), ids=pl.Series("user", [4, 5])).ids.name == "user"
    with pytest.raises(NotSupportedError, match="features given as a matrix"):
        features.transform({"id": ["x"]})
    with pytest.raises(NotSupportedError, match="features given as a matrix"):
        (features | Features.from_frame({"id": ["x"], "c": ["u"]}, id="id", columns="c")).transform({"id": ["x"]})


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (np.eye(2), {}, "matrix must be a scipy sparse matrix of ids x features, got a ndarray: wrap"),
        (sp.eye(3), {}, "ids must name the 3 rows of the matrix, got 2 ids"),
        (sp.eye(2), {"names": ["a"]}, "names must name the 2 columns of the matrix, got 1 names"),
        (sp.eye(2), {"names": ["a", 2]}, "names must be strings, got 2"),
        (sp.eye(2), {"names": ["a", "a"]}, "features must have distinct names, but repeat 'a'"),
        (sp.csr_matrix([[0.0, 1.0], [2.0, NAN]]), {}, "the matrix has values that are not finite, nan in row 1"),
        (sp.csr_matrix([[1e300, 1.0], [2.0, INF]]), {}, "the matrix has values that are not finite, inf in rows 0, 1"),
        (sp.eye(2), {"ids": [1, 1]}, "ids must be distinct, but 'id' repeats 1"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_refused(matrix: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        Features.from_csr(matrix, **{"ids": [1, 2], **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "options", "message"),
    [
        ("id", [1, 2, 1], {}, "column 'id' has 1 in rows 0, 2 (ids that come more than once: 1): features need"),
        ("id", [1, None, 2], {}, "column 'id' has no id in row 1"),
        ("id", [1.5, 2.5, 3.5], {}, "column 'id' holds Float64 values (1.5, 2.5, 3.5 in rows 0, 1, 2), and ids"),
        ("x", [1.0, NAN, NAN], {}, "column 'x' has values that are not finite, nan in rows 1, 2: fill them"),
        ("x", [None, 1.0, INF], {}, "column 'x' has values that are not finite, inf in row 2"),
        ("x", [1.0, 1e300, 2.0], {}, "column 'x' has numbers too large to average"),
        ("x", [1.0, 1e300, 2.0], {"scale": False}, "column 'x' has numbers too large for 32-bit floats"),
        ("x", [None, None, None], {}, "column 'x' has no value in any row: leave it out"),
        ("x", ["", None, ""], {}, "column 'x' has no value in any row"),
        ("x", [[], [], None], {}, "column 'x' has no value in any row"),
        ("x", pl.Series([None] * 3, dtype=pl.Int64), {}, "column 'x' has no value in any row"),
        ("x", pl.Series([None] * 3, dtype=pl.Int64), {"bins": {"x": 2}}, "column 'x' has no value in any row"),
        ("x", [date(2020, 1, 1)] * 3, {}, "column 'x' holds Date values (datetime.date(2020, 1, 1), "),
        ("x", [[0.5], [1.5], [2.5]], {}, "make no features: pass a matrix of them to Features.from_csr"),
        ("x", [{"a": 1}] * 3, {}, "column 'x' holds Struct({'a': Int64}) values"),
        ("x", [0.5, 1.5, 2.5], {"categorical": ["x"]}, "column 'x' holds Float64 values (0.5, 1.5), which make no"),
        ("x", ["a", "b", "c"], {"bins": {"x": 2}}, "bins cuts numbers, and column 'x' holds String values: cast"),
        ("x", [1, 2, 3], {"separator": {"x": "|"}}, "separator cuts strings, and column 'x' holds Int64 values"),
    ],
)
def test_columns_that_make_no_features_are_refused_with_rows_and_remedy(
    column: str, values: Any, options: dict[str, Any], message: str
) -> None:
    frame = {"id": [1, 2, 3], "x": ["a", "b", "c"], column: values}
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        Features.from_frame(frame, id="id", columns=["x"], **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": []}, "columns must name at least one column"),
        ({"columns": ["year", "year"]}, "each column has one use, got 'movie', 'year', 'year'"),
        ({"columns": ["movie"]}, "each column has one use, got 'movie', 'movie'"),
        ({"separator": {"genres": "|"}}, "separator names 'genres', which is not among columns: 'year'"),
        ({"categorical": "genres"}, "categorical names 'genres', which is not among columns"),
        ({"bins": {"genres": 3}}, "bins names 'genres', which is not among columns"),
        ({"separator": ""}, "separator must be one or more characters, got ''"),
        ({"bins": 10}, "bins must be a dict of columns and their numbers of ranges, got 10"),
        ({"bins": {"year": 1}}, "bins of 'year' must be a whole number of at least 2, got 1"),
        ({"columns": 5}, "columns must be a text, got 5"),
        ({"columns": ["year", ["genres"]]}, "columns must be a text, got ['genres']"),
        ({"id": None}, "id must be a text, got None"),
        ({"categorical": [1]}, "categorical must be a text, got 1"),
        ({"bins": {"year": True}}, "bins of 'year' must be a whole number of at least 2, got True"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Features.from_frame(MOVIES, **{"id": "movie", "columns": ["year"], **options})


def test_unknown_columns_and_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"there is no column 'genre', only .*; did you mean 'genres'"):
        Features.from_frame(MOVIES, id="movie", columns=["genre"])
    with pytest.raises(DataError, match="there are no rows: features need at least one"):
        Features.from_frame({"id": [], "x": []}, id="id", columns=["x"])


def test_two_columns_may_not_make_one_name() -> None:
    with pytest.raises(DataError, match="features must have distinct names, but repeat 'a=b=c': rename a column"):
        Features.from_frame({"id": [1], "a": ["b=c"], "a=b": ["c"]}, id="id", columns=["a", "a=b"])


FRAME = pl.DataFrame(
    {
        "id": ["u", "v", "w"],
        "kind": pl.Series(["x", None, "y"], dtype=pl.Categorical),
        "age": pl.Series([20, 30, None], dtype=pl.Int16),
        "member": [True, None, False],
        "tags": [["p", "q"], [], None],
    }
)


@pytest.mark.parametrize(
    "wrap",
    [
        pl.DataFrame.lazy,
        lambda frame: frame.to_dict(as_series=False),
        pl.DataFrame.to_arrow,
        lambda frame: pd.DataFrame(frame.to_dict(as_series=False)).convert_dtypes(),
    ],
    ids=["lazy", "dict", "pyarrow", "pandas"],
)
def test_any_kind_of_frame_is_read_alike(wrap: Callable[[pl.DataFrame], Any]) -> None:
    frame, columns = wrap(FRAME), ["kind", "age", "member", "tags"]
    expected = Features.from_frame(FRAME, id="id", columns=columns)
    assert expected.names == ("kind=x", "kind=y", "age", "member=false", "member=true", "tags=p", "tags=q")
    assert Features.from_frame(frame, id="id", columns=columns) == expected
    assert expected.transform(frame) == expected


def test_a_fixed_size_list_is_a_list() -> None:
    arrays = pl.DataFrame({"id": [1, 2], "x": pl.Series([[3, 4], [4, 5]], dtype=pl.Array(pl.Int64, 2))})
    assert Features.from_frame(arrays, id="id", columns=["x"], scale=False).names == ("x=3", "x=4", "x=5")


def test_equality_and_fingerprint_follow_ids_names_and_values() -> None:
    features = movies("genres")
    same = movies("genres")
    assert features == same
    assert features.fingerprint() == same.fingerprint()
    assert re.fullmatch("[0-9a-f]{32}", features.fingerprint())
    matrix = features.matrix
    others = [
        Features.from_csr(matrix, ids=[7, 3, 9, 5], names=features.names),
        Features.from_csr(matrix, ids=features.ids, names=["a", "b"]),
        Features.from_csr(matrix * 2, ids=features.ids, names=features.names),
        features.only([3, 7, 9, 4]),
        movies("genres", scale=False),
    ]
    assert len({other.fingerprint() for other in (features, *others)}) == 6
    assert all(other != features for other in others)
    assert features != 3
    copy = pickle.loads(pickle.dumps(features))
    assert copy == features
    assert copy.transform(MOVIES) == features


def test_movielens_genres_years_and_titles_in_one_table(data_folder: Path) -> None:
    if not (data_folder / "ml-1m" / "movies.dat").exists():
        pytest.skip(f"needs MovieLens 1M: {data_folder / 'ml-1m' / 'movies.dat'} is absent")
    items = tm.datasets.movielens("1m", path=data_folder / "ml-1m").items
    assert items is not None
    items = items.with_columns(year=pl.col("title").str.extract(r"\((\d{4})\)$").cast(pl.Int64))
    known = Features.from_frame(
        items, id="movie_id", columns=["genres", "year"], separator={"genres": "|"}, bins={"year": 10}
    )
    assert len(known) == 3883
    assert sum(name.startswith("genres=") for name in known.names) == 18
    assert known.names[-1] == "1999<=year"
    titles = tm.text_features(items, id="movie_id", columns="title")
    features = known | titles
    toy_story = rows_of(features.only([1]))[0]
    assert set(toy_story) == {
        *("genres=Animation", "genres=Children's", "genres=Comedy", "1995<=year<1996"),
        *("title:toy", "title:stori", "title:1995"),
    }
    assert toy_story["genres=Comedy"] == np.float32(1 / np.sqrt(3))
    assert rows_of(features.only([3114]))[0].keys() >= {"title:toy", "title:stori"}  # Toy Story 2
    assert features.transform(items) == features
    norms = np.sqrt(features.matrix.multiply(features.matrix).sum(axis=1))
    assert norms.min() > 1  # every movie has a genre and a year
    assert norms.max() < np.sqrt(3) + 1e-6


def test_odd_values_that_make_texts_of_numbers_are_named() -> None:
    prices = [f"{n / 10}" for n in range(100)]
    prices[3] = prices[70] = "-"
    frame = {"item": list(range(100)), "price": prices}
    with pytest.warns(tm.TastemapWarning) as caught:
        features = Features.from_frame(frame, id="item", columns="price")
    assert str(caught[0].message).startswith(
        "column 'price' makes 99 features, one for each value, though most values are numbers: it is text because of "
        "'-' in rows 3, 70: make it a column of numbers"
    )
    assert repr(features).endswith("99 features, 1.0 a row: price 99")
    frame["price"] = [f"code {n}" for n in range(100)]
    assert Features.from_frame(frame, id="item", columns="price").n_features == 100
