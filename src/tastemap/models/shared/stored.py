"""What a file holds of a fitted model, and the card that describes one."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tastemap.data._pairs import Rows, read_only
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Interactions
from tastemap.metrics.definitions import parse
from tastemap.training.loop import Epoch
from tastemap.training.side_features import SideFeatures
from tastemap.typing import Arrays

if TYPE_CHECKING:
    from tastemap.models.shared.base import Model


def arrays_of(model: Model, history: bool) -> Arrays:
    """Return the fitted arrays, how often users and items occur, the ids and the features.

    With `history` also the training pairs and the users' own features.
    """
    arrays: Arrays = {name: getattr(model, name) for name in ("popularity_", "activity_", *model._fitted)}
    arrays |= _ids_to_arrays("users", model.users) | _ids_to_arrays("items", model.items)
    if model._user_features is not None:  # what is known of a person is as much theirs as what they did
        arrays |= _features_to_arrays("user_features", model._user_features, with_rows=history)
    if model._item_features is not None:
        arrays |= _features_to_arrays("item_features", model._item_features, with_rows=True)
    if history:
        pairs = model._training("saving with interactions=True").by_user
        arrays |= {"pairs.indptr": pairs.indptr, "pairs.indices": pairs.indices, "pairs.data": pairs.data}
    return arrays


def header_of(model: Model) -> dict[str, Any]:
    """Return what is known of a fitted model beside its arrays; equal models have equal headers."""
    if model._fingerprint is None and model._interactions is not None:
        model._fingerprint = model._interactions.fingerprint()
    return {
        "class": type(model).__name__,
        "parameters": asdict(model),
        "columns": asdict(model._columns),
        "users": model.users.name,
        "items": model.items.name,
        "frame": model._frame,
        "data": model._fingerprint,
        # Seconds differ from run to run, and a file should not.
        "history": [{"epoch": e.epoch, "objective": e.objective, "metric": e.metric} for e in model.epochs_],
        "metric": model.epochs_[-1].metric_name if model.epochs_ else None,
        "versions": {name: version(name) for name in ("tastemap", "numpy", "scipy", "numba")}
        | {"python": platform.python_version()},
    }


def restore(model: Model, arrays: Mapping[str, npt.NDArray[Any]], header: dict[str, Any]) -> None:
    """Set everything fitted of a new model."""
    columns = Columns(**header["columns"])
    model._users = _ids_from_arrays(arrays, "users", header["users"])
    model._items = _ids_from_arrays(arrays, "items", header["items"])
    model._columns, model._frame, model._fingerprint = columns, header["frame"], header["data"]
    model._interactions = None
    if "pairs.indptr" in arrays:
        parts = (arrays["pairs.data"], arrays["pairs.indices"], arrays["pairs.indptr"])
        matrix = sp.csr_matrix(parts, shape=(len(model._users), len(model._items)))
        names = Columns(columns.user, columns.item, columns.weight)  # a file keeps no times
        model._interactions = Interactions(
            matrix, model._users, model._items, columns=names, frame_kind=header["frame"]
        )
    measured = header.get("metric")  # older files do not say
    model.epochs_ = [Epoch(e["epoch"], 0.0, e["objective"], e["metric"], measured) for e in header["history"]]
    for name in ("popularity_", "activity_", *model._fitted):
        setattr(model, name, arrays[name])
    model._user_features = _features_from_arrays(arrays, "user_features")
    model._item_features = _features_from_arrays(arrays, "item_features")


def card(model: Model) -> str:
    """Return a description in Markdown."""
    header = header_of(model)
    parameters = [f"| {name} | {value} |" for name, value in header["parameters"].items()]
    data = (
        f"Data: {model.popularity_.sum():,} pairs, {len(model.users):,} {model.users.name} x "
        f"{len(model.items):,} {model.items.name}, fingerprint {header['data']}."
    )
    sides = ((model.users, model._user_features), (model.items, model._item_features))
    described = [f"{len(own.names):,} of {own.described.sum():,} {ids.name}" for ids, own in sides if own is not None]
    if described:
        data += f" Features: {', '.join(described)}."
    training = []
    if model.epochs_:
        training = [f"Trained for {len(model.epochs_)} epochs to an objective of {model.epochs_[-1].objective:.6g}."]
        if header["metric"] is not None:
            goodness = parse(header["metric"]).goodness
            measured = [(done.metric, done.epoch) for done in model.epochs_ if done.metric is not None]
            best, epoch = max(measured, key=lambda one: goodness(one[0]))  # of equal ones the first
            training[0] += f" Best on the validation part: {header['metric']} {best:.4f} in epoch {epoch}."
    versions = "Versions: " + ", ".join(f"{name} {number}" for name, number in header["versions"].items()) + "."
    blocks = ["| parameter | value |\n|---|---|\n" + "\n".join(parameters)] if parameters else []
    return "\n\n".join([f"# {header['class']}", *blocks, data, *training, versions]) + "\n"


def _ids_to_arrays(side: str, ids: IdMap) -> Arrays:
    return _strings_to_arrays(side, ids.ids) if ids.holds_strings else {f"{side}.ids": ids.ids.to_numpy()}


def _ids_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], side: str, name: str) -> IdMap:
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


def _features_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], side: str) -> SideFeatures | None:
    if f"{side}.factors" not in arrays:
        return None
    names = tuple(_strings_from_arrays(arrays, f"{side}.names"))
    rows = None
    if f"{side}.indptr" in arrays:
        rows = read_only(Rows(*(arrays[f"{side}.{name}"] for name in Rows._fields)))
    return SideFeatures(names, rows, arrays[f"{side}.described"], arrays[f"{side}.factors"])


def _strings_to_arrays(name: str, strings: pl.Series) -> Arrays:
    """Return strings as UTF-8 bytes and the offsets where each ends."""
    ends = strings.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    return {f"{name}.bytes": np.frombuffer("".join(strings).encode(), np.uint8), f"{name}.ends": ends}


def _strings_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> list[str]:
    text, ends = arrays[f"{name}.bytes"].tobytes(), arrays[f"{name}.ends"].tolist()
    return [text[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
