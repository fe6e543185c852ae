"""Translates fitted models into the arrays and headers of files and back; writes their cards."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from typing import Any, NotRequired, TypedDict

import numpy as np
import polars as pl
import scipy.sparse as sp

from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Damping, Interactions
from tastemap.data.specs import ArraySpec, Specs, find_fault
from tastemap.errors import DataError, ModelFileError, name_some
from tastemap.files.headers import find_misfit
from tastemap.metrics.definitions import parse
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.state import State, check_names
from tastemap.tables import escape_markdown
from tastemap.training.loop import Epoch
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Array, Arrays, FrameKind


class ColumnsHeader(TypedDict):
    """The caller's names of the columns."""

    user: str
    item: str
    weight: str
    time: str | None
    least: NotRequired[float | None]
    damping: NotRequired[Damping | None]


class EpochHeader(TypedDict):
    """An epoch of the training."""

    epoch: int
    objective: float
    metric: float | None


# What the header of a model's file holds; later versions may add to it.
Header = TypedDict(
    "Header",
    {
        "class": str,
        "parameters": dict[str, Any],
        "used": NotRequired[dict[str, Any]],  # for the parameters that are None; older files have none
        "columns": ColumnsHeader,
        "users": str,
        "items": str,
        "frame": FrameKind,
        "data": str | None,
        "time_type": NotRequired[str | None],  # of the training's times; older files have none
        "unit": NotRequired[float],  # older files have none: their weights counted as they are
        "history": list[EpochHeader],
        "metric": NotRequired[str | None],
        "versions": dict[str, str],
    },
)

COUNTS: Specs = {
    "activity_": ArraySpec(dtype="int64", shape=("users",), at_least=0, below="items+1"),
    "popularity_": ArraySpec(dtype="int64", shape=("items",), at_least=0, below="users+1"),
}
FEATURES = {"user_features": "users", "item_features": "items"}


def arrays_of(state: State, fitted: Arrays, interactions: bool, *, ordered: bool = False) -> Arrays:
    """Return the arrays of a file: the fitted ones, popularity and activity, the ids, and the features.

    interactions : add the training pairs, their times and each user's features
    ordered : add the input order of the pairs too, which decides between equal times
    """
    arrays: Arrays = {"popularity_": state.popularity, "activity_": state.activity, **fitted}
    arrays |= _ids_to_arrays("users", state.users) | _ids_to_arrays("items", state.items)
    if state.user_features is not None:  # a user's features are as private as the history
        arrays |= _features_to_arrays("user_features", state.user_features, with_rows=interactions)
    if state.item_features is not None:
        arrays |= _features_to_arrays("item_features", state.item_features, with_rows=True)
    if interactions:
        given = state.given("saving with interactions=True")
        pairs = given.by_user
        arrays |= {"pairs.indptr": pairs.indptr, "pairs.indices": pairs.indices, "pairs.data": pairs.data}
        if given.time is not None:
            arrays["pairs.time"] = given.time.astype(_find_dtype(given.time_type), copy=False)
        if ordered and given.order is not None:
            arrays["pairs.order"] = given.order.astype(np.int64)
    return arrays


def header_of(
    name: str, parameters: dict[str, Any], used: dict[str, Any], state: State, epochs: list[Epoch]
) -> dict[str, Any]:
    """Return the header of a file: everything but arrays; equal models have equal headers.

    parameters : as they were given
    used : the values that learning used for those that are None
    """
    return {
        "class": name,
        "parameters": parameters,
        "used": used,
        "columns": asdict(state.columns),
        "users": state.users.name,
        "items": state.items.name,
        "frame": state.frame_kind,
        "data": state.fingerprint,
        "time_type": _name_type(state.time_type),
        "unit": state.unit,
        # Without seconds: they differ from run to run, and the file must not.
        "history": [{"epoch": e.epoch, "objective": e.objective, "metric": e.metric} for e in epochs],
        "metric": epochs[-1].metric_name if epochs else None,
        "versions": {name: version(name) for name in ("tastemap", "numpy", "scipy", "numba")}
        | {"python": platform.python_version()},
    }


def check_header(header: Mapping[str, Any]) -> None:
    """Raise ModelFileError where the header of a model's file is not whole."""
    misfit = find_misfit(header, Header)
    if misfit is not None:
        raise ModelFileError(misfit)
    try:
        check_names(header["users"], header["items"])
        if header.get("metric") is not None:
            parse(header["metric"])
    except ValueError as error:
        raise ModelFileError(f"the header is wrong: {error}") from error
    if header["users"] == header["items"]:
        raise ModelFileError(f"users and items are both called {header['users']!r}")
    _read_type(header.get("time_type"))
    if header.get("unit", 1) <= 0:
        raise ModelFileError(f"the unit of weights must be above 0, got {header['unit']!r}")


def declare_state(arrays: Mapping[str, Array], abilities: Abilities) -> Specs:
    """Return what the arrays of a file of a model with these abilities must be beside the fitted ones."""
    specs = {**COUNTS}
    for side in ("users", "items"):
        if f"{side}.ids" in arrays:
            dtype = "uint64" if arrays[f"{side}.ids"].dtype == np.uint64 else "int64"
            specs[f"{side}.ids"] = ArraySpec(dtype=dtype, shape=(side,))
        else:
            specs |= _declare_strings(side, side)
    if _has_any(arrays, "pairs"):
        specs |= _declare_rows("pairs", "users", "items")
        if "pairs.time" in arrays:
            dtype = "float64" if arrays["pairs.time"].dtype == np.float64 else "int64"
            specs["pairs.time"] = ArraySpec(dtype=dtype, shape=("pairs.pairs",))
        if abilities.uses_order and "pairs.order" in arrays:
            specs["pairs.order"] = ArraySpec(dtype="int64", shape=("pairs.pairs",), at_least=0, below="pairs.pairs")
    for side, rows in FEATURES.items():
        if abilities.features and _has_any(arrays, side):
            specs[f"{side}.factors"] = ArraySpec(dtype="float32", shape=(side, f"{side}.columns"))
            specs[f"{side}.described"] = ArraySpec(dtype="bool", shape=(rows,))
            specs |= _declare_strings(f"{side}.names", side)
            if side == "item_features" or f"{side}.indptr" in arrays:
                specs |= _declare_rows(side, rows, side)
    return specs


def check_arrays(arrays: Mapping[str, Array], specs: Specs, sizes: Mapping[str, int]) -> None:
    """Raise ModelFileError where the arrays of a file are not those declared."""
    fault = find_fault(arrays, specs, sizes)
    if fault is not None:
        raise ModelFileError(f"its array {fault.name!r} {fault.problem}")
    unknown = sorted(arrays.keys() - specs.keys())
    if unknown:
        raise ModelFileError(f"it has arrays that this version does not know, {name_some(unknown)}: update tastemap")


def find_counts(arrays: Mapping[str, Array], name: str) -> Array:
    """Return an array of a file that has a number an id; raises ModelFileError where it is missing or empty."""
    if name not in arrays or not arrays[name].ndim or not len(arrays[name]):
        raise ModelFileError(f"its array {name!r} is missing or empty")
    return arrays[name]


def state_of(arrays: Mapping[str, Array], header: dict[str, Any]) -> State:
    """Return the state that a file holds, whose header and arrays were checked one by one.

    Raises ModelFileError where they do not fit each other.
    """
    columns = Columns(
        **{field.name: header["columns"][field.name] for field in fields(Columns) if field.name in header["columns"]}
    )
    time_type = _read_type(header.get("time_type"))
    popularity, activity = arrays["popularity_"], arrays["activity_"]
    if not popularity.sum() or popularity.sum() != activity.sum():
        raise ModelFileError(
            f"it counts {popularity.sum()} pairs of items and {activity.sum()} of users, which are the same pairs"
        )
    users = _ids_from_arrays(arrays, "users", header["users"])
    items = _ids_from_arrays(arrays, "items", header["items"])
    interactions = None
    if "pairs.indptr" in arrays:
        parts = (arrays["pairs.data"], arrays["pairs.indices"], arrays["pairs.indptr"])
        if not np.array_equal(np.diff(parts[2]), activity):
            raise ModelFileError("its pairs are not as many as 'activity_' counts")
        matrix = sp.csr_matrix(parts, shape=(len(users), len(items)))
        time = arrays.get("pairs.time")
        expected = None if time_type is None else _find_dtype(time_type)
        if expected != (None if time is None else str(time.dtype)):
            told = "no array 'pairs.time'" if time is None else f"an array 'pairs.time' of {time.dtype}"
            raise ModelFileError(f"its header says {_name_type(time_type)!r} of the type of times, and it has {told}")
        try:
            interactions = Interactions(
                matrix,
                users,
                items,
                time=time,
                time_type=time_type,
                order=arrays.get("pairs.order"),
                columns=columns if time is not None else replace(columns, time=None),  # older files have no times
                frame_kind=header["frame"],
            )
        except DataError as error:
            raise ModelFileError(f"its pairs are wrong: {error}") from error
    return State(
        users=users,
        items=items,
        columns=columns,
        frame_kind=header["frame"],
        popularity=popularity,
        activity=activity,
        interactions=interactions,
        time_type=time_type,
        unit=float(header.get("unit", 1)),
        user_features=_features_from_arrays(arrays, "user_features"),
        item_features=_features_from_arrays(arrays, "item_features"),
        known_fingerprint=header["data"],
    )


def epochs_of(header: dict[str, Any]) -> list[Epoch]:
    """Return the epochs that a file holds; their seconds are 0."""
    measured = header.get("metric")  # older files have none
    return [Epoch(e["epoch"], 0.0, e["objective"], e["metric"], measured) for e in header["history"]]


class Card(str):
    """The description of a fitted model: a text in Markdown, which notebooks show as such."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


def card(header: dict[str, Any], state: State) -> Card:
    """Return the description of a model in Markdown, from its header and state."""
    used = {**header["parameters"], **header["used"]}
    parameters = [f"| {name} | {_escape(str(value))} |" for name, value in used.items()]
    n_users, n_items = np.count_nonzero(state.activity), np.count_nonzero(state.popularity)
    data = (
        f"Data: {state.popularity.sum():,} pairs, {n_users:,} {_escape(state.users.name)} x "
        f"{n_items:,} {_escape(state.items.name)}, fingerprint {header['data']}."
    )
    if state.columns.least is not None:
        data += f" Of {_escape(state.columns.weight)} only {state.columns.least:g} and more."
    if state.columns.damping == "log2":
        data += f" Each {_escape(state.columns.weight)} w was taken as log2(1 + w)."
    if state.columns.damping == "binarize":
        data += " Every pair counts alike."
    if state.unit != 1:
        data += f" A weight of {state.unit:.6g} counts as 1."
    sides = ((state.users, state.user_features), (state.items, state.item_features))
    described = [
        f"{len(own.names):,} of {own.described.sum():,} {_escape(ids.name)}" for ids, own in sides if own is not None
    ]
    if described:
        data += f" Features: {', '.join(described)}."
    training = []
    epochs = epochs_of(header)
    if epochs:
        training = [f"Trained for {len(epochs)} epochs to an objective of {epochs[-1].objective:.6g}."]
        measured = [(done.metric, done.epoch) for done in epochs if done.metric is not None]
        if header["metric"] is not None and measured:
            goodness = parse(header["metric"]).goodness
            best, epoch = max(measured, key=lambda one: goodness(one[0]))  # of equal ones the first
            training[0] += f" Best on the validation part: {header['metric']} {best:.4f} in epoch {epoch}."
    versions = "Versions: " + ", ".join(f"{name} {number}" for name, number in header["versions"].items()) + "."
    blocks = ["| parameter | value |\n|---|---|\n" + "\n".join(parameters)] if parameters else []
    return Card("\n\n".join([f"# {header['class']}", *blocks, data, *training, versions]) + "\n")


def _escape(text: str) -> str:
    # An underscore within a word is no mark of Markdown's, and most names have one.
    return escape_markdown(text).replace("\\_", "_")


def _find_dtype(kind: pl.DataType | None) -> str:
    """Return the type of an array of times that are of a type in frames."""
    return "float64" if kind == pl.Float64 else "int64"


def _name_type(kind: pl.DataType | None) -> str | None:
    """Return the type of times as a header spells it: that of numbers, date, datetime, or datetime with its zone."""
    if isinstance(kind, pl.Datetime):
        return "datetime" if kind.time_zone is None else f"datetime {kind.time_zone}"
    if isinstance(kind, pl.Date):
        return "date"
    return None if kind is None else "float64" if kind == pl.Float64 else "int64"


def _read_type(name: str | None) -> pl.DataType | None:
    """Return the type that `_name_type` names; raises ModelFileError for another name."""
    if name is None:
        return None
    known = {"int64": pl.Int64(), "float64": pl.Float64(), "date": pl.Date(), "datetime": pl.Datetime("us")}
    word, _, zone = name.partition(" ")
    if name in known:
        return known[name]
    try:
        kind = pl.Datetime("us", zone)
        pl.Series([0]).cast(kind).dt.year()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        kind = None
    if word != "datetime" or kind is None:
        raise ModelFileError(f"the header is wrong: it knows no times of type {name!r}")
    return kind


def _ids_to_arrays(side: str, ids: IdMap) -> Arrays:
    return _strings_to_arrays(side, ids.ids) if ids.holds_strings else {f"{side}.ids": ids.ids.to_numpy()}


def _ids_from_arrays(arrays: Mapping[str, Array], side: str, name: str) -> IdMap:
    strings = f"{side}.ids" not in arrays
    ids = pl.Series(name, _strings_from_arrays(arrays, side), dtype=pl.String) if strings else arrays[f"{side}.ids"]
    try:
        return IdMap(pl.Series(name, ids), name)
    except DataError as error:
        raise ModelFileError(f"its {side} are wrong: {error}") from error


def _features_to_arrays(side: str, features: SideFeatures, with_rows: bool) -> Arrays:
    assert features.factors_ is not None
    arrays: Arrays = {f"{side}.factors": features.factors_, f"{side}.described": features.described}
    arrays |= _strings_to_arrays(f"{side}.names", pl.Series(features.names, dtype=pl.String))
    if with_rows and features.rows is not None:
        arrays |= {f"{side}.{name}": array for name, array in features.rows._asdict().items()}
    return arrays


def _features_from_arrays(arrays: Mapping[str, Array], side: str) -> SideFeatures | None:
    if f"{side}.factors" not in arrays:
        return None
    names = tuple(_strings_from_arrays(arrays, f"{side}.names"))
    if len(set(names)) < len(names):
        raise ModelFileError(f"its {side} hold a name twice")
    rows = None
    if f"{side}.indptr" in arrays:
        rows = freeze_rows(Rows(*(arrays[f"{side}.{name}"] for name in Rows._fields)))
        if not np.array_equal(rows.has_pairs, arrays[f"{side}.described"]):
            raise ModelFileError(f"its {side} are not in the rows that 'described' says")
    return SideFeatures(names, rows, arrays[f"{side}.described"], arrays[f"{side}.factors"])


def _has_any(arrays: Mapping[str, Array], side: str) -> bool:
    return any(name.startswith(f"{side}.") for name in arrays)


def _declare_rows(name: str, rows: str, columns: str) -> Specs:
    """Declare the arrays of `Rows`, with `rows` and `columns` as the names of their sizes."""
    pairs = f"{name}.pairs"
    return {
        f"{name}.indptr": ArraySpec(dtype="int64", shape=(f"{rows}+1",), starts=f"{name}.indices"),
        f"{name}.indices": ArraySpec(dtype="int32", shape=(pairs,), at_least=0, below=columns, rows=f"{name}.indptr"),
        f"{name}.data": ArraySpec(dtype="float32", shape=(pairs,)),
    }


def _declare_strings(name: str, size: str) -> Specs:
    return {
        f"{name}.bytes": ArraySpec(dtype="uint8", shape=(f"{name}.bytes",)),
        f"{name}.ends": ArraySpec(dtype="int64", shape=(size,), at_least=0, ascending=True),
    }


def _strings_to_arrays(name: str, strings: pl.Series) -> Arrays:
    """Return strings as UTF-8 bytes and the offsets where each ends."""
    ends = strings.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    return {f"{name}.bytes": np.frombuffer("".join(strings).encode(), np.uint8), f"{name}.ends": ends}


def _strings_from_arrays(arrays: Mapping[str, Array], name: str) -> list[str]:
    held, ends = arrays[f"{name}.bytes"], arrays[f"{name}.ends"]
    inside = ends[ends < len(held)]
    is_cut = bool((held[inside] & 0xC0 == 0x80).any())  # such a byte goes on a character
    if (ends[-1] if len(ends) else 0) != len(held) or is_cut:
        raise ModelFileError(f"its array '{name}.ends' does not cut '{name}.bytes' into texts")
    text = held.tobytes()
    try:
        return [text[start:end].decode() for start, end in zip([0, *ends.tolist()], ends.tolist(), strict=False)]
    except UnicodeDecodeError as error:
        raise ModelFileError(f"its array '{name}.bytes' is no text in UTF-8") from error
