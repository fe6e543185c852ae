from __future__ import annotations

import json

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tastemap.data.ids import IdMap
from tastemap.serve.fragments import Fragments

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def as_objects(fragments: list[bytes]) -> list[object]:
    return [json.loads(fragment + b"}") for fragment in fragments]


@given(st.dictionaries(TEXTS.filter(bool), st.none() | TEXTS, min_size=1, max_size=8))
def test_every_item_is_an_object_with_its_id_and_title(titles: dict[str, str | None]) -> None:
    fragments = Fragments(IdMap([*titles], "item"), pl.Series([*titles.values()], dtype=pl.String))
    rows = np.arange(len(titles))[::-1]
    expected = [{"item": item, "title": title} for item, title in titles.items()][::-1]
    assert as_objects(fragments.take(rows)) == expected


def test_ids_are_texts_and_without_titles_there_are_none() -> None:
    fragments = Fragments(IdMap([7, 2**63 - 1, -4], "item"))
    assert as_objects(fragments.take(np.array([1, 1, 0], np.int32))) == [
        {"item": "9223372036854775807"},
        {"item": "9223372036854775807"},
        {"item": "7"},
    ]
    assert fragments.take(np.empty(0, np.int32)) == []
