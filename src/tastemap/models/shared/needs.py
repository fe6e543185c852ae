"""How much memory a model takes for its fit, as long as it is kept, and while it recommends to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import polars as pl

from tastemap.data._pairs import count_at_once
from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions
from tastemap.data.specs import Specs, find_size
from tastemap.memory import SMALL, available_memory, show_bytes
from tastemap.models.shared.state import State
from tastemap.tables import write_html
from tastemap.typing import Array, FrameKind

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Stage = Literal["fit", "keep", "recommend_all"]

# Bytes by the name of what takes them.
Parts = Mapping[str, int]

# A fit that takes more is told before it starts.
LARGE = 10**9

# The parts that exist before learning starts, by their names.
COUNTS, STARTS, LIKES, UNITS, BY_ITEM = (
    "numbers of pairs",
    "starts of the users' pairs",
    "likes",
    "weights as multiples",
    "pairs by item",
)


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a model takes beside its fitted arrays and what all models take, in bytes; `Model.find_needs` returns it.

    learning : the phases of learning: in each of them the parts that are in memory at the same time
    answering : the parts that are made of the fitted arrays for the first answer, and kept with the model
    making : the parts that exist only while those of answering are made
    scoring : the parts that exist only while lists are made
    of_user : what a user takes while lists are made, beside the list
    kept : the parts that stay with the data after learning
    by_item : whether learning takes the pairs by item, which stay with the data
    """

    learning: tuple[Parts, ...] = ({},)
    answering: Parts = field(default_factory=dict)
    making: Parts = field(default_factory=dict)
    scoring: Parts = field(default_factory=dict)
    of_user: int = 0
    kept: Parts = field(default_factory=dict)
    by_item: bool = False


@dataclass(frozen=True)
class Memory:
    """The bytes that a model takes, as `Model.memory` tells them before anything is learned.

    model : the name of its class
    parts : for each stage the bytes of its parts: "fit", the most at a time beyond what the interactions take; "keep",
        what stays as long as the fitted model does; "recommend_all", the most at a time beyond what is kept
    """

    model: str
    parts: Mapping[Stage, Parts]

    @property
    def fit(self) -> int:
        """The most bytes at a time during the fit, beyond what the interactions take."""
        return sum(self.parts["fit"].values())

    @property
    def keep(self) -> int:
        """The bytes that the fitted model takes beyond the interactions."""
        return sum(self.parts["keep"].values())

    @property
    def recommend_all(self) -> int:
        """The most bytes at a time during `recommend_all` with its defaults, beyond those of the fitted model."""
        return sum(self.parts["recommend_all"].values())

    @property
    def is_large(self) -> bool:
        """Whether the fit takes more than 1 GB, or more than a quarter of what is free."""
        if self.fit > LARGE:
            return True
        available = available_memory() if self.fit > SMALL else None
        return available is not None and 4 * self.fit > available

    @property
    def sentence(self) -> str:
        """One line about the memory, for people."""
        available = available_memory()
        free = "" if available is None else f" of {show_bytes(available)} that are free"
        return f"{self.model} needs {show_bytes(self.fit)}{free}, and {show_bytes(self.keep)} once it is fitted"

    @overload
    def to_frame(self, frame: Literal["pandas"]) -> pd.DataFrame: ...
    @overload
    def to_frame(self, frame: Literal["polars"] = "polars") -> pl.DataFrame: ...
    @overload
    def to_frame(self, frame: Literal["pyarrow"]) -> pa.Table: ...
    def to_frame(self, frame: FrameKind = "polars") -> Any:
        """Return a row for each part: stage, part and bytes, the largest part of a stage first."""
        return as_kind(pl.DataFrame(self._rows, ["stage", "part", "bytes"], orient="row"), frame)

    @property
    def _rows(self) -> list[tuple[str, str, int]]:
        return [
            (stage, part, size)
            for stage, parts in self.parts.items()
            for part, size in sorted(parts.items(), key=lambda both: -both[1])
        ]

    def __repr__(self) -> str:
        lines = [f"Memory of {self.model}"]
        for stage, parts in self.parts.items():
            lines.append(f"{stage:<34}{show_bytes(sum(parts.values())):>9}")
            ordered = sorted(parts.items(), key=lambda both: -both[1])
            lines += [f"    {part:<30}{show_bytes(size):>9}" for part, size in ordered if size]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(stage, part, show_bytes(size)) for stage, part, size in self._rows if size]
        return write_html(("stage", "part", "memory"), rows, f"Memory of {self.model}")


def find_array_bytes(specs: Specs, sizes: Mapping[str, int]) -> int:
    """Return the bytes of declared arrays; a dimension whose size is not known counts as 1."""
    known = dict(sizes)
    total = 0
    for spec in specs.values():
        shape = [find_size(size, known, otherwise=1) for size in spec.shape]
        total += prod(shape) * np.dtype(spec.dtype).itemsize
    return total


def read_sizes(specs: Specs, arrays: Mapping[str, Array]) -> dict[str, int]:
    """Return the lengths of arrays by the names that shapes have for them."""
    return {
        size: length
        for name, array in arrays.items()
        for size, length in zip(specs[name].shape, array.shape, strict=True)
        if isinstance(size, str)
    }


def find_size_of_data(given: Interactions, state: State) -> dict[str, int]:
    """Return the sizes that say what all models take.

    given : the interactions as they were passed to `fit`
    """
    n_pairs = int(state.popularity.sum())
    return {"pairs": n_pairs, "likes_copied": int(n_pairs < len(given)), "in_units": int(state.unit != 1)}


def tell(name: str, needs: Needs, specs: Specs, sizes: Mapping[str, int], at_once: int, place_bytes: int) -> Memory:
    """Return the memory of a model with these needs.

    specs : its fitted arrays
    sizes : of the data, as `find_size_of_data` names them, and of what shapes name
    at_once, place_bytes : how many users `recommend_all` ranks at a time, and what a place of a list takes
    """
    n_users, n_items, n_pairs = sizes["users"], sizes["items"], sizes["pairs"]
    base = {
        COUNTS: 8 * (n_users + n_items),
        STARTS: 8 * (n_users + 1),
        LIKES: (8 * n_pairs + 4 * (n_users + 1)) * sizes["likes_copied"],
        UNITS: 4 * n_pairs * sizes["in_units"],
        BY_ITEM: (8 * n_pairs + 12 * (n_items + 1)) * needs.by_item,
    }
    base = {part: size for part, size in base.items() if size}
    arrays = {"fitted arrays": find_array_bytes(specs, sizes)} if specs else {}
    first = {part: size for part, size in base.items() if part != BY_ITEM}
    base |= needs.kept
    phases: list[dict[str, int]] = [
        {**first, "counting": max(n_pairs, 8 * min(n_pairs, count_at_once(n_items)))},
        *({**base, **more} for more in needs.learning),
    ]
    keep = {**base, **arrays}
    places = at_once * min(10, n_items)
    ranking: Parts = {"lists": 16 * places + needs.of_user * at_once, **needs.scoring}
    frames: Parts = {"lists": place_bytes * places}
    largest = max((needs.making, ranking, frames), key=lambda parts: sum(parts.values()))
    lists = {
        "ids of users": 16 * n_users,
        "items to choose from": 33 * n_items + n_users,
        **needs.answering,
        **largest,
    }
    fit = max([*phases, keep], key=lambda parts: sum(parts.values()))
    return Memory(name, {"fit": fit, "keep": keep, "recommend_all": lists})


def find_made(state: State) -> set[str]:
    """Return the names of the parts that exist already."""
    made = {COUNTS, LIKES, UNITS}
    training = state.training("fit")
    if "by_user" in vars(training):
        made.add(STARTS)
    if "transposed" in vars(training):
        made.add(BY_ITEM)
    return made
