from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tastemap as tm
import tastemap.split as splits
from tastemap.datasets import (
    Dataset,
    _download,
    _movielens,
    deskdrop,
    find_movielens_name,
    movielens,
    online_retail,
    read_movies,
)
from tastemap.errors import DataError

ROWS = [(196, 1, 3.0, 881250949), (186, 2, 4.0, 891717742), (196, 267, 1.0, 878887116)]
U_ITEM = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    "2|Misérables, Les (1995)|01-Jan-1995||http://x|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|1\n"
    "267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
)
TITLES_100K = [
    (1, "Toy Story (1995)", "Animation|Children's|Comedy"),
    (2, "Misérables, Les (1995)", "Action|Western"),
    (267, "unknown", "unknown"),
]


def _lines(separator: str) -> str:
    return "".join(separator.join(f"{value:g}" if value < 10 else str(value) for value in row) + "\n" for row in ROWS)


def _zip(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ML_100K = _zip(
    {
        "ml-100k/README": "x" * 10_000,
        "ml-100k/u.data": _lines("\t"),
        "ml-100k/u1.test": "1\t1\t5\t1\n",
        "ml-100k/u.item": U_ITEM.encode("latin-1"),
        "ml-100k/u.user": "196|49|M|writer|55105\n186|39|F|executive|00000\n",
    }
)
ML_1M = {
    "ratings.dat": _lines("::"),
    "movies.dat": "1::Toy Story (1995)::Animation|Comedy\n2::Léon: The Professional (1994)::Crime\n".encode("latin-1"),
    "users.dat": "196::F::1::10::48067\n186::M::56::16::70072\n",
}
WHEEL = _zip(
    {
        "recbole/dataset_example/ml-100k/ml-100k.inter": (
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + _lines("\t")
        ),
        "recbole/dataset_example/ml-100k/ml-100k.item": (
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
            "1\tToy Story\t1995\tAnimation Children's Comedy\n2\tMisérables, Les\t1995\tAction Western\n"
            "267\tunkonwn\tunkonwn\tunknown\n"
        ),
        "recbole/dataset_example/ml-100k/ml-100k.user": (
            "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
            "196\t49\tM\twriter\t55105\n186\t39\tF\texecutive\t00000\n"
        ),
    }
)


class Publisher:
    """A server on loopback that answers every request by ``mode``."""

    def __init__(self) -> None:
        self.mode, self.body, self.requests = "whole", ML_100K, 0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.requests += 1
                if publisher.mode == "broken":
                    self.send_error(500)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(publisher.body)))
                self.end_headers()
                half = len(publisher.body) // 2
                self.wfile.write(publisher.body if publisher.mode == "whole" else publisher.body[:half])
                if publisher.mode == "stalled":
                    self.wfile.flush()
                    publisher.resume.wait(20)

            def log_message(self, *args: Any) -> None:
                pass

        self.resume = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.resume.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TASTEMAP_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def publisher(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    server = Publisher()
    monkeypatch.setattr(_movielens, "PUBLISHER", server.url)
    checksum = hashlib.md5(ML_100K, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(_movielens, "MD5", {"100k": checksum, "1m": checksum, "latest-small": None})
    yield server
    server.close()


@pytest.fixture
def offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = "http://127.0.0.1:9/"  # nobody listens on the discard port
    monkeypatch.setattr(_movielens, "PUBLISHER", url)
    return url


def check_100k(data: Dataset) -> None:
    assert data.interactions.to_frame().rows() == ROWS
    assert data.interactions.to_frame().columns == ["user_id", "movie_id", "rating", "timestamp"]
    assert data.items is not None
    assert data.items.columns == ["movie_id", "title", "genres"]
    assert data.items.rows() == TITLES_100K
    assert data.users is not None
    assert data.users.columns == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert data.users.row(1) == (186, 39, "F", "executive", "00000")


def test_the_public_modules_can_be_imported() -> None:
    assert tm.datasets.movielens is movielens
    assert tm.split is splits
    assert tm.Dataset is Dataset


def test_a_download_is_kept_and_used_again(publisher: Publisher, cache: Path, capsys: Any) -> None:
    check_100k(movielens("100k", progress=True))
    assert "ml-100k.zip: 100%" in capsys.readouterr().err
    check_100k(movielens("100k", progress=True))
    assert publisher.requests == 1
    assert capsys.readouterr().err == ""
    assert [file.name for file in cache.iterdir()] == ["ml-100k.zip"]


@pytest.mark.parametrize("progress", [False, None])
def test_a_download_is_silent_without_progress_and_terminal(publisher: Publisher, capsys: Any, progress: Any) -> None:
    movielens("100k", progress=progress)
    assert capsys.readouterr().err == ""


def test_a_wrong_checksum_is_refused(publisher: Publisher, cache: Path) -> None:
    publisher.body = ML_100K[:-1] + b"x"
    with pytest.raises(DataError, match=r"ml-100k\.zip has the MD5 [0-9a-f]{32} in place of [0-9a-f]{32}, so it is"):
        movielens("100k")
    assert list(cache.iterdir()) == []


def test_a_file_that_is_not_a_zip_is_refused_without_a_checksum(publisher: Publisher, cache: Path) -> None:
    publisher.body = b"<html>please sign in</html>"
    with pytest.raises(DataError, match="is not a zip file: try again, or pass a local copy as path="):
        movielens("latest-small")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("truncated", "ended after|IncompleteRead"), ("broken", "the server answered 500 Internal")],
)
def test_a_failed_download_leaves_nothing(publisher: Publisher, cache: Path, mode: str, reason: str) -> None:
    publisher.mode = mode
    with pytest.raises(DataError, match=rf"cannot download {publisher.url}ml-1m\.zip \(.*({reason}).*path=$"):
        movielens("1m")
    assert list(cache.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(
    publisher: Publisher, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        movielens("100k")
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_download_is_never_taken_for_a_whole_one(publisher: Publisher, cache: Path) -> None:
    publisher.mode = "stalled"
    code = f"from tastemap.datasets import _movielens as d; d.PUBLISHER = {publisher.url!r}; d.movielens('100k')"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 30
        while not list(cache.glob("*.tmp")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(cache.glob("*.tmp"))
        child.send_signal(signal.SIGKILL)
    publisher.resume.set()
    assert not (cache / "ml-100k.zip").exists()
    publisher.mode = "whole"
    check_100k(movielens("100k"))


def test_old_leftovers_are_removed(publisher: Publisher, cache: Path) -> None:
    cache.mkdir()
    old, young = cache / ".ml-100k.zip.1.tmp", cache / ".ml-100k.zip.2.tmp"
    for part in (old, young):
        part.touch()
    os.utime(old, (0, 0))
    movielens("100k")
    assert {file.name for file in cache.iterdir()} == {"ml-100k.zip", young.name}


def test_offline_an_error_names_the_url_and_the_way_out(offline: str, cache: Path) -> None:
    with pytest.raises(
        DataError, match=rf"cannot download {offline}ml-25m\.zip \(.*\): get it in another way and pass"
    ):
        movielens("25m")


def test_offline_100k_comes_out_of_the_recbole_wheel(
    offline: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def pip(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        (Path(command[command.index("--dest") + 1]) / "recbole-1.2.1-py3-none-any.whl").write_bytes(WHEEL)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(_download.subprocess, "run", pip)
    with pytest.warns(
        UserWarning, match=rf"cannot download {offline}ml-100k\.zip .*taken from the wheel of recbole=="
    ) as w:
        check_100k(movielens("100k"))
    assert [warning.filename for warning in w] == [__file__]
    check_100k(movielens("100k"))
    assert len(commands) == 1
    assert commands[0][:5] == [sys.executable, "-m", "pip", "download", "--no-deps"]
    assert commands[0][-1] == "recbole==1.2.1"
    assert [file.name for file in cache.iterdir()] == ["recbole-1.2.1.whl"]


def test_where_pip_fails_or_is_absent_the_error_says_what_to_do(
    offline: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no route\n")
    monkeypatch.setattr(_download.subprocess, "run", lambda command, **options: failed)
    with pytest.raises(DataError, match=r"nor recbole==1\.2\.1 with pip \(ERROR: no route\): get the file in another"):
        movielens("100k")
    monkeypatch.setattr(_download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"this Python has no pip .*: install pip \('python -m ensurepip'\), or get"):
        movielens("100k")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("packed", [True, False])
def test_1m_is_read_from_a_folder_or_a_zip(tmp_path: Path, packed: bool) -> None:
    source = tmp_path / "ml-1m"
    if packed:
        source = tmp_path / "copy.zip"
        source.write_bytes(_zip({f"ml-1m/{name}": content for name, content in ML_1M.items()}))
    else:
        source.mkdir()
        for name, content in ML_1M.items():
            (source / name).write_bytes(content.encode() if isinstance(content, str) else content)
    data = movielens("1m", path=source)
    assert data.interactions.to_frame().rows() == ROWS
    assert data.items is not None
    assert data.items.row(1) == (2, "Léon: The Professional (1994)", "Crime")
    assert data.users is not None
    assert data.users.rows()[0] == (196, "F", 1, "10", "48067")


def test_newer_sets_are_csv_under_one_set_of_names(tmp_path: Path) -> None:
    source = tmp_path / "ml-25m.zip"
    ratings = "userId,movieId,rating,timestamp\n" + _lines(",")
    source.write_bytes(
        _zip(
            {
                "ml-25m/ratings.csv": ratings,
                "ml-25m/movies.csv": 'movieId,title,genres\n1,"City, The",Drama|War\n',
            }
        )
    )
    data = movielens("25m", path=source)
    assert data.interactions.to_frame().columns == ["user_id", "movie_id", "rating", "timestamp"]
    assert data.interactions.to_frame().rows() == ROWS
    assert data.items is not None
    assert data.items.rows() == [(1, "City, The", "Drama|War")]
    assert data.users is None


def test_missing_timestamps_become_the_smallest_known(tmp_path: Path) -> None:
    pl.DataFrame(
        {"user_id": [1, 2, 3], "movie_id": [1, 1, 1], "rating": [1, 2, 3], "timestamp": [None, 9, 8]}
    ).write_parquet(tmp_path / "ratings.parquet")
    assert movielens("1m", path=tmp_path).interactions.to_frame()["timestamp"].to_list() == [8, 9, 8]


def test_a_local_copy_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder "):
        movielens("1m", path=tmp_path / "none")
    with pytest.raises(DataError, match=r"holds no ratings\.dat or ratings\.parquet, so it is not MovieLens 1m"):
        movielens("1m", path=tmp_path)
    (tmp_path / "x.zip").write_bytes(ML_100K[:-30])
    with pytest.raises(DataError, match=r"is not a whole \.zip file"):
        movielens("100k", path=tmp_path / "x.zip")
    (tmp_path / "ratings.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no column 'user_id', so it is not a MovieLens file"):
        movielens("20m", path=tmp_path)
    with pytest.raises(ValueError, match=re.escape("name must be one of '100k', '1m', '10m', '20m', '25m', '32m'")):
        movielens("1b")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("u.data",), "100k"),
        (("ml-100k.inter", "ml-100k.item"), "100k"),
        (("movies.dat", "ratings.dat"), "1m"),
        (("movies.dat", "ratings.parquet"), "1m"),
        (("ratings.csv", "movies.csv", "links.csv"), "latest-small"),
        (("ratings.csv",), None),
        (("movies.dat",), None),
    ],
)
def test_a_layout_is_told_by_its_files(tmp_path: Path, files: tuple[str, ...], name: str | None) -> None:
    (tmp_path / "ml").mkdir()
    for file in files:
        (tmp_path / "ml" / file).touch()
    (tmp_path / "ml.zip").write_bytes(_zip({f"ml/{file}": "" for file in files}))
    for path in (tmp_path / "ml", tmp_path, tmp_path / "ml.zip"):
        assert find_movielens_name(path) == name
    assert find_movielens_name(tmp_path / "ml" / files[0]) is None
    assert find_movielens_name(tmp_path / "none") is None


def test_movies_are_read_from_a_set_or_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "ml-100k.zip").write_bytes(ML_100K)
    (tmp_path / "u.item").write_bytes(U_ITEM.encode("latin-1"))
    (tmp_path / "movies.dat").write_bytes(ML_1M["movies.dat"])  # type: ignore[arg-type]
    (tmp_path / "movies.csv").write_text("id,name\n1,Own\n")
    for file in ("ml-100k.zip", "u.item"):
        movies = read_movies(tmp_path / file)
        assert movies is not None
        assert movies.rows() == TITLES_100K
    movies = read_movies(tmp_path / "movies.dat")
    assert movies is not None
    assert movies["title"].to_list() == ["Toy Story (1995)", "Léon: The Professional (1994)"]
    assert read_movies(tmp_path / "movies.csv") is None
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "u.data").write_text(_lines("\t"))
    assert read_movies(tmp_path / "alone") is None


def test_movielens_100k_is_as_published(ml100k: Dataset) -> None:
    ratings = ml100k.interactions
    assert (len(ratings), ratings.n_users, ratings.n_items) == (100_000, 943, 1_682)
    assert ml100k.items is not None
    assert ml100k.items.row(0) == TITLES_100K[0]
    assert ml100k.items.filter(movie_id=525)["title"].to_list() == ["Big Sleep, The (1946)"]
    assert ml100k.users is not None
    assert len(ml100k.users) == 943


def test_movielens_1m_has_its_movies_and_people(data_folder: Path) -> None:
    folder = data_folder / "ml-1m"
    if not (folder / "movies.dat").exists():
        pytest.skip(f"needs MovieLens 1M: {folder} is absent")
    data = movielens("1m", path=folder)
    assert data.items is not None
    assert data.users is not None
    assert (len(data.items), len(data.users)) == (3_883, 6_040)
    assert data.items.filter(movie_id=1193)["title"].item() == "One Flew Over the Cuckoo's Nest (1975)"


# CI&T Deskdrop

EVENTS = (
    "timestamp,eventType,contentId,personId,userAgent\n"
    '30,VIEW,-7,1,"Mozilla/5.0 (X11, Linux)"\n10,LIKE,-7,1,\n20,VIEW,-7,2,\n40,COMMENT CREATED,8,2,\n'
)
# Shared twice and removed, removed only, never read; not in the order of time.
ARTICLES = (
    "timestamp,eventType,contentId,title,text\n"
    '2,CONTENT SHARED,-7,Second,\n1,CONTENT SHARED,-7,First,"one\nline, two"\n3,CONTENT REMOVED,-7,Third,\n'
    "4,CONTENT REMOVED,8,Gone,\n5,CONTENT SHARED,9,Unread,\n"
)


def _both(place: Path, layout: str) -> Path:
    """Write the files of Deskdrop and return what to pass."""
    events, articles = place / "users_interactions.csv", place / "shared_articles.csv"
    if layout == "archive":
        (place / "archive.zip").write_bytes(_zip({events.name: EVENTS, articles.name: ARTICLES}))
        return place / "archive.zip"
    articles.write_text(ARTICLES)
    if layout == "zipped":
        (place / f"{events.name}.zip").write_bytes(_zip({events.name: EVENTS}))
        return place
    events.write_text(EVENTS)
    return events if layout == "file" else place


@pytest.mark.parametrize("layout", ["folder", "zipped", "archive", "file"])
def test_deskdrop_sums_weighted_events_and_brings_its_articles(tmp_path: Path, layout: str) -> None:
    data = deskdrop(_both(tmp_path, layout))
    pairs = data.interactions.to_frame()
    assert pairs.columns == ["personId", "contentId", "weight", "timestamp"]
    assert pairs.rows() == [(1, -7, 1 + 2, 10), (2, -7, 1, 20), (2, 8, 4, 40)]
    assert data.items is not None
    assert data.items.select("contentId", "title").rows() == [(-7, "Second"), (8, "Gone"), (9, "Unread")]
    assert data.users is None
    assert data.events is not None
    assert data.events["userAgent"][0] == "Mozilla/5.0 (X11, Linux)"


def test_deskdrop_without_its_articles_has_their_ids(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "shared_articles.csv").write_text(ARTICLES)  # of another copy
    (inner / "log.csv").write_text(EVENTS)
    (inner / "log.zip").write_bytes(_zip({"log.csv": EVENTS}))
    (inner / "users_interactions.csv").write_text(EVENTS)
    for path in (inner / "log.csv", inner / "log.zip", inner):
        items = deskdrop(path).items
        assert items is not None
        assert items.to_dict(as_series=False) == {"contentId": [-7, 8]}


def test_the_text_of_an_article_may_be_of_any_length(tmp_path: Path) -> None:
    text = 'a line, a "quote"\n' * 20_000
    with _both(tmp_path, "folder").joinpath("shared_articles.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("timestamp", "eventType", "contentId", "text"), (1, "CONTENT SHARED", 8, text)])
    limit = csv.field_size_limit()
    items = deskdrop(tmp_path).items
    assert items is not None
    assert items["text"].to_list() == [text]
    assert csv.field_size_limit() == limit


def test_data_that_are_not_deskdrop_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no users_interactions\.csv, so it is not CI&T Deskdrop"):
        deskdrop(tmp_path)
    with pytest.raises(DataError, match="there is no file"):
        deskdrop(tmp_path / "none.zip")
    (tmp_path / "other.csv").write_text("personId,contentId,timestamp\n1,1,1\n")
    with pytest.raises(DataError, match="'eventType'"):
        deskdrop(tmp_path / "other.csv")
    (tmp_path / "other.csv").write_text(EVENTS.replace("LIKE", "HATE"))
    with pytest.raises(DataError, match="events without a weight, 'HATE', first in row 1"):
        deskdrop(tmp_path / "other.csv")


def test_deskdrop_prepared_and_split_as_published(data_folder: Path) -> None:
    path = data_folder / "deskdrop" / "users_interactions.csv.zip"
    if not path.exists():
        pytest.skip(f"needs CI&T Deskdrop: {path} is absent")
    data = deskdrop(path)
    assert data.events is not None
    assert (len(data.events), *data.interactions.shape) == (72_312, 1_895, 2_987)
    prepared = data.interactions.core(min_per_user=5).log2().compact()
    assert prepared.shape == (1_140, 2_984)
    train, test = splits.by_time(prepared, at=1475519530)
    assert (len(train), len(test)) == (29_329, 9_777)


# Online Retail

_ORDERS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
ORDERS = pl.DataFrame(
    [
        ("536365", "85123A", "T-LIGHT", 6, datetime(2010, 12, 1, 8, 26), 2.55, 17850, "France"),
        ("536366", "71053", " £ LANTERN", 1, datetime(2010, 12, 13, 8, 28), 3.39, 17850, "Spain"),
        ("536367", "85123A", "LIGHT OF TEA", 2, datetime(2011, 1, 2, 9, 0), 2.55, 17850, "Spain"),
        ("C36368", "85123A", "T-LIGHT", 1, datetime(2011, 1, 3, 9, 0), 2.55, 17850, "Spain"),
        ("536369", "85123A", "LIGHT OF TEA", 3, datetime(2011, 1, 4, 9, 0), 2.55, 13047, "Italy"),
        ("536370", "85123A", "T-LIGHT", -3, datetime(2011, 1, 5, 9, 0), 2.55, 13047, "Italy"),
        ("536371", "85123A", "T-LIGHT", 3, datetime(2011, 1, 6, 9, 0), 2.55, None, "Italy"),
        ("536372", "22139", None, 3, datetime(2011, 1, 7, 9, 0), 0.0, 13047, "Italy"),
        ("536364", "22139", None, 1, datetime(2010, 12, 30, 9, 0), 0.0, 13047, "Italy"),
    ],
    _ORDERS,
    orient="row",
)


def check_orders(shop: Dataset) -> None:
    pairs = shop.interactions.to_frame()
    assert pairs.columns == ["CustomerID", "StockCode", "weight", "InvoiceDate"]
    assert pairs.rows() == [
        (17850, "85123A", 2, datetime(2011, 1, 2, 9, 0)),
        (17850, "71053", 1, datetime(2010, 12, 13, 8, 28)),
        (13047, "85123A", 1, datetime(2011, 1, 4, 9, 0)),
        (13047, "22139", 2, datetime(2011, 1, 7, 9, 0)),
    ]
    assert shop.items is not None
    assert shop.items.rows() == [("85123A", "LIGHT OF TEA"), ("71053", "£ LANTERN"), ("22139", None)]
    assert shop.users is not None
    assert shop.users.rows() == [(17850, "Spain"), (13047, "Italy")]
    assert shop.events is not None
    assert repr(shop) == (
        "Dataset of Interactions: 4 pairs, 2 users x 3 items, weights 1 to 2, 2010-12-13 to 2011-01-07; "
        "items with StockCode, Description; users with CustomerID, Country; "
        f"events with {', '.join(shop.events.columns)}"
    )
    assert shop.events["InvoiceNo"].to_list() == ["536365", "536366", "536367", "536369", "536372", "536364"]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%-m/%-d/%Y %-H:%M",
        "%-m/%-d/%y %-H:%M",
        "%d/%m/%Y %H:%M",
        "%d/%m/%y %H:%M",
        "%d.%m.%Y %H:%M",
    ],
)
@pytest.mark.parametrize(("encoding", "separator"), [("utf-8", ","), ("latin-1", ";")])
def test_orders_are_read_from_the_csv_files_people_have(
    tmp_path: Path, form: str, encoding: str, separator: str
) -> None:
    # pandas numbers the rows, and makes floats of customers where some are missing.
    table = ORDERS.with_columns(pl.col("CustomerID").cast(pl.Float64), pl.col("InvoiceDate").dt.to_string(form))
    (tmp_path / "data.csv").write_bytes(table.with_row_index("").write_csv(separator=separator).encode(encoding))
    check_orders(online_retail(tmp_path / "data.csv"))


def test_orders_are_read_from_parquet(tmp_path: Path) -> None:
    ORDERS.with_columns(pl.col("CustomerID").cast(pl.Float64).fill_null(float("nan"))).write_parquet(
        tmp_path / "a.parquet"
    )
    ORDERS.with_columns(pl.col("InvoiceDate").cast(pl.Datetime("ns"))).write_parquet(tmp_path / "b.parquet")
    for name in ("a.parquet", "b.parquet"):
        check_orders(online_retail(tmp_path / name))


def test_customers_that_are_not_numbers_stay_as_they_are(tmp_path: Path) -> None:
    table = ORDERS.with_columns(CustomerID="c" + pl.col("CustomerID").cast(pl.String))
    table.write_csv(tmp_path / "orders.csv")
    assert list(online_retail(tmp_path / "orders.csv").interactions.users) == ["c17850", "c13047"]


def test_pairs_with_orders_before_and_after_a_moment_are_in_both_parts(tmp_path: Path) -> None:
    ORDERS.write_parquet(tmp_path / "orders.parquet")
    shop = online_retail(tmp_path / "orders.parquet")
    assert shop.events is not None
    before = pl.col("InvoiceDate") < datetime(2011, 1, 1)
    train, test = shop.pairs(shop.events.filter(before)), shop.pairs(shop.events.filter(~before).to_pandas())
    assert train.users is test.users is shop.interactions.users
    assert train.items is test.items is shop.interactions.items
    assert train.matrix.toarray().tolist() == [[1, 1, 0], [0, 0, 1]]
    assert test.matrix.toarray().tolist() == [[1, 0, 0], [1, 0, 1]]


def test_data_without_events_have_none_to_merge(tmp_path: Path) -> None:
    (tmp_path / "u.data").write_text(_lines("\t"))
    data = movielens("100k", path=tmp_path)
    assert data.events is None
    with pytest.raises(DataError, match="no events to merge, every pair comes once: split the interactions"):
        data.pairs(data.interactions.to_frame())


def test_online_retail_says_where_to_get_it_and_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^[^:]*: get the archive online\+retail\.zip .*10\.24432/C5BW33.*path=$"):
        online_retail()
    (tmp_path / "online+retail.zip").write_bytes(_zip({"Online Retail.xlsx": "PK\0"}))
    with pytest.raises(DataError, match=r"holds no csv, tsv, parquet or JSON file, only 'Online Retail\.xlsx'"):
        online_retail(tmp_path / "online+retail.zip")
    (tmp_path / "Online Retail.xlsx").write_bytes(_zip({"xl/workbook.xml": "<x/>"}))
    with pytest.raises(DataError, match="is not text: pass a csv, tsv or parquet file"):
        online_retail(tmp_path / "Online Retail.xlsx")
    orders = tmp_path / "orders.csv"
    ORDERS.drop("CustomerID").write_csv(orders)
    with pytest.raises(DataError, match="'CustomerID'"):
        online_retail(orders)
    ORDERS.with_columns(pl.lit("Dec 2010").alias("InvoiceDate")).write_csv(orders)
    with pytest.raises(DataError, match=r"holds text .* 'Dec 2010' in rows 0, 1, 2 and 6 more: write all"):
        online_retail(orders)
    ORDERS.with_columns(pl.lit("six").alias("Quantity")).write_csv(orders)
    with pytest.raises(DataError, match="'Quantity' holds String values: write them as numbers"):
        online_retail(orders)
    ORDERS.with_columns(pl.col("CustomerID") + 0.5).write_csv(orders)
    with pytest.raises(DataError, match="'CustomerID' holds Float64 values"):
        online_retail(orders)


def test_the_last_month_of_online_retail_is_held_out_with_its_repeat_purchases(data_folder: Path) -> None:
    path = data_folder / "online-retail" / "online-retail.parquet"
    if not path.exists():
        pytest.skip(f"needs Online Retail: {path} is absent")
    shop = online_retail(path)
    assert shop.events is not None
    assert (len(shop.events), *shop.interactions.shape) == (397_924, 4_339, 3_665)
    assert shop.items is not None
    assert shop.items.filter(StockCode="85123A")["Description"].to_list() == ["WHITE HANGING HEART T-LIGHT HOLDER"]
    before = pl.col("InvoiceDate") < datetime(2011, 11, 9)
    train, test = shop.pairs(shop.events.filter(before)), shop.pairs(shop.events.filter(~before))
    assert train.matrix.sum() + test.matrix.sum() == 397_924
    bought_again = len(train) + len(test) - len(shop.interactions)
    assert bought_again == train.matrix.multiply(test.matrix).nnz == 20_078
    # Split as pairs, what is bought again would be lost to training.
    assert len(splits.by_time(shop.interactions, at="2011-11-09")[0]) == len(train) - bought_again


def test_a_kept_file_is_checked_again(publisher: Publisher, cache: Path) -> None:
    movielens("100k")
    kept = cache / "ml-100k.zip"
    kept.write_bytes(ML_100K[:-1] + b"x")
    with pytest.raises(DataError, match=r"ml-100k\.zip was damaged after its download: delete it"):
        movielens("100k")
    kept.unlink()
    check_100k(movielens("100k"))
    assert publisher.requests == 2


def test_films_may_have_ids_that_are_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::0000008::5::9\n2::114709::4::8\n")
    (tmp_path / "movies.dat").write_text("114709::Toy Story (1995)::Comedy\n0000008::Edison (1893)::Short\n")
    data = movielens("1m", path=tmp_path)
    assert list(data.interactions.items) == ["0000008", "114709"]
    assert data.items is not None
    assert dict(data.items.select("movie_id", "title").rows()) == {
        "114709": "Toy Story (1995)",
        "0000008": "Edison (1893)",
    }


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "ratings.dat").write_text("1::8::5::9\n2::9::4::9\n")
    (tmp_path / "movies.dat").write_text("8::Edison (1893)::Short\n9::Amour (2012)::Drama\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("8::Edison\n9::Amour::Drama\n10\n\n", [(8, "Edison", ""), (9, "Amour", "Drama"), (10, "", "")]),
        ("8::Edison\n9::Amour\n", [(8, "Edison", ""), (9, "Amour", "")]),
        (
            "8::A::b::Short\n9::Amour::Drama\n10::C::Drama",
            [(8, "A::b", "Short"), (9, "Amour", "Drama"), (10, "C", "Drama")],
        ),
        (
            "8::A::Short::x\n9::B::b::Drama::y\n10::C::Drama::z",
            [(8, "A", "Short"), (9, "B::b", "Drama"), (10, "C", "Drama")],
        ),
        ("8::A::Short\r9::B::Drama\r", [(8, "A", "Short"), (9, "B", "Drama")]),
    ],
)
def test_lines_of_movies_may_have_fewer_fields_or_more(films: Path, text: str, rows: list[tuple[Any, ...]]) -> None:
    (films / "movies.dat").write_text(text)
    (films / "other.txt").write_text(text)
    items = movielens("1m", path=films).items
    assert items is not None
    assert items.rows() == rows
    alone = read_movies(films / "other.txt")
    assert alone is not None
    assert alone.rows() == rows


@pytest.mark.parametrize(
    ("file", "text", "rows"),
    [
        ("u.item", "8\n9|Amour (2012)\n", [(8, "", ""), (9, "Amour (2012)", "")]),
        ("ml-100k.item", "item_id:token\n8\n9\tAmour\t2012\n", [(8, "", ""), (9, "Amour (2012)", "")]),
    ],
)
def test_short_lines_of_movies_have_empty_titles(tmp_path: Path, file: str, text: str, rows: list[Any]) -> None:
    (tmp_path / "u.data").write_text("1\t8\t5\t9\n")
    (tmp_path / file).write_text(text)
    items = movielens("100k", path=tmp_path).items
    assert items is not None
    assert items.rows() == rows


def test_movies_csv_may_lack_genres(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,8,5,9\n")
    (tmp_path / "movies.csv").write_text("movieId,title\n8,Edison\n")
    items = movielens("latest-small", path=tmp_path).items
    assert items is not None
    assert items.rows() == [(8, "Edison", "")]
    (tmp_path / "movies.csv").write_text("id,title\n0008,Edison\n8,Other\n")
    items = movielens("latest-small", path=tmp_path).items
    assert items is not None
    assert items.rows() == [(8, "Other", "")]
    (tmp_path / "movies.csv").write_text("id,name\n8,Edison\n")
    with pytest.raises(
        DataError, match=r"movies\.csv has the columns 'id', 'name', where movieId and title are expected"
    ):
        movielens("latest-small", path=tmp_path)
    with pytest.raises(DataError, match=r"movies\.csv is one file, where the folder or the zip file of the set is exp"):
        movielens("latest-small", path=tmp_path / "movies.csv")


def test_movies_that_are_no_lines_of_fields_are_told(films: Path) -> None:
    (films / "movies.dat").write_text("8;Edison\n9;Amour\n")
    with pytest.raises(
        DataError, match=r"movies\.dat is not laid out as MovieID::Title::Genres: .* line is '8;Edison'"
    ):
        movielens("1m", path=films)
    assert read_movies(films / "movies.dat") is None
    (films / "movies.dat").write_text("")
    with pytest.raises(DataError, match=r"movies\.dat is empty"):
        movielens("1m", path=films)


def test_users_in_another_layout_are_left_out_with_a_warning(films: Path) -> None:
    (films / "users.dat").write_text("1::177651718\n2::139564917\n")
    told = r"users\.dat has the fields '1', '177651718' in line 1, where user_id, .* and 2 of 2 users are left out"
    with pytest.warns(tm.TastemapWarning, match=told):
        assert movielens("1m", path=films).users is None
    (films / "users.dat").write_text("1::F::1::10::48067\n2::M\n")
    with pytest.warns(tm.TastemapWarning, match=r"fields '2', 'M' in line 2, .* and 1 of 2 users are left out"):
        users = movielens("1m", path=films).users
    assert users is not None
    assert users.rows() == [(1, "F", 1, "10", "48067")]


def test_another_set_is_called_what_it_is(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="so it is not MovieLens 100k: it is laid out as 1m: pass '1m'") as caught:
        movielens("100k", path=films)
    assert caught.value.remedies[0].value == "1m"
    (films / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,8,5,9\n")
    (films / "movies.csv").write_text("movieId,title,genres\n8,Edison,Short\n")
    (films / "movies.dat").unlink()
    with pytest.raises(DataError, match="it is laid out as 20m, 25m, 32m or latest-small, which have the same files"):
        movielens("100k", path=films)
    with monkeypatch.context() as patch:
        patch.setattr(_movielens, "_SIZES", {1: "25m"})
        with pytest.warns(tm.TastemapWarning, match=r"is MovieLens 25m, by its 1 ratings, not 20m"):
            movielens("20m", path=films)
        movielens("25m", path=films)
        patch.setattr(_movielens, "_SIZES", {2: "25m"})
        movielens("1m", path=films)  # of another layout
    (films / "ratings.dat").write_text("1::8::10::9\n")
    told = r"is no MovieLens, but another set in the layout of 1m: its ratings go up to 10, those of MovieLens to 5"
    with pytest.warns(tm.TastemapWarning, match=told):
        movielens("1m", path=films)


def test_titles_of_other_ids_are_told(films: Path) -> None:
    (films / "movies.dat").write_text("tt0000008::Edison (1893)::Short\ntt9::Amour (2012)::Drama\n")
    with pytest.warns(tm.TastemapWarning, match="has no title of any of the 2 items that it has ratings of"):
        items = movielens("1m", path=films).items
    assert items is not None
    assert items.is_empty()
