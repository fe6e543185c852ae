"""Tables of features with odd columns and options: refused in one sentence, or finite and made again the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, small_models
from fuzz.verdict import NotMade, ensure, without_refusal

_NAMES = [name for name in small_models.NAMES if tm.MODELS[name].abilities.features]
_ITEMS = [f"i{place}" for place in range(8)]
_texts = st.one_of(st.none(), draw.texts, st.sampled_from(["war|noir", "war", "|", " | ", "noir|noir"]))
COLUMNS = {
    "genres": _texts,
    "words": st.one_of(_texts, st.sampled_from(["The war of the worlds", "Der Krieg", "война", "war war war"])),
    "year": st.one_of(st.none(), st.integers(1900, 2020), draw.integers),
    "price": st.one_of(st.none(), st.floats(0, 100), st.floats(), draw.weights),
    "tags": st.one_of(st.none(), st.lists(st.one_of(st.none(), draw.texts), max_size=3)),
    "codes": st.one_of(st.none(), st.lists(st.integers(0, 5), max_size=3)),
    "adult": st.one_of(st.none(), st.booleans()),
    "when": st.one_of(st.none(), st.dates()),
}
_OPTIONS = {
    "separator": st.one_of(*[st.sampled_from(["|", {"genres": "|"}])] * 3, draw.wrong),
    "categorical": st.one_of(*[st.sampled_from(["year", ["codes"]])] * 3, draw.wrong),
    "bins": st.one_of(*[st.sampled_from([{"price": 3}, {"year": 2}, {"price": 10**9}])] * 3, draw.wrong),
    "scale": st.one_of(st.booleans(), st.booleans(), st.booleans(), draw.wrong),
}
_USES = {"separator": {"genres"}, "categorical": {"year", "codes"}, "bins": {"price", "year"}, "scale": {*COLUMNS}}
_TEXT_OPTIONS = {
    "languages": st.one_of(st.just("english"), st.just(["de", "en"]), draw.wrong),
    "min_documents": st.one_of(st.just(1), draw.wrong),
    "max_features": st.one_of(st.just(2), draw.wrong),
    "stop_words": st.one_of(st.just(()), st.just(["war"]), draw.wrong),
}


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    n = draw_(st.integers(1, 9))
    is_text = draw_(st.integers(0, 4)) == 0
    among = ["words", "genres"] if is_text and draw_(st.integers(0, 4)) else sorted(COLUMNS)
    chosen = draw_(st.lists(st.sampled_from(among), min_size=1, max_size=3, unique=True))
    ids = draw_(st.one_of(st.just([f"i{place}" for place in range(n)]), draw.ids(n)))
    options = _TEXT_OPTIONS if is_text else {name: of for name, of in _OPTIONS.items() if _USES[name] & {*chosen}}
    asked = draw_(st.lists(st.sampled_from(sorted(options)), max_size=2, unique=True))
    return {
        "ids": ids,
        "columns": {name: draw_(st.lists(COLUMNS[name], min_size=n, max_size=n)) for name in chosen},
        "text": is_text,
        "options": {name: draw_(options[name]) for name in asked},
        "model": draw_(st.sampled_from([None, *_NAMES])),
    }


INPUTS = _inputs()


def check(value: dict[str, Any]) -> None:
    try:
        frame = pl.DataFrame({"item": value["ids"], **value["columns"]}, strict=False)
    except Exception as error:
        raise NotMade from error
    make = tm.text_features if value["text"] else tm.Features.from_frame
    features = make(frame, id="item", columns=list(value["columns"]), **value["options"])
    ensure(np.isfinite(features.matrix.data).all(), "a feature is not finite")
    ensure(features.matrix.shape == (len(frame), features.n_features), "features have another shape than their names")
    ensure(len(set(features.names)) == features.n_features, "two features have the same name")
    with without_refusal("the frame of the features themselves"):
        ensure(features.transform(frame) == features, "transform of the same frame gives other features")
    repr(features)
    if value["model"] is None or not isinstance(value["ids"][0], str):
        return
    pairs = [(u, i) for u in range(6) for i in range(8) if (u * i) % 3 != 1]
    data = small_models.read({"user": [u for u, _ in pairs], "item": [_ITEMS[i] for _, i in pairs]})
    model = small_models.make(value["model"]).fit(data, item_features=features, progress=False)
    small_models.check_answers(model)
