"""What answers say of each item, as JSON that is made once: a request only joins its pieces."""

from __future__ import annotations

import numpy as np
import polars as pl

from tastemap.data.ids import IdMap
from tastemap.typing import Ints, RowNumbers


class Fragments:
    """A JSON object for each item without its last brace, such as ``{"item":"260","title":"Star Wars"``.

    They lie one after the other in one array of bytes: a million of them are no million objects.

    items : the ids, which become texts
    titles : String, (len(items),), null for items without one; None where no item has one
    """

    def __init__(self, items: IdMap, titles: pl.Series | None = None) -> None:
        table = pl.DataFrame({"item": items.ids.cast(pl.String)})
        if titles is not None:
            table = table.with_columns(title=titles)
        texts = table.to_struct("item").struct.json_encode().str.strip_suffix("}")
        self._bytes = (texts.str.join("").item() or "").encode()
        self._starts = np.concatenate(([0], np.cumsum(texts.str.len_bytes().to_numpy(), dtype=np.int64)))

    def take(self, rows: Ints | RowNumbers) -> list[bytes]:
        """Return the fragment of each row."""
        joined, starts, ends = self._bytes, self._starts[rows].tolist(), self._starts[rows + 1].tolist()
        return [joined[start:end] for start, end in zip(starts, ends, strict=True)]
