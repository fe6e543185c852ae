"""Finds ids by what people type: an id, or a name without its case, accents, punctuation, article and year."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._spelling import parse_number
from tastemap.data.ids import IdMap
from tastemap.errors import DataError, Remedy, UnknownIdError, show
from tastemap.typing import Counts, RowNumbers

# A year in parentheses at the end, as films have it, and more there, as in (1979, TV).
_YEAR = r"\s*[(\[](?:1[89]|20)\d\d\b[^)\]]*[)\]]\s*$"
# MovieLens writes "Matrix, The"; a year or another title in parentheses may stand behind it.
_ARTICLES = "the|a|an|la|le|les|el|los|las|il|lo|gli|der|die|das|den|det|het|een|un|une|una|ein|eine|l'"
_LATE_ARTICLE = rf"^(.*), ({_ARTICLES})(\s*[(\[].*)?$"
FIRST_ARTICLE = r"^(?:the|an|a) (.+)$"
_ASIDE = r"\s*[(\[][^)\]]*[)\]]"
# What is no letter with an accent to Unicode, and one to those who type it.
_PLAIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ς": "σ"}
_PLAIN |= dict.fromkeys("'’ʼ`´", "") | {"&": " and "}

_LISTED = 5  # names that an error lists
# The least likeness, of at most 1, of names that an error suggests, and how much less than the likest they may have.
_NEAR, _LESS = 0.7, 0.15
_COMPARED = 100  # names that are compared letter by letter, those with the most letters of the text
_BLOCK, _BINS = 1 << 16, 32  # names whose letters are counted at once, and numbers of letters
LONGEST_WORDS = 1_000  # characters of a text that is only looked up as it is written
_LONGEST, _CORRECTED = 100, 4  # characters of a text that are compared so, and words of it, the longest


@dataclass(frozen=True, eq=False)
class Search:
    """Finds ids by their names.

    ids : the ids that may be asked for
    names : String, (len(ids),): a name for each, null where it has none; None where none has. An id that is a text is
        the name of what has no other
    popularity : int64, (len(ids),): of several matches the highest comes first; None keeps the order of the ids

    The names are folded at the first text that is no id, 100,000 in 0.5 s; then a text takes some 20 ms among them.
    """

    ids: IdMap
    names: pl.Series | None = None
    popularity: Counts | None = None

    def find(self, text: str) -> int | str:
        """Return the id that ``text`` is, or that of the only name that matches best.

        Raises UnknownIdError where none matches, with the nearest names; DataError where several match as well, with
        their ids, and where ids are integers, names are missing and the text is no integer.
        """
        by_title = Remedy("read titles from a file with titles=", "titles", ...)
        if self._names is None:
            return parse_id(text, self.ids, by_title)
        rows, is_name = self.match(text)
        if len(rows) == 1:
            return self.ids[int(rows[0])]
        if len(rows):
            raise self._make_many_error(text, rows, is_name, self._names)
        kind = "id" if self.names is None else "id or title"
        near = self._tell(self.find_near(text), last=" or ")
        ending = f"; did you mean {near}?" if near else ""
        ways = [by_title] if self.names is None and not near else []
        raise UnknownIdError(f"no item of the model has the {kind} {show(text)}{ending}", *ways, ids=[text])

    @property
    def has_names(self) -> bool:
        """Whether anything has a name."""
        return self._names is not None

    def match(self, text: str) -> tuple[RowNumbers, bool]:
        """Return the rows of the ids that match best, the most popular first, and whether each has the text as name.

        An id matches best; then, in this order, a name as written, an id without case, a name without case, without
        accents and punctuation, without its year where the text or the name has none, without spaces, without what is
        in parentheses and its article, one with all words of the text, one with all of them as parts of words.
        """
        names = self._names
        row = self.find_id(text)
        if row >= 0 or names is None:
            return np.full(int(row >= 0), row), True
        text = make_whole(text)
        whole, bare, joined, stem = fold_names(pl.Series([text])).row(0)
        known, words, small = self.folded, list(dict.fromkeys(whole.split())), text.strip().lower()
        any_year = pl.col("bare") == pl.col("whole") if whole != bare else True
        ways = [
            pl.col("name") == text,
            pl.col("id").str.to_lowercase() == small,
            pl.col("name").str.to_lowercase() == small,
            pl.col("whole") == whole,
            (pl.col("bare") == bare) & any_year,
            (pl.col("joined") == joined) & any_year,
            (pl.col("stem") == stem) & any_year,
            (pl.col("id").str.strip_chars_start("0") == small.lstrip("0")) if small.isdigit() else pl.lit(False),
        ]
        # Signs alone are folded to nothing, and each word takes its time.
        has_words = bool(whole) and len(text) <= LONGEST_WORDS
        for is_match in ways if has_words else ways[:3]:
            rows = known.filter(is_match)["row"].to_numpy()
            if len(rows):
                return self._rank(rows), True
        # A number is not a part of another one, such as a year.
        whole_words = [f" {word} " for word in words]
        parts = [spaced if word.isdigit() else word for word, spaced in zip(words, whole_words, strict=True)]
        for wanted in (whole_words, parts) if has_words else ():
            left = known
            for part in wanted:
                left = left.filter(pl.col("spaced").str.contains(part, literal=True))
            if len(left):
                return self._rank(left["row"].to_numpy()), False
        return np.empty(0, np.int64), False

    def order_names(self) -> pl.DataFrame:
        """Return `folded`, the most popular name first."""
        if self.popularity is None:
            return self.folded
        popularity = self.popularity[self.folded["row"].to_numpy()]
        return self.folded[np.argsort(-popularity, kind="stable")]

    def find_near(self, text: str, k: int = 3) -> RowNumbers:
        """Return the rows of at most ``k`` names that are like a text with mistakes in it, the likest first.

        A name is as like as the whole is, or nearly as like as the likest words in it are to those of the text.
        """
        whole, bare, *_ = fold_names(pl.Series([make_whole(text[:_LONGEST])])).row(0)
        if self._names is None or not whole or len(text) > LONGEST_WORDS:
            return np.empty(0, np.int64)
        known, words = self.folded, sorted(dict.fromkeys(whole.split()), key=len)[-_CORRECTED:]
        likeness, by_word = np.zeros(len(known)), np.zeros(len(known))
        for place, like in _compare(bare, known["bare"]):
            likeness[place] = like
        for word in words:
            best = np.zeros(len(known))
            for at, like in _compare(word, self._words["word"], at_most=3):
                places = self._words["places"][at].to_numpy()
                best[places] = np.maximum(best[places], like)
            by_word += best * (len(word) / sum(map(len, words)))
        likeness = np.maximum(likeness, 0.95 * by_word)
        rows = known["row"].to_numpy()
        near = self._rank(rows[likeness >= max(_NEAR, likeness.max(initial=0) - _LESS)])
        return near[np.argsort(-likeness[np.searchsorted(rows, near)], kind="stable")][:k]

    def tell_near(self, error: UnknownIdError) -> UnknownIdError:
        """Return an error of unknown ids with the nearest known ids in its sentence, the same where there are none."""
        texts = [value for value in error.ids if isinstance(value, str)]
        near = [row for text in texts[:3] for row in self.find_near(text, k=3 if len(texts) == 1 else 1)]
        if not near:
            return error
        problem = f"{error.problem.rstrip('.')}; did you mean {self._tell(dict.fromkeys(near), last=' or ')}?"
        return UnknownIdError(problem, *error.remedies, **error.facts)

    @property
    def _names(self) -> pl.Series | None:
        """The names, and the ids for what has no other; None where nothing has one."""
        if not self.ids.holds_strings:
            return self.names
        return self.ids.ids if self.names is None else self.names.fill_null(self.ids.ids)

    @cached_property
    def folded(self) -> pl.DataFrame:
        """A row for each name: row, id, name, what `fold_names` makes of it, and spaced, the whole between spaces."""
        names = pl.DataFrame({"id": self.ids.ids.cast(pl.String), "name": self._names})
        names = names.with_row_index("row").cast({"row": pl.Int64}).drop_nulls()
        folded = pl.concat([names, fold_names(names["name"])], how="horizontal")
        return folded.with_columns(spaced=" " + pl.col("whole") + " ")

    @cached_property
    def _words(self) -> pl.DataFrame:
        """The words of all names, each once, and the places in `folded` of the names that have it: word, places."""
        words = self.folded.select(word=pl.col("whole").str.split(" ")).with_row_index("places").explode("word")
        return words.group_by("word").agg("places").sort("word")

    def find_id(self, text: str) -> int:
        """Return the row of the id that a text spells, else -1."""
        value = text if self.ids.holds_strings else parse_number(text)
        return -1 if value is None else int(self.ids.find([value])[0])

    def _rank(self, rows: RowNumbers) -> RowNumbers:
        return rows if self.popularity is None else rows[np.argsort(-self.popularity[rows], kind="stable")]

    def _tell(self, rows: Iterable[int], last: str = ", ") -> str:
        """Name rows for a message, with their ids where names do not tell them; ``last`` stands before the last."""
        names = self._names
        told = []
        for row in rows:
            item, name = self.ids[int(row)], None if names is None else names[int(row)]
            told.append(show(item) if name is None or name == item else f"{show(name)} ({item})")
        return last.join([", ".join(told[:-1]), told[-1]] if told[1:] else told)

    def _make_many_error(self, text: str, rows: RowNumbers, is_name: bool, names: pl.Series) -> DataError:
        kind = "id" if self.names is None else "title"
        what = f"is the {kind} of {len(rows):,} items" if is_name else f"is in {len(rows):,} {kind}s"
        more = f" and {len(rows) - _LISTED:,} more" if len(rows) > _LISTED else ""
        ways = [] if is_name and names.gather(rows).n_unique() == 1 else ["say more of it"]
        return DataError(
            f"{show(text)} {what}, {self._tell(rows[:_LISTED])}{more}",
            *ways,
            *([] if self.names is None else ["pass the id of one"]),
            ids=tuple(self.ids.take(rows)),
        )


def parse_id(text: str, ids: IdMap, *ways: Remedy) -> int | str:
    """Return an id of the type that the map holds; raises DataError for a text that is not an integer where ids are.

    ways : the remedies in its message
    """
    if ids.holds_strings:
        return text
    if (number := parse_number(text)) is None:
        raise DataError(f"the ids of {ids.name!r} are integers here, got {show(text)}", *ways, column=ids.name)
    return number


def make_whole(text: str) -> str:
    """Return a text with a sign for each half of a character, which a shell may pass on and no text of polars holds."""
    return text.encode("utf-8", "replace").decode()


def fold_names(names: pl.Series) -> pl.DataFrame:
    """Fold names: words in small letters, with a space between two, without accents and punctuation.

    A late article comes first, so that "Matrix, The (1999)" becomes "the matrix 1999"; & becomes "and".

    whole : all words
    bare : without the year, where more is left
    joined : the same without spaces
    stem : without what is in parentheses, and without the article, where more is left
    """
    plain = (
        names.str.normalize("NFKD")
        .str.replace_all("[\u0300-\u036f]", "")
        .str.to_lowercase()
        .str.replace(_LATE_ARTICLE, "$2 $1$3")
        .str.replace_many(list(_PLAIN), list(_PLAIN.values()))
    )
    whole = _take_words(plain)
    bare, stem = _take_words(plain.str.replace(_YEAR, "")), _take_words(plain.str.replace_all(_ASIDE, ""))
    bare, stem = bare.zip_with(bare != "", whole), stem.zip_with(stem != "", whole)
    joined, stem = bare.str.replace_all(" ", "", literal=True), stem.str.replace(FIRST_ARTICLE, "$1")
    return pl.DataFrame({"whole": whole, "bare": bare, "joined": joined, "stem": stem})


def _take_words(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(r"[^\p{L}\p{N}\p{M}]+", " ").str.strip_chars()


def _compare(text: str, known: pl.Series, at_most: int = _COMPARED) -> Iterator[tuple[int, float]]:
    """Give the places of the known texts that are like a text, and how like, the likest first; at most so many.

    The likeness is the share of letters that stand in the same order in both, at least `_NEAR`.
    """
    lengths, length = known.str.len_bytes().cast(pl.Int64), len(text.encode())
    # Of two texts of other lengths, no more letters can be alike than the shorter one has.
    places = (lengths.is_between(length * _NEAR / (2 - _NEAR), length * (2 - _NEAR) / _NEAR)).arg_true().to_numpy()
    blocks = [places[at : at + _BLOCK] for at in range(0, len(places), _BLOCK)]
    bounds = np.concatenate([np.empty(0), *(_bound_likeness(text, known.gather(block)) for block in blocks)])
    candidates = np.flatnonzero(bounds >= _NEAR)
    candidates = candidates[np.argsort(-bounds[candidates], kind="stable")][:_COMPARED]
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)
    found = []
    for place in places[candidates].tolist():
        matcher.set_seq1(known[place])
        if (like := matcher.ratio()) >= _NEAR:
            found.append((place, like))
    yield from sorted(found, key=lambda pair: -pair[1])[:at_most]


def _bound_likeness(text: str, known: pl.Series) -> npt.NDArray[np.float64]:
    """Return the likeness that texts would have if all letters that they share with a text stood in the same order."""
    lengths = known.str.len_bytes().to_numpy().astype(np.int64)
    letters = np.frombuffer((known.str.join("").item() or "").encode(), np.uint8) % _BINS
    own = np.bincount(np.frombuffer(text.encode(), np.uint8) % _BINS, minlength=_BINS)
    at = np.repeat(np.arange(len(known)), lengths) * _BINS + letters
    counts = np.bincount(at, minlength=len(known) * _BINS).reshape(len(known), _BINS)
    bounds: npt.NDArray[np.float64] = 2 * np.minimum(counts, own).sum(axis=1) / np.maximum(lengths + own.sum(), 1)
    return bounds
