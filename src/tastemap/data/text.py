"""Features from text in one or many languages: words without endings, weighted by how rare they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from tastemap.data._checks import check_whole
from tastemap.data._encoders import as_names, check_use
from tastemap.data.features import Features, ids_of
from tastemap.data.frames import name_values, to_polars
from tastemap.errors import DataError, name_some, show
from tastemap.extras import import_extra
from tastemap.forks import check_polars_threads

# Snowball's name of a language -> its ISO 639-1 code, which stopwordsiso uses, and its script.
_LANGUAGES = {
    "danish": ("da", "Latin"),
    "dutch": ("nl", "Latin"),
    "english": ("en", "Latin"),
    "finnish": ("fi", "Latin"),
    "french": ("fr", "Latin"),
    "german": ("de", "Latin"),
    "hungarian": ("hu", "Latin"),
    "italian": ("it", "Latin"),
    "norwegian": ("no", "Latin"),
    "portuguese": ("pt", "Latin"),
    "romanian": ("ro", "Latin"),
    "russian": ("ru", "Cyrillic"),
    "spanish": ("es", "Latin"),
    "swedish": ("sv", "Latin"),
}
_BY_CODE = {code: name for name, (code, _) in _LANGUAGES.items()}

# Letters with their accents, and digits; an apostrophe joins, since "don't" is one stop word.
_WORD = r"[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}\p{N}]+)*"

# The language of words in a script that none of the languages uses.
_NONE = -1

# Bounds the memory for single words; what is kept of a document is each distinct word once.
_DOCUMENTS_AT_ONCE = 10_000


def text_features(
    frame: Any,
    *,
    id: str,
    columns: str | Sequence[str],
    languages: str | Sequence[str] = ("english",),
    language: str | None = None,
    stop_words: Iterable[str] | None = None,
    min_documents: int = 2,
    max_features: int | None = None,
) -> Features:
    """Read features from text: one for each stem of a word, "column:stem", weighted by TF-IDF.

    frame : of any kind, one row an id
    id : the column of ids, integers or strings
    columns : columns of text, each with stems of its own
    languages : the languages of the texts: "danish", "dutch", "english", "finnish", "french", "german", "hungarian",
        "italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", or their ISO codes ("en");
        the most frequent first
    language : a column that names the language of each row, as above or like "pt-BR". Without the column, and in rows
        with a null or another language, the language is guessed
    stop_words : words to leave out; None for those of stopwordsiso in all the languages, `()` for none
    min_documents : leave out stems that fewer rows have
    max_features : keep only this many stems of a column, the most frequent; None for all

    Text is lower-cased and cut into words of letters and digits; words of one character and stop words are left out. A
    word is stemmed by Snowball in a language of the word's script: the one whose stop words are most frequent in the
    text, in a tie the first of `languages`. So a text may have Russian and English words, and each is stemmed by its
    own rules. Stems are weighted by scikit-learn, count (1 + ln((1 + rows) / (1 + rows with the stem))), and each row
    is scaled to unit length; a row may have no stem. `Features.transform` gives new texts the same stems and weights.

    Needs scikit-learn, snowballstemmer and stopwordsiso, which come with `pip install "tastemap[text]"`; raises
    MissingPackageError without them, DataError where ids are missing or repeated, a column is unknown, not text or left
    without words.
    """
    check_polars_threads()
    transformer = _import_package("sklearn.feature_extraction.text", "scikit-learn").TfidfTransformer
    names, spoken = as_names(columns), _parse_languages(languages)
    check_use(id, [*names] if language is None else [*names, language])
    check_whole("min_documents", min_documents, lowest=1)
    if max_features is not None:
        check_whole("max_features", max_features, lowest=1)
    left_out = _load_stop_words(spoken)["word"] if stop_words is None else _normalise_words(stop_words)
    table = to_polars(frame, [id, *names] if language is None else [id, *names, language])
    ids = ids_of(table, id)
    _check_language(table, language, spoken)
    encoders, parts = [], []
    for column in names:
        reader = Reader(column, language, spoken, left_out)
        found = reader.find_stems(table)
        kept = (
            found.group_by("stem")
            .agg(pl.len().alias("rows"), pl.col("count").sum())
            .filter(pl.col("rows") >= min_documents)
            .sort(["count", "stem"], descending=[True, False])
        )
        if kept.is_empty():
            raise DataError(
                f"column {column!r} has no word in at least {min_documents} rows: leave it out, or lower min_documents"
            )
        vocabulary = kept["stem"].head(max_features or len(kept)).sort()
        counts = _count_stems(found, vocabulary, len(table))
        encoders.append(Text(reader, vocabulary, transformer().fit(counts)))
        parts.append(encoders[-1].weigh(counts))
    return Features.from_parts(ids, encoders, parts)


@dataclass(frozen=True, eq=False)
class Reader:
    """Finds the stems in a column of text.

    language : the column that names a text's language, or None
    languages : Snowball's names; in a tie the first one counts
    stop_words : words to leave out
    """

    column: str
    language: str | None
    languages: tuple[str, ...]
    stop_words: pl.Series

    def find_stems(self, table: pl.DataFrame) -> pl.DataFrame:
        """Count each stem in each row of a table: `row`, `stem`, `count`."""
        texts = _take_text(table, self.column)
        named = None if self.language is None else _place_languages(_take_text(table, self.language), self.languages)
        rows = pl.DataFrame({"row": np.arange(len(table), dtype=np.int32), "text": texts})
        if named is not None:
            rows = rows.with_columns(named.alias("language"))
        starts = range(0, max(1, len(rows)), _DOCUMENTS_AT_ONCE)
        words = pl.concat([self._find_words(rows[start : start + _DOCUMENTS_AT_ONCE]) for start in starts])
        return words.join(self._stem(words), on=["word", "language"]).group_by("row", "stem").agg(pl.col("count").sum())

    def _find_words(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Count each word in each row, and tell its language: `row`, `word`, `language`, `count`."""
        left_out = self.stop_words.to_frame("word")
        whole = rows.select("row", word=_normalise(rows["text"]).str.extract_all(_WORD)).explode("word").drop_nulls()
        words = (
            whole.join(left_out, on="word", how="anti")
            .with_columns(pl.col("word").str.split("'"))
            .explode("word")
            .filter(pl.col("word").str.len_chars() > 1)
            .join(left_out, on="word", how="anti")
            .group_by("row", "word")
            .len("count")
        )
        scripts = self._list_scripts()
        first = scripts.unique("script", keep="first", maintain_order=True).rename({"language": "first"})
        script = pl.coalesce(
            pl.when(pl.col("word").str.contains(rf"^\p{{{name}}}")).then(pl.lit(name)) for name in first["script"]
        )
        return (
            words.with_columns(script=script)
            .join(self._guess_languages(rows, whole), on=["row", "script"], how="left")
            .join(first, on="script", how="left")
            .select("row", "word", pl.coalesce("language", "first", pl.lit(_NONE)).alias("language"), "count")
        )

    def _guess_languages(self, rows: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
        """Return each row's likeliest language by script, where a word tells it: `row`, `script`, `language`."""
        votes = words.join(_load_stop_words(self.languages), on="word").group_by("row", "language").len("votes")
        if "language" in rows.columns:
            # A named language has more votes than all stop words.
            named = rows.select("row", "language", votes=pl.lit(np.iinfo(np.uint32).max, pl.UInt32))
            votes = pl.concat([votes, named.drop_nulls()])
        return (
            votes.join(self._list_scripts(), on="language")
            .sort(["votes", "language"], descending=[True, False])
            .unique(["row", "script"], keep="first")
            .select("row", "script", "language")
        )

    def _list_scripts(self) -> pl.DataFrame:
        """Return the `script` of each `language`."""
        places = pl.Series(range(len(self.languages)), dtype=pl.Int32)
        return pl.DataFrame({"language": places, "script": [_LANGUAGES[name][1] for name in self.languages]})

    def _stem(self, words: pl.DataFrame) -> pl.DataFrame:
        """Return the stem of each word, the word itself where it has no language: `word`, `language`, `stem`."""
        parts = []
        for (language,), part in words.select("word", "language").unique().group_by("language"):
            found = part["word"]
            if language != _NONE:
                stemmer = _import_package("snowballstemmer").stemmer(self.languages[language])
                found = pl.Series(stemmer.stemWords(found.to_list()), dtype=pl.String)
            parts.append(part.with_columns(found.alias("stem")))
        return pl.concat(parts) if parts else words.select("word", "language", stem="word")


@dataclass(frozen=True, eq=False)
class Text:
    """Makes one feature for each stem, "column:stem", weighted by TF-IDF.

    stems : the known stems, sorted; others are ignored
    weighting : scikit-learn's TfidfTransformer, fitted
    """

    reader: Reader
    stems: pl.Series
    weighting: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of text, and the column of languages if there is one."""
        column, language = self.reader.column, self.reader.language
        return (column,) if language is None else (column, language)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature, "column:stem"."""
        return tuple(f"{self.reader.column}:{stem}" for stem in self.stems)

    def encode(self, table: pl.DataFrame) -> sp.csr_matrix:
        """Return the features of every row: float32, (rows, names)."""
        return self.weigh(_count_stems(self.reader.find_stems(table), self.stems, len(table)))

    def weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        """Return the weights of counted stems, each row of unit length: float32."""
        if not counts.shape[0]:
            return counts.astype(np.float32)  # scikit-learn refuses a matrix without rows
        return sp.csr_matrix(self.weighting.transform(counts), dtype=np.float32)


def _count_stems(found: pl.DataFrame, stems: pl.Series, n_rows: int) -> sp.csr_matrix:
    """Return how often each of ``stems`` is in each row: float64, (n_rows, stems), in the order of rows and stems."""
    codes = pl.DataFrame({"stem": stems, "code": np.arange(len(stems))})
    known = found.join(codes, on="stem").sort("row", "code")
    entries = known["count"].cast(pl.Float64).to_numpy(), (known["row"].to_numpy(), known["code"].to_numpy())
    return sp.csr_matrix(entries, shape=(n_rows, len(stems)))


def _take_text(table: pl.DataFrame, name: str) -> pl.Series:
    column = table[name]
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise DataError(
            f"column {name!r} holds {column.dtype} values ({name_values(column)}), and text is "
            "strings: cast it, or pass it to Features.from_frame"
        )
    return column.cast(pl.String)


def _normalise(texts: pl.Series) -> pl.Series:
    """Return texts in lower case, in one form of Unicode, with one kind of apostrophe."""
    return texts.str.normalize("NFKC").str.to_lowercase().str.replace_all("’", "'", literal=True)


def _parse_languages(languages: str | Sequence[str]) -> tuple[str, ...]:
    """Return Snowball's names of languages; raise ValueError for those that are unknown or named twice."""
    names = [_BY_CODE.get(str(name).lower(), str(name).lower()) for name in as_names(languages, "languages")]
    for name in names:
        if name not in _LANGUAGES:
            raise ValueError(f"languages must be among {', '.join(map(repr, _LANGUAGES))}, got {show(name)}")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"languages must name at least one, and each once, got {show(languages)}")
    return tuple(names)


def _place_languages(named: pl.Series, languages: tuple[str, ...]) -> pl.Series:
    """Return the places in ``languages`` of names or codes like "pt-BR", int32, null for others."""
    places = {name: place for place, name in enumerate(languages)}
    places |= {_LANGUAGES[name][0]: place for name, place in places.items()}
    short = named.str.to_lowercase().str.extract(r"^\s*([a-z]+)")
    return short.replace_strict(places, default=None, return_dtype=pl.Int32)


def _check_language(table: pl.DataFrame, language: str | None, languages: tuple[str, ...]) -> None:
    """Raise DataError where a column of languages names none of ``languages``."""
    if language is None:
        return
    named = _take_text(table, language)
    if named.null_count() < len(named) and not _place_languages(named, languages).is_not_null().any():
        raise DataError(
            f"column {language!r} names none of the languages {', '.join(languages)}, "
            f"but {name_some(named.drop_nulls().unique(maintain_order=True))}: name these in languages"
        )


def _normalise_words(words: Iterable[str]) -> pl.Series:
    """Return words in the form of the texts; raise ValueError where they are not a list of strings."""
    listed = list(words) if isinstance(words, Iterable) and not isinstance(words, str) else [None]
    if not all(isinstance(word, str) for word in listed):
        raise ValueError(f"stop_words must be a list of strings, got {show(words)}")
    return _normalise(pl.Series(listed, dtype=pl.String))


@cache
def _load_stop_words(languages: tuple[str, ...]) -> pl.DataFrame:
    """Return the stop words of each language: `word`, and its place in ``languages`` as `language`."""
    stop_words = _import_package("stopwordsiso").stopwords
    parts = []
    for place, name in enumerate(languages):
        words = _normalise(pl.Series(sorted(stop_words(_LANGUAGES[name][0])), dtype=pl.String)).unique(
            maintain_order=True
        )
        parts.append(
            pl.DataFrame({"word": words, "language": pl.repeat(place, len(words), dtype=pl.Int32, eager=True)})
        )
    return pl.concat(parts)


def _import_package(module: str, package: str | None = None) -> Any:
    return import_extra(module, package or module, extra="text", purpose="text_features")
