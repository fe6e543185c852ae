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

from tastemap.data.ids import IdMap
from tastemap.data.interactions import Columns, Interactions
from tastemap.models.training import Epoch

if TYPE_CHECKING:
    from tastemap.models.base import Model

Arrays = dict[str, npt.NDArray[Any]]


def arrays_of(model: Model, history: bool) -> Arrays:
    """Return the fitted arrays, how often users and items occur, the ids, and with `history` the training pairs."""
    arrays: Arrays = {name: getattr(model, name) for name in ("popularity_", "activity_", *model._fitted)}
    arrays |= _ids_to_arrays("users", model.users) | _ids_to_arrays("items", model.items)
    if history:
        pairs = model._training("saving with history=True").by_user
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
        "history": [{"epoch": e.epoch, "objective": e.objective, "metric": e.metric} for e in model.history_],
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
        model._interactions = Interactions(matrix, model._users, model._items, columns=names, frame=header["frame"])
    model.history_ = [Epoch(e["epoch"], 0.0, e["objective"], e["metric"]) for e in header["history"]]
    for name in ("popularity_", "activity_", *model._fitted):
        setattr(model, name, arrays[name])


def card(model: Model) -> str:
    """Return a description in Markdown."""
    header = header_of(model)
    parameters = [f"| {name} | {value} |" for name, value in header["parameters"].items()]
    data = (
        f"Data: {model.popularity_.sum():,} pairs, {len(model.users):,} {model.users.name} x "
        f"{len(model.items):,} {model.items.name}, fingerprint {header['data']}."
    )
    training = []
    if model.history_:
        training = [f"Trained for {len(model.history_)} epochs to an objective of {model.history_[-1].objective:.6g}."]
        measured = [(done.metric, done.epoch) for done in model.history_ if done.metric is not None]
        if measured:
            best, epoch = max(measured)
            training[0] += f" Best on the validation part: {best:.4f} in epoch {epoch}."
    versions = "Versions: " + ", ".join(f"{name} {number}" for name, number in header["versions"].items()) + "."
    blocks = ["| parameter | value |\n|---|---|\n" + "\n".join(parameters)] if parameters else []
    return "\n\n".join([f"# {header['class']}", *blocks, data, *training, versions]) + "\n"


def _ids_to_arrays(side: str, ids: IdMap) -> Arrays:
    """Return ids as arrays: integers as they are, strings as UTF-8 bytes and the offsets where each ends."""
    if not ids.holds_strings:
        return {f"{side}.ids": ids.ids.to_numpy()}
    text = "".join(ids.ids).encode()
    ends = ids.ids.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    return {f"{side}.bytes": np.frombuffer(text, np.uint8), f"{side}.ends": ends}


def _ids_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], side: str, name: str) -> IdMap:
    if f"{side}.ids" in arrays:
        return IdMap(pl.Series(name, arrays[f"{side}.ids"]), name)
    text, ends = arrays[f"{side}.bytes"].tobytes(), arrays[f"{side}.ends"].tolist()
    strings = [text[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
    return IdMap(pl.Series(name, strings, dtype=pl.String), name)
