"""Reads files that describe items or users, and makes features of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from tastemap.data._encoders import FARTHEST, Encoder, Hot, Number
from tastemap.data._spelling import respell_ids
from tastemap.data.features import Features
from tastemap.data.frames import check_columns
from tastemap.data.ids import IdMap
from tastemap.data.names import guess_column
from tastemap.datasets import read_movies
from tastemap.errors import DataError, NotSupportedError, Remedy, name_some
from tastemap.models.shared.base import Model
from tastemap.service.reading import open_any
from tastemap.service.remarks import Remark
from tastemap.training.side_features import SideFeatures
from tastemap.typing import RowNumbers

Side = Literal["item", "user"]

# A column of texts of which more than this share are different, and more than so many, is left out unless it is named:
# titles and names describe nobody but their owner.
MOST_DISTINCT = 0.5
FEW = 20
# What stands between the values of one text, as in Action|Sci-Fi, and the share of texts that tells so.
_BETWEEN = "|"
_SHARE_BETWEEN = 0.02
# So near, in standard deviations, a number is the one that a model learned, which keeps them as 32-bit floats.
_CLOSE = 1e-3


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

        Values that it did not learn are ignored. How a number was scaled is told by ids that are in the file and in the
        model. Raises NotSupportedError for a model without features of this side, and where the file lacks a column of
        the training, or such ids for one of numbers.
        """
        own = model.state.item_features if self.side == "item" else model.state.user_features
        if own is None:
            raise NotSupportedError(f"the model was fitted without {self.side} features, so it cannot use them now")
        known = model.items if self.side == "item" else model.users
        table, id_column, remarks = self._read_table(known)
        places = known.find(table[id_column])
        encoders: list[Encoder] = []
        for name in table.columns:
            values = [feature.removeprefix(f"{name}=") for feature in own.names if feature.startswith(f"{name}=")]
            if values:
                column = table[name].cast(pl.String) if not table[name].dtype.is_nested() else table[name]
                table = table.with_columns(column)
                kind: Literal["lists", "strings"] = "lists" if column.dtype.is_nested() else "strings"
                between = _BETWEEN if _holds_several(column) else None
                encoders.append(Hot(name, kind, between, pl.Series(values, dtype=pl.String), True))
            elif name in own.names and table[name].dtype.is_numeric():
                number = _find_scale(table[name], places, own)
                if number is not None:
                    encoders.append(number)
        made = {feature for encoder in encoders for feature in encoder.names}
        lost = [feature for feature in own.names if feature not in made]
        if lost:
            raise NotSupportedError(
                f"{self.path} cannot describe {self.side}s by {name_some(lost)}, which the model has learned: bring "
                f"the column, and for numbers the rows of {self.side}s that the model knows, which tell their scale"
            )
        ids = IdMap(table[id_column], id_column)
        features = Features.from_parts(ids, encoders, [encoder.encode(table) for encoder in encoders])
        counts = {encoder.columns[0]: len(encoder.names) for encoder in encoders}
        remarks.append(Remark("features", {"path": self.path, "columns": counts, "id": id_column, "side": self.side}))
        return features, remarks

    def _read_table(self, ids: IdMap) -> tuple[pl.DataFrame, str, list[Remark]]:
        """Return the table, its ids in the type of ``ids`` and without rows that have none, and the column of ids."""
        table, remarks = read_movies(self.path.expanduser()) if self.side == "item" else None, list[Remark]()
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


def _find_scale(column: pl.Series, places: RowNumbers, own: SideFeatures) -> Number | None:
    """Return how the numbers of a column were standardised, by ids that a model knows; None where too few tell.

    places : the row of each id in the model, -1 for none
    own : the features that the model learned, among which is one of the column's name
    """
    if own.rows is None:
        return None
    is_ours = own.rows.indices == own.names.index(column.name)
    scaled = np.full(len(own.described) + 1, np.nan)  # the last is found for -1
    scaled[np.repeat(np.arange(len(own.described)), own.rows.counts)[is_ours]] = own.rows.data[is_ours]
    x, z = column.cast(pl.Float64).to_numpy(), scaled[places]
    tells = np.isfinite(x) & (np.abs(z) < FARTHEST)  # a NaN is not
    x, z = x[tells], z[tells]
    order = np.argsort(z)
    low, high = order[: len(order) // 2], order[len(order) - len(order) // 2 :]
    apart = z[high] > z[low]
    if not apart.any():
        return None
    # Medians, because some ids may have other numbers now.
    deviation = float(np.median(((x[high] - x[low])[apart]) / (z[high] - z[low])[apart]))
    mean = float(np.median(x - z * deviation))
    agrees = np.abs(x - z * deviation - mean) <= _CLOSE * abs(deviation)
    return Number(column.name, mean, deviation, FARTHEST) if deviation > 0 and 2 * agrees.sum() > len(x) else None


def _count_features(features: Features, column: str) -> int:
    return sum(name == column or name.startswith(f"{column}=") for name in features.names)
