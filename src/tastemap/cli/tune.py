"""The command that searches for the best parameters of a model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app
from tastemap.files.writable import check_file

if TYPE_CHECKING:
    from tastemap import Interactions
    from tastemap.tuning.tune import Tuning

# The number of trials in the table.
SHOWN = 10


@app.command()
def tune(
    ctx: typer.Context,
    data: opt.DataFile,
    validation: Annotated[
        str | None,
        typer.Argument(
            metavar="VALIDATION", help="Interactions to measure on. Absent: a tenth of DATA.", show_default=False
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="The kind of model.")] = "ImplicitALS",
    metric: Annotated[str, typer.Option(help="The metric to improve, e.g. recall@20 or rmse.")] = "ndcg@10",
    trials: Annotated[int, typer.Option(help="The number of trials, those in --study included.")] = 50,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which the search ends.")] = None,
    study: Annotated[
        Path | None, typer.Option(help="File to keep the trials in, e.g. tune.db; the same command goes on from it.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter that keeps this value; repeat it."),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="What to try: LOW:HIGH, LOW:HIGH:log, or values with commas; repeat it.",
        ),
    ] = None,
    sampler: Annotated[
        Literal["tpe", "random", "grid"], typer.Option(help="How parameters are chosen: tpe learns from the trials.")
    ] = "tpe",
    prune: Annotated[bool, typer.Option(help="Give up trials that fall behind.")] = True,
    parallel: Annotated[int, typer.Option(help="Trials at once, each with its share of the threads.")] = 1,
    by_time: Annotated[
        bool, typer.Option("--by-time", help="Measure on the latest tenth of DATA's rows, not on random pairs.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the best model, fitted to all of DATA, e.g. best.safetensors.")
    ] = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    weight_column: opt.WeightColumn = None,
    no_weight: opt.NoWeight = False,
    time_column: opt.TimeColumn = None,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    log2: opt.Log2 = False,
    binarize: opt.Binarize = False,
    max_items: opt.MaxItems = None,
    zeros: opt.Zeros = "keep",
    duplicates: opt.Duplicates = "auto",
    drop_nulls: opt.DropNulls = True,
    keep_na: opt.KeepNa = False,
    separator: opt.Separator = None,
    column_names: opt.Columns = None,
    encoding: opt.Encoding = None,
    quotes: opt.Quotes = True,
    query: opt.Query = None,
    password_file: opt.PasswordFile = None,
    wide: opt.Wide = False,
    features: opt.Features = None,
    feature_id: opt.FeatureId = None,
    feature_columns: opt.FeatureColumns = None,
    user_features: opt.UserFeatures = None,
    user_feature_id: opt.UserFeatureId = None,
    user_feature_columns: opt.UserFeatureColumns = None,
    seen: opt.Seen = False,
    seed: opt.Seed = 0,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Search for the parameters with which a model does best on held-out interactions."""
    if validation is not None and by_time:
        raise typer.BadParameter("--by-time parts DATA, so it goes without a VALIDATION file")
    for path in (out, study):
        if path is not None:
            check_file(path, [data, validation, features, user_features])
    if out is not None and study is not None and out.resolve() == study.resolve():
        raise OSError(f"--out and --study are both {out}, and the trials would be lost: name another file for one")
    from tastemap.metrics.definitions import RatingMetric, parse
    from tastemap.service.documents import describe_tuning, measure_baselines
    from tastemap.service.making import make_models, make_space
    from tastemap.service.reading import find_low_ratings

    wanted = parse(metric)
    (chosen,) = make_models([model], settings or (), seed=seed)
    fixed = [setting.partition("=")[0] for setting in settings or ()]
    searched = dict.fromkeys(fixed) | make_space(chosen, space or ())
    reading = opt.make_reading(ctx)
    import tastemap as tm
    from tastemap.tuning.tune import HELD_OUT

    with opt.use_threads(threads):
        held: Interactions | None = None
        refit: bool | Interactions = True
        if by_time:
            parts = reading.read_parts(data, HELD_OUT)
            train, held, refit = parts.early, parts.late, parts.whole
            columns, remarks = parts.columns, parts.remarks
        else:
            read = reading.read(data)
            train, columns, remarks = read.data, read.columns, read.remarks
        output.print_remarks(remarks)
        if at_least is None and not isinstance(wanted, RatingMetric):
            output.print_remarks(find_low_ratings(train, columns.get("weight")))
        if validation is not None:
            measured = reading.read(validation, like=train)
            output.print_remarks(measured.remarks)
            held = measured.data
        if seen and held is None:
            output.note(output.SEEN_AT_RANDOM)
        described = opt.read_features(ctx, train)
        output.note(f"train: {train!r}")
        if held is None:
            refit, (train, held) = train, tm.split.random(train, HELD_OUT, seed=seed)
        else:
            output.note(f"validation: {held!r}")
        exclude: Literal["train"] | None = None if seen else "train"
        found = tm.tune(
            chosen,
            train,
            held,
            metric=wanted,
            trials=trials,
            timeout=timeout,
            space=searched,
            sampler=sampler,
            prune=prune,
            parallel=parallel,
            study=study,
            seed=seed,
            exclude=exclude,
            user_features=described.get("user_features"),
            item_features=described.get("item_features"),
            refit=out is not None and refit,
        )
        if out is not None:
            try:
                with output.explain_write_errors(out):
                    found.model.save(out)
            except OSError:  # the result of the search must not be lost
                output.note(f"{found.metric} {found.score:.4f} with: {_write_command(found)}")
                raise
        baselines = measure_baselines(chosen, train, held, wanted, exclude=exclude, **described)
    if as_json:
        file = None if out is None else str(out)
        told = {**describe_tuning(found), "baselines": baselines}
        output.print_json({**told, "file": file, "options": _list_options(found)})
    else:
        _show(found, out, baselines)


def _show(found: Tuning, out: Path | None, baselines: dict[str, float]) -> None:
    import polars as pl

    trials = found.trials
    counts = ", ".join(f"{n} {state}" for state, n in trials["state"].value_counts(sort=True).iter_rows())
    complete = trials.filter(state="complete").drop("state", "reason", "epochs_trained")
    best = complete.sort("score", descending=found.study.direction.name == "MAXIMIZE", maintain_order=True)
    with output.console() as screen:
        screen.print(f"[bold]{found.metric} {found.score:.4f}[/bold] on the held-out part, {found.seconds:.1f} s")
        kind = type(found.model).__name__
        shown = [f"{kind} before the search" if name == kind else name for name in baselines]
        others = ", ".join(f"{name} {score:.4f}" for name, score in zip(shown, baselines.values(), strict=True))
        if others:
            screen.print(f"there too: {others}")
        output.show_table(screen, best.head(SHOWN), f"the best of {len(trials)} trials ({counts})")
        if found.importances is None:
            screen.print("How much each parameter matters can be told from ten complete trials with different scores.")
        else:
            shares = found.importances.with_columns(pl.col("importance").round(2))
            output.show_table(screen, shares, "how much of the differences each parameter explains")
    # Not through the console, which would break the lines.
    if out is not None:
        output.print_text(f"fitted to all in {found.refit_seconds:.1f} s and saved as {out}\n")
    from tastemap.service.documents import find_changes

    settings = ", ".join(f"{name}={value!r}" for name, value in find_changes(found.model).items())
    output.print_text(
        f"\nThe same again:\n  {_write_command(found)}\n  tastemap.{type(found.model).__name__}({settings})\n"
    )


def _write_command(found: Tuning) -> str:
    return " ".join(["tastemap fit ... --model", type(found.model).__name__, *map(shlex.quote, _list_options(found))])


def _list_options(found: Tuning) -> list[str]:
    """Return the options with which `tastemap fit` makes the best model."""
    from tastemap.service.documents import find_changes

    return [text for name, value in find_changes(found.model).items() for text in ("--set", f"{name}={value}")]
