"""Files of searches: damaged bytes, and tables edited from outside; refused, or gone on from."""

from __future__ import annotations

import math
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw
from fuzz.checkpoints import usual_data
from fuzz.mutation import mutate, some_mutations
from fuzz.verdict import NotMade, ensure

_TABLES = ["trials", "trial_values", "trial_params", "trial_user_attributes", "trial_intermediate_values"]
_TABLES += ["studies", "study_user_attributes", "study_directions", "version_info", "alembic_version"]
_VALUES = [
    None,
    -1,
    0,
    1,
    99,
    2**62,
    0.5,
    b"x",
    *["x", "RUNNING", "COMPLETE", '"x"', "[]", "null", "NaN", "{}", "1e999"],
    "",
]

_edit = st.tuples(
    st.sampled_from(["update", "update", "update", "delete", "drop", "insert"]),
    st.sampled_from(_TABLES),
    st.floats(0, 1),
    st.one_of(st.sampled_from(_VALUES), draw.texts.filter(str.isprintable)),
)

INPUTS = st.one_of(
    st.fixed_dictionaries({"edits": st.lists(_edit, min_size=1, max_size=2)}),
    st.fixed_dictionaries({"edits": st.lists(_edit, min_size=1, max_size=2)}),
    st.fixed_dictionaries({"bytes": some_mutations}),
)


def _tune(path: Path) -> Any:
    space = {"shrinkage": [0.0, 1.0, 10.0], "neighbours": tm.Range(1, 5), "similarity": None}
    return tm.tune(tm.ItemKNN(), usual_data(), trials=3, sampler="random", space=space, study=path, progress=False)


@cache
def _base() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        _tune(Path(folder, "study"))
        return Path(folder, "study").read_bytes()


def check(value: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "study")
        path.write_bytes(mutate(_base(), value.get("bytes", [])))
        if "edits" in value:
            _edit_tables(path, value["edits"])
        found = _tune(path)
        ensure(math.isfinite(found.score), "a score is not finite")
        ensure(len(found.trials) >= 3, "trials are missing")
        str(found)
        found.model.recommend(k=2)


def _edit_tables(path: Path, edits: list[Any]) -> None:
    try:
        with closing(sqlite3.connect(path)) as database, database:
            for kind, table, share, value in edits:
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                column = columns[min(int(share * len(columns)), len(columns) - 1)]
                one = f"rowid = (SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {int(share * 2)})"
                if kind == "update":
                    database.execute(f"UPDATE {table} SET {column} = ? WHERE {one}", (value,))
                elif kind == "delete":
                    database.execute(f"DELETE FROM {table} WHERE {one}")
                elif kind == "drop":
                    database.execute(f"DROP TABLE {table}")
                else:
                    names = ", ".join(columns[1:])
                    database.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} LIMIT 1")
    except (sqlite3.Error, IndexError, OverflowError) as error:
        raise NotMade from error
