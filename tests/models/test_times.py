"""Times stay in models, files and updates; a model that uses the order of histories gets it everywhere."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pytest

import tastemap as tm
import tastemap.serve
from rewriting import rewrite
from serve.asking import ask
from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.recency import Recency
from tastemap.data.specs import ArraySpec, Specs
from tastemap.files.arrays import read_arrays
from tastemap.ranking.scorer import Histories, HistoryScorer, Scorer
from tastemap.ranking.top_k import ComputedCandidates
from tastemap.service.events import read_news
from tastemap.testing import check_model
from tastemap.training.loop import Options
from tastemap.typing import Doubles, Floats, Ints, RowNumbers

SECOND = 1_700_000_000


@dataclass(kw_only=True, eq=False)
class Fading(tm.Model):
    """s(u, i) = sum over the history of w_j decay^position (1 + age)^-1/2 c_ji, c_ji the number of users of both."""

    decay: float = 0.5

    abilities: ClassVar[tm.Abilities] = tm.Abilities(
        explains="exact", folds_in_exactly=True, uses_order=True, weighs_pairs=False
    )
    fitted_arrays: ClassVar[Specs] = {"counts_": ArraySpec(dtype="float32", shape=("items", "items"), at_least=0)}

    def check(self) -> None:
        if not isinstance(self.decay, float) or not 0 < self.decay <= 1:
            raise ValueError(f"decay must be a number above 0 and at most 1, got {self.decay!r}")

    def learn(self, interactions: tm.Interactions, options: Options) -> None:
        has = (interactions.matrix != 0).astype(np.float32)
        self.counts_ = (self.decay * (has.T @ has).toarray()).astype(np.float32)

    def learn_more(self, before: Self, news: tm.Interactions) -> None:
        self.learn(self.state.training("update"), Options())

    def weigh_histories(self, histories: Rows, recency: Recency) -> Rows:
        weights = histories.data * self.decay ** recency.position.astype(np.float64)
        if recency.time is not None and len(recency.time):
            latest = np.full(len(histories.counts), -np.inf)
            rows = np.repeat(np.arange(len(latest)), histories.counts)
            np.maximum.at(latest, rows, recency.time)
            weights /= np.sqrt(1 + latest[rows] - recency.time)
        return freeze_rows(histories._replace(data=weights.astype(np.float32)))

    def make_scorer(self) -> Scorer:
        return HistoryScorer(**self.known, make_candidates=partial(Sums, self.counts_), coefficients=self.counts_)

    def contributions(self, user: int, item: int, items: Ints, weights: Floats) -> tuple[Doubles, float]:
        return weights.astype(np.float64) * self.counts_[items, item], 0.0


class Sums(ComputedCandidates):
    """Sums over histories."""

    def __init__(self, counts: Floats, rows: RowNumbers) -> None:
        super().__init__(len(counts), rows)
        self.counts = counts

    def block_scores(self, queries: Histories, items: RowNumbers, out: Floats) -> None:
        for place, row in enumerate(queries.rows):
            own = slice(queries.pairs.indptr[row], queries.pairs.indptr[row + 1])
            out[place] = 0
            for item, weight in zip(queries.pairs.indices[own], queries.pairs.data[own], strict=True):
                out[place] += weight * self.counts[item, items]  # in the order of the items, in any batch


@pytest.fixture(autouse=True)
def registry(own_registry: None) -> None:
    tm.register(Fading)


def read(times: Any, **more: Any) -> tm.Interactions:
    """Return eight pairs of three users, whose last items have equal times."""
    frame = pl.DataFrame({"user": [1, 1, 1, 2, 2, 3, 3, 3], "item": [5, 6, 7, 6, 5, 8, 7, 5], "time": times})
    return tm.Interactions.from_frame(frame, time="time", **more)


DAYS = [1, 3, 3, 2, 4, 6, 2, 6]
SECONDS = [SECOND + 86_400 * day for day in DAYS]
DATES = [date(2020, 1, day) for day in DAYS]
MOMENTS = [datetime(2020, 1, day, 5, tzinfo=UTC) for day in DAYS]


def test_a_model_that_uses_the_order_keeps_all_promises() -> None:
    check_model(Fading)


def test_a_model_that_says_so_and_has_no_method_is_refused() -> None:
    class Silent(Fading):
        weigh_histories = tm.Model.weigh_histories

    model = Silent().fit(read(DAYS))
    with pytest.raises(NotImplementedError, match="Silent does not use the order of histories"):
        model.recommend(1)


@pytest.mark.parametrize("times", [DAYS, SECONDS, [day + 0.5 for day in DAYS], DATES, MOMENTS], ids=str)
@pytest.mark.parametrize("cls", [tm.Popular, Fading])
def test_times_survive_a_file(cls: Any, times: list[Any], tmp_path: Path) -> None:
    model = cls().fit(read(times))
    model.save(tmp_path / "one")
    again = tm.load(tmp_path / "one")
    again.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert again.state.time_type == model.state.time_type == model.interactions.time_type
    by_pair = again.interactions.to_frame("polars").sort("user", "item")
    assert by_pair.equals(model.interactions.to_frame("polars").sort("user", "item"))
    assert sorted(by_pair["time"].to_list()) == sorted(times)
    again.save(tmp_path / "bare", interactions=False)
    assert not any("pairs" in name for name in read_arrays(tmp_path / "bare", "model")[0])
    assert tm.load(tmp_path / "bare").state.time_type == model.state.time_type


def test_times_of_fewer_bits_survive_too(tmp_path: Path) -> None:
    data = read(DAYS)
    for dtype in (np.int16, np.float32):
        own = tm.Interactions(data.matrix, data.users, data.items, time=data.time.astype(dtype))
        tm.Popular(last=2).fit(own).save(tmp_path / "model")
        assert tm.load(tmp_path / "model").interactions.time.tolist() == data.time.tolist()
    with pytest.raises(tm.DataError, match="time must be finite"):
        tm.Interactions(data.matrix, data.users, data.items, time=np.full(8, np.inf))


def test_the_order_of_equal_times_survives_a_file_where_the_model_uses_it(tmp_path: Path) -> None:
    data = read([1] * 8)
    shuffled = tm.Interactions.from_frame(
        data.to_frame("polars")[[2, 1, 0, 4, 3, 7, 6, 5]], time="time", users=data.users, items=data.items
    )
    for cls, kept in ((Fading, True), (tm.Popular, False)):
        model = cls().fit(shuffled)
        model.save(tmp_path / "model")
        again = tm.load(tmp_path / "model").interactions
        assert (again.recency.position.tolist() == model.interactions.recency.position.tolist()) == kept
    news = tm.Interactions.from_frame({"user": [1, 2], "item": [8, 9], "time": [1, 1]}, time="time")
    model = Fading().fit(shuffled)
    model.save(tmp_path / "model")
    here, there = model.update(news), tm.load(tmp_path / "model").update(news)
    assert there.recommend(k=9).equals(here.recommend(k=9))
    assert here.interactions.to_frame("polars").equals(there.interactions.to_frame("polars"))


def test_files_of_earlier_versions_have_no_times(tmp_path: Path) -> None:
    path = tmp_path / "model"
    tm.Popular().fit(read(DAYS)).save(path)
    rewrite(path, arrays={"pairs.time": None}, time_type=...)
    old = tm.load(path)
    assert (old.interactions.time, old.state.time_type, old.interactions.columns.time) == (None, None, None)
    updated = old.update(read(DAYS))
    assert updated.interactions.time is None
    assert updated.state.columns.time is None


@pytest.mark.parametrize(
    ("arrays", "header", "words"),
    [
        ({"pairs.time": np.full(8, np.nan)}, {"time_type": "float64"}, "'pairs.time' holds numbers that are not"),
        ({"pairs.time": np.arange(7)}, {}, "'pairs.time' must be int64 of shape (pairs.pairs = 8,), got int64 of"),
        ({"pairs.time": np.arange(8, dtype=np.int32)}, {}, "'pairs.time' must be int64 of shape"),
        ({"pairs.time": np.arange(8.0)}, {}, "'int64' of the type of times, and it has an array 'pairs.time' of float"),
        ({"pairs.time": None}, {}, "its header says 'int64' of the type of times, and it has no array 'pairs.time'"),
        ({}, {"time_type": ...}, "its header says None of the type of times, and it has an array 'pairs.time' of int"),
        ({}, {"time_type": "date"}, None),
        ({}, {"time_type": "week"}, "it knows no times of type 'week'"),
        ({}, {"time_type": "datetime Nowhere/City"}, "it knows no times of type 'datetime Nowhere/City'"),
        ({}, {"time_type": "week UTC"}, "it knows no times of type 'week UTC'"),
        ({}, {"time_type": 5}, "'time_type' in the header must be text or null, got 5"),
        ({"pairs.order": np.zeros(8, np.int64)}, {}, "order must be a permutation of 0..7"),
        ({"pairs.order": np.arange(1, 9)}, {}, "'pairs.order' must be below 8, and holds 8"),
        ({"pairs.order": np.arange(8)}, {"class": "Popular", "parameters": {}}, "arrays that this version does not"),
    ],
)
def test_wrong_times_in_a_file_are_refused(arrays: Any, header: Any, words: str | None, tmp_path: Path) -> None:
    path = tmp_path / "model"
    Fading().fit(read(DAYS)).save(path)
    more = {"counts_": None} if "class" in header else {}
    rewrite(path, arrays={**arrays, **more}, **header)
    if words is None:
        assert tm.load(path).interactions.to_frame("polars")["time"].dtype == pl.Date
        return
    with pytest.raises(tm.ModelFileError) as refused:
        tm.load(path)
    assert words in str(refused.value)


def test_an_update_keeps_times_and_takes_those_of_events(tmp_path: Path) -> None:
    model = Fading().fit(read(SECONDS))
    folder = tmp_path / "events"
    app = tastemap.serve.app(save(model, tmp_path), events=folder)
    at = datetime.fromtimestamp(SECOND + 99 * 86_400, UTC)

    async def run() -> None:
        events = [
            {"user": 1, "item": 8, "time": (at.replace(hour=2)).isoformat()},
            {"user": 1, "item": 5, "time": (at.replace(hour=1)).isoformat()},  # in the training, and again
        ]
        assert (await ask(app, "POST", "/events", {"events": events}))[0] == 200
        _, answer = await ask(app, "GET", "/recommend?user=1&seen=true")
        moments = [SECONDS[1], SECONDS[2], *(int(at.replace(hour=hour).timestamp()) for hour in (1, 2))]
        expected = model.recommend_for([6, 7, 5, 8], times=moments, exclude_seen=False)
        assert [int(one["item"]) for one in answer["items"]] == expected["item"].to_list()
        assert [one["score"] for one in answer["items"]] == pytest.approx(expected["score"].to_list(), rel=1e-6)
        _, shorter = await ask(app, "GET", "/recommend?user=1&seen=true&without=7")  # the last of the training
        rest = model.recommend_for([6, 5, 8], times=moments[:1] + moments[2:], exclude_seen=False, exclude=[7])
        assert [int(one["item"]) for one in shorter["items"] if one["item"] != "7"] == rest["item"].to_list()
        for history in ([5, 8, 6], [6, 8, 5], {"8": 1.0, "5": 2.0}):
            _, new = await ask(app, "POST", "/recommend", {"history": history, "seen": True})
            own = {int(item): weight for item, weight in history.items()} if isinstance(history, dict) else history
            folded = model.recommend_for(own, exclude_seen=False)
            assert [int(one["item"]) for one in new["items"]] == folded["item"].to_list()
            assert [one["score"] for one in new["items"]] == pytest.approx(folded["score"].to_list(), rel=1e-6)
        _, told = await ask(app, "GET", "/explain?user=1&item=6")
        assert told["score"] == pytest.approx(expected.filter(item=6)["score"][0], rel=1e-6)

    asyncio.run(run())
    news = read_news(folder, model)
    assert len(news.data) == 2
    updated = model.update(news.data)
    assert updated.interactions.time.dtype == np.int64
    assert updated.interactions.time.max() == int(at.replace(hour=2).timestamp())
    own = updated.recommend(1, exclude_seen=False)
    assert own["item"].to_list() == model_of(updated, updated.interactions)["item"].to_list()
    with pytest.raises(tm.DataError, match="the model knows all that the journal"):
        read_news(folder, updated)


def model_of(model: tm.Model, data: tm.Interactions) -> pl.DataFrame:
    frame = data.to_frame("polars").filter(user=1).sort("time", maintain_order=True)
    return model.recommend_for(frame["item"], times=frame["time"], exclude_seen=False)


def save(model: tm.Model, folder: Path) -> Path:
    model.save(folder / "model.st")
    return folder / "model.st"


def test_added_items_leave_times_as_they_are() -> None:
    films = tm.Features.from_frame({"item": [5, 6, 99], "kind": ["a", "b", "a"]}, id="item", columns="kind")
    known, new = films.only([5, 6]), films.only([99])
    model = tm.ImplicitALS(factors=2).fit(read(DAYS), item_features=known, progress=False)
    grown = model.add_items(new)
    assert grown.interactions.recency.time.tolist() == model.interactions.recency.time.tolist()
    assert grown.state.time_type == pl.Int64


def test_events_are_no_news_in_time_where_the_units_differ(tmp_path: Path) -> None:
    from tastemap.data.events import Event, write_event
    from tastemap.files.journal import Journal

    journal = Journal(tmp_path)
    journal.append([write_event(Event("1", "8", None, 10**15, {}))])
    known = read(DAYS)
    assert tm.Interactions.from_events(tmp_path, like=known).time is None
    assert tm.Interactions.from_events(tmp_path, like=read(SECONDS)).time is not None


def test_new_users_have_an_order_and_times_in_any_form() -> None:
    model = Fading().fit(read(SECONDS))
    timed = model.recommend_for([5, 6, 8], times=[SECOND, SECOND + 9, SECOND + 9], exclude_seen=False)
    dated = [datetime.fromtimestamp(SECOND + more, UTC) for more in (0, 9, 9)]
    for times in (dated, pl.Series(dated), [when.isoformat() for when in dated], np.array([0, 9, 9]) + SECOND):
        assert model.recommend_for([5, 6, 8], times=times, exclude_seen=False).equals(timed)
    two = model.recommend_for([[5, 6, 8], {7: 1.0}], times=[dated, [SECOND]], exclude_seen=False)
    assert two.filter(history=0).equals(timed)
    table = pl.DataFrame({"user": ["x"] * 3, "item": [5, 6, 8], "time": dated})
    assert model.recommend_for(table, exclude_seen=False).drop("user").equals(timed.drop("history"))
    told = tm.Interactions.from_frame(table[[2, 0, 1]], time="time")
    other = model.recommend_for([8, 5, 6], times=[dated[2], *dated[:2]], exclude_seen=False)
    assert model.recommend_for(told, exclude_seen=False).drop("user").equals(other.drop("history"))
    reasons = model.explain_for([5, 6, 8], 7, times=dated)
    assert reasons.score == pytest.approx(timed.filter(item=7)["score"][0], rel=1e-6)
    with pytest.raises(tm.DataError, match="the times are milliseconds since 1970, and those known are seconds"):
        model.recommend_for([5], times=[1000 * SECOND])
    with pytest.raises(ValueError, match="times must be as many as items: got 0 for 2"):
        model.recommend_for([[5, 6], [7]], times=[None, [SECOND]])
    with pytest.raises(ValueError, match="times must be left out where the histories come with them"):
        model.recommend_for(told, times=[1])


def test_models_that_do_not_use_the_order_never_look_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tastemap.data.interactions.find_recency", None)
    monkeypatch.setattr("tastemap.models.shared.inputs.find_recency", None)
    model = tm.EASE().fit(read(DAYS), progress=False).update(read(DAYS))
    model.save(tmp_path / "model")
    model.recommend()
    model.recommend_for([5, 6], times=[2, 1])
    model.explain(1, 8)


def test_what_is_left_out_of_a_history_leaves_no_gap() -> None:
    model = Fading().fit(read(DAYS))
    whole = model.recommend_for([5, 8], exclude_seen=False)
    assert model.recommend_for({5: 1.0, 7: 0.0, 8: 1.0}, exclude_seen=False).equals(whole)
    table = {"user": ["x"] * 3, "item": [5, 7, 8], "weight": [1.0, 0.0, 1.0]}
    assert model.recommend_for(table, exclude_seen=False).drop("user").equals(whole.drop("history"))


def test_evaluation_folds_histories_in_with_their_order() -> None:
    model = Fading().fit(read(DAYS))
    history = tm.Interactions.from_frame({"user": [9, 9], "item": [6, 5], "time": [4, 1]}, time="time")
    found = tm.evaluate(model, tm.Interactions.from_frame({"user": [9], "item": [7]}), history=history, metrics="mrr@4")
    lists = model.recommend_for(history)["item"].to_list()
    assert found["mrr@4"] == pytest.approx(1 / (1 + lists.index(7)))
