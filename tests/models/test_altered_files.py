"""Files with a right digest and wrong contents: refused in one sentence, or as good as any other."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tastemap as tm
from rewriting import rewrite
from tastemap.files.arrays import compute_digest, read_arrays, write_arrays

EXTREMES = (-1, 2**31 - 1, np.inf, 7)


def pairs(texts: bool = False) -> tm.Interactions:
    rng = np.random.default_rng(3)
    users, items = np.nonzero(rng.random((9, 7)) < 0.6)
    stars = rng.integers(1, 6, len(users)).astype(float)
    frame: dict[str, Any] = {"user": users, "item": items, "stars": stars, "day": np.arange(len(users)) % 9}
    if texts:
        frame |= {"user": [f"ü{u}" for u in users], "item": [f"i{i}" for i in items]}
    return tm.Interactions.from_frame(frame, weight="stars", time="day")


def saved(path: Path, name: str, texts: bool = False) -> Path:
    """Save a small model, with features of users and items where it takes them."""
    cls, likes = tm.MODELS[name], pairs(texts)
    model = cls(**{key: 2 for key in ("factors", "epochs") if hasattr(cls, key)})
    features = {}
    if cls.abilities.features:
        for side, ids in (("user", likes.users), ("item", likes.items)):
            kinds = {side: ids.ids, "kind": [str(n % 3) for n in range(len(ids))]}
            features[f"{side}_features"] = tm.Features.from_frame(kinds, id=side, columns="kind")
    model.fit(likes, progress=False, **features).save(path)  # type: ignore[arg-type]
    return path


def load_or_refuse(path: Path) -> tm.Model | None:
    """Load a file, mapped; the copy is refused with the same sentence."""
    try:
        return tm.load(path, memory_map=True)
    except tm.ModelFileError as error:
        told = str(error)
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert str(refused.value) == told
    assert told.startswith(f"{path}")
    assert "\n" not in told
    return None


def ask(model: tm.Model) -> None:
    """Ask all that may read the arrays; scores must be numbers, and errors ours."""
    users, items = model.users.ids, model.items.ids
    asks = (
        lambda: model.recommend(users, k=4),
        lambda: model.recommend(users[0], k=4),
        lambda: model.recommend_for(items.head(2), k=4),
        lambda: model.similar_items(items, k=3),
        lambda: model.similar_users(users, k=3),
        lambda: model.explain(users[0], items[1]).frame.rename({"contribution": "score"}),
        lambda: model.update(pairs(model.users.holds_strings)).recommend(k=3),
    )
    for one in asks:
        with suppress(tm.TastemapError):
            assert one()["score"].is_finite().all()
    model.card()


def _range(dtype: np.dtype[Any]) -> range:
    limits = np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
    return range(int(limits.min), int(limits.max) + 1)


@pytest.mark.parametrize("name", list(tm.MODELS))
def test_any_array_changed_in_any_way_is_refused_or_answers(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "model", name, texts=name not in ("Popular", "EASE"))
    held, header, _ = read_arrays(path, "model")
    n_refused = 0
    for part, array in held.items():
        changed: list[Any] = [None, array[:0], array[:-1], np.append(array, array[:1], 0), array[::-1], array[None]]
        changed += [array.astype(dtype) for dtype in (np.float16, np.int8) if array.dtype.kind == "b"]
        changed += [array.view(np.uint8), np.zeros((), array.dtype)]
        for place in (0, array.size - 1):
            for extreme in EXTREMES:
                if array.dtype.kind == "f" or (np.isfinite(extreme) and extreme in _range(array.dtype)):
                    other = array.copy()
                    other.reshape(-1)[place] = extreme
                    changed.append(other)
        for other in changed:
            arrays = {key: value for key, value in {**held, part: other}.items() if value is not None}
            write_arrays(path, arrays, "model", header)
            model = load_or_refuse(path)
            n_refused += model is None
            if model is not None:
                ask(model)
    assert n_refused > 5 * len(held)


@pytest.mark.parametrize(
    ("name", "arrays", "words"),
    [
        ("Popular", {"pairs.indptr": np.arange(10)[::-1].copy()}, "'pairs.indptr' must never descend"),
        ("Popular", {"pairs.indices": None}, "'pairs.indices' is missing"),
        ("Popular", {"popularity_": np.ones(7, np.int64)}, "which are the same pairs"),
        ("Popular", {"activity_": None}, "'activity_' is missing or empty"),
        ("Popular", {"users.ids": np.zeros(9, np.int64)}, "its users are wrong: ids must be distinct"),
        ("Popular", {"users.ids": np.arange(8)}, "'users.ids' must be int64 of shape (users = 9,), got int64 of shape"),
        ("Popular", {"users.ids": np.arange(9.0)}, "'users.ids' must be int64 of shape (users = 9,), got float64"),
        ("Popular", {"more": np.arange(3)}, "it has arrays that this version does not know, 'more': update tastemap"),
        ("ItemKNN", {"neighbours_": np.full(42, 7, np.int32)}, "'neighbours_' must be below 7, and holds 7"),
        ("SVD", {"range_": np.array([5, 1], np.float32)}, "'range_' must never descend"),
        ("SVD", {"deviation_": np.zeros(1, np.float32)}, "'deviation_' must be above 0, and holds 0.0"),
        (
            "EASE",
            {"weights_": np.zeros((7, 7), np.float32)},
            "must be float32 of shape (paired_items = 7, columns = 64)",
        ),
        ("EASE", {"item_precisions_": np.zeros(7)}, "'item_precisions_' must be above 0"),
        ("BPR", {"item_squares_": np.full(7, -1, np.float32)}, "'item_squares_' must be at least 0, and holds -1.0"),
        ("BPR", {"item_features.factors": np.zeros((3, 2), np.float32)}, "item_features.columns = 3)"),
        ("BPR", {"item_features.described": np.zeros(7, bool)}, "not in the rows that 'described' says"),
        ("BPR", {"user_features.indices": np.full(9, 3, np.int32)}, "'user_features.indices' must be below 3"),
        ("BPR", {"item_features.names.bytes": np.frombuffer(b"kind=0kind=0kind=0", np.uint8)}, "hold a name twice"),
    ],
)
def test_what_is_wrong_is_told(name: str, arrays: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "model", name)
    if name == "ItemKNN":
        arrays = {"neighbours_": np.full_like(read_arrays(path, "model")[0]["neighbours_"], 7)}
    rewrite(path, arrays=arrays)
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert words in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "ends", "words"),
    [
        ("abc", [1, 2, 4], "'users.ends' does not cut 'users.bytes' into texts"),
        ("abc", [1, 1, 2], "'users.ends' does not cut 'users.bytes' into texts"),
        ("abc", [2, 1, 3], "'users.ends' must never descend"),
        ("abc", [-1, 1, 3], "'users.ends' must be at least 0, and holds -1"),
        ("aüc", [2, 3, 4], "'users.ends' does not cut 'users.bytes' into texts"),
        (b"a\xffc", [1, 2, 3], "'users.bytes' is no text in UTF-8"),
        ("aab", [1, 2, 3], "its users are wrong: ids must be distinct"),
        ("abc", [[1, 2, 3]], "'users.ends' must be int64 of shape (users = 3,), got int64 of shape (1, 3)"),
    ],
)
def test_texts_of_ids_are_cut_where_a_character_ends(text: Any, ends: list[int], words: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    tm.Popular().fit(tm.Interactions.from_frame({"user": list("xyz"), "item": [1, 2, 2]})).save(path)
    raw = text if isinstance(text, bytes) else text.encode()
    rewrite(path, arrays={"users.bytes": np.frombuffer(raw, np.uint8), "users.ends": np.array(ends)})
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"class": None}, "'class' in the header must be text, got None"),
        ({"class": ["EASE"]}, "'class' in the header must be text, got ['EASE']"),
        ({"class": "os.system"}, "it holds a 'os.system', which neither this version of tastemap nor"),
        ({"class": "EASE"}, "it has the parameter 'alpha', which this version's EASE does not know"),
        ({"parameters": ...}, "the header lacks 'parameters'"),
        ({"parameters": []}, "'parameters' in the header must be an object, got []"),
        ({"parameters": {"factors": "2"}}, "its parameters are wrong: factors must be a whole number of at least 1"),
        ({"parameters": {"factors": 3}}, "= 3), got float32 of shape"),
        ({"parameters": {"factors": {}}}, "its parameters are wrong: factors must be a whole number of at least 1"),
        ({"columns": {"user": "user"}}, "'columns' in the header lacks 'item'"),
        ({"users": "rank"}, "the column 'rank' has the name of a column in results"),
        ({"users": "item"}, "users and items are both called 'item'"),
        ({"frame": "excel"}, "'frame' in the header must be one of 'pandas', 'polars', 'pyarrow', got 'excel'"),
        ({"history": [{"epoch": 1}]}, "an entry of 'history' in the header lacks 'objective'"),
        ({"metric": "fame@10"}, "the header is wrong: metric must be one of"),
        ({"data": 5}, "'data' in the header must be text or null, got 5"),
        ({"format": "1"}, "'format' in the header must be a whole number, got '1'"),
        ({"kind": None}, "'kind' in the header must be text, got None"),
    ],
)
def test_a_header_of_other_contents_is_told(header: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "model", "ImplicitALS")
    rewrite(path, **header)
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert words in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")


def test_columns_of_later_and_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "model", "ImplicitALS")
    columns = read_arrays(path, "model")[1]["columns"]
    rewrite(path, columns={**columns, "place": "where"})
    assert asdict(tm.load(path).state.columns) == columns
    del columns["least"]  # earlier versions did not know it
    rewrite(path, columns=columns)
    assert asdict(tm.load(path).state.columns) == {**columns, "least": None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 50_000, "nested too deeply"),
        ('{"format": ' + "1" * 5000 + "}", "cannot be read"),
        ('{"format": 1, "format": 1}', "holds a name twice"),
        ("[1]", "the header must be an object, got [1]"),
        ('"x"', "the header must be an object, got 'x'"),
        ("", "cannot be read"),
    ],
)
def test_a_header_that_is_no_object_is_told(text: str, words: str, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path, arrays = tmp_path / "model", {"a": np.zeros(1)}
    save_file(arrays, path, metadata={"tastemap": f"{compute_digest(text, arrays)} {text}"})
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("dtype", "shape", "n_bytes"), [("BF16", [2], 4), ("F8_E5M2", [2], 2), ("F32", [0, 2**62], 0), ("F32", [2**62], 4)]
)
def test_arrays_of_strange_types_and_sizes_are_refused(
    dtype: str, shape: list[int], n_bytes: int, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, n_bytes]}
    head = json.dumps({"__metadata__": {"tastemap": "0 {}"}, "a": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(n_bytes))
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert "\n" not in str(refused.value)
