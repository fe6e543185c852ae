"""Translates fitted models into the arrays and headers of files and back; writes their cards."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Interactions
from tastemap.metrics.definitions import parse
from tastemap.models.shared.state import State
from tastemap.training.loop import Epoch
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Array, Arrays


def arrays_of(state: State, fitted: Arrays, interactions: bool) -> Arrays:
    """Return the arrays of a file: the fitted ones, popularity and activity, the ids, and the features.

    interactions : add the training pairs and each user's features
    """
    arrays: Arrays = {"popularity_": state.popularity, "activity_": state.activity, **fitted}
    arrays |= _ids_to_arrays("users", state.users) | _ids_to_arrays("items", state.items)
    if state.user_features is not None:  # a user's features are as private as the history
        arrays |= _features_to_arrays("user_features", state.user_features, with_rows=interactions)
    if state.item_features is not None:
        arrays |= _features_to_arrays("item_features", state.item_features, with_rows=True)
    if interactions:
        pairs = state.given("saving with interactions=True").by_user
        arrays |= {"pairs.indptr": pairs.indptr, "pairs.indices": pairs.indices, "pairs.data": pairs.data}
    return arrays


def header_of(name: str, parameters: dict[str, Any], state: State, epochs: list[Epoch]) -> dict[str, Any]:
    """Return the header of a file: everything but arrays; equal models have equal headers."""
    return {
        "class": name,
        "parameters": parameters,
        "columns": asdict(state.columns),
        "users": state.users.name,
        "items": state.items.name,
        "frame": state.frame_kind,
        "data": state.fingerprint,
        "unit": state.unit,
        # Without seconds: they differ from run to run, and the file must not.
        "history": [{"epoch": e.epoch, "objective": e.objective, "metric": e.metric} for e in epochs],
        "metric": epochs[-1].metric_name if epochs else None,
        "versions": {name: version(name) for name in ("tastemap", "numpy", "scipy", "numba")}
        | {"python": platform.python_version()},
    }


def state_of(arrays: Mapping[str, Array], header: dict[str, Any]) -> State:
    """Return the state that a file holds."""
    columns = Columns(**header["columns"])
    users = _ids_from_arrays(arrays, "users", header["users"])
    items = _ids_from_arrays(arrays, "items", header["items"])
    interactions = None
    if "pairs.indptr" in arrays:
        parts = (arrays["pairs.data"], arrays["pairs.indices"], arrays["pairs.indptr"])
        matrix = sp.csr_matrix(parts, shape=(len(users), len(items)))
        names = replace(columns, time=None)  # files have no times
        interactions = Interactions(matrix, users, items, columns=names, frame_kind=header["frame"])
    return State(
        users=users,
        items=items,
        columns=columns,
        frame_kind=header["frame"],
        popularity=arrays["popularity_"],
        activity=arrays["activity_"],
        interactions=interactions,
        # Older files have no unit: then weights counted as they are, in BPR and WARP as multiples of this array.
        unit=float(header.get("unit", arrays.get("mean_weight_", np.ones(1))[0])),
        user_features=_features_from_arrays(arrays, "user_features"),
        item_features=_features_from_arrays(arrays, "item_features"),
        known_fingerprint=header["data"],
    )


def epochs_of(header: dict[str, Any]) -> list[Epoch]:
    """Return the epochs that a file holds; their seconds are 0."""
    measured = header.get("metric")  # older files have none
    return [Epoch(e["epoch"], 0.0, e["objective"], e["metric"], measured) for e in header["history"]]


def card(header: dict[str, Any], state: State) -> str:
    """Return the description of a model in Markdown, from its header and state."""
    parameters = [f"| {name} | {value} |" for name, value in header["parameters"].items()]
    n_users, n_items = np.count_nonzero(state.activity), np.count_nonzero(state.popularity)
    data = (
        f"Data: {state.popularity.sum():,} pairs, {n_users:,} {state.users.name} x {n_items:,} {state.items.name}, "
        f"fingerprint {header['data']}."
    )
    if state.columns.least is not None:
        data += f" Of {state.columns.weight} only {state.columns.least:g} and more."
    if state.unit != 1:
        data += f" A weight of {state.unit:.6g} counts as 1."
    sides = ((state.users, state.user_features), (state.items, state.item_features))
    described = [f"{len(own.names):,} of {own.described.sum():,} {ids.name}" for ids, own in sides if own is not None]
    if described:
        data += f" Features: {', '.join(described)}."
    training = []
    epochs = epochs_of(header)
    if epochs:
        training = [f"Trained for {len(epochs)} epochs to an objective of {epochs[-1].objective:.6g}."]
        if header["metric"] is not None:
            goodness = parse(header["metric"]).goodness
            measured = [(done.metric, done.epoch) for done in epochs if done.metric is not None]
            best, epoch = max(measured, key=lambda one: goodness(one[0]))  # of equal ones the first
            training[0] += f" Best on the validation part: {header['metric']} {best:.4f} in epoch {epoch}."
    versions = "Versions: " + ", ".join(f"{name} {number}" for name, number in header["versions"].items()) + "."
    blocks = ["| parameter | value |\n|---|---|\n" + "\n".join(parameters)] if parameters else []
    return "\n\n".join([f"# {header['class']}", *blocks, data, *training, versions]) + "\n"


def _ids_to_arrays(side: str, ids: IdMap) -> Arrays:
    return _strings_to_arrays(side, ids.ids) if ids.holds_strings else {f"{side}.ids": ids.ids.to_numpy()}


def _ids_from_arrays(arrays: Mapping[str, Array], side: str, name: str) -> IdMap:
    if f"{side}.ids" in arrays:
        return IdMap(pl.Series(name, arrays[f"{side}.ids"]), name)
    return IdMap(pl.Series(name, _strings_from_arrays(arrays, side), dtype=pl.String), name)


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
    rows = None
    if f"{side}.indptr" in arrays:
        rows = freeze_rows(Rows(*(arrays[f"{side}.{name}"] for name in Rows._fields)))
    return SideFeatures(names, rows, arrays[f"{side}.described"], arrays[f"{side}.factors"])


def _strings_to_arrays(name: str, strings: pl.Series) -> Arrays:
    """Return strings as UTF-8 bytes and the offsets where each ends."""
    ends = strings.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    return {f"{name}.bytes": np.frombuffer("".join(strings).encode(), np.uint8), f"{name}.ends": ends}


def _strings_from_arrays(arrays: Mapping[str, Array], name: str) -> list[str]:
    text, ends = arrays[f"{name}.bytes"].tobytes(), arrays[f"{name}.ends"].tolist()
    return [text[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
