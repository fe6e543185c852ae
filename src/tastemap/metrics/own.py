"""Metrics that the caller defines by a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tastemap.data._checks import check_switch
from tastemap.errors import DataError, show
from tastemap.metrics.definitions import METRICS, ListMetric, first_paragraph
from tastemap.typing import Doubles


@dataclass(frozen=True, init=False, repr=False, kw_only=True)
class OwnMetric(ListMetric):
    """A metric of your own: a function of each user's list and test items.

    function : takes two polars Series of lists of item ids, with one row for each user in the same order: the listed
        items, best first and at most k, and the test items, in no order. It returns a finite number for each user: an
        array, a Series or a list
    k : the cut-off: how many places of each list the function gets
    name : None for the function's own name; results call the metric "name@k"
    lower_is_better : whether lower values are better

    Pass it to `evaluate`, `evaluate_lists`, `compare`, `cross_validate` or `tune`; their intervals, tests and plots
    work with it. `Model.fit` does not take it, because it measures its own metrics between epochs; so `tune` does not
    watch trials during training and prunes none.

    The function is called with some of the users at a time; `tune` with parallel above 1 calls it from several threads
    at once. Its errors are passed on. A user's list may be empty, the test items are never empty. An example, the rank
    of the first hit, where a list without a hit counts as if the hit came right after its end::

        def first_hit(lists, truth):
            return [
                next((place for place, item in enumerate(shown, 1) if item in wanted), len(shown) + 1)
                for shown, wanted in zip(lists, truth)
            ]

        test = tm.Interactions.from_frame({"user": ["ann", "bob"], "item": ["Aja", "Peg"]})
        lists = {"user": ["ann", "ann", "bob"], "item": ["Hey", "Aja", "Aja"]}
        depth = tm.OwnMetric(first_hit, k=5, lower_is_better=True)
        assert tm.evaluate_lists(lists, test, metrics=depth)["first_hit@5"] == (2 + 2) / 2

    Raises ValueError if `function` is not callable, if the cut-off is out of range, or if the name is missing or taken.
    Measuring raises DataError if the function returns anything but a finite number for each user.
    """

    function: Callable[[pl.Series, pl.Series], Any]
    base_name: str
    lower_is_better: bool

    def __init__(
        self,
        function: Callable[[pl.Series, pl.Series], Any],
        k: int = 10,
        *,
        name: str | None = None,
        lower_is_better: bool = False,
    ) -> None:
        if not callable(function):
            raise ValueError(f"an own metric is a function of lists and test items, got {show(function)}")
        base_name = getattr(function, "__name__", "<lambda>") if name is None else name
        if base_name == "<lambda>":
            raise ValueError("this function has no name to show in results: pass name=")
        if not isinstance(base_name, str) or not base_name.strip() or "@" in base_name:
            raise ValueError(f"the name of a metric must be text without an @, got {show(base_name)}")
        if base_name in METRICS:
            raise ValueError(f"{show(base_name)} is a metric of tastemap's: pass another name=")
        check_switch("lower_is_better", lower_is_better)
        fields = {"k": k, "function": function, "base_name": base_name, "lower_is_better": lower_is_better}
        for field, value in fields.items():
            object.__setattr__(self, field, value)  # the class is frozen
        self.__post_init__()

    @property
    def definition(self) -> str:
        """The first paragraph of the function's docstring, or a sentence where it has none."""
        text = first_paragraph(self.function) if inspect.isroutine(self.function) else ""
        return text or "A metric of one's own, whose function says no more."

    def at(self, k: int) -> OwnMetric:
        """Return the same metric with another cut-off."""
        return OwnMetric(self.function, k, name=self.base_name, lower_is_better=self.lower_is_better)

    def of_users(self, lists: pl.Series, truth: pl.Series) -> Doubles:
        """Return the metric of each user, float64, (users,), from lists and test items as `function` takes them.

        Raises DataError if the function returns anything but a finite number for each user.
        """
        try:
            found = self.function(lists, truth)
        except Exception as error:
            error.add_note(f"This was raised by the function of the metric {self.name}.")
            raise
        try:
            values = np.asarray(found.to_numpy() if isinstance(found, pl.Series) else found)
        except ValueError:
            values = np.empty((len(lists), 0))  # lists of different lengths
        wrong = _describe_fault(found, values, len(lists))
        if wrong:
            raise DataError(
                f"the metric {self.name} returned {wrong}: its function must return a finite number for each user, in "
                "the order of the lists"
            )
        return values.astype(np.float64)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        options = [f"k={self.k}"]
        if self.base_name != name:
            options.append(f"name={self.base_name!r}")
        if self.lower_is_better:
            options.append("lower_is_better=True")
        return f"OwnMetric({name}, {', '.join(options)})"


def _describe_fault(found: object, values: Any, n_users: int) -> str:
    """Describe what is wrong with the values that the function returned for n_users, "" if nothing is."""
    if values.ndim == 0:
        return f"{found!r}"
    if values.ndim > 1:
        return f"a {type(found).__name__} with several values for a user"
    if len(values) != n_users:
        return f"{len(values):,} values for {n_users:,} users"
    if values.dtype.kind not in "biuf":
        odd = [value for value in values.tolist() if not isinstance(value, int | float)]
        return f"values that are no numbers, such as {odd[0]!r}"
    bad = np.flatnonzero(~np.isfinite(values))
    return f"{values[bad[0]]} for user {bad[0] + 1:,} of {n_users:,}" if len(bad) else ""
