from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import tastemap as tm
from tastemap.export.tensorboard import FILES

# Film 60 has no training pair but a genre, film 70 neither; film 50 is not in the table.
FILMS = pl.DataFrame(
    {
        "film": [40, 20, 30, 10, 60, 70, 99],
        "title": ["Amélie\t(2001)", 'The "Blob"', "Up\r\nDown ", None, "New", "Lost", "Elsewhere"],
        "genres": [["Comedy", "Romance"], ["Horror"], [], ["Drama"], ["Drama"], ["Drama"], ["War"]],
        "year": [2001, 1958, 2009, None, 2026, 1999, 1917],
    }
)
LIKES = {"a": [10, 20, 30], "b": [10, 40, 50], "c": [10, 20], "d": [20, 10, 50], "e": [40]}


@pytest.fixture(scope="module")
def model() -> tm.BPR:
    pairs = [(person, film) for person, films in LIKES.items() for film in films]
    frame = pl.DataFrame(pairs, ["person", "film"], orient="row")
    likes = tm.Interactions.from_csr(
        tm.Interactions.from_frame(frame, user="person", item="film").matrix,
        users=tm.IdMap(list(LIKES), "person"),
        items=tm.IdMap([10, 20, 30, 40, 50], "film"),
    )
    likes = likes.extend(likes.users, tm.IdMap([10, 20, 30, 40, 50, 70], "film"))
    genres = tm.Features.from_frame(FILMS.filter(pl.col("film").is_in([10, 20, 40, 60])), id="film", columns="genres")
    return tm.BPR(factors=3, epochs=2).fit(likes, item_features=genres)


def find_vectors(model: tm.BPR, films: list[int]) -> npt.NDArray[np.float32]:
    ids, vectors = model.item_vectors()
    return vectors[[ids.to_list().index(film) for film in films]]


def cells(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "metadata.tsv").read_text("utf-8").split("\n")[:-1]]


def test_metadata_has_a_line_an_item_the_most_popular_first(model: tm.BPR, tmp_path: Path) -> None:
    tm.export.tensorboard(model, tmp_path / "map", items=FILMS)
    assert cells(tmp_path / "map") == [
        ["film", "title", "genres", "year", "popularity"],
        ["10", "", "Drama", "", "4"],
        ["20", 'The "Blob"', "Horror", "1958", "3"],
        ["40", "Amélie (2001)", "Comedy|Romance", "2001", "2"],
        ["50", "", "", "", "2"],
        ["30", "Up Down", "", "2009", "1"],
        ["60", "New", "Drama", "2026", "0"],
    ]


def test_vectors_are_those_that_similar_items_compares(model: tm.BPR, tmp_path: Path) -> None:
    tm.export.tensorboard(model, tmp_path / "map", n=4)
    assert cells(tmp_path / "map") == [["film", "popularity"], ["10", "4"], ["20", "3"], ["40", "2"], ["50", "2"]]
    written = np.loadtxt(tmp_path / "map" / "vectors.tsv", delimiter="\t", dtype=np.float32)
    assert np.array_equal(written, find_vectors(model, [10, 20, 40, 50]))
    unit = written.astype(float) / np.linalg.norm(written, axis=1)[:, None]
    shown = model.similar_items(10, candidates=[20, 40, 50]).sort("neighbour")
    known = np.array([3 + 3, 2 + 3, 2])  # training pairs, and 3 more for a genre
    np.testing.assert_allclose(shown["score"], unit[1:] @ unit[0] * known / (known + 3), atol=1e-6)


def test_columns_are_chosen_and_the_id_column_named(model: tm.BPR, tmp_path: Path) -> None:
    renamed = FILMS.rename({"film": "movieId"}).to_pandas()
    tm.export.tensorboard(model, tmp_path / "map", items=renamed, id="movieId", columns="year", n=2)
    assert cells(tmp_path / "map") == [["film", "year", "popularity"], ["10", "", "4"], ["20", "1958.0", "3"]]


def test_tensorboard_opens_it(model: tm.BPR, tmp_path: Path) -> None:
    """Through the projector's own web pages, of a board started on the folder."""
    from google.protobuf import text_format
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    folder = tmp_path / "map"
    tm.export.tensorboard(model, folder, items=FILMS)
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    assert (embedding.tensor_path, embedding.metadata_path) == ("vectors.tsv", "metadata.tsv")

    plugin = ProjectorPlugin(base_plugin.TBContext(logdir=str(folder)))
    pages = plugin.get_plugin_apps()

    def get(page: str, **query: str) -> bytes:
        response = Client(pages[page]).get(f"{page}?{urlencode(query)}")
        assert response.status_code == 200, response.text
        return bytes(response.data)

    (run,) = json.loads(get("/runs"))
    (shown,) = json.loads(get("/info", run=run))["embeddings"]
    name = {"run": run, "name": "BPR items"}
    assert (shown["tensorName"], shown["tensorShape"]) == (name["name"], [6, 3])
    tensor: npt.NDArray[Any] = np.frombuffer(get("/tensor", **name), np.float32).reshape(6, 3)
    assert np.array_equal(tensor, find_vectors(model, [10, 20, 40, 50, 30, 60]))
    lines = get("/metadata", **name).decode().split("\n")
    assert lines[3] == "40\tAmélie (2001)\tComedy|Romance\t2001\t2"
    assert len(lines) == 1 + 6 + 1


def test_another_export_is_replaced_and_nothing_else(model: tm.BPR, tmp_path: Path) -> None:
    folder = tmp_path / "map"
    folder.mkdir()
    tm.export.tensorboard(model, folder)
    tm.export.tensorboard(model, folder, n=2)
    assert {path.name for path in folder.iterdir()} == {*FILES}
    assert len(cells(folder)) == 3
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds 'notes\.txt', which would be lost: name a new folder"):
        tm.export.tensorboard(model, folder, n=1)
    assert len(cells(folder)) == 3
    with pytest.raises(NotADirectoryError, match="is no folder and cannot be replaced by one"):
        tm.export.tensorboard(model, folder / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere to make map in"):
        tm.export.tensorboard(model, tmp_path / "nowhere" / "map")
    assert {path.name for path in tmp_path.iterdir()} == {"map"}


def test_the_working_folder_is_not_replaced(model: tm.BPR, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for here in (".", tmp_path):
        with pytest.raises(OSError, match="is the folder you are in: name a new one in it"):
            tm.export.tensorboard(model, here)
    tm.export.tensorboard(model, "map")
    assert os.listdir() == ["map"]  # the folder is still there


def test_after_an_error_the_old_export_is_as_it_was(
    model: tm.BPR, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tm.export.tensorboard(model, tmp_path / "map")
    before = {name: (tmp_path / "map" / name).read_bytes() for name in FILES}

    rename = Path.rename

    def full(self: Path, target: Any, **_: Any) -> Any:
        if self.name.endswith((".pbtxt", ".tmp")):
            raise OSError("no space left")
        return rename(self, target)

    for method in ("write_text", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, full)
            with pytest.raises(OSError, match="no space left"):
                tm.export.tensorboard(model, tmp_path / "map", n=2)
        assert {path.name for path in tmp_path.iterdir()} == {"map"}
        assert {name: (tmp_path / "map" / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n": 0}, "n must be a whole number of at least 1, got 0"),
        ({"items": FILMS.rename({"film": "movieId"})}, "there is no column 'film', only 'movieId', 'title'"),
        ({"items": FILMS, "columns": ["titel"]}, "there is no column 'titel', .*did you mean 'title'"),
        ({"items": FILMS.with_columns(film=pl.col("film") + 1000)}, "the column 'film' names no item of the model"),
        ({"items": FILMS.rename({"year": "popularity"})}, "the column 'popularity' is written anyway"),
        ({"items": FILMS.with_columns(pl.struct("year").alias("facts"))}, "column 'facts' holds Struct.*leave it out"),
        ({"items": FILMS.with_columns(length=pl.duration(minutes="year"))}, "column 'length' holds Duration.*leave it"),
        ({"items": FILMS.with_columns(pl.col("title").alias("title "))}, "two columns are called 'title' but for"),
        ({"items": FILMS.with_columns(genres=pl.concat_list(pl.struct("year")))}, "column 'genres' holds List"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    model: tm.BPR, tmp_path: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        tm.export.tensorboard(model, tmp_path / "map", **options)
    assert not list(tmp_path.iterdir())


def test_models_without_vectors_say_so(model: tm.BPR, tmp_path: Path) -> None:
    assert model.interactions is not None
    ease = tm.EASE(regularization=1).fit(model.interactions)
    with pytest.raises(tm.NotSupportedError, match="EASE has no vectors of users and items: fit ImplicitALS for them"):
        tm.export.tensorboard(ease, tmp_path / "map")
    with pytest.raises(tm.NotFittedError, match="call fit first"):
        tm.export.tensorboard(tm.BPR(), tmp_path / "map")
