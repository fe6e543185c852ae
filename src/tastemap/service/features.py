"""Reads files that describe items or users, and makes features of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from tastemap.data._encoders import Encoder, Hot
from tastemap.data._spelling import respell_ids
from tastemap.data.features import Features
from tastemap.data.frames import check_columns
from tastemap.data.ids import IdMap
from tastemap.datasets import read_movies
from tastemap.errors import DataError, NotSupportedError, Remedy, name_some
from tastemap.models.shared.base import Model
from tastemap.service.reading import guess_column, open_any
from tastemap.service.remarks import Remark

Side = Literal["item", "user"]

# A column of texts of which more than this share are different, and more than so many, is left out unless it is named:
# titles and names describe nobody but their owner.
MOST_DISTINCT = 0.5
FEW = 20
# What stands between the values of one text, as in Action|Sci-Fi, and the share of texts that tells so.
_BETWEEN = "|"
_SHARE_BETWEEN = 0.02


@dataclass(frozen=True)
class FeatureFile:
    """A file with one row an item or a user.

    side : whether it describes items or users
    id_column : the column of ids; None looks for a usual name
    columns : the columns that become features; None takes all others that describe more than one id
    """

    path: Path
    side: Side
    id_column: str | None = None
    columns: Sequence[str] | None = None

    def read(self, ids: IdMap) -> tuple[Features, list[Remark]]:
        """Read the features of a model that is not fitted yet, and say what each column makes.

        ids : the ids of the interactions, whose type those of the file take

        Raises DataError where a column is not found, none is left, or an id comes twice.
        """
        table, id_column, remarks = self._read_table(ids)
        names = [name for name in table.columns if name != id_column] if self.columns is None else [*self.columns]
        check_columns(names, table.columns)
        if self.columns is None:
            useless = {name: table[name].n_unique() for name in names if _describes_nothing(table[name])}
            names = [name for name in names if name not in useless]
            if useless:
                remarks.append(Remark("features left out", {"path": self.path, "columns": useless, "side": self.side}))
        if not names:
            raise DataError(
                f"{self.path} has no column that describes {self.side}s, only {name_some(table.columns, 12)}",
                Remedy("name the columns", f"{self.side}_feature_columns", ...),
                path=self.path,
                columns=tuple(table.columns),
            )
        between = {name: _BETWEEN for name in names if _holds_several(table[name])}
        features = Features.from_frame(table, id=id_column, columns=names, separator=between)
        made = {name: _count_features(features, name) for name in names}
        remarks.append(Remark("features", {"path": self.path, "columns": made, "id": id_column, "side": self.side}))
        return features, remarks

    def read_more(self, model: Model) -> tuple[Features, list[Remark]]:
        """Read the features of more ids for a fitted model, in the features that it learned.

        Values that it did not learn are ignored. Raises NotSupportedError for a model without features of this side,
        and where a feature was a number: a model's file does not say how numbers were scaled.
        """
        own = model.state.item_features if self.side == "item" else model.state.user_features
        if own is None:
            raise NotSupportedError(f"the model was fitted without {self.side} features, so it cannot use them now")
        table, id_column, remarks = self._read_table(model.items if self.side == "item" else model.users)
        encoders: list[Encoder] = []
        for name in table.columns:
            values = [feature.removeprefix(f"{name}=") for feature in own.names if feature.startswith(f"{name}=")]
            if values:
                column = table[name].cast(pl.String) if not table[name].dtype.is_nested() else table[name]
                table = table.with_columns(column)
                kind: Literal["lists", "strings"] = "lists" if column.dtype.is_nested() else "strings"
                between = _BETWEEN if _holds_several(column) else None
                encoders.append(Hot(name, kind, between, pl.Series(values, dtype=pl.String), True))
        known = {feature for encoder in encoders for feature in encoder.names}
        lost = [feature for feature in own.names if feature not in known]
        if lost:
            raise NotSupportedError(
                f"{self.path} cannot describe {self.side}s by {name_some(lost)}, which the model has learned: it lacks "
                "the column, or holds numbers, of which a model's file does not keep the scale: fit the model again"
            )
        ids = IdMap(table[id_column], id_column)
        features = Features.from_parts(ids, encoders, [encoder.encode(table) for encoder in encoders])
        made = {encoder.columns[0]: len(encoder.names) for encoder in encoders}
        remarks.append(Remark("features", {"path": self.path, "columns": made, "id": id_column, "side": self.side}))
        return features, remarks

    def _read_table(self, ids: IdMap) -> tuple[pl.DataFrame, str, list[Remark]]:
        """Return the table, its ids in the type of ``ids`` and without rows that have none, and the column of ids."""
        table, remarks = read_movies(self.path.expanduser()), list[Remark]()
        if table is None:
            file, remarks = open_any(self.path)
            header = file.read_header()
            column = self._find_ids(header, ids)
            table = file.read(ids=[column], keep_na=True)
        else:
            column = self._find_ids(table.columns, ids)
        own = respell_ids(table[column], ids.ids.dtype)
        n_lost = own.null_count()
        if n_lost:
            facts = {"path": self.path, "rows": len(table), "left_out": n_lost, "column": column}
            remarks.append(Remark("features without id", facts))
        return table.with_columns(own).filter(own.is_not_null()), column, remarks

    def _find_ids(self, header: list[str], ids: IdMap) -> str:
        column = self.id_column or guess_column(self.side, header, ids.name) or guess_column("id", header)
        if column is None:
            raise DataError(
                f"{self.path} has the columns {name_some(header, 12)}",
                Remedy(f"say which has the ids of {self.side}s", f"{self.side}_feature_id", ...),
                path=self.path,
                columns=tuple(header),
            )
        check_columns([column], header)
        return column


def _describes_nothing(column: pl.Series) -> bool:
    """Return whether a column has no value, or is one of texts nearly all of which are different."""
    known = column.drop_nulls()
    if known.is_empty():
        return True
    if column.dtype != pl.String or _holds_several(column):
        return False
    n_distinct = known.n_unique()
    return n_distinct > FEW and n_distinct > MOST_DISTINCT * len(known)


def _holds_several(column: pl.Series) -> bool:
    known = column.drop_nulls()
    if column.dtype != pl.String or known.is_empty():
        return False
    return int(known.str.contains(_BETWEEN, literal=True).sum()) >= _SHARE_BETWEEN * len(known)


def _count_features(features: Features, column: str) -> int:
    return sum(name == column or name.startswith(f"{column}=") for name in features.names)
