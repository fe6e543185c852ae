"""MovieLens, from GroupLens or a local copy."""

from __future__ import annotations

import http.client
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import polars as pl

from tastemap.data._spelling import read_ids, respell_ids
from tastemap.data.dates import parse_times
from tastemap.data.interactions import Interactions
from tastemap.data.sources._dialect import MOVIELENS_COLUMNS
from tastemap.data.sources._unpack import Content, open_zip
from tastemap.data.sources.files import DataFile
from tastemap.datasets._dataset import Dataset
from tastemap.datasets._download import check_kept, download, download_wheel, explain
from tastemap.datasets._files import find_file, read_text
from tastemap.errors import DataError, Remedy, TastemapWarning, name_some, show
from tastemap.files.cache import cache_folder

Name = Literal["100k", "1m", "10m", "20m", "25m", "32m", "latest-small"]

PUBLISHER = "https://files.grouplens.org/datasets/movielens/"
# latest-small changes with time, so it has none: its structure is checked instead.
MD5 = {
    "100k": "0e33842e24a9c977be4e0107933c0723",
    "1m": "c4d9eecfca2ab87c1945afe126590906",
    "10m": "ce571fd55effeba0271552578f2648bd",
    "20m": "cd245b17a1ae2cc31bb14903e1204af3",
    "25m": "6b51fb2759a8657d3bfcbfc42b592ada",
    "32m": "d472be332d4daa821edc399621853b57",
    "latest-small": None,
}
# The wheel holds the three files of MovieLens 100K as RecBole converts them.
RECBOLE = "recbole==1.2.1"

_RATINGS = {
    "100k": ("u.data", "ml-100k.inter"),
    "1m": ("ratings.dat", "ratings.parquet"),
    "10m": ("ratings.dat",),
}
# The numbers of ratings that tell sets of one layout apart.
_SIZES = {1_000_209: "1m", 10_000_054: "10m", 20_000_263: "20m", 25_000_095: "25m", 32_000_204: "32m"}
_PACKED = (".zip", ".whl")
_HIGHEST = 5  # of the ratings of all sets
_START, _FEW = 1 << 16, 100  # bytes and lines that tell a layout
_GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|"
    "Mystery|Romance|Sci-Fi|Thriller|War|Western"
)
_CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5, 4, Article 19 (December 2015). https://doi.org/10.1145/2827872"
)
_LICENSE = (
    "GroupLens: for research; no redistribution and no commercial use without permission, no claim of "
    "endorsement. See the README of the data set at https://grouplens.org/datasets/movielens/"
)


def movielens(name: Name = "100k", path: str | Path | None = None, *, progress: bool | None = None) -> Dataset:
    """Load MovieLens ratings with columns user_id, movie_id, rating and timestamp (Unix seconds).

    name : "100k", "1m", "10m", "20m", "25m", "32m" or "latest-small"
    path : a local copy, as published: the folder or the zip file. None downloads from GroupLens once, with a
        checksum that is checked again at every use, into the folder TASTEMAP_CACHE, by default ``~/.cache/tastemap``
    progress : show a bar for the download; None shows it where stderr is a terminal

    ``items`` has movie_id, title and genres ("Animation|Comedy"); ``users`` exists for 100k and 1m. Where
    GroupLens cannot be reached, 100k is taken from the wheel of recbole 1.2.1 by ``pip download``, and a warning
    says so. Timestamps missing from a local ratings.parquet are filled with the smallest known one: they are
    known to lie before it, so the order of the others stays right.

    Where a line of movies has fewer fields, its title or its genres are "". Users in another layout are left out with a
    warning, and another warns of ratings that are of another set in this layout.

    Raises DataError where the data cannot be fetched, are damaged or are of another layout.
    """
    if name not in MD5:
        raise ValueError(f"name must be one of {', '.join(map(repr, MD5))}, got {show(name)}")
    source = _fetch(name, progress) if path is None else Path(path).expanduser()
    interactions = Interactions.from_frame(
        read_ratings(source, name), user="user_id", item="movie_id", weight="rating", time="timestamp"
    )
    items, users = _read_items(source), _read_users(source)
    if items is not None:
        # A part of the ids may be spelled as numbers where all of them are not.
        items = items.with_columns(respell_ids(items["movie_id"], interactions.items.ids.dtype)).drop_nulls("movie_id")
    if path is not None:
        _tell_other_set(source, name, interactions, items)
    return Dataset(interactions, items, users, _CITATION, _LICENSE)


def find_movielens_name(path: Path) -> Name | None:
    """Return the name of a MovieLens set that has the files of a folder or zip file; None if no set has them."""
    if path.is_dir():
        files = {file.name for pattern in ("*", "*/*") for file in path.glob(pattern)}
    elif path.suffix.lower() in _PACKED and zipfile.is_zipfile(path):
        with open_zip(path) as archive:
            files = {PurePosixPath(name).name for name in archive.namelist()}
    else:
        return None
    if files & set(_RATINGS["100k"]):
        return "100k"
    if "movies.dat" in files and files & set(_RATINGS["1m"]):
        return "1m"
    return "latest-small" if files >= {"ratings.csv", "movies.csv"} else None


def read_ratings(source: Path, name: str) -> pl.DataFrame:
    """Read user_id, movie_id, rating and timestamp of a folder or zip file in the layout of the set `name`."""
    if not source.exists():
        raise DataError(f"there is no file or folder {source}")
    if source.is_file() and source.suffix.lower() not in _PACKED:
        raise DataError(f"{source} is one file, where the folder or the zip file of the set is expected")
    names = _find_file_names(name)
    found = find_file(source, *names)
    if found is None:
        raise _make_other_set_error(source, name, names)
    file, content = found
    ids = ("userId", "user_id", "movieId", "item_id", "movie_id")
    table = DataFile(file, content, f"{source}: {file}").read(ids=ids)
    renamed = {"userId": "user_id", "movieId": "movie_id", "item_id": "movie_id"}
    table = table.rename({old: new for old, new in renamed.items() if old in table.columns})
    missing = [column for column in MOVIELENS_COLUMNS if column not in table.columns]
    if missing:
        raise DataError(
            f"{source}: {file} has no column {missing[0]!r}, so it is not a MovieLens file",
            f"read {file} as a file of its own, whose columns you name",
        )
    if not table["timestamp"].dtype.is_numeric():
        times = parse_times(table["timestamp"])
        is_date = isinstance(times.dtype, pl.Date | pl.Datetime)
        table = table.with_columns(times.cast(pl.Datetime("us")).dt.epoch("s") if is_date else times)
    # RecBole writes timestamps as floats.
    return table.select(MOVIELENS_COLUMNS).with_columns(
        pl.col("timestamp").fill_null(pl.col("timestamp").min()).cast(pl.Int64)
    )


def read_movies(path: Path) -> pl.DataFrame | None:
    """Read movie_id, title and genres of a MovieLens folder or zip file, or of a file laid out as movies.dat or u.item.

    Returns None where ``path`` is none of these or holds no movies.
    """
    if path.is_file() and path.suffix.lower() not in _PACKED:
        with path.open("rb") as file:
            lines = [line for line in file.read(_START).replace(b"\r", b"\n").split(b"\n")[:_FEW] if line.strip()]
        if 2 * sum(b"::" in line for line in lines) > len(lines):
            return _read_movies_dat(path, path.name)
        if path.name == "u.item" and lines and b"|" in lines[0]:
            return _read_u_item(path, path.name)
        return None
    return None if find_movielens_name(path) is None else _read_items(path)


def _tell_other_set(source: Path, name: str, ratings: Interactions, items: pl.DataFrame | None) -> None:
    """Warn where the ratings of a local copy are not those of the set, or its movies are not those of the ratings."""
    highest = float(ratings.matrix.data.max())
    if highest > _HIGHEST:
        problem = (
            f"{source} is no MovieLens, but another set in the layout of {name}: its ratings go up to {highest:g}, "
            f"those of MovieLens to {_HIGHEST}, so citation and license are not its own"
        )
        warnings.warn(TastemapWarning(problem), stacklevel=3)
    elif (other := _SIZES.get(len(ratings), name)) != name and _find_file_names(other)[0] == _find_file_names(name)[0]:
        problem = f"{source} is MovieLens {other}, by its {len(ratings):,} ratings, not {name}"
        warnings.warn(TastemapWarning(problem), stacklevel=3)
    if items is not None and not items["movie_id"].is_in(ratings.items.ids.implode()).any():
        warnings.warn(
            TastemapWarning(f"{source} has no title of any of the {ratings.n_items:,} items that it has ratings of"),
            stacklevel=3,
        )


def _find_file_names(name: str) -> tuple[str, ...]:
    """Return the names that the file of ratings of a set may have, the published one first."""
    return _RATINGS.get(name, ("ratings.csv",))


def _make_other_set_error(source: Path, name: str, names: Sequence[str]) -> DataError:
    found = find_movielens_name(source)
    problem = f"{source} holds no {' or '.join(names)}, so it is not MovieLens {name}"
    if found is None:
        return DataError(problem)
    alike = found if found in _RATINGS else "20m, 25m, 32m or latest-small, which have the same files"
    return DataError(f"{problem}: it is laid out as {alike}", Remedy(f"pass {found!r}", "name", found))


def _read_items(source: Path) -> pl.DataFrame | None:
    found = find_file(source, *_MOVIES)
    return None if found is None else _MOVIES[found[0]](found[1], f"{source}: {found[0]}")


def _read_users(source: Path) -> pl.DataFrame | None:
    found = find_file(source, *_USERS)
    if found is None:
        return None
    file, content = found
    separator, names, n_skipped = _USERS[file]
    rows = [line.split(separator) for line in _read_lines(content)[n_skipped:]]
    whole = [row for row in rows if len(row) == len(names)]
    if len(whole) < len(rows):
        odd = next(number for number, row in enumerate(rows) if len(row) != len(names))
        warnings.warn(
            TastemapWarning(
                f"{source}: {file} has the fields {name_some(rows[odd], 6)} in line {odd + n_skipped + 1}, where "
                f"{', '.join(names)} are expected, and {len(rows) - len(whole):,} of {len(rows):,} users are left out",
            ),
            stacklevel=3,
        )
    if not whole:
        return None
    return _make_table(whole, names).with_columns(pl.col("age").cast(pl.Int64, strict=False))


def _read_movies_csv(content: Content, label: str) -> pl.DataFrame:
    file = DataFile("movies.csv", content, label)
    header = file.read_header()
    movie = next((name for name in ("movieId", "movie_id", "item_id", "id") if name in header), None)
    if movie is None or "title" not in header:
        raise DataError(f"{label} has the columns {name_some(header, 12)}, where movieId and title are expected")
    genres = ["genres"] if "genres" in header else []
    table = file.read([movie, "title", *genres], ids=[movie]).rename({movie: "movie_id"})
    return table if genres else table.with_columns(genres=pl.lit(""))


def _read_movies_dat(content: Content, label: str) -> pl.DataFrame:
    rows = [line.split("::") for line in _read_lines(content)]
    lengths = [len(row) for row in rows]
    usual = max(set(lengths), key=lambda length: (lengths.count(length), length), default=0)
    if usual < 2:
        raise DataError(
            f"{label} is not laid out as MovieID::Title::Genres: its first line is {show(''.join(rows[0]))}"
            if rows
            else f"{label} is empty"
        )
    # A title may hold '::', which makes its line longer than the others; fields that all lines have more are left out.
    more = [max(length - max(usual, 3), 0) for length in lengths]
    return _make_movies(
        [(row[0], "::".join(row[1 : n + 2]), *row[n + 2 : n + 3]) for row, n in zip(rows, more, strict=True)]
    )


def _read_u_item(content: Content, label: str) -> pl.DataFrame:
    rows = []
    for line in _read_lines(content):
        fields = line.split("|")
        genres = [genre for genre, flag in zip(_GENRES.split("|"), fields[5:], strict=False) if flag == "1"]
        rows.append((fields[0], "".join(fields[1:2]), "|".join(genres)))
    return _make_movies(rows)


def _read_recbole_items(content: Content, label: str) -> pl.DataFrame:
    rows = []
    for line in _read_lines(content)[1:]:
        movie, title, year, genres = [*line.split("\t"), "", "", ""][:4]
        if title == "unkonwn":  # RecBole's word for the published "unknown", which has no year
            title, year = "unknown", ""
        rows.append((movie, f"{title} ({year})" if year else title, genres.replace(" ", "|")))
    return _make_movies(rows)


def _make_movies(rows: Sequence[Sequence[str]]) -> pl.DataFrame:
    """Return a table of movies; where a line has fewer fields, its title or its genres are empty."""
    return _make_table([[*row, "", ""][:3] for row in rows], ["movie_id", "title", "genres"])


def _make_table(rows: Sequence[Sequence[str]], names: list[str]) -> pl.DataFrame:
    """Return rows of texts as a table whose first column has ids."""
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return table.with_columns(read_ids(table[names[0]]))


_MOVIES: dict[str, Callable[[Content, str], pl.DataFrame]] = {
    "movies.csv": _read_movies_csv,
    "movies.dat": _read_movies_dat,
    "u.item": _read_u_item,
    "ml-100k.item": _read_recbole_items,
}
# The character between the fields, their names, and the number of lines before the first user.
_USERS: dict[str, tuple[str, list[str], int]] = {
    "users.dat": ("::", ["user_id", "gender", "age", "occupation", "zip_code"], 0),
    "u.user": ("|", ["user_id", "age", "gender", "occupation", "zip_code"], 0),
    "ml-100k.user": ("\t", ["user_id", "age", "gender", "occupation", "zip_code"], 1),
}


def _read_lines(file: Content) -> list[str]:
    # Not splitlines(): latin-1 titles may hold characters that it takes for line ends.
    text = read_text(file).replace("\r\n", "\n").replace("\r", "\n")
    return [line for line in text.split("\n") if line.strip()]


def _fetch(name: str, progress: bool | None) -> Path:
    """Return the zip file of a data set, or the wheel that holds it, from the cache or the network."""
    folder = cache_folder()
    archive, wheel = folder / f"ml-{name}.zip", folder / "recbole-1.2.1.whl"
    if archive.exists():
        check_kept(archive, MD5[name])
        return archive
    if name == "100k" and wheel.exists():
        check_kept(wheel, None)
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    url = f"{PUBLISHER}ml-{name}.zip"
    try:
        download(url, archive, MD5[name], progress)
    except (OSError, http.client.HTTPException) as error:
        if name != "100k":
            raise DataError(
                f"cannot download {url} ({explain(error)}): get it in another way and pass its place as path="
            ) from error
        download_wheel(RECBOLE, wheel, instead_of=url)
        warnings.warn(
            f"cannot download {url} ({explain(error)}): MovieLens 100K was taken from the wheel of {RECBOLE} instead, "
            f"kept as {wheel}",
            stacklevel=3,
        )
        return wheel
    return archive
