"""Names regions of a map by what their items have more often than those elsewhere."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from tastemap.data.item_table import AlignedTable
from tastemap.typing import Counts, Doubles, Ints, RowNumbers

# A name has so many terms at most, and so many of one kind.
MOST_TERMS, MOST_OF_KIND = 3, {"value": 2, "word": 2, "decade": 1}

# A term is in so many items of its region at least, in such a share of them, and so many standard deviations more
# frequent than elsewhere.
LEAST_ITEMS, LEAST_SHARE, LEAST_DEVIATIONS = 3, 0.03, 3.0

# Terms weigh as if each region had so many items more, with the terms of all.
PRIOR_ITEMS = 10.0

# The longest value of a column that can stand in a name, and years of which decades are made.
LONGEST, YEARS = 40, (1800, 2099)

# A word of titles has so many letters at least; one in a larger share of titles says nothing.
LEAST_LETTERS, LARGEST_SHARE = 3, 0.1

# Words of titles that stand with any word, of the languages that most titles are in.
STOP_WORDS = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "from",
        "you",
        "your",
        "into",
        "that",
        "this",
        "its",
        "not",
        "are",
        "was",
        "but",
        "all",
        "one",
        "out",
        "set",
        "his",
        "her",
        "our",
        "their",
        "who",
        "what",
        "how",
        "die",
        "der",
        "das",
        "und",
        "ein",
        "eine",
        "von",
        "les",
        "des",
        "une",
        "dans",
        "pour",
        "avec",
        "sur",
        "los",
        "las",
        "del",
        "una",
        "por",
        "para",
        "con",
        "que",
        "dos",
        "das",
        "uma",
        "nos",
        "gli",
        "aux",
        "est",
        "com",
        "www",
        "part",
        "vol",
    ]
)

Kind = Literal["value", "word", "decade"]


class Term(NamedTuple):
    """What items may have.

    text : a value of a column, a word of titles, or the first year of a decade
    """

    kind: Kind
    text: str


class Region(NamedTuple):
    """A named part of a map.

    terms : what is more frequent in it than elsewhere, the most telling first; there may be none
    members : int64: the places of its items in the map's rows, the most popular first
    """

    terms: tuple[Term, ...]
    members: RowNumbers


class Terms(NamedTuple):
    """What each of the map's items has: entry e says that items[e] has terms[codes[e]], each once."""

    items: RowNumbers
    codes: Ints
    terms: list[Term]


def name_regions(regions: Ints, terms: Terms, popularity: Counts) -> list[Region]:
    """Return the regions with names, no two of which are equal as long as there are terms to tell them apart.

    regions : int32, (n,): the region of each item, counted from 0, none without an item
    popularity : int64, (n,): the number of training pairs of each item
    """
    telling = _measure(regions, terms)
    order = np.argsort(-popularity, kind="stable")
    chosen: list[tuple[Term, ...]] = []
    for own in telling:
        found = list[Term]()
        for code in own:
            term = terms.terms[code]
            if any(_say_alike(term, other) for other in found):
                continue
            if sum(term.kind == other.kind for other in found) == MOST_OF_KIND[term.kind]:
                continue
            if len(found) >= MOST_TERMS and set(found) not in map(set, chosen):
                break
            found.append(term)
        chosen.append(tuple(found))
    return [Region(name, order[regions[order] == region]) for region, name in enumerate(chosen)]


def list_terms(rows: RowNumbers, table: AlignedTable | None, titles: pl.Series | None) -> Terms:
    """Return the terms of a map's items: values of columns of texts, decades of columns of years, words of titles.

    rows : int64, (n,): the row of each item in the catalogue, ascending
    table, titles : of the catalogue
    """
    parts = [pl.DataFrame(schema={"item": pl.Int64, "kind": pl.String, "text": pl.String})]
    own_titles = None if titles is None else titles.gather(rows)
    if table is not None:
        parts += [part for name in table.kinds if (part := _list_values(rows, table, name)) is not None]
    if own_titles is not None:
        parts += _list_words(own_titles)
    found = pl.concat(parts).unique(maintain_order=True)
    found = found.filter(pl.len().over("kind", "text") >= LEAST_ITEMS)
    distinct = found.select("kind", "text").unique(maintain_order=True).with_row_index("code")
    codes = found.join(distinct, on=["kind", "text"], how="left", maintain_order="left")["code"]
    terms = [Term(kind, text) for kind, text in distinct.select("kind", "text").iter_rows()]
    return Terms(found["item"].to_numpy(), codes.cast(pl.Int32).to_numpy(), terms)


def _measure(regions: Ints, terms: Terms) -> list[RowNumbers]:
    """Return for each region the codes of its telling terms, the most telling first.

    By the log-odds of a term in a region against elsewhere, over its standard deviation (Monroe, Colaresi and Quinn,
    Fightin' words, Political Analysis 2008), and, of terms that are telling, times the log-odds: what half of all items
    have, such as a decade, tells less than what few have.
    """
    n_regions, n_terms, n = int(regions.max(initial=-1)) + 1, len(terms.terms), len(regions)
    sizes = np.bincount(regions, minlength=n_regions)[:, None]
    cells = regions[terms.items].astype(np.int64) * n_terms + terms.codes
    inside = np.bincount(cells, minlength=n_regions * n_terms).reshape(n_regions, n_terms)
    outside = inside.sum(axis=0) - inside
    prior: Doubles = PRIOR_ITEMS * inside.sum(axis=0, dtype=np.float64) / max(n, 1)
    gain = _log_odds(inside + prior, sizes + PRIOR_ITEMS) - _log_odds(outside + prior, n - sizes + PRIOR_ITEMS)
    deviations = gain / np.sqrt(1 / (inside + prior) + 1 / (outside + prior))
    is_telling = (inside >= np.maximum(LEAST_ITEMS, LEAST_SHARE * sizes)) & (deviations >= LEAST_DEVIATIONS)
    order = np.argsort(-gain * deviations, axis=1, kind="stable")
    return [own[telling[own]] for own, telling in zip(order, is_telling, strict=True)]


def _say_alike(term: Term, other: Term) -> bool:
    """Tell whether one is part of the other, such as candle of candles."""
    first, second = term.text.casefold(), other.text.casefold()
    return first in second or second in first


def _log_odds(count: Doubles, of: Any) -> Doubles:
    # A term that all items have is no more frequent anywhere.
    odds: Doubles = np.log(count) - np.log(np.maximum(of - count, 0.5))
    return odds


def _list_values(rows: RowNumbers, table: AlignedTable, name: str) -> pl.DataFrame | None:
    kind, at, codes, distinct = table.column(name)
    place = np.searchsorted(rows, at)
    is_here = (place < len(rows)) & (rows[np.minimum(place, len(rows) - 1)] == at)
    item, values = place[is_here], distinct[codes[is_here]]
    if kind == "text":
        texts = pl.Series(values, dtype=pl.String)
        frame = pl.DataFrame({"item": item, "kind": "value", "text": texts})
        return frame.filter(pl.col("text").str.len_chars() <= LONGEST)
    if kind == "number" and len(values) and values.min() >= YEARS[0] and values.max() <= YEARS[1]:
        return _list_decades(item, pl.Series(values))
    return None


def _list_words(titles: pl.Series) -> list[pl.DataFrame]:
    """Return the words of titles, and the decades of years in brackets at their ends."""
    frame = pl.DataFrame({"item": np.arange(len(titles)), "title": titles}).drop_nulls()
    year = frame["title"].str.extract(r"\((\d{4})\)\s*$").cast(pl.Int64)
    dated = frame.with_columns(year=year).drop_nulls().filter(pl.col("year").is_between(*YEARS))
    words = (
        frame.with_columns(text=pl.col("title").str.to_lowercase().str.extract_all(r"\p{L}[\p{L}\p{M}'’]*"))
        .explode("text")
        .with_columns(text=pl.col("text").str.replace(r"['’]s?$", ""))
        .filter(pl.col("text").str.len_chars() >= LEAST_LETTERS, ~pl.col("text").is_in(list(STOP_WORDS)))
        .unique(["item", "text"], maintain_order=True)
        .filter(pl.len().over("text") <= max(LARGEST_SHARE * len(frame), LEAST_ITEMS))
        .select("item", kind=pl.lit("word"), text="text")
    )
    return [words, _list_decades(dated["item"].to_numpy(), dated["year"])]


def _list_decades(items: RowNumbers, years: pl.Series) -> pl.DataFrame:
    decade = (years.cast(pl.Int64) // 10 * 10).cast(pl.String)
    return pl.DataFrame({"item": items, "kind": "decade", "text": decade})
