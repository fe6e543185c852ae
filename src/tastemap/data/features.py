"""Features: what is known about users or items beside their interactions."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from tastemap.data._encoders import Encoder, as_names, check_use, make_encoders
from tastemap.data._pairs import Rows, freeze_matrix, make_csr, rows_at, rows_of
from tastemap.data._sparse import check_matrix, take_matrix
from tastemap.data.frames import name_of, to_polars, to_series
from tastemap.data.ids import IdMap, add_to_hash, check_ids, name_rows
from tastemap.errors import DataError, NotSupportedError, TastemapWarning, UnknownIdError, name_some

# From so many features on a column of texts that are numbers is looked at.
_MANY = 50


class Features:
    """Named sparse features of users or items. Immutable.

    ids : `IdMap`, external id <-> row
    names : the name of each column of the matrix, e.g. "genre=Action", "year", "title:stori"
    matrix : scipy CSR, float32, (ids, names), canonical, finite, without stored zeros; its arrays are read-only. A row
        may be empty
    encoders : what turns a frame into these features, for `transform`; None where they were given as a matrix

    ``len`` is the number of ids. ``a | b`` puts the features of two tables side by side, over the ids of either: those
    of ``a`` first. Made by `from_frame`, `from_csr` and `text_features`; the constructor takes a matrix that is already
    as described here, does not copy it, and raises DataError for another.
    """

    def __init__(
        self, matrix: sp.csr_matrix, ids: IdMap, names: Sequence[str], encoders: Sequence[Encoder] | None = None
    ) -> None:
        self.names = tuple(names)
        check_matrix(matrix, (len(ids), len(self.names)))
        self.matrix = freeze_matrix(matrix)
        self.ids = ids
        self.encoders = None if encoders is None else tuple(encoders)
        if len(set(self.names)) < len(self.names):
            counts = pl.Series(self.names).value_counts().filter(pl.col("count") > 1)
            repeated = counts.to_series().sort()
            raise DataError(f"features must have distinct names, but repeat {name_some(repeated)}: rename a column")

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        id: str,
        columns: str | Sequence[str],
        separator: str | Mapping[str, str] | None = None,
        categorical: str | Sequence[str] = (),
        bins: Mapping[str, int] | None = None,
        scale: bool = True,
    ) -> Features:
        """Read a frame with one row an id.

        df : pandas, polars, lazy or pyarrow frame, DuckDB relation, dict of columns; whatever narwhals reads
        id : the column of ids, integers or strings
        columns : the columns that become features, by their type:
            strings, categories, booleans : one feature for each value, "column=value"
            lists of these or of integers : the same, where a row has several values
            numbers : one feature, "column", the number standardised to mean 0 and variance 1 over the rows that have
                it, and cut off at 3 standard deviations
        separator : what stands between the values of one string, e.g. "|" in "Action|Sci-Fi", which is then read as a
            list; for all string columns, or {column: separator}. Spaces around a value are dropped
        categorical : columns of integers that are codes: one feature for each value
        bins : {column: n}: cut the numbers of a column into n ranges of about equally many rows, one feature for each
        scale : scale the features that a column gives a row to unit length, so that three genres together weigh as much
            as one, and standardise numbers. False keeps every 1 and every number as it is

        A null, and an empty string or list, gives no feature; a row may have no features at all. Features are ordered
        by column, then value. `transform` gives new rows the same features.

        The repr says how many features each column makes. A warning names the odd values of a column of texts that
        makes many features, where most of its values are numbers.

        Raises DataError naming the column, the first offending rows (from 0) and the remedy, for ids that are missing
        or repeated, numbers that are not finite, columns that are unknown, without values or of other types.
        """
        names = as_names(columns)
        check_use(id, names)
        table = to_polars(df, [id, *names])
        if table.is_empty():
            raise DataError("there are no rows: features need at least one")
        ids = ids_of(table, id)
        encoders = make_encoders(
            table[names],
            separator=separator,
            categorical=as_names(categorical, "categorical"),
            bins=bins or {},
            scale=scale,
        )
        for encoder in encoders:
            if len(encoder.names) >= _MANY:
                _warn_of_numbers(table[encoder.columns[0]], len(encoder.names))
        return cls.from_parts(ids, encoders, [encoder.encode(table) for encoder in encoders])

    @classmethod
    def from_csr(cls, matrix: Any, *, ids: Any, names: Sequence[str] | None = None) -> Features:
        """Take a scipy sparse matrix, ids x features, with its values as they are; it is copied.

        ids : `IdMap` or ids, one for each row
        names : distinct strings, one for each column; None numbers the columns from "0"

        Entries stored twice are summed, as SciPy reads them. Raises DataError for values that are not finite, for
        indices outside the matrix and for ids or names of another number.
        """
        own = take_matrix(matrix, "ids x features")
        n_rows, n_columns = own.shape
        own_ids = ids if isinstance(ids, IdMap) else IdMap(ids, name_of(ids, "id"))
        if len(own_ids) != n_rows:
            raise DataError(f"ids must name the {n_rows} rows of the matrix, got {len(own_ids)} ids")
        own_names = [str(column) for column in range(n_columns)] if names is None else list(names)
        if len(own_names) != n_columns:
            raise DataError(f"names must name the {n_columns} columns of the matrix, got {len(own_names)} names")
        for name in own_names:
            if not isinstance(name, str):
                raise DataError(f"names must be strings, got {name!r}")
        return cls(_make_canonical(own), own_ids, own_names)

    @classmethod
    def from_parts(cls, ids: IdMap, encoders: Sequence[Encoder], parts: Sequence[sp.csr_matrix]) -> Features:
        """Put the matrices that the encoders made side by side; raises DataError where a value is not finite."""
        matrix = sp.hstack(parts, format="csr", dtype=np.float32)
        return cls(_make_canonical(matrix), ids, [name for encoder in encoders for name in encoder.names], encoders)

    def transform(self, frame: Any) -> Features:
        """Return the same features for other rows, made and scaled as these were; values not known here are ignored.

        frame : of any kind, with the id column and the columns from which these features were made

        Raises NotSupportedError where the features were given as a matrix, DataError as `from_frame` does.
        """
        if self.encoders is None:
            raise NotSupportedError(
                "features given as a matrix (from_csr) cannot be made of a frame: make the new ones as you made these "
                "and pass names=features.names"
            )
        columns = dict.fromkeys(column for encoder in self.encoders for column in encoder.columns)
        table = to_polars(frame, [self.ids.name, *columns])
        return self.from_parts(
            ids_of(table, self.ids.name), self.encoders, [encoder.encode(table) for encoder in self.encoders]
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        per_row = self.matrix.nnz / max(1, len(self))
        text = f"Features: {len(self):,} ids of {self.ids.name!r}, {self.n_features:,} features, {per_row:.1f} a row"
        if self.encoders is None:
            return text
        counts = [f"{', '.join(own.columns)} {len(own.names):,}" for own in self.encoders]
        return f"{text}: {', '.join(counts)}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Features):
            return NotImplemented
        mine, its = self._rows, other._rows
        return (
            self.ids == other.ids
            and self.names == other.names
            and np.array_equal(mine.indptr, its.indptr)
            and np.array_equal(mine.indices, its.indices)
            and np.array_equal(mine.data, its.data)
        )

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: Features) -> Features:
        if not isinstance(other, Features):
            return NotImplemented
        shared = sorted({*self.names} & {*other.names})
        if shared:
            raise DataError(f"both tables have features called {name_some(shared)}: leave the column out of one")
        ids = self.ids.extend(other.ids)
        parts = [_as_matrix(table.align(ids), table.n_features) for table in (self, other)]
        encoders = None if self.encoders is None or other.encoders is None else (*self.encoders, *other.encoders)
        matrix = _make_canonical(sp.hstack(parts, format="csr", dtype=np.float32))
        return Features(matrix, ids, (*self.names, *other.names), encoders)

    @property
    def n_features(self) -> int:
        """The number of features."""
        return len(self.names)

    @cached_property
    def _rows(self) -> Rows:
        return rows_of(self.matrix)

    def align(self, ids: IdMap) -> Rows:
        """Return the features as CSR arrays over the rows of another id map; ids without features get empty rows.

        Raises UnknownIdError where the ids are of another type.
        """
        return self._rows if ids == self.ids else rows_at(self._rows, self.ids.find(ids.ids))

    def only(self, ids: Any) -> Features:
        """Return the features of these ids alone, in this order; raises UnknownIdError for ids that are not here."""
        wanted = to_series(ids, self.ids.name)
        rows = self.ids.find(wanted)
        if len(rows) and rows.min() < 0:
            unknown = wanted.gather(np.flatnonzero(rows < 0))
            raise UnknownIdError(
                f"{len(unknown)} of {len(rows)} {self.ids.name} values have no features: "
                f"{name_some(unknown.unique(maintain_order=True))}. Leave them out."
            )
        kept = IdMap(self.ids.take(rows), self.ids.name)
        return Features(_as_matrix(rows_at(self._rows, rows), self.n_features), kept, self.names, self.encoders)

    def fingerprint(self) -> str:
        """Return a hash of the matrix, the ids and the names, as 32 hexadecimal digits; computed once."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for array in self._rows:
            digest.update(np.ascontiguousarray(array).data)
        add_to_hash(digest, self.ids.ids)
        add_to_hash(digest, pl.Series(self.names, dtype=pl.String))
        return digest.hexdigest()


def _warn_of_numbers(column: pl.Series, n_features: int) -> None:
    """Warn where most values of a column of texts, which make a feature each, are numbers."""
    if column.dtype != pl.String:
        return
    texts = column.str.strip_chars()
    is_text = (texts != "").fill_null(False)
    odd = (is_text & texts.cast(pl.Float64, strict=False).is_null()).arg_true()
    n_texts = int(is_text.sum())
    if 2 * (n_texts - len(odd)) <= n_texts:
        return
    some = f": it is text because of {name_some(column.gather(odd).unique(maintain_order=True))} in {name_rows(odd)}"
    warnings.warn(
        TastemapWarning(
            f"column {column.name!r} makes {n_features:,} features, one for each value, though most values are numbers"
            f"{some if len(odd) else ''}",
            f"make it a column of numbers, e.g. pl.col({column.name!r}).cast(pl.Float64, strict=False), in pandas "
            f"pandas.to_numeric(frame[{column.name!r}], errors='coerce')",
            column=column.name,
            rows=odd.to_numpy(),
            features=n_features,
        ),
        stacklevel=3,
    )


def ids_of(table: pl.DataFrame, name: str) -> IdMap:
    """Return the ids of a table's rows; raise DataError where they are missing or repeated."""
    ids = check_ids(table[name], name)
    repeated = ids.is_duplicated()
    if repeated.any():
        first = ids.filter(repeated)[0]
        raise DataError(
            f"column {name!r} has {first!r} in {name_rows((ids == first).arg_true())} (ids that come more than once: "
            f"{ids.filter(repeated).n_unique()}): features need one row an id, so merge or drop the others"
        )
    return IdMap(ids, name)


def _make_canonical(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Return the matrix with sorted rows and no stored zeros; raise DataError where a value is not finite."""
    matrix.sum_duplicates()
    bad = np.flatnonzero(~np.isfinite(matrix.data))
    if len(bad):
        rows = np.unique(np.searchsorted(matrix.indptr, bad, side="right") - 1)
        raise DataError(
            f"the matrix has values that are not finite, {matrix.data[bad[0]]} in {name_rows(rows)}: fill them"
        )
    matrix.eliminate_zeros()
    return make_csr(matrix.indptr, matrix.indices, matrix.data, matrix.shape[1])


def _as_matrix(rows: Rows, n_columns: int) -> sp.csr_matrix:
    return make_csr(rows.indptr, rows.indices, rows.data, n_columns)


def check_features(purpose: str, features: object) -> None:
    """Raise DataError where something other than Features or None was passed to ``purpose``."""
    if features is not None and not isinstance(features, Features):
        raise DataError(
            f"{purpose} takes tastemap.Features, got {type(features).__name__}: make them with Features.from_frame, "
            "Features.from_csr or text_features"
        )
