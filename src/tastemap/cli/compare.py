"""The command that compares models on a file of interactions."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app
from tastemap.cli.errors import ARGUMENTS
from tastemap.errors import ParameterError
from tastemap.files.writable import check_file

# The models to compare where none is named: for ranking those of them that suit the data, and for predicting ratings.
RANKING = ("Popular", "ItemKNN", "EASE", "GraphFilter", "ImplicitALS", "WARP")
RANKING_SEEN = (*RANKING, "PersonalPopular")
RATING = ("ExplicitALS", "SVD", "SVDpp")


@app.command()
def compare(
    ctx: typer.Context,
    data: opt.DataFile,
    test: Annotated[
        str | None,
        typer.Argument(metavar="TEST", help="Interactions to measure on. Absent: a part of DATA.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "--models",
            metavar="A,B",
            help=f"Kinds of models, with commas or one by one. If absent, those that suit the size of the data "
            f"among {', '.join(RANKING)}, with --seen PersonalPopular too; for rmse and mae: {', '.join(RATING)}.",
        ),
    ] = None,
    settings: opt.Settings = None,
    metric: opt.Metrics = None,
    holdout: Annotated[float, typer.Option(help="Share of DATA to hold out where there is no TEST.")] = 0.2,
    by_time: Annotated[
        bool, typer.Option("--by-time", help="Hold out the latest rows, those from one moment on, not random pairs.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Also write an HTML page that needs no other file, e.g. report.html.")
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
    on_unknown: opt.OnUnknown = "skip",
    seed: opt.Seed = 0,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Fit models to a part of the data, measure them on the rest, and say which is best and whether by chance."""
    import tastemap as tm
    from tastemap.export.report import check_report
    from tastemap.metrics.definitions import RatingMetric, parse_all
    from tastemap.service.choosing import choose_models
    from tastemap.service.documents import describe_comparison, describe_interactions
    from tastemap.service.making import make_models
    from tastemap.service.reading import find_low_ratings, is_model

    if test is not None and by_time:
        raise typer.BadParameter("--by-time parts DATA, so it goes without a TEST file")
    if report is not None:
        check_file(report, [data, test, features, user_features])
        check_report(report)
    if is_model(data):
        raise ParameterError(
            f"{data} is a fitted model: `tastemap evaluate {data} TEST` measures it", parameter="data", value=data
        )
    metrics = parse_all(opt.split_names(metric) or opt.DEFAULT_METRICS)
    of_ratings = any(isinstance(one, RatingMetric) for one in metrics)  # only models of ratings have both kinds
    named = opt.split_names(model)
    usual = RATING if of_ratings else RANKING_SEEN if seen else RANKING
    chosen = make_models(named or usual, settings or (), seed=seed)
    reading = opt.make_reading(ctx)
    with opt.use_threads(threads):
        if by_time:
            parts = reading.read_parts(data, holdout)
            train, held, columns, remarks = parts.early, parts.late, parts.columns, parts.remarks
        else:
            found = reading.read(data)
            train, columns, remarks = found.data, found.columns, found.remarks
        output.print_remarks(remarks)
        if at_least is None and not of_ratings:
            output.print_remarks(find_low_ratings(train, columns.get("weight")))
        if test is not None:
            measured = reading.read(test, like=train)
            output.print_remarks(measured.remarks)
            held = measured.data
        elif not by_time:
            train, held = tm.split.random(train, holdout, seed=seed)
            if seen:
                output.note(output.SEEN_AT_RANDOM)
        described = opt.read_features(ctx, train)
        output.note(f"train: {train!r}")
        output.note(f"test: {held!r}")
        reasons = dict[str, str]()
        if not named and not of_ratings:
            judged = choose_models(chosen, train)
            chosen = [one.model for one in judged if one.suits]
            reasons = {type(one.model).__name__: one.reason for one in judged}
            taken = (f"{type(model).__name__} ({reasons[type(model).__name__]})" for model in chosen)
            output.note(f"models for these data: {', '.join(taken)}")
            for one in judged:
                if not one.suits:
                    output.note(f"left {type(one.model).__name__} out, {one.reason}: name it with --model to have it")
        board = tm.compare(
            chosen,
            held,
            train=train,
            metrics=metrics,
            exclude=None if seen else "train",
            on_unknown=on_unknown,
            user_features=described.get("user_features"),
            item_features=described.get("item_features"),
        )
        if report is not None:
            with output.explain_write_errors(report):
                command = shlex.join(["tastemap", *ctx.meta[ARGUMENTS]])
                tm.export.report(board, report, f"Models compared on {Path(data).name}", command=command)
            output.note(f"wrote {report}")
    if as_json:
        answer: dict[str, Any] = {
            "train": describe_interactions(train),
            "test": describe_interactions(held),
            "models": describe_comparison(board),
            "reasons": reasons,
            "differences": board.differences.to_dicts(),
            "warnings": list(board.notes),
            "report": None if report is None else str(report),
        }
        output.print_json(answer)
    else:
        output.print_board(board)
    if board.failed:
        raise typer.Exit(1)  # what failed has been said
