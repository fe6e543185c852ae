from __future__ import annotations

from pathlib import Path

import pytest

import tastemap as tm
from tastemap.service.features import FeatureFile
from tastemap.service.remarks import Remark

LIKES = tm.Interactions.from_frame({"user": [1, 1, 2, 2, 3, 3], "film": [10, 20, 20, 30, 10, 30]}, item="film")


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "films.csv") -> Path:
    Path(name).write_text(text)
    return Path(name)


def test_all_columns_make_features_that_describe_more_than_one_item() -> None:
    titles = "".join(f"{n},Film {n},{'Action|War' if n % 2 else 'War'},{1990 + n}\n" for n in range(10, 40))
    path = write("film,title,genres,year\n" + titles)
    features, remarks = FeatureFile(path, "item").read(LIKES.items)
    own = tm.Features.from_frame(
        {
            "film": range(10, 40),
            "genres": ["Action|War" if n % 2 else "War" for n in range(10, 40)],
            "year": range(2000, 2030),
        },
        id="film",
        columns=["genres", "year"],
        separator={"genres": "|"},
    )
    assert features == own
    assert remarks == [
        Remark("features left out", {"path": path, "columns": {"title": 30}, "side": "item"}),
        Remark("features", {"path": path, "columns": {"genres": 2, "year": 1}, "id": "film", "side": "item"}),
    ]
    named, remarks = FeatureFile(path, "item", columns=["title"]).read(LIKES.items)
    assert named.n_features == 30
    assert [remark.kind for remark in remarks] == ["features"]
    with pytest.raises(tm.DataError, match="there is no column 'genre', only 'film', 'title'"):
        FeatureFile(path, "item", columns=["genre"]).read(LIKES.items)


def test_rows_without_an_id_of_the_data_are_left_out_and_counted() -> None:
    path = write("id,kind\n10,a\nx7,b\n20,b\n")
    features, remarks = FeatureFile(path, "item").read(LIKES.items)
    assert list(features.ids) == [10, 20]
    assert remarks[0] == Remark("features without id", {"path": path, "rows": 3, "left_out": 1, "column": "id"})


def test_users_are_described_by_a_column_of_their_own() -> None:
    path = write("user,item,age\n1,x,30\n2,x,40\n", "people.csv")
    features, _ = FeatureFile(path, "user", columns=["age"]).read(LIKES.users)
    assert features.ids.name == "user"
    path = write("nr,age\n1,30\n2,40\n", "people.csv")
    with pytest.raises(tm.DataError, match="say which has the ids of users") as caught:
        FeatureFile(path, "user").read(LIKES.users)
    assert caught.value.remedies[0].parameter == "user_feature_id"
    assert FeatureFile(path, "user", "nr").read(LIKES.users)[0].names == ("age",)


def test_a_fitted_model_gets_the_features_that_it_learned() -> None:
    path = write("film,genres,code\n10,War|Love,1\n20,War,2\n30,Love,1\n")
    features, _ = FeatureFile(path, "item", columns=["genres"]).read(LIKES.items)
    model = tm.ImplicitALS(factors=2, epochs=2).fit(LIKES, item_features=features)
    more = write("film,genres\n40,Love|Zen\n50,Zen\n", "more.csv")
    model.save("model.safetensors")
    found, remarks = FeatureFile(more, "item").read_more(tm.load("model.safetensors"))
    frame = {"film": [40, 50], "genres": ["Love|Zen", "Zen"]}
    assert found == features.transform(frame)
    assert remarks[0].facts["columns"] == {"genres": 2}
    with pytest.raises(tm.NotSupportedError, match="the model was fitted without user features"):
        FeatureFile(more, "user").read_more(model)


def test_known_items_tell_how_numbers_were_scaled() -> None:
    path = write("film,year,genre\n10,1950,a\n20,1980,b\n30,2001,a\n")
    features, _ = FeatureFile(path, "item").read(LIKES.items)
    model = tm.ImplicitALS(factors=2, epochs=2).fit(LIKES, item_features=features)
    model.save("model.safetensors")
    text = path.read_text()
    more = write(text + "40,2020,a\n50,,b\n", "more.csv")
    found, _ = FeatureFile(more, "item").read_more(tm.load("model.safetensors"))
    frame = {"film": [10, 20, 30, 40, 50], "year": [1950, 1980, 2001, 2020, None], "genre": ["a", "b", "a", "a", "b"]}
    expected = features.transform(frame)
    names = [found.names.index(name) for name in expected.names]
    assert found.matrix.toarray()[:, names] == pytest.approx(expected.matrix.toarray(), abs=1e-5)
    told = "cannot describe items by 'year', which the model has learned: bring the column, and for numbers the rows of"
    for lacking in ("film,genre\n40,a\n", "film,year,genre\n40,2020,a\n10,1950,b\n"):
        with pytest.raises(tm.NotSupportedError, match=told):
            FeatureFile(write(lacking, "more.csv"), "item").read_more(model)
    # Other numbers than those of the training: thousands in place of years.
    other = text.replace("1950", "3").replace("1980", "2").replace("2001", "1")
    with pytest.raises(tm.NotSupportedError, match=told):
        FeatureFile(write(other, "more.csv"), "item").read_more(model)
