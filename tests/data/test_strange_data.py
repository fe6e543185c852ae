"""What is passed in place of Interactions is answered with the line that makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.data.frames import as_kind

FILMS = {"userId": [1, 2], "movieId": [2, 3], "rating": [2.0, 3.0], "timestamp": [3, 4]}
LINE = "data = tm.Interactions.from_frame(frame, user='userId', item='movieId', weight='rating', time='timestamp')"


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_frame_is_answered_with_its_own_columns(kind: str) -> None:
    frame = as_kind(pl.DataFrame(FILMS), kind)
    with pytest.raises(tm.DataError) as caught:
        tm.Popular().fit(frame)
    name = type(frame).__name__
    assert (
        str(caught.value) == f"fit takes tastemap.Interactions, got {name}: make them with {LINE}, then call fit(data)"
    )
    line = LINE.removeprefix("data = ")
    assert len(eval(line, {"tm": tm, "frame": frame})) == 2  # the line does what it says


@pytest.mark.parametrize(
    ("value", "way"),
    [
        (FILMS, LINE),
        (pl.LazyFrame(FILMS), LINE),
        (
            pl.DataFrame({"who": [1], "item": [2]}),
            "user=..., item='item'), naming the columns of ids among 'who', 'item'",
        ),
        (
            pl.DataFrame({"user": [1], "item": [2], "rating": ["good"]}),
            "from_frame(frame, user='user', item='item'), then",
        ),
        (sp.eye_array(3).tocoo(), "from_csr(matrix), then"),
        ((sp.eye_array(3), sp.eye_array(3)), "from_csr(matrices[1]), then"),
        (np.eye(9), "from_csr(scipy.sparse.csr_array(matrix)), then"),
        ([("a", 1, 2.0)], "(polars.DataFrame(rows, ['user', 'item', 'rating'], orient='row'), weight='rating')"),
        ([["a", 1]], "(polars.DataFrame(rows, ['user', 'item'], orient='row'))"),
        ("none.csv", "from_file('none.csv', user=..., item=...), then"),
        (None, "make them with Interactions.from_frame, from_file or from_csr"),
        (tm.Popular(), "make them with Interactions.from_frame, from_file or from_csr"),
    ],
)
def test_other_things_are_answered_with_what_is_natural(value: Any, way: str) -> None:
    with pytest.raises(tm.DataError) as caught:
        tm.Popular().fit(value)
    assert way in str(caught.value)
    with pytest.raises(tm.DataError, match=r"^tune takes tastemap.Interactions"):
        tm.tune(tm.SVD(), value)


def test_a_path_is_answered_with_the_columns_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    pl.DataFrame(FILMS).write_csv(path)
    with pytest.raises(tm.DataError, match=r"from_file\('.*films.csv', user='userId', item='movieId', weight='rating'"):
        tm.Popular().fit(path)  # type: ignore[arg-type]


def test_parts_of_a_split_and_data_sets_are_answered_with_their_parts() -> None:
    data = tm.Interactions.from_frame(FILMS, user="userId", item="movieId")
    with pytest.raises(tm.DataError, match="got tuple: pass one of its parts"):
        tm.Popular().fit((data, data))  # type: ignore[arg-type]
    with pytest.raises(tm.DataError, match=r"got Dataset: pass its part \.interactions"):
        tm.Popular().fit(tm.datasets.Dataset(data, None, None, "", ""))  # type: ignore[arg-type]
