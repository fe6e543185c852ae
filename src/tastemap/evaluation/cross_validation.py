"""Cross-validation: each fold of the data in turn is the test part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import polars as pl

from tastemap.data._checks import check_choice
from tastemap.data.features import Features
from tastemap.data.frames import as_kind, kind_of, to_polars
from tastemap.data.interactions import Interactions
from tastemap.evaluation.compare import DEFAULT_METRICS, compare
from tastemap.evaluation.comparison import format_count, format_seconds, note_without_features
from tastemap.metrics.definitions import Metric
from tastemap.models.shared.named import Models, name_models
from tastemap.progress import make_bar
from tastemap.split import k_fold, rolling
from tastemap.tables import Cell, Table


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The result of `cross_validate`. It prints itself as a table, in notebooks too.

    metrics : the metrics measured; the first one orders the models
    frame : one row for each fold (from 1) and model: fold, model, metrics, fit_seconds, score_seconds, and where models
        failed the column `error`, which says why; it and `summary` are of the same library as the frames of the
        interactions
    without_features : the models that take no features and were fitted without them
    folds : "random", or "time" where each model was fitted to what came before its fold
    """

    metrics: tuple[Metric, ...]
    frame: Any
    without_features: tuple[str, ...] = ()
    folds: Literal["random", "time"] = "random"

    @cached_property
    def summary(self) -> Any:
        """One row for each model, the best first: model, and for each metric its mean and "<metric> std".

        The standard deviation is over the folds, with n - 1. fit_seconds and score_seconds are means. The folds share
        most of their training pairs, so the deviation shows how stable a figure is; it is no test of a difference. A
        model that failed on a fold has no means: those of the other folds are no comparison.
        """
        return as_kind(self._summary, kind_of(self.frame))

    def table(self) -> Table:
        """Return the summary as a table."""
        frame = self._summary
        best = {m.name: frame[m.name].min() if m.lower_is_better else frame[m.name].max() for m in self.metrics}
        rows = []
        for row in frame.iter_rows(named=True):
            cells = [
                Cell("failed")
                if row[m.name] is None
                else Cell(f"{row[m.name]:.4f} ± {row[f'{m} std']:.4f}", len(frame) > 1 and row[m.name] == best[m.name])
                for m in self.metrics
            ]
            seconds = [
                Cell("–" if row[name] is None else format_seconds(row[name]))
                for name in ("fit_seconds", "score_seconds")
            ]
            rows.append((Cell(row["model"]), *cells, *seconds))
        in_time = "" if self.folds == "random" else " in time, each behind what was fitted to"
        legend = [f"means over {self._n_folds} folds{in_time}, ± their standard deviation"]
        if self.without_features:
            legend.append(note_without_features(self.without_features))
        errors = to_polars(self.frame)
        if "error" in errors.columns:
            rest = errors.filter(pl.col("error").is_not_null()).select("model", "fold", "error").iter_rows()
            legend += [f"{name} failed on fold {fold}: {reason}" for name, fold, reason in rest]
        return Table(("model", *map(str, self.metrics), "fit", "score"), tuple(rows), tuple(legend))

    def markdown(self) -> str:
        """Return the table in Markdown, the best of each metric in bold."""
        return self.table().markdown()

    def __str__(self) -> str:
        return str(self.table())

    def __rich__(self) -> Table:
        return self.table()

    def __repr__(self) -> str:
        return f"CrossValidation of {format_count(len(self._summary), 'model')} on {self._n_folds} folds"

    def _repr_html_(self) -> str:
        return self.table().html()

    @property
    def _n_folds(self) -> int:
        return int(to_polars(self.frame)["fold"].max())  # type: ignore[arg-type]

    @cached_property
    def _summary(self) -> pl.DataFrame:
        over = [pl.when(pl.col(m.name).null_count() == 0).then(pl.col(m.name)) for m in self.metrics]
        means = [value for column in over for value in (column.mean(), column.std().name.suffix(" std"))]
        seconds = [pl.col("fit_seconds", "score_seconds").mean()]
        table = to_polars(self.frame).group_by("model", maintain_order=True).agg(*means, *seconds)
        first = self.metrics[0]
        return table.sort(first.name, "model", descending=[not first.lower_is_better, False], nulls_last=True)


def cross_validate(
    models: Models,
    interactions: Interactions,
    *,
    k: int = 5,
    folds: Literal["random", "time"] = "random",
    metrics: Sequence[Metric | str] | Metric | str = DEFAULT_METRICS,
    seed: int = 0,
    user_features: Features | None = None,
    item_features: Features | None = None,
    progress: bool | None = None,
) -> CrossValidation:
    """Cut the pairs into k folds; for each fold, fit every model to other pairs and measure it on this one.

    models : a model, a list of models, or a dict by name. Copies are fitted, and the instances stay as they are
    k : the number of folds
    folds : "random" takes the folds of `split.k_fold` with this seed, and fits to all other folds; "time" those of
        `split.rolling`, of a tenth of the pairs each, and fits to what came before, as in use
    metrics : as for `evaluate`; the first one orders the models
    user_features, item_features : features of all users and items, the same in every fold: they do not depend on the
        pairs held out. Models that take no features are fitted without them
    progress : a bar on stderr; None shows one where stderr is a terminal

    Only figures are kept, no models: fit the best one to all pairs. Raises the errors of `compare`, and of
    `split.k_fold` or `split.rolling`.
    """
    named = name_models(models)
    frames = []
    check_choice("folds", folds, ("random", "time"))
    parts = k_fold(interactions, k, seed=seed) if folds == "random" else rolling(interactions, k)
    with make_bar(k, progress, unit="fold") as shown:
        for fold, (train, test) in enumerate(parts, 1):
            board = compare(
                named,
                test,
                train=train,
                metrics=metrics,
                user_features=user_features,
                item_features=item_features,
                progress=False,
            )
            frames.append(to_polars(board.frame).select(pl.lit(fold, pl.Int64).alias("fold"), pl.all()))
            shown.update()
    frame = pl.concat(frames, how="diagonal")
    return CrossValidation(board.metrics, as_kind(frame, interactions.frame_kind), board.without_features, folds)
