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
from tastemap.data.interactions import Interactions
from tastemap.data.sources._dialect import MOVIELENS_COLUMNS
from tastemap.data.sources._unpack import Content, open_zip
from tastemap.data.sources.files import DataFile
from tastemap.datasets._dataset import Dataset
from tastemap.datasets._download import check_kept, download, download_wheel, explain
from tastemap.datasets._files import find_file, read_text
from tastemap.errors import DataError, name_some, show
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
    return Dataset(interactions, items, users, _CITATION, _LICENSE)


def find_movielens_name(path: Path) -> Name | None:
    """Return the name of a MovieLens set that has the files of a folder or zip file; None if no set has them."""
    if path.is_dir():
        files = {file.name for pattern in ("*", "*/*") for file in path.glob(pattern)}
    elif path.suffix.lower() in (".zip", ".whl") and zipfile.is_zipfile(path):
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
    names = _RATINGS.get(name, ("ratings.csv",))
    found = find_file(source, *names)
    if found is None:
        raise DataError(f"{source} holds no {' or '.join(names)}, so it is not MovieLens {name}")
    file, content = found
    ids = ("userId", "user_id", "movieId", "item_id", "movie_id")
    table = DataFile(file, content, f"{source}: {file}").read(ids=ids)
    renamed = {"userId": "user_id", "movieId": "movie_id", "item_id": "movie_id"}
    table = table.rename({old: new for old, new in renamed.items() if old in table.columns})
    missing = [column for column in MOVIELENS_COLUMNS if column not in table.columns]
    if missing:
        raise DataError(f"{source}: {file} has no column {missing[0]!r}, so it is not a MovieLens file")
    # RecBole writes timestamps as floats.
    return table.select(MOVIELENS_COLUMNS).with_columns(
        pl.col("timestamp").fill_null(pl.col("timestamp").min()).cast(pl.Int64)
    )


def read_movies(path: Path) -> pl.DataFrame | None:
    """Read movie_id, title and genres of a MovieLens folder or zip file, of a movies.dat or a u.item.

    Returns None where ``path`` is none of these or holds no movies.
    """
    if path.name in ("movies.dat", "u.item") and path.is_file():
        return _MOVIES[path.name](path)
    return None if find_movielens_name(path) is None else _read_items(path)


def _read_items(source: Path) -> pl.DataFrame | None:
    found = find_file(source, *_MOVIES)
    return None if found is None else _MOVIES[found[0]](found[1])


def _read_users(source: Path) -> pl.DataFrame | None:
    readers: dict[str, Callable[[Content], pl.DataFrame]] = {
        "users.dat": lambda file: _read_people(file, "::", ["user_id", "gender", "age", "occupation", "zip_code"]),
        "u.user": lambda file: _read_people(file, "|", ["user_id", "age", "gender", "occupation", "zip_code"]),
        "ml-100k.user": lambda file: _read_people(
            file, "\t", ["user_id", "age", "gender", "occupation", "zip_code"], header=True
        ),
    }
    found = find_file(source, *readers)
    return None if found is None else readers[found[0]](found[1])


def _read_movies_csv(file: Content) -> pl.DataFrame:
    table = DataFile("movies.csv", file, "movies.csv").read(["movieId", "title", "genres"], ids=["movieId"])
    return table.rename({"movieId": "movie_id"})


def _read_movies_dat(file: Content) -> pl.DataFrame:
    # A title may hold ':', so only the outer fields are split off.
    lines = [line.partition("::") for line in _read_lines(file)]
    return _make_movies([(movie, *rest.rsplit("::", 1)) for movie, _, rest in lines], "movies.dat")


def _read_u_item(file: Content) -> pl.DataFrame:
    rows = []
    for line in _read_lines(file):
        fields = line.split("|")
        genres = [genre for genre, flag in zip(_GENRES.split("|"), fields[5:], strict=False) if flag == "1"]
        rows.append((*fields[:2], "|".join(genres)))
    return _make_movies(rows, "u.item")


def _read_recbole_items(file: Content) -> pl.DataFrame:
    rows = []
    for line in _read_lines(file)[1:]:
        movie, title, year, genres = [*line.split("\t"), "", ""][:4]
        if title == "unkonwn":  # RecBole's word for the published "unknown", which has no year
            title, year = "unknown", ""
        rows.append((movie, f"{title} ({year})" if year else title, genres.replace(" ", "|")))
    return _make_movies(rows, "ml-100k.item")


def _make_movies(rows: Sequence[Sequence[str]], file: str) -> pl.DataFrame:
    return _make_table(rows, ["movie_id", "title", "genres"], file)


def _make_table(rows: Sequence[Sequence[str]], names: list[str], file: str) -> pl.DataFrame:
    """Return rows of texts as a table whose first column has ids; raise DataError where a row has other fields."""
    for row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{file} is not laid out as MovieLens publishes it: a line has {len(row)} fields, {name_some(row, 5)}, "
                f"where {len(names)} are expected"
            )
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return table.with_columns(read_ids(table[names[0]]))


_MOVIES: dict[str, Callable[[Content], pl.DataFrame]] = {
    "movies.csv": _read_movies_csv,
    "movies.dat": _read_movies_dat,
    "u.item": _read_u_item,
    "ml-100k.item": _read_recbole_items,
}


def _read_people(file: Content, separator: str, names: list[str], *, header: bool = False) -> pl.DataFrame:
    rows = [line.split(separator) for line in _read_lines(file)[int(header) :]]
    frame = _make_table(rows, names, "the file of users")
    return frame.with_columns(pl.col("age").cast(pl.Int64, strict=False))


def _read_lines(file: Content) -> list[str]:
    # Not splitlines(): latin-1 titles may hold characters that it takes for line ends.
    return [line.rstrip("\r") for line in read_text(file).split("\n") if line.strip()]


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
