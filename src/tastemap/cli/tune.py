"""The command that searches for the best parameters of a model."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tastemap.cli import models, output
from tastemap.cli import options as opt
from tastemap.cli.app import app
from tastemap.cli.data import Reader, note_on_ratings, note_on_repeats, reading
from tastemap.files.writable import check_file

if TYPE_CHECKING:
    from tastemap import Interactions
    from tastemap.tuning.tune import Tuning

# Trials in the table.
SHOWN = 10


@app.command()
@reading(duplicates="auto", drop_nulls=True)
def tune(
    data: opt.DataFile,
    validation: Annotated[
        Path | None,
        typer.Argument(
            metavar="VALIDATION", help="Interactions to measure on. Absent: a tenth of DATA.", show_default=False
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="The kind of model.")] = "ImplicitALS",
    metric: Annotated[str, typer.Option(help="What to search the best of, e.g. recall@20 or rmse.")] = "ndcg@10",
    trials: Annotated[int, typer.Option(help="How many to make in all, those in --study among them.")] = 50,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which the search ends.")] = None,
    study: Annotated[
        Path | None, typer.Option(help="File to keep the trials in, e.g. tune.db; the same command goes on from it.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter that stays as it is said here; repeat it."),
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
    *,
    reader: Reader,
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
            check_file(path, [data, validation])
    if out is not None and study is not None and out.resolve() == study.resolve():
        raise OSError(f"--out and --study are both {out}, and the trials would be lost: name another file for one")
    (chosen,) = models.make_models([model], settings, seed)
    fixed = [setting.partition("=")[0] for setting in settings or ()]
    searched = dict.fromkeys(fixed) | models.space_of(chosen, space)
    import tastemap as tm
    from tastemap.tuning.tune import HELD_OUT

    with models.on_threads(threads):
        held: Interactions | None = None
        refit: bool | Interactions = True
        if by_time:
            (train, held, refit), columns = reader.read_parts(data, HELD_OUT)
        else:
            train, columns = reader.read_with_columns(data)
        if reader.at_least is None and metric not in ("rmse", "mae"):
            note_on_ratings(train, columns.get("weight"))
        if validation is not None:
            held = reader.read(validation, like=train)
        if seen and held is None:
            note_on_repeats()
        output.note(f"train: {train!r}")
        if held is not None:
            output.note(f"validation: {held!r}")
        found = tm.tune(
            chosen,
            train,
            held,
            metric=metric,
            trials=trials,
            timeout=timeout,
            space=searched,
            sampler=sampler,
            prune=prune,
            parallel=parallel,
            study=study,
            seed=seed,
            exclude=None if seen else "train",
            refit=out is not None and refit,
        )
        if out is not None:
            try:
                with output.writing(out):
                    found.model.save(out)
            except OSError:  # what was found stays found
                output.note(f"{found.metric} {found.score:.4f} with: {_command(found)}")
                raise
    if as_json:
        output.print_json(_as_document(found, out))
    else:
        _show(found, out)


def _as_document(found: Tuning, out: Path | None) -> dict[str, Any]:
    importances = found.importances
    return {
        "model": type(found.model).__name__,
        "metric": found.metric,
        "score": found.score,
        "parameters": found.parameters,
        "model_parameters": asdict(found.model),
        "importances": None if importances is None else dict(importances.iter_rows()),
        "trials": found.trials.to_dicts(),
        "seconds": found.seconds,
        "file": None if out is None else str(out),
        "options": _options(found),
    }


def _show(found: Tuning, out: Path | None) -> None:
    import polars as pl

    trials = found.trials
    counts = ", ".join(f"{n} {state}" for state, n in trials["state"].value_counts(sort=True).iter_rows())
    complete = trials.filter(state="complete").drop("state", "reason", "epochs_trained")
    best = complete.sort("score", descending=found.study.direction.name == "MAXIMIZE", maintain_order=True)
    with output.console() as screen:
        screen.print(f"[bold]{found.metric} {found.score:.4f}[/bold] on the held-out part, {found.seconds:.1f} s")
        output.show_table(screen, best.head(SHOWN), f"the best of {len(trials)} trials ({counts})")
        if found.importances is None:
            screen.print("How much each parameter matters is told from ten complete trials of different scores on.")
        else:
            shares = found.importances.with_columns(pl.col("importance").round(2))
            output.show_table(screen, shares, "how much of the differences each parameter explains")
    # Not through the console, which would break the lines.
    if out is not None:
        output.print_text(f"fitted to all in {found.refit_seconds:.1f} s and saved as {out}\n")
    settings = ", ".join(f"{name}={value!r}" for name, value in _changed(found).items())
    output.print_text(f"\nThe same again:\n  {_command(found)}\n  tastemap.{type(found.model).__name__}({settings})\n")


def _changed(found: Tuning) -> dict[str, Any]:
    """Return the parameters of the best model that are not the defaults."""
    defaults = asdict(type(found.model)())
    return {name: value for name, value in asdict(found.model).items() if value != defaults[name]}


def _command(found: Tuning) -> str:
    return " ".join(["tastemap fit ... --model", type(found.model).__name__, *map(shlex.quote, _options(found))])


def _options(found: Tuning) -> list[str]:
    """Return the options with which `tastemap fit` makes the best model."""
    return [text for name, value in _changed(found).items() for text in ("--set", f"{name}={value}")]
