"""Writes the items' vectors for TensorBoard's projector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tastemap.data._checks import check_whole
from tastemap.data._lookup import as_texts, look_up
from tastemap.data.frames import escape_formulas as escape
from tastemap.errors import DataError
from tastemap.files.whole import whole_folder
from tastemap.forks import check_polars_threads
from tastemap.models.shared.base import Model
from tastemap.models.shared.named import name_models

FILES = ("vectors.tsv", "metadata.tsv", "projector_config.pbtxt")

_CONFIG = """\
# The vectors in which {model}.similar_items compares items, without biases; COSINE distance shows its neighbours,
# before those that few have count for less.
embeddings {{
  tensor_name: "{model} items"
  tensor_path: "vectors.tsv"
  metadata_path: "metadata.tsv"
}}
"""


def tensorboard(
    model: Model,
    folder: str | Path,
    *,
    items: Any = None,
    id: str | None = None,
    columns: str | Sequence[str] | None = None,
    n: int | None = None,
    escape_formulas: bool = True,
) -> None:
    """Write the items' vectors and descriptions for TensorBoard: then run tensorboard --logdir FOLDER.

    folder : gets three files, whole or not at all; an existing one is replaced only if it holds nothing else
        vectors.tsv : one line an item, the vector by which `similar_items` compares it, exact to the bit; no biases
        metadata.tsv : a header, then one line for the same item: its id, the columns of `items`, its popularity (the
            number of its training pairs). The values of lists are joined by "|", tabs and ends of lines become spaces
        projector_config.pbtxt : tells TensorBoard of the two files
    items : a frame of any kind that describes the items; items that are not in it get empty cells
    id : its column of ids; None takes the name that it has in the training data
    columns : the columns of it to write; None takes all
    n : the number of items to write, the most popular ones; None takes all with a training pair or features
    escape_formulas : put ' before texts of metadata.tsv that a spreadsheet would run: those that begin with =, +, - or
        @ and are no numbers

    The most popular items come first: the projector shows no more than the first 100,000.
    Raises NotSupportedError for a model without vectors, DataError for columns that do not fit, OSError for a folder
    that cannot be written or holds other files.
    """
    check_polars_threads()
    name_models([model])
    ids, vectors = model.item_vectors()
    if n is not None:
        check_whole("n", n, lowest=1)
    rows = model.items.find(ids)
    popularity = model.popularity_[rows]
    order = np.lexsort((model.items.tie_order[rows], -popularity))[:n]
    ids, vectors, popularity = ids.gather(order), vectors[order], popularity[order]
    known = pl.DataFrame() if items is None else look_up(model.items, ids, items, id, columns)
    taken = {ids.name, "popularity"} & {*known.columns}
    if taken:
        raise DataError(f"the column {min(taken)!r} is written anyway: leave it out of columns, or rename it")
    cells = [_clean_cells(column) for column in (ids, *known, pl.Series("popularity", popularity))]
    repeated = [cell.name for place, cell in enumerate(cells) if cell.name in {one.name for one in cells[:place]}]
    if repeated:
        raise DataError(
            f"two columns are called {repeated[0]!r} but for spaces: leave one out of columns, or rename it"
        )
    table = pl.DataFrame([escape(cell) for cell in cells] if escape_formulas else cells)
    with whole_folder(folder, FILES) as place:
        pl.DataFrame(vectors).write_csv(place / "vectors.tsv", separator="\t", include_header=False)
        table.write_csv(place / "metadata.tsv", separator="\t", quote_style="never")
        (place / "projector_config.pbtxt").write_text(_CONFIG.format(model=type(model).__name__))


def _clean_cells(column: pl.Series) -> pl.Series:
    """Return a column as texts that the projector can read: without tabs, ends of lines and quotes around them."""
    text = as_texts(column)
    return text.str.replace_all(r"[\t\r\n]+", " ").str.strip_chars().alias(" ".join(column.name.split()))
