"""Online Retail, from a local copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from tastemap.data._spelling import find_missing
from tastemap.data.dates import parse_times
from tastemap.data.ids import restore_whole_ids
from tastemap.data.interactions import Interactions
from tastemap.data.sources.files import DataFile, open_file
from tastemap.datasets._dataset import Dataset
from tastemap.datasets._files import read_text
from tastemap.errors import DataError

_COLUMNS = (
    *("InvoiceNo", "StockCode", "Description", "Quantity"),
    *("InvoiceDate", "UnitPrice", "CustomerID", "Country"),
)
_MERGING: dict[str, Any] = {
    "user": "CustomerID",
    "item": "StockCode",
    "time": "InvoiceDate",
    "duplicates": "sum",
    "duplicates_time": "max",
}
_CITATION = (
    "Daqing Chen. Online Retail. UCI Machine Learning Repository (2015). https://doi.org/10.24432/C5BW33. Described in "
    "Daqing Chen, Sai Liang Sain and Kun Guo. Data mining for the online retail industry: A case study of RFM "
    "model-based customer segmentation using data mining. Journal of Database Marketing and Customer Strategy "
    "Management 19, 3 (2012), 197-208. https://doi.org/10.1057/dbm.2012.17"
)
_LICENSE = "Creative Commons Attribution 4.0 International (CC BY 4.0)"


def online_retail(path: str | Path | None = None) -> Dataset:
    """Load Online Retail, a gift shop's orders: columns CustomerID, StockCode, weight and InvoiceDate.

    path : a local copy: the publisher's spreadsheet saved as csv or parquet, under the published column names. None
        raises a DataError that says where to get it

    Purchases are the lines with a customer and a positive quantity that are not cancelled (InvoiceNo C...). The weight
    of a pair is the number of lines in which the customer bought the product; its time is that of the latest. ``items``
    has StockCode and its most frequent Description, ``users`` CustomerID and the most frequent Country.

    ``events`` has every purchase line. To hold out the last month with its repeat purchases, split the events, not the
    pairs, and leave nothing out when ranking::

        shop = tm.datasets.online_retail("online-retail.parquet")
        before = pl.col("InvoiceDate") < datetime(2011, 11, 9)
        train, test = shop.pairs(shop.events.filter(before)), shop.pairs(shop.events.filter(~before))
        tm.evaluate(model.fit(train), test, exclude=None)

    Raises DataError where the data are absent, damaged or of another layout.
    """
    if path is None:
        raise DataError(
            "Online Retail is not downloaded: get the archive online+retail.zip of the UCI Machine Learning Repository "
            "(DOI 10.24432/C5BW33), save its spreadsheet as csv or parquet, and pass the place of that as path="
        )
    file = _as_utf8(open_file(path))
    lines = file.read(_COLUMNS, ids=["InvoiceNo", "StockCode"])
    lines = lines.with_columns(
        parse_times(lines["InvoiceDate"]),
        pl.col("InvoiceNo", "StockCode").cast(pl.String),
        pl.col("Description").cast(pl.String).str.strip_chars(),
        restore_whole_ids(_read_customers(lines["CustomerID"])),
    )
    if not lines["Quantity"].dtype.is_numeric():
        raise DataError(f"{path}: column 'Quantity' holds {lines['Quantity'].dtype} values: write them as numbers")
    is_cancelled = pl.col("InvoiceNo").str.contains("^[Cc]")
    events = lines.filter(pl.col("CustomerID").is_not_null() & (pl.col("Quantity") > 0) & ~is_cancelled)
    interactions = Interactions.from_frame(events, **_MERGING)
    items = _find_most_frequent(events, interactions.items.ids.alias("StockCode"), "Description")
    users = _find_most_frequent(events, interactions.users.ids.alias("CustomerID"), "Country")
    return Dataset(interactions, items, users, _CITATION, _LICENSE, events, _MERGING)


def _read_customers(ids: pl.Series) -> pl.Series:
    """Return customers as numbers, as which they are published, where each is one; null where a line has none."""
    if ids.dtype != pl.String:
        return ids
    known = ids.clone().scatter(find_missing(ids), None)
    numbers = known.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == known.null_count() else known


def _as_utf8(file: DataFile) -> DataFile:
    return file if file.is_parquet else replace(file, content=read_text(file.own).encode())


def _find_most_frequent(events: pl.DataFrame, ids: pl.Series, column: str) -> pl.DataFrame:
    """Return the most frequent value of ``column`` for each id, in a tie the first in the file."""
    counts = events.drop_nulls(column).group_by(ids.name, column, maintain_order=True).len()
    best = counts.sort("len", descending=True, maintain_order=True).unique(ids.name, keep="first", maintain_order=True)
    return ids.to_frame().join(best.select(ids.name, column), on=ids.name, how="left", maintain_order="left")
