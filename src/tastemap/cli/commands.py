"""The commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemap.cli import models, output
from tastemap.cli import options as opt
from tastemap.cli.app import app
from tastemap.cli.data import Reader, described, most_common, reading, to_id
from tastemap.cli.titles import Titles
from tastemap.errors import DataError
from tastemap.files.writable import check_file


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder or zip of MovieLens; MovieLens 100K is downloaded if absent.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """See it work: learn from film ratings, measure, and recommend."""
    from tastemap.cli import demo as example
    from tastemap.datasets import movielens_name

    name = "100k" if data is None else movielens_name(data.expanduser())
    if name is None:
        raise DataError(f"{data} holds no MovieLens ratings: pass a folder or zip file as GroupLens publishes it")
    result = example.run(name, data, say=output.note)
    if as_json:
        output.print_json(result.as_dict())
    else:
        with output.console() as screen:
            example.show(result, screen)


@app.command()
@reading(but=("time",))
def fit(
    data: opt.DataFile,
    out: Annotated[Path, typer.Option(help="Where to write the model, e.g. als.safetensors.")],
    model: Annotated[str, typer.Option(help="The kind of model.")] = "ImplicitALS",
    settings: opt.Settings = None,
    *,
    reader: Reader,
    seed: opt.Seed = 0,
    threads: opt.Threads = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to save training in; the same command goes on from it.")
    ] = None,
    history: Annotated[
        bool, typer.Option(help="Keep the interactions in the file: they are needed to leave out what was seen.")
    ] = True,
    as_json: opt.Json = False,
) -> None:
    """Fit a model to interactions and save it."""
    for path in (out, checkpoint):
        if path is not None:
            check_file(path, [data])
    (chosen,) = models.make_models([model], settings, seed)
    with models.on_threads(threads):
        train = reader.read(data)
        output.note(f"{train!r}")
        fitted, seconds = models.fitted(chosen, train, checkpoint)
        with output.writing(out):
            fitted.save(out, interactions=history)
    if as_json:
        output.print_json(
            {
                "file": str(out),
                "model": model,
                "parameters": asdict(fitted),
                "pairs": len(train),
                "users": train.n_users,
                "items": train.n_items,
                "fit_seconds": seconds,
            }
        )
    else:
        size = out.stat().st_size
        output.print_text(f"{model} fitted in {seconds:.1f} s and saved as {out}, {size:,} bytes\n")


@app.command()
@reading(only=("at_least", "drop_nulls"), duplicates="sum")
def recommend(
    model: opt.ModelFile,
    user: Annotated[list[str] | None, typer.Option(help="A user of the training data; repeat it.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every user, with --out or --json.")] = False,
    liked: Annotated[
        list[str] | None,
        typer.Option(help="An item that somebody new likes: an id, or a title with --titles."),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="File of interactions of new users; columns as in the training data.")
    ] = None,
    *,
    reader: Reader,
    k: opt.Top = 10,
    seen: opt.Seen = False,
    on_unknown: Annotated[
        Literal["raise", "popular", "skip"], typer.Option(help="What to do with users that are not in the model.")
    ] = "raise",
    titles: opt.Titles = None,
    title_id: opt.TitleId = None,
    title_column: opt.TitleColumn = None,
    out: opt.Table = None,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Recommend items to known users, or to somebody new from what they like."""
    if sum((bool(user), everyone, bool(liked), history is not None)) != 1:
        raise typer.BadParameter("pass one of --user, --all, --liked and --history")
    if everyone and out is None and not as_json:
        raise typer.BadParameter("--all needs --out recs.parquet (or .csv, .tsv) or --json")
    output.check_table(out, model, titles, history)
    import tastemap as tm

    fitted = tm.load(model)
    names = Titles.read(titles, title_id, title_column, fitted.items)
    with models.on_threads(threads):
        if liked:
            wanted = [names.item(text) for text in liked]
            frame = fitted.recommend_for(wanted, k=k, frame="polars").drop("history")
        elif history is not None:
            frame = models.recommend_to_strangers(fitted, reader.read(history, like=fitted), k)
        elif out is not None and everyone and output.is_parquet(out) and titles is None and not as_json:
            # Every user's list need not fit in memory.
            with output.writing(out):
                fitted.recommend_all(out, k=k, exclude_seen=not seen)
            output.note(f"wrote {output.n_rows(out):,} rows to {out}")
            return
        else:
            users = None if everyone else [to_id(text, fitted.users) for text in user or ()]
            frame = fitted.recommend(users, k=k, exclude_seen=not seen, on_unknown=on_unknown, frame="polars")
    group = None if liked else frame.columns[0]
    frame = names.joined(frame, fitted.items.name)
    output.answer(frame, "recommendations", as_json=as_json, out=out, group=group)


@app.command()
def similar(
    model: opt.ModelFile,
    item: Annotated[list[str], typer.Option(help="An item: an id, or a title with --titles; repeat it.")],
    k: opt.Top = 10,
    metric: Annotated[Literal["cosine", "dot", "euclidean"], typer.Option(help="What near means.")] = "cosine",
    titles: opt.Titles = None,
    title_id: opt.TitleId = None,
    title_column: opt.TitleColumn = None,
    out: opt.Table = None,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """List the items most like one."""
    output.check_table(out, model, titles)
    import tastemap as tm

    fitted = tm.load(model)
    names = Titles.read(titles, title_id, title_column, fitted.items)
    with models.on_threads(threads):
        items = [names.item(text) for text in item]
        frame = fitted.similar_items(items, k=k, metric=metric, frame="polars")
    output.answer(
        names.joined(frame, "neighbour"),
        "neighbours",
        as_json=as_json,
        out=out,
        group=frame.columns[0],
        heading=lambda value: f"like {names.of(value)}",
    )


@app.command()
@reading(but=("time",))
def evaluate(
    model: opt.ModelFile,
    test: Annotated[
        Path | None, typer.Argument(metavar="TEST", help="Interactions to measure on.", show_default=False)
    ] = None,
    metric: opt.Metrics = None,
    *,
    reader: Reader,
    seen: opt.Seen = False,
    on_unknown: opt.OnUnknown = "skip",
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Measure a fitted model on a test file. To fit several and compare them, see `tastemap compare`."""
    if not models.is_model(model):
        raise ValueError(
            f"{model} is no fitted model: `tastemap compare {model}` fits models to a part of it and measures them on "
            "the rest"
        )
    if test is None:
        raise typer.BadParameter("a fitted model needs a file to test on")
    import tastemap as tm

    fitted = tm.load(model)
    with models.on_threads(threads):
        held = reader.read(test, like=fitted)
        metrics = opt.listed(metric) or opt.DEFAULT_METRICS
        board = tm.compare([fitted], held, metrics=metrics, exclude=None if seen else "train", on_unknown=on_unknown)
    if as_json:
        output.print_json({"models": models.described_board(board)})
    else:
        output.print_board(board)


@app.command()
@reading(duplicates="auto", drop_nulls=True, guess_time=True)
def info(
    file: Annotated[Path, typer.Argument(help="A model, or interactions.", show_default=False)],
    *,
    reader: Reader,
    k: opt.Top = 10,
    titles: opt.Titles = None,
    title_id: opt.TitleId = None,
    title_column: opt.TitleColumn = None,
    as_json: opt.Json = False,
) -> None:
    """Say what a file of interactions or a model holds."""
    import tastemap as tm

    if models.is_model(file):
        fitted = tm.load(file)
        if as_json:
            output.print_json({"file": str(file), **models.described(fitted)})
        else:
            output.print_markdown(fitted.card())
        return
    data, columns = reader.read_with_columns(file)
    names = Titles.read(titles, title_id, title_column, data.items, data=file)
    top = names.joined(most_common(data, k), data.items.name)
    if as_json:
        output.print_json({"file": str(file), "columns": columns, **described(data), "top_items": top.to_dicts()})
    else:
        output.print_data(data, top)
