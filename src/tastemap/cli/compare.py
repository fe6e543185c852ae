"""The command that finds out which model is best for a file of interactions."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from tastemap.cli import models as makers
from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app
from tastemap.cli.data import Reader, described, note_on_ratings, note_on_repeats, reading
from tastemap.cli.errors import ARGUMENTS
from tastemap.cli.output import note
from tastemap.files.writable import check_file

# What is compared where no model is named: to rank, and to predict ratings.
RANKING = ("Popular", "ItemKNN", "EASE", "ImplicitALS", "WARP")
RANKING_SEEN = (*RANKING, "PersonalPopular")
RATING = ("ExplicitALS", "SVD", "SVDpp")
# EASE inverts a matrix of items x items: beyond so many it is fitted only where it is named.
MOST_ITEMS = 10_000


@app.command()
@reading(duplicates="auto", drop_nulls=True)
def compare(
    ctx: typer.Context,
    data: opt.DataFile,
    test: Annotated[
        Path | None,
        typer.Argument(metavar="TEST", help="Interactions to measure on. Absent: a part of DATA.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "--models",
            metavar="A,B",
            help=f"Kinds of models, with commas or one by one. If absent: {', '.join(RANKING)}, with --seen "
            f"PersonalPopular too; for rmse and mae: {', '.join(RATING)}.",
        ),
    ] = None,
    settings: opt.Settings = None,
    metric: opt.Metrics = None,
    holdout: Annotated[float, typer.Option(help="Share of DATA to hold out where there is no TEST.")] = 0.2,
    by_time: Annotated[
        bool, typer.Option("--by-time", help="Hold out the latest rows, those from one moment on, not random pairs.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page that stands alone, too, e.g. report.html.")
    ] = None,
    *,
    reader: Reader,
    seen: opt.Seen = False,
    on_unknown: opt.OnUnknown = "skip",
    seed: opt.Seed = 0,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Fit models to a part of the data, measure them on the rest, and say which is best and whether by chance."""
    import tastemap as tm
    from tastemap.evaluation.evaluate import as_names
    from tastemap.evaluation.report import check_report, write_report

    if test is not None and by_time:
        raise typer.BadParameter("--by-time parts DATA, so it goes without a TEST file")
    if report is not None:
        check_file(report, [data, test])
        check_report(report)
    if makers.is_model(data):
        raise ValueError(f"{data} is a fitted model: `tastemap evaluate {data} TEST` measures it")
    metrics = as_names(opt.listed(metric) or opt.DEFAULT_METRICS)
    of_ratings = set(metrics) <= {"rmse", "mae"}
    named = opt.listed(model)
    usual = RATING if of_ratings else RANKING_SEEN if seen else RANKING
    chosen = makers.make_models(named or usual, settings, seed)
    with makers.on_threads(threads):
        if by_time:
            (train, held, _), columns = reader.read_parts(data, holdout)
        else:
            train, columns = reader.read_with_columns(data)
        if reader.at_least is None and not of_ratings:
            note_on_ratings(train, columns.get("weight"))
        if test is not None:
            held = reader.read(test, like=train)
        elif not by_time:
            train, held = tm.split.random(train, holdout, seed=seed)
            if seen:
                note_on_repeats()
        note(f"train: {train!r}")
        note(f"test: {held!r}")
        if not named and train.n_items > MOST_ITEMS:
            chosen = [one for one in chosen if not one.abilities.squares_items]
            note(f"left EASE out, which is slow with {train.n_items:,} items: name it with --model to have it")
        board = tm.compare(
            chosen, held, train=train, metrics=metrics, exclude=None if seen else "train", on_unknown=on_unknown
        )
        if report is not None:
            with output.writing(report):
                command = shlex.join(["tastemap", *ctx.meta[ARGUMENTS]])
                write_report(board, report, f"Models compared on {data.name}", command=command)
            note(f"wrote {report}")
    if as_json:
        answer: dict[str, Any] = {
            "train": described(train),
            "test": described(held),
            "models": makers.described_board(board),
            "differences": board.differences.to_dicts(),
            "warnings": list(board.notes),
            "report": None if report is None else str(report),
        }
        output.print_json(answer)
    else:
        output.print_board(board)
