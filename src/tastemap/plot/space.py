"""Draws the items' vectors as points in a plane."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tastemap.data._checks import check_choice, check_whole
from tastemap.data._lookup import as_texts, look_up
from tastemap.data.frames import list_values, to_series
from tastemap.errors import DataError
from tastemap.extras import import_extra
from tastemap.models.shared.base import Model
from tastemap.plot.canvas import COLOURS, choose_line_style, format_text, name_fitted_models, prepare_axes, write_legend
from tastemap.plot.labels import write_labels
from tastemap.typing import Doubles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Method = Literal["pca", "tsne"]

# The number of values of a column that have a colour of their own; the others share grey.
_CATEGORIES = 10
_LABEL_WIDTH = 28
_DOTS: dict[str, Any] = {"alpha": 0.75, "linewidths": 0}


def latent_space(
    model: Model,
    items: Any = None,
    id: str | None = None,
    label: str | None = None,
    colour: str | None = None,
    highlight: Iterable[Any] | Any = (),
    n: int = 300,
    *,
    method: Method = "pca",
    n_labels: int = 30,
    seed: int = 0,
    ax: Axes | None = None,
) -> Figure:
    """Draw the most popular items in two dimensions, near each other where the model takes them for similar.

    items : a frame of any kind with one row an item, for labels and colours
    id : its column of ids; None takes the name that it has in the training data
    label : its column of labels; None takes "title" if there is one, else the ids
    colour : its column to colour by: numbers become shades; in lists, and in texts such as "Action|Sci-Fi", the first
        value counts; the 10 most frequent values get colours of their own
    highlight : ids of items that are drawn however popular they are, and labelled in bold
    n : how many items to draw, the most popular ones
    method : "pca" keeps as much as it can of all distances and shows the model's main directions; "tsne" (scikit-learn)
        keeps neighbours together and draws groups apart; the distances between groups mean little
    n_labels : how many items to label at most, the most popular ones first; a label that would cover another is left
        out
    seed : the seed of "tsne"

    The vectors are those of `Model.item_vectors`, scaled to length 1, so that near points have a high cosine. A point's
    area grows with its item's popularity.
    Raises NotSupportedError for a model without vectors, DataError for columns and ids that are not there.
    """
    check_choice("method", method, ("pca", "tsne"))
    check_whole("n", n, lowest=2)
    check_whole("n_labels", n_labels, lowest=0)
    check_whole("seed", seed, lowest=0)
    name_fitted_models([model])
    ids, vectors = model.item_vectors()
    bold = model.items.rows(to_series(list_values(highlight), model.items.name) if highlight is not None else [])
    rows = model.items.find(ids)
    missing = np.setdiff1d(bold, rows)
    if len(missing):
        raise DataError(f"{model.items[int(missing[0])]!r} has no training pair: leave it out of highlight")
    popularity = model.popularity_[rows]
    order = np.lexsort((model.items.tie_order[rows], -popularity))
    is_bold = np.isin(rows, bold)
    order = np.concatenate([order[is_bold[order]], order[~is_bold[order]][: max(n - len(bold), 0)]])
    ids, vectors, popularity, is_bold = ids.gather(order), vectors[order], popularity[order], is_bold[order]
    if len(ids) < 2:
        raise DataError(f"there is {len(ids)} item with a vector: a picture needs at least 2")
    names, colours = _describe(model, ids, items, id, label, colour)
    points, x_name, y_name = _project(vectors, method, seed)

    figure, ax = prepare_axes(ax, size=(8.6, 6))
    ax.grid(visible=False)
    sizes = 8 + 70 * popularity / max(popularity.max(), 1)
    _draw(ax, points, sizes, colours, colour)
    x, y = points[is_bold].T
    ax.scatter(x, y, s=sizes[is_bold] + 30, facecolors="none", edgecolors="black", linewidths=1.4)
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    if method == "tsne":
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
    first = min(int(is_bold.sum()) + n_labels, len(names))
    write_labels(ax, points, [format_text(name, _LABEL_WIDTH) for name in names[:first]], is_bold[:first])
    return figure


def _describe(
    model: Model, ids: pl.Series, items: Any, id: str | None, label: str | None, colour: str | None
) -> tuple[list[str], pl.Series | None]:
    """Return a label for each id, and the column of colours if there is one."""
    names = [str(one) for one in ids]
    if items is None:
        for name, value in (("id", id), ("label", label), ("colour", colour)):
            if value is not None:
                raise DataError(f"{name}={value!r} is a column of items: pass items=FRAME")
        return names, None
    wanted = None if label is None else [name for name in (label, colour) if name is not None]
    table = look_up(model.items, ids, items, id, wanted)
    if label is None and "title" in table.columns:
        label = "title"
    if label is not None:
        names = [own if text is None else text for own, text in zip(names, as_texts(table[label]), strict=True)]
    if colour is None:
        return names, None
    if colour not in table.columns:
        raise DataError(f"there is no column {colour!r} to colour by, only {', '.join(map(repr, table.columns))}")
    return names, table[colour]


def _project(vectors: npt.NDArray[np.float32], method: Method, seed: int) -> tuple[Doubles, str, str]:
    """Return points in the plane, float64 (n, 2), and what the axes are called."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    if method == "tsne":
        module = import_extra("sklearn.manifold", "scikit-learn", extra="plot", purpose="latent_space(method='tsne')")
        neighbours = min(30.0, (len(unit) - 1) / 3)
        tsne = module.TSNE(metric="cosine", init="pca", perplexity=neighbours, random_state=seed)
        return tsne.fit_transform(unit).astype(np.float64), "t-SNE of the items' vectors: near is similar", ""
    centred = unit.astype(np.float64) - unit.mean(axis=0, dtype=np.float64)
    U, scale, V = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(unit), 2))
    shares = np.zeros(2)
    for axis in range(min(2, len(scale))):
        # The sign of an axis is arbitrary: the largest entry decides, so that it is always the same.
        sign = np.sign(V[axis, np.argmax(np.abs(V[axis]))])
        points[:, axis] = U[:, axis] * scale[axis] * sign
        shares[axis] = scale[axis] ** 2 / max((scale**2).sum(), np.finfo(float).tiny)
    first, second = (f"{100 * share:.0f} % of the variance" for share in shares)
    return points, f"first principal component, {first}", f"second principal component, {second}"


def _draw(ax: Any, points: Doubles, sizes: Doubles, colours: pl.Series | None, title: str | None) -> None:
    """Draw the points, with a legend of their colours."""
    if colours is None:
        ax.scatter(*points.T, s=sizes, color=COLOURS[0], **_DOTS)
    elif colours.dtype.is_numeric():
        values = colours.cast(pl.Float64).to_numpy()
        known = np.isfinite(values)
        ax.scatter(*points[~known].T, s=sizes[~known], color="#d0d0d0", linewidths=0)
        drawn = ax.scatter(*points[known].T, s=sizes[known], c=values[known], cmap="viridis", **_DOTS)
        ax.figure.colorbar(drawn, ax=ax, label=format_text(title), shrink=0.6)
    else:
        values, frequent = find_categories(colours)
        handles = []
        for number, category in enumerate(frequent):
            mine, look = values == category, choose_line_style(number)
            dots = ax.scatter(*points[mine].T, s=sizes[mine], c=look["color"], marker=look["marker"], **_DOTS)
            handles.append(dots)
        others = ~np.isin(values, frequent)
        if others.any():
            handles.append(ax.scatter(*points[others].T, s=sizes[others], color="#d0d0d0", linewidths=0, zorder=0.5))
        write_legend(ax, handles, [*frequent, "others"][: len(handles)], format_text(title))


def find_categories(column: pl.Series) -> tuple[npt.NDArray[np.object_], list[str]]:
    """Return the first value of each row, and the values that most rows have, the most frequent first."""
    first = as_texts(column).str.split("|").list.first().str.strip_chars().replace("", None)
    counts = first.drop_nulls().alias("value").value_counts().sort(["count", "value"], descending=[True, False])
    return np.array(first.to_list(), object), counts["value"].head(_CATEGORIES).to_list()
