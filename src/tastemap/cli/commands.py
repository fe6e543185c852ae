"""The commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from tastemap.cli import models, output
from tastemap.cli import options as opt
from tastemap.cli.app import app
from tastemap.cli.data import Reader, described, most_common, to_id
from tastemap.cli.titles import Titles
from tastemap.errors import DataError


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder or zip of MovieLens; MovieLens 100K is downloaded if absent.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """See it work: learn from film ratings, measure, and recommend."""
    from tastemap import demo as example
    from tastemap.data.datasets import movielens_name

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
def fit(
    data: opt.DataFile,
    out: Annotated[Path, typer.Option(help="Where to write the model, e.g. als.safetensors.")],
    model: Annotated[str, typer.Option(help="The kind of model.")] = "ImplicitALS",
    settings: opt.Settings = None,
    user: opt.User = None,
    item: opt.Item = None,
    weight: opt.Weight = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    duplicates: opt.Duplicates = "error",
    drop_nulls: opt.DropNulls = False,
    separator: opt.Separator = None,
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
            output.check_output(path, [data])
    (chosen,) = models.make_models([model], settings, seed)
    reader = Reader(
        user=user,
        item=item,
        weight=weight,
        no_weight=no_weight,
        event=event,
        at_least=at_least,
        duplicates=duplicates,
        drop_nulls=drop_nulls,
        separator=separator,
    )
    with models.on_threads(threads):
        train = reader.read(data)
        output.note(f"{train!r}")
        fitted, seconds = models.fitted(chosen, train, checkpoint)
        with output.writing(out):
            fitted.save(out, history=history)
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
    at_least: opt.AtLeast = None,
    drop_nulls: opt.DropNulls = False,
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
            reader = Reader(at_least=at_least, duplicates="sum", drop_nulls=drop_nulls)
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
def evaluate(
    source: Annotated[
        Path,
        typer.Argument(metavar="MODEL|DATA", help="A fitted model, or interactions to fit on.", show_default=False),
    ],
    test: Annotated[
        Path | None,
        typer.Argument(metavar="[TEST]", help="Interactions to measure on. Absent: a part of DATA."),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="E.g. recall@20; repeat it.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="The kind of model to fit on DATA; repeat it.")] = None,
    settings: opt.Settings = None,
    holdout: Annotated[float, typer.Option(help="Share of DATA to hold out where there is no TEST.")] = 0.2,
    user: opt.User = None,
    item: opt.Item = None,
    weight: opt.Weight = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    duplicates: opt.Duplicates = "error",
    drop_nulls: opt.DropNulls = False,
    separator: opt.Separator = None,
    seen: opt.Seen = False,
    seed: opt.Seed = 0,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Measure a fitted model on a test file, or fit models on a part of the data and measure on the rest."""
    import tastemap as tm

    reader = Reader(
        user=user,
        item=item,
        weight=weight,
        no_weight=no_weight,
        event=event,
        at_least=at_least,
        duplicates=duplicates,
        drop_nulls=drop_nulls,
        separator=separator,
    )
    metrics = tuple(metric or ("precision@10", "recall@10", "ndcg@10"))
    rows = []
    with models.on_threads(threads):
        if models.is_model(source):
            if test is None or model or settings:
                raise typer.BadParameter("a fitted model needs a file to test on, and no --model or --set")
            fitted = tm.load(source)
            rows.append(models.measured(fitted, reader.read(test, like=fitted), metrics, seen=seen, seconds=None))
        else:
            of_ratings = set(metrics) <= {"rmse", "mae"}
            usual = ["ExplicitALS", "SVD"] if of_ratings else ["Popular", "ImplicitALS"]
            chosen = models.make_models(model or usual, settings, seed)
            if test is not None:
                train, held = reader.read(source), reader.read(test)
            else:
                train, held = tm.split.random(reader.read(source), holdout, seed=seed)
            output.note(f"train: {train!r}")
            output.note(f"test: {held!r}")
            for one in chosen:
                fitted, seconds = models.fitted(one, train)
                rows.append(models.measured(fitted, held, metrics, seen=seen, seconds=seconds))
    if as_json:
        output.print_json({"models": rows})
    else:
        output.print_leaderboard(rows, metrics)


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="A model, or interactions.", show_default=False)],
    user: opt.User = None,
    item: opt.Item = None,
    weight: opt.Weight = None,
    no_weight: opt.NoWeight = False,
    time: Annotated[str | None, typer.Option(help="Column of times; guessed if its name is usual.")] = None,
    event: opt.Events = None,
    duplicates: opt.Duplicates = "last",
    drop_nulls: opt.DropNulls = False,
    separator: opt.Separator = None,
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
    reader = Reader(
        user=user,
        item=item,
        weight=weight,
        time=time,
        no_weight=no_weight,
        guess_time=True,
        event=event,
        duplicates=duplicates,
        drop_nulls=drop_nulls,
        separator=separator,
    )
    data, columns = reader.read_with_columns(file)
    names = Titles.read(titles, title_id, title_column, data.items, data=file)
    top = names.joined(most_common(data, k), data.items.name)
    if as_json:
        output.print_json({"file": str(file), "columns": columns, **described(data), "top_items": top.to_dicts()})
    else:
        output.print_data(data, top)
