from __future__ import annotations

import json
import re
from base64 import b64decode

import numpy as np

from tastemap.explore.atlas.kept import Atlas
from tastemap.explore.atlas.making import Map
from tastemap.explore.atlas.names import Region
from tastemap.explore.chart import LONGEST, draw, mark, show_level
from tastemap.explore.shades import Shades

PLACES = np.array([[-1, 0], [0.5, 0.25], [0.75, -1], [1, 1]], np.float32)
NEAR, FAR = np.array([0, 0, 1, 1], np.int32), np.zeros(4, np.int32)
MAP = Map(
    Atlas(np.array([2, 3, 5, 8]), PLACES, NEAR, FAR),
    {"near": [Region((), np.array([0, 1])), Region((), np.array([2, 3]))], "far": [Region((), np.arange(4))]},
    {"near": PLACES[:2], "far": PLACES[1:2]},
)
SHADES = Shades(np.array([0, 1, 0, 1], np.int32), ["Comedy", "others"], ["#123456", "#999999"])
NAMES = ["Alien", "<script>alert(1)</script>", 'The "Best" {b}', "Brazil"]
REGION_NAMES = {"near": ["west", "east"], "far": ["all"]}
DRAWN = draw(MAP, SHADES, NAMES, np.array([9, 8, 1, 1]), REGION_NAMES)


def read_places(series: dict[str, str]) -> np.ndarray:
    packed = re.search(r"atob\('(.*?)'\)", series[":data"])
    assert packed is not None
    return np.frombuffer(b64decode(packed[1]), "<f4").reshape(-1, 2)


def test_each_item_is_a_point_of_one_series_in_the_colour_of_its_class() -> None:
    drawn = DRAWN.options["series"][: len(DRAWN.members)]
    assert sorted(np.concatenate(DRAWN.members).tolist()) == [0, 1, 2, 3]
    for series, members in zip(drawn, DRAWN.members, strict=True):
        np.testing.assert_array_equal(read_places(series), PLACES[members])
        assert {SHADES.colours[code] for code in SHADES.codes[members]} == {series["itemStyle"]["color"]}


def test_popular_items_are_larger_and_over_the_others() -> None:
    sizes = [series["symbolSize"] for series in DRAWN.options["series"][: len(DRAWN.members)]]
    assert sizes == sorted(sizes)
    assert DRAWN.members[-1].tolist() == [0]


def test_titles_go_to_the_browser_as_json_and_are_shown_as_texts() -> None:
    formatter = DRAWN.options["tooltip"][":formatter"]
    assert "innerHTML" not in formatter
    told = json.loads(formatter[formatter.rindex(")(") + 2 : -1])
    assert [names for _, names in told] == [[NAMES[place] for place in members] for members in DRAWN.members]


def test_names_of_regions_stand_at_their_centres_and_one_level_is_shown() -> None:
    labels = {series["id"]: series for series in DRAWN.options["series"] if series.get("id") in REGION_NAMES}
    assert [point["name"] for point in labels["near"]["data"]] == ["west", "east"]
    assert labels["far"]["data"][0]["value"] == [0.5, 0.25]
    assert (labels["near"]["label"]["show"], labels["far"]["label"]["show"]) == (False, True)
    assert [series["label"]["show"] for series in show_level("near")] == [True, False]


def test_names_near_an_edge_are_written_inwards() -> None:
    near = next(series for series in DRAWN.options["series"] if series.get("id") == "near")
    assert [point["label"]["position"] for point in near["data"]] == ["right", "inside"]


def test_the_window_holds_all_points() -> None:
    for axis, places in zip(("xAxis", "yAxis"), PLACES.T, strict=True):
        assert DRAWN.options[axis]["min"] < places.min()
        assert DRAWN.options[axis]["max"] > places.max()


def test_a_map_of_one_item_has_a_window_around_it() -> None:
    one = np.zeros(1, np.int32)
    region = {level: [Region((), np.arange(1))] for level in ("near", "far")}
    alone = Map(Atlas(np.arange(1), PLACES[:1], one, one), region, dict.fromkeys(region, PLACES[:1]))
    drawn = draw(
        alone, Shades(one, ["all"], ["#123456"]), ["Alien"], np.ones(1, np.int64), {level: ["a"] for level in region}
    )
    assert (drawn.options["xAxis"]["min"], drawn.options["xAxis"]["max"]) == (-1.04, -0.96)
    assert [members.tolist() for members in drawn.members] == [[0]]


def test_marks_have_short_names_and_whole_titles() -> None:
    title = "A title that is far longer than a map has room for"
    marked = mark("listed", PLACES[:1], [title], "recommended")
    assert marked["id"] == "listed"
    assert marked["data"][0]["value"] == [-1, 0, title, "recommended"]
    assert len(marked["data"][0]["name"]) <= LONGEST
    assert marked["data"][0]["name"].endswith("…")
