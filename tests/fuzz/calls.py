"""Calls in any order on any model: fit, update, ask, save, load, copy, measure; the answers keep their invariants."""

from __future__ import annotations

import copy
import pickle
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import tastemap as tm
from fuzz import draw, small_models
from fuzz.verdict import ask, ensure, without_refusal

_place = st.integers(0, 30)
_step = st.one_of(
    st.tuples(st.just("ask"), _place),
    st.tuples(
        st.just("update"),
        st.lists(st.tuples(_place, _place, st.sampled_from([1.0, 5.0, 2.0, 0.5])), min_size=1, max_size=6),
    ),
    st.tuples(st.just("fit"), st.booleans()),
    st.tuples(st.just("save"), st.booleans()),
    st.tuples(st.just("copy"), st.sampled_from(["pickle", "deepcopy", "copy", "clone and fit"])),
    st.tuples(st.just("evaluate"), _place),
    st.tuples(st.just("add items"), st.lists(_place, min_size=1, max_size=3)),
    st.tuples(st.just("recommend_all"), _place),
    st.tuples(st.just("unknown"), st.sampled_from(["raise", "skip", "popular"])),
    st.tuples(st.just("exclude"), st.lists(_place, max_size=4)),
    st.tuples(st.just("candidates"), st.lists(_place, max_size=4)),
    st.tuples(st.just("card"), st.none()),
    st.tuples(st.just("vectors"), st.none()),
    st.tuples(st.just("threads"), st.sampled_from([1, 2, 3])),
)


@st.composite
def _inputs(draw_: st.DrawFn) -> dict[str, Any]:
    return {
        "model": draw_(st.sampled_from(small_models.NAMES)),
        "table": draw_(draw.tables()),
        "features": draw_(st.booleans()),
        "steps": draw_(st.lists(_step, min_size=1, max_size=7)),
    }


INPUTS = _inputs()


class _Session:
    """A fitted model, the data that it has learned from, and the number of threads to use."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.name, self.table = value["model"], value["table"]
        self.users, self.items = (list(dict.fromkeys(self.table[side])) for side in ("user", "item"))
        with without_refusal("a regular table"):
            self.data = small_models.read(self.table)
        self.features = value["features"] and tm.MODELS[self.name].abilities.features
        self.model: Any = small_models.make(self.name)
        self.fit()

    def fit(self) -> None:
        self.model.fit(self.data, progress=False, **self._describe())

    def _describe(self) -> dict[str, Any]:
        if not self.features:
            return {}
        told = {"item": self.items, "genre": [f"g{place % 2}" for place in range(len(self.items))]}
        return {"item_features": tm.Features.from_frame(told, id="item", columns="genre")}

    def new_id(self, side: str, place: int) -> Any:
        """Return a known id, or a new one of the same type."""
        known = {"user": self.users, "item": self.items}[side]
        if place < len(known):
            return known[place]
        return f"new {place}" if isinstance(known[0], str) else 10_000 + place

    @property
    def person(self) -> Any:
        """A user whom the model knows: a weight of 0 alone makes none known to models of likes."""
        known = self.model.users.take(self.model.activity_.nonzero()[0])
        return next(user for user in self.users if user in known)

    def take(self, step: str, how: Any) -> None:
        """Take a step; refusals that the step allows for are asked for, others are findings."""
        getattr(self, "_" + step.replace(" ", "_"))(how)

    def _ask(self, k: int) -> None:
        small_models.check_answers(self.model, 1 + k)

    def _fit(self, _: bool) -> None:
        self.fit()

    def _update(self, news: list[tuple[int, int, float]]) -> None:
        rows = list({(u, i): (self.new_id("user", u), self.new_id("item", i), w) for u, i, w in news}.values())
        table = {"user": [row[0] for row in rows], "item": [row[1] for row in rows], "weight": [row[2] for row in rows]}
        before = self.model
        lists = None if before.interactions is None else before.recommend(k=3, frame="polars")
        updated = ask(before.update, small_models.read(table))
        if lists is not None:
            ensure(lists.equals(before.recommend(k=3, frame="polars")), "update changed the model that it is called on")
        if updated is not None:
            known = set(updated.interactions.to_frame("polars").select("user", "item").rows())
            ensure({(row[0], row[1]) for row in rows} <= known, "update lost a pair")
            self.model = updated

    def _save(self, interactions: bool) -> None:
        if self.model.interactions is None and interactions:
            return
        with tempfile.TemporaryDirectory() as folder, without_refusal("saving and loading"):
            path = Path(folder, "m")
            self.model.save(path, interactions=interactions)
            first = path.read_bytes()
            loaded = tm.load(path)
            self._compare(loaded, with_pairs=interactions)
            loaded.save(path, interactions=interactions)
            ensure(path.read_bytes() == first, "a loaded model is saved as another file")
        self.model = loaded

    def _copy(self, how: str) -> None:
        if how == "clone and fit":
            self.model = self.model.clone()
            self.fit()
            return
        copies = {"pickle": lambda m: pickle.loads(pickle.dumps(m)), "deepcopy": copy.deepcopy, "copy": copy.copy}
        other = copies[how](self.model)
        self._compare(other, with_pairs=self.model.interactions is not None)
        self.model = other

    def _compare(self, other: Any, with_pairs: bool) -> None:
        if with_pairs:
            mine, its = (m.recommend(k=5, frame="polars") for m in (self.model, other))
            ensure(mine.equals(its), "a copy gives other lists")
        if self.model.abilities.similar_items:
            mine, its = (ask(m.similar_items, self.items[0], k=3, frame="polars") for m in (self.model, other))
            ensure(mine is None or mine.equals(its), "a copy gives other neighbours")

    def _evaluate(self, _: int) -> None:
        small_models.check_measured(self.model, self.data)

    def _add_items(self, places: list[int]) -> None:
        ids = list(dict.fromkeys(self.new_id("item", place) for place in places))
        features = tm.Features.from_frame({"item": ids, "genre": ["g0"] * len(ids)}, id="item", columns="genre")
        grown = ask(self.model.add_items, features)
        if grown is not None:
            self.model = grown

    def _recommend_all(self, k: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "lists.parquet")
            if ask(lambda: (self.model.recommend_all(path, k=1 + k), True)) is not None:
                import polars as pl

                ensure(
                    pl.read_parquet(path).equals(self.model.recommend(k=1 + k, frame="polars")),
                    "a file has other lists",
                )

    def _unknown(self, how: str) -> None:
        nobody = "nobody at all" if isinstance(self.users[0], str) else 123_456_789
        if self.model.interactions is None:
            return
        shown = ask(self.model.recommend, [nobody, self.users[0]], k=3, on_unknown=how, frame="polars")
        ensure((shown is None) == (how == "raise"), "an unknown user is not treated as asked")

    def _exclude(self, places: list[int]) -> None:
        if self.model.interactions is None:
            return
        without = [self.items[place % len(self.items)] for place in places]
        with without_refusal("exclude with known items"):
            shown = self.model.recommend(k=5, exclude=without, exclude_seen=False, frame="polars")
        ensure(not set(without) & set(shown["item"].to_list()), "an excluded item is listed")

    def _candidates(self, places: list[int]) -> None:
        if self.model.interactions is None:
            return
        among = [self.items[place % len(self.items)] for place in places]
        with without_refusal("candidates that are known"):
            shown = self.model.recommend(self.person, k=50, candidates=among, exclude_seen=False, frame="polars")
        ensure(sorted(map(str, shown["item"])) == sorted(map(str, set(among))), "candidates are not what is listed")

    def _card(self, _: None) -> None:
        ensure(self.model.card().startswith(f"# {self.name}"), "a card names another model")
        repr(self.model)

    def _vectors(self, _: None) -> None:
        found = ask(self.model.scoring_vectors)
        if found is not None and self.model.interactions is not None:
            import numpy as np

            shown = self.model.recommend(self.person, k=3, exclude_seen=False, frame="polars")
            products = (
                found.users[self.model.users.rows([self.person])] @ found.items[self.model.items.rows(shown["item"])].T
            )
            ratings = self.model.abilities.ratings
            ensure(
                ratings or np.allclose(products[0], shown["score"], rtol=1e-3, atol=1e-4), "vectors give other scores"
            )

    def _threads(self, n: int) -> None:
        if self.model.interactions is None:
            return
        with tm.threads(n):
            shown = self.model.recommend(k=4, frame="polars")
        ensure(shown.equals(self.model.recommend(k=4, frame="polars")), "the number of threads changes lists")


def check(value: dict[str, Any]) -> None:
    session = _Session(value)
    for step, how in value["steps"]:
        session.take(step, how)
