"""Public data sets, fetched from their publishers or read from a local copy."""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from tastemap.data.frames import check_columns
from tastemap.data.interactions import Interactions
from tastemap.data.sources.files import MOVIELENS_COLUMNS, DataFile, open_file
from tastemap.errors import DataError
from tastemap.files.cache import cache_folder
from tastemap.files.whole import whole_file

__all__ = ["Dataset", "deskdrop", "movielens", "online_retail"]

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
CONNECT_SECONDS = 10.0
# The wheel holds the three files of MovieLens 100K as RecBole converts them.
RECBOLE = "recbole==1.2.1"

_RATINGS = {
    "100k": ("u.data", "ml-100k.inter"),
    "1m": ("ratings.dat", "ratings.parquet"),
    "10m": ("ratings.dat",),
}
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *(
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)
_CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5, 4, Article 19 (December 2015). https://doi.org/10.1145/2827872"
)
_LICENSE = (
    "GroupLens: for research; no redistribution and no commercial use without permission, no claim of "
    "endorsement. See the README of the data set at https://grouplens.org/datasets/movielens/"
)

_DESKDROP_MERGING: dict[str, Any] = {
    "user": "personId",
    "item": "contentId",
    "time": "timestamp",
    "event_weights": ("eventType", {"VIEW": 1, "LIKE": 2, "BOOKMARK": 2.5, "FOLLOW": 3, "COMMENT CREATED": 4}),
    "duplicates": "sum",
    "duplicates_time": "last",
}
_DESKDROP_CITATION = (
    "Gabriel Moreira. Articles sharing and reading from CI&T DeskDrop: logs of an internal communications platform, "
    "March 2016 to February 2017. Kaggle data sets (2017), gspmoreira/articles-sharing-reading-from-cit-deskdrop."
)
_DESKDROP_LICENSE = "See the terms on its page at Kaggle; the texts of the articles belong to their publishers."

_RETAIL_COLUMNS = (
    *("InvoiceNo", "StockCode", "Description", "Quantity"),
    *("InvoiceDate", "UnitPrice", "CustomerID", "Country"),
)
_RETAIL_MERGING: dict[str, Any] = {
    "user": "CustomerID",
    "item": "StockCode",
    "time": "InvoiceDate",
    "duplicates": "sum",
    "duplicates_time": "max",
}
_RETAIL_CITATION = (
    "Daqing Chen. Online Retail. UCI Machine Learning Repository (2015). https://doi.org/10.24432/C5BW33. Described in "
    "Daqing Chen, Sai Liang Sain and Kun Guo. Data mining for the online retail industry: A case study of RFM "
    "model-based customer segmentation using data mining. Journal of Database Marketing and Customer Strategy "
    "Management 19, 3 (2012), 197-208. https://doi.org/10.1057/dbm.2012.17"
)
_RETAIL_LICENSE = "Creative Commons Attribution 4.0 International (CC BY 4.0)"


@dataclass(frozen=True)
class Dataset:
    """Interactions with what is known of their items and users.

    interactions : `Interactions`
    items, users : polars frames keyed by the interactions' item and user column, or None where the publisher
        gives none
    citation, license : what to cite, and what the publisher allows
    events : polars frame of what happened, one row an event, where a pair may come several times and its events
        were merged; None where every pair comes once
    merging : how, as options of `Interactions.from_frame`
    """

    interactions: Interactions
    items: pl.DataFrame | None
    users: pl.DataFrame | None
    citation: str
    license: str
    events: pl.DataFrame | None = None
    merging: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        frames = {"items": self.items, "users": self.users, "events": self.events}
        known = [f"{name} with {', '.join(frame.columns)}" for name, frame in frames.items() if frame is not None]
        return "; ".join([f"Dataset of {self.interactions!r}", *known])

    def pairs(self, events: Any) -> Interactions:
        """Merge some of the events into pairs, as `interactions` were from all of them, over the same id maps.

        So a pair with events on both sides of a split is in both parts::

            before = pl.col("InvoiceDate") < datetime(2011, 11, 9)
            train, test = shop.pairs(shop.events.filter(before)), shop.pairs(shop.events.filter(~before))

        events : rows of `events`, in any kind of frame
        Raises DataError where there are none.
        """
        if self.events is None:
            raise DataError("these data have no events to merge, every pair comes once: split the interactions")
        return Interactions.from_frame(
            events, **self.merging, users=self.interactions.users, items=self.interactions.items
        )


def movielens(name: str = "100k", path: str | Path | None = None) -> Dataset:
    """Load MovieLens ratings with columns user_id, movie_id, rating and timestamp (Unix seconds).

    name : "100k", "1m", "10m", "20m", "25m", "32m" or "latest-small"
    path : a local copy, as published: the folder or the zip file. None downloads from GroupLens once, with
        a progress bar and a checksum, into ``cache_folder()``

    ``items`` has movie_id, title and genres ("Animation|Comedy"); ``users`` exists for 100k and 1m. Where
    GroupLens cannot be reached, 100k comes out of the wheel of recbole 1.2.1 by ``pip download``, and stderr
    says so. Timestamps missing from a local ratings.parquet are filled with the smallest known one: they are
    known to lie before it, so the order among the others stays right.

    Raises DataError where the data cannot be fetched, are damaged or are of another layout.
    """
    if name not in MD5:
        raise ValueError(f"name must be one of {', '.join(map(repr, MD5))}, got {name!r}")
    source = _fetched(name) if path is None else Path(path).expanduser()
    interactions = Interactions.from_frame(
        read_ratings(source, name), user="user_id", item="movie_id", weight="rating", time="timestamp"
    )
    return Dataset(interactions, _items(source), _users(source), _CITATION, _LICENSE)


def deskdrop(path: str | Path) -> Dataset:
    """Load CI&T Deskdrop, articles read at work: columns personId, contentId, weight and timestamp (Unix seconds).

    path : a local copy, as published: the folder or the zip file, or users_interactions.csv itself, packed or not

    The weight of a pair is the sum over its events: VIEW 1, LIKE 2, BOOKMARK 2.5, FOLLOW 3, COMMENT CREATED 4; its
    time is that of the last in the file. ``events`` has them all. People with at least five articles, damped weights::

        tm.datasets.deskdrop(path).interactions.core(min_per_user=5).log2().compact()

    ``items`` has a row for each article of shared_articles.csv where that lies beside: the line of its latest sharing,
    or of its removal where it was never shared. Without that file, ``items`` has the ids alone. ``users`` is None.

    Raises DataError where the data are absent, damaged or of another layout.
    """
    source = Path(path).expanduser()
    log = _held(source, "users_interactions.csv")
    if log is None and source.is_dir():
        raise DataError(f"{source} holds no users_interactions.csv, so it is not CI&T Deskdrop")
    events = (log or open_file(source)).read()
    interactions = Interactions.from_frame(events, **_DESKDROP_MERGING)
    articles = _held(source, "shared_articles.csv")
    if articles is None and not source.is_dir():
        articles = _held(source.parent, "shared_articles.csv")
    items = interactions.items.ids.to_frame("contentId") if articles is None else _articles(articles)
    return Dataset(interactions, items, None, _DESKDROP_CITATION, _DESKDROP_LICENSE, events, _DESKDROP_MERGING)


def online_retail(path: str | Path | None = None) -> Dataset:
    """Load Online Retail, a gift shop's orders: columns CustomerID, StockCode, weight and InvoiceDate.

    path : a local copy: the publisher's spreadsheet saved as csv or parquet, under the published column names. None
        raises a DataError that says where to get it

    Purchases are the lines with a customer and a positive quantity that are no cancellation (InvoiceNo C...). The
    weight of a pair is how many lines the customer bought the product in, its time the latest. ``items`` has StockCode
    and its most frequent Description, ``users`` CustomerID and the most frequent Country.

    ``events`` has every purchase line. To hold out the last month with what is bought again, part them, not the pairs,
    and leave nothing out when ranking::

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
    file = _in_utf8(open_file(path))
    # Spreadsheets put ";" between columns where the decimal mark is a comma.
    lines = replace(file, separator=file.other_separator()).read(_RETAIL_COLUMNS, time="InvoiceDate")
    lines = lines.with_columns(
        pl.col("InvoiceNo", "StockCode").cast(pl.String),
        pl.col("Description").cast(pl.String).str.strip_chars(),
        _whole_ids(lines["CustomerID"]),
    )
    if not lines["Quantity"].dtype.is_numeric():
        raise DataError(f"{path}: column 'Quantity' holds {lines['Quantity'].dtype} values: write them as numbers")
    is_cancelled = pl.col("InvoiceNo").str.contains("^[Cc]")
    events = lines.filter(pl.col("CustomerID").is_not_null() & (pl.col("Quantity") > 0) & ~is_cancelled)
    interactions = Interactions.from_frame(events, **_RETAIL_MERGING)
    items = _most_frequent(events, interactions.items.ids.alias("StockCode"), "Description")
    users = _most_frequent(events, interactions.users.ids.alias("CustomerID"), "Country")
    return Dataset(interactions, items, users, _RETAIL_CITATION, _RETAIL_LICENSE, events, _RETAIL_MERGING)


def movielens_name(path: Path) -> str | None:
    """Return the name of a set with the layout of a folder or zip file, told by its files; None if it has none."""
    if path.is_dir():
        files = {file.name for pattern in ("*", "*/*") for file in path.glob(pattern)}
    elif path.suffix.lower() in (".zip", ".whl") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
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
    found = _find(source, *names)
    if found is None:
        raise DataError(f"{source} holds no {' or '.join(names)}, so it is not MovieLens {name}")
    file, content = found
    table = DataFile(file, content, f"{source}: {file}").read()
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

    None where ``path`` is nothing of these or holds no movies.
    """
    if path.name in ("movies.dat", "u.item") and path.is_file():
        return _MOVIES[path.name](path)
    return None if movielens_name(path) is None else _items(path)


def _find(source: Path, *names: str) -> tuple[str, Path | bytes] | None:
    """Return the first of ``names`` that a folder, one of its folders or a zip file holds: path or bytes."""
    if source.is_dir():
        for name in names:
            for file in (source / name, *sorted(source.glob(f"*/{name}"))):
                if file.is_file():
                    return name, file
        return None
    try:
        with zipfile.ZipFile(source) as archive:
            members = {PurePosixPath(member).name: member for member in archive.namelist()}
            for name in names:
                if name in members:
                    return name, archive.read(members[name])
    except (zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{source} is not a whole zip file ({error}): get it again") from error
    return None


def _held(source: Path, name: str) -> DataFile | None:
    """Open a file that a folder, packed or not, or a zip file holds; None where it holds none, or is another file."""
    if not source.is_dir() and (source.suffix.lower() != ".zip" or not source.exists()):
        return None
    found = _find(source, name, *((f"{name}.zip", f"{name}.gz") if source.is_dir() else ()))
    if found is None:
        return None
    content = found[1]
    return open_file(content) if isinstance(content, Path) else DataFile(name, content, f"{source}: {name}")


def _articles(file: DataFile) -> pl.DataFrame:
    """Return one row an article: of its latest sharing or else of its removal."""
    table = file.read()
    check_columns(("timestamp", "eventType", "contentId"), table.columns)
    latest = table.sort(pl.col("eventType") == "CONTENT SHARED", "timestamp", maintain_order=True)
    return latest.unique("contentId", keep="last").sort("timestamp", "contentId")


def _in_utf8(file: DataFile) -> DataFile:
    return file if file.is_parquet else replace(file, content=_text(file.content).encode())


def _whole_ids(column: pl.Series) -> pl.Series:
    """Return ids as integers, which pandas turns into floats where some are missing; as they are if they are none."""
    if column.dtype.is_integer():
        return column
    numbers = column.cast(pl.Float64, strict=False)
    is_missing = column.is_null() | numbers.is_nan().fill_null(False)
    whole = numbers.fill_nan(None).cast(pl.Int64, strict=False)
    return whole if (is_missing | (whole == numbers).fill_null(False)).all() else column


def _most_frequent(events: pl.DataFrame, ids: pl.Series, column: str) -> pl.DataFrame:
    """Return the value that is most frequent with each id, of equally frequent ones the first in the file."""
    counts = events.drop_nulls(column).group_by(ids.name, column, maintain_order=True).len()
    best = counts.sort("len", descending=True, maintain_order=True).unique(ids.name, keep="first", maintain_order=True)
    return ids.to_frame().join(best.select(ids.name, column), on=ids.name, how="left", maintain_order="left")


def _items(source: Path) -> pl.DataFrame | None:
    found = _find(source, *_MOVIES)
    return None if found is None else _MOVIES[found[0]](found[1])


def _users(source: Path) -> pl.DataFrame | None:
    readers: dict[str, Callable[[Path | bytes], pl.DataFrame]] = {
        "users.dat": lambda file: _people(file, "::", ["user_id", "gender", "age", "occupation", "zip_code"]),
        "u.user": lambda file: _people(file, "|", ["user_id", "age", "gender", "occupation", "zip_code"]),
        "ml-100k.user": lambda file: _people(
            file, "\t", ["user_id", "age", "gender", "occupation", "zip_code"], header=True
        ),
    }
    found = _find(source, *readers)
    return None if found is None else readers[found[0]](found[1])


def _movies_csv(file: Path | bytes) -> pl.DataFrame:
    table = DataFile("movies.csv", file, "movies.csv").read(["movieId", "title", "genres"])
    return table.rename({"movieId": "movie_id"})


def _movies_dat(file: Path | bytes) -> pl.DataFrame:
    # A title may hold ':', so only the outer fields are split off.
    rows = [(int(line.partition("::")[0]), *line.partition("::")[2].rsplit("::", 1)) for line in _lines(file)]
    return pl.DataFrame(rows, schema=_ITEM_SCHEMA, orient="row")


def _u_item(file: Path | bytes) -> pl.DataFrame:
    rows = []
    for line in _lines(file):
        fields = line.split("|")
        genres = [genre for genre, flag in zip(_GENRES, fields[5:], strict=True) if flag == "1"]
        rows.append((int(fields[0]), fields[1], "|".join(genres)))
    return pl.DataFrame(rows, schema=_ITEM_SCHEMA, orient="row")


def _recbole_items(file: Path | bytes) -> pl.DataFrame:
    rows = []
    for line in _lines(file)[1:]:
        movie, title, year, genres = [*line.split("\t"), "", ""][:4]
        if title == "unkonwn":  # RecBole's word for the published "unknown", which has no year
            title, year = "unknown", ""
        rows.append((int(movie), f"{title} ({year})" if year else title, genres.replace(" ", "|")))
    return pl.DataFrame(rows, schema=_ITEM_SCHEMA, orient="row")


_MOVIES: dict[str, Callable[[Path | bytes], pl.DataFrame]] = {
    "movies.csv": _movies_csv,
    "movies.dat": _movies_dat,
    "u.item": _u_item,
    "ml-100k.item": _recbole_items,
}


def _people(file: Path | bytes, separator: str, names: list[str], *, header: bool = False) -> pl.DataFrame:
    rows = [line.split(separator) for line in _lines(file)[int(header) :]]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return frame.with_columns(pl.col("user_id", "age").cast(pl.Int64))


_ITEM_SCHEMA = {"movie_id": pl.Int64, "title": pl.String, "genres": pl.String}


def _lines(file: Path | bytes) -> list[str]:
    # Not splitlines(): latin-1 titles may hold characters that it takes for line ends.
    return [line.rstrip("\r") for line in _text(file).split("\n") if line.strip()]


def _text(file: Path | bytes) -> str:
    content = file if isinstance(file, bytes) else file.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # the older sets


def _fetched(name: str) -> Path:
    """Return the zip file of a data set, or the wheel that holds it, from the cache or the network."""
    folder = cache_folder()
    archive, wheel = folder / f"ml-{name}.zip", folder / "recbole-1.2.1.whl"
    if archive.exists():
        return archive
    if name == "100k" and wheel.exists():
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    url = f"{PUBLISHER}ml-{name}.zip"
    try:
        _download(url, archive, MD5[name])
    except (OSError, http.client.HTTPException) as error:
        if name != "100k":
            raise DataError(
                f"cannot download {url} ({_reason(error)}): get it in another way and pass its place as path="
            ) from error
        _say(f"cannot download {url} ({_reason(error)}): asking pip for {RECBOLE}, which holds these data")
        _download_wheel(url, wheel)
        _say(f"MovieLens 100K was taken from the wheel of {RECBOLE}, kept as {wheel}")
        return wheel
    return archive


def _download(url: str, target: Path, md5: str | None) -> None:
    """Download, check and keep a zip file: ``target`` is whole or absent."""
    from tqdm import tqdm

    _remove_leftovers(target)
    digest = hashlib.md5(usedforsecurity=False)
    with whole_file(target) as part:
        with part.open("wb") as out, urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as response:
            size = int(response.headers.get("Content-Length") or 0)
            with tqdm(total=size or None, unit="B", unit_scale=True, desc=target.name) as bar:
                while chunk := response.read(1 << 20):
                    out.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
        received = part.stat().st_size
        if size and received != size:
            raise ConnectionError(f"it ended after {received:,} of {size:,} bytes")
        if md5 is not None and digest.hexdigest() != md5:
            raise DataError(
                f"{url} has the MD5 {digest.hexdigest()} in place of {md5}, so it is damaged or was changed "
                "by its publisher: try again, or pass a local copy as path="
            )
        if not zipfile.is_zipfile(part):
            raise DataError(f"{url} is not a zip file: try again, or pass a local copy as path=")


def _remove_leftovers(target: Path) -> None:
    """Remove what downloads of ``target`` left that were killed; a younger one may still be under way."""
    for part in target.parent.glob(f".{target.name}.*.tmp"):
        if time.time() - part.stat().st_mtime > 86_400:
            part.unlink(missing_ok=True)


def _download_wheel(url: str, target: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise DataError(
            f"cannot download {url}, and this Python has no pip to take the data from {RECBOLE} instead: "
            "install pip ('python -m ensurepip'), or get the file in another way and pass its place as path="
        )
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", folder, RECBOLE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            complaint = (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else ""
        except subprocess.TimeoutExpired:
            complaint = "it took more than 300 s"
        wheels = list(Path(folder).glob("*.whl"))
        if complaint or len(wheels) != 1:
            raise DataError(
                f"cannot download {url}, nor {RECBOLE} with pip ({complaint or 'it brought no wheel'}): "
                "get the file in another way and pass its place as path="
            )
        wheels[0].replace(target)


def _say(text: str) -> None:
    print(f"tastemap: {text}", file=sys.stderr)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    return str(getattr(error, "reason", None) or error or type(error).__name__)
