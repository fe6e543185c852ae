"""The commands `demo`, `fit`, `update`, `recommend`, `similar`, `evaluate` and `info`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app
from tastemap.errors import DataError, ParameterError, UnknownIdError
from tastemap.files.writable import check_file
from tastemap.progress import say_all


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder or zip of MovieLens; MovieLens 100K is downloaded if absent.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """See it work: learn from film ratings, measure, and recommend."""
    from tastemap.cli import demo as example
    from tastemap.datasets import find_movielens_name

    name = "100k" if data is None else find_movielens_name(data.expanduser())
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
    ctx: typer.Context,
    data: opt.DataFile,
    out: Annotated[Path, typer.Option(help="Where to write the model, e.g. als.safetensors.")],
    model: Annotated[str, typer.Option(help="The kind of model.")] = "ImplicitALS",
    settings: opt.Settings = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    weight_column: opt.WeightColumn = None,
    time_column: opt.TimeColumn = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    log2: opt.Log2 = False,
    binarize: opt.Binarize = False,
    max_items: opt.MaxItems = None,
    zeros: opt.Zeros = "keep",
    duplicates: opt.Duplicates = "error",
    drop_nulls: opt.DropNulls = False,
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
    seed: opt.Seed = 0,
    threads: opt.Threads = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to save training in; the same command goes on from it.")
    ] = None,
    interactions: Annotated[
        bool, typer.Option(help="Keep the interactions in the file: they are needed to leave out what was seen.")
    ] = True,
    as_json: opt.Json = False,
) -> None:
    """Fit a model to interactions and save it."""
    for path in (out, checkpoint):
        if path is not None:
            check_file(path, [data, features, user_features])
    from tastemap.service.making import make_models
    from tastemap.service.reading import find_low_ratings

    (chosen,) = make_models([model], settings or (), seed=seed)
    reading = opt.make_reading(ctx, guess_time=True)
    with opt.use_threads(threads):
        found = reading.read(data)
        output.print_remarks(found.remarks)
        if at_least is None and not chosen.abilities.ratings:
            output.print_remarks(find_low_ratings(found.data, found.columns.get("weight")))
        described = opt.read_features(ctx, found.data)
        output.note(f"{found.data!r}")
        started = time.perf_counter()
        with say_all():
            chosen.fit(found.data, checkpoint=checkpoint, **described)
        seconds = time.perf_counter() - started
        with output.explain_write_errors(out):
            chosen.save(out, interactions=interactions)
    if as_json:
        output.print_json(
            {
                "file": str(out),
                "model": model,
                "parameters": asdict(chosen.used_),
                "pairs": len(found.data),
                "users": found.data.n_users,
                "items": found.data.n_items,
                "fit_seconds": seconds,
            }
        )
    else:
        size = out.stat().st_size
        output.print_text(f"{model} fitted in {seconds:.1f} s and saved as {out}, {size:,} bytes\n")


@app.command()
def update(
    ctx: typer.Context,
    model: opt.ModelFile,
    out: Annotated[Path, typer.Option(help="Where to write the new model, e.g. newer.safetensors.")],
    data: opt.MoreData = None,
    events: opt.Journal = None,
    since: opt.Since = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    weight_column: opt.WeightColumn = None,
    time_column: opt.TimeColumn = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    log2: opt.Log2 = False,
    binarize: opt.Binarize = False,
    zeros: opt.Zeros = "keep",
    duplicates: opt.Duplicates = "error",
    drop_nulls: opt.DropNulls = False,
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
    user_features: opt.UserFeatures = None,
    user_feature_id: opt.UserFeatureId = None,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Let a model learn from new interactions, without a fit from the start; a known pair takes its new weight."""
    if (data is None) == (events is None):
        raise typer.BadParameter("pass one of DATA and --events")
    if since is not None and events is None:
        raise typer.BadParameter("--since is about --events: leave it out, or pass both")
    check_file(out, [model, data, features, user_features])
    import tastemap as tm
    from tastemap.service.documents import describe_update

    reading = opt.make_reading(ctx)
    fitted = tm.load(model)
    with opt.use_threads(threads):
        found = opt.read_news(ctx, fitted) if data is None else reading.read(data, like=fitted)
        output.print_remarks(found.remarks)
        described = opt.read_features(ctx, fitted)
        output.note(f"{found.data!r}")
        started = time.perf_counter()
        updated = fitted.update(found.data, **described)
        seconds = time.perf_counter() - started
        with output.explain_write_errors(out):
            updated.save(out)
    told = describe_update(fitted, updated)
    if as_json:
        output.print_json({"file": str(out), **told, "update_seconds": seconds})
    else:
        output.print_text(
            f"{told['model']} updated in {seconds:.1f} s and saved as {out}: {len(found.data):,} pairs read, "
            f"new users: {told['new_users']:,}, new items: {told['new_items']:,}, {told['pairs']:,} pairs now\n"
        )


@app.command()
def recommend(
    ctx: typer.Context,
    model: opt.ModelFile,
    user: Annotated[list[str] | None, typer.Option(help="A user of the training data; repeat it.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every user, with --out or --json.")] = False,
    liked: Annotated[
        list[str] | None,
        typer.Option(help="An item that a new user likes, by its id or, with --titles, its title; repeat it."),
    ] = None,
    history: Annotated[
        str | None, typer.Option(help="File of interactions of new users; columns as in the training data.")
    ] = None,
    spark: opt.SparkUsers = None,
    spark_histories: opt.SparkHistories = None,
    fold_in: opt.FoldIn = "new",
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    weight_column: opt.WeightColumn = None,
    time_column: opt.TimeColumn = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    log2: opt.Log2 = False,
    binarize: opt.Binarize = False,
    zeros: opt.Zeros = "keep",
    duplicates: opt.Duplicates = "auto",
    drop_nulls: opt.DropNulls = False,
    keep_na: opt.KeepNa = False,
    separator: opt.Separator = None,
    column_names: opt.Columns = None,
    encoding: opt.Encoding = None,
    quotes: opt.Quotes = True,
    query: opt.Query = None,
    password_file: opt.PasswordFile = None,
    wide: opt.Wide = False,
    k: opt.Top = 10,
    candidates: opt.Candidates = None,
    exclude: opt.Exclude = None,
    where: opt.Where = None,
    since: opt.NewSince = None,
    diversity: opt.Diversity = 0.0,
    at_most: opt.AtMost = None,
    items: opt.Items = None,
    item_id: opt.ItemId = None,
    seen: opt.Seen = False,
    on_unknown: Annotated[
        Literal["raise", "popular", "skip"], typer.Option(help="What to do with users that are not in the model.")
    ] = "raise",
    titles: opt.Titles = None,
    title_id: opt.TitleId = None,
    title_column: opt.TitleColumn = None,
    out: opt.Lists = None,
    table: opt.TableName = None,
    escape_formulas: opt.EscapeFormulas = True,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Recommend items to known users, or to new ones from what they like."""
    if sum((bool(user), everyone, bool(liked), history is not None, spark is not None)) != 1:
        raise typer.BadParameter("pass one of --user, --all, --liked, --history and --spark")
    if spark is not None and (out is None or as_json or titles is not None or table is not None):
        raise typer.BadParameter("--spark needs --out FOLDER, and goes without --titles, --table and --json")
    if spark is None and spark_histories is not None:
        raise typer.BadParameter("--spark-histories goes with --spark")
    if everyone and out is None and not as_json:
        raise typer.BadParameter("--all needs --out recs.parquet (or .csv, .tsv, a folder, a database) or --json")
    import tastemap as tm
    from tastemap.data.sinks.opening import is_folder, is_table
    from tastemap.service.chosen import choose_items
    from tastemap.service.histories import recommend_from_histories
    from tastemap.service.search import Search, parse_id
    from tastemap.service.titles import Titles

    in_database, file = spark is None and out is not None and is_table(out), None if out is None else Path(out)
    in_parts = in_database or (spark is None and out is not None and is_folder(out))
    if in_parts and (not everyone or titles is not None or as_json):
        raise typer.BadParameter("--out with a folder or a database goes with --all, without --titles and --json")
    if table is not None and not in_database:
        raise typer.BadParameter("--table names a table of a database: pass one as --out")
    if not in_parts and spark is None:
        inputs = (*(candidates or ()), *(exclude or ()), *([history] if history else ()))
        output.check_table(file, model, titles, items, *map(Path, inputs))
    fitted = tm.load(model)
    popularity = fitted.popularity_
    names = Titles.read(titles, fitted.items, id_column=title_id, title_column=title_column, popularity=popularity)
    output.print_remarks(names.remarks)
    among: dict[str, Any] = {}
    for argument, texts in (("candidates", candidates), ("exclude", exclude)):
        if texts:
            among[argument], remarks = choose_items(texts, names)
            output.print_remarks(remarks)
    among |= opt.choose_where(ctx, fitted)
    if since is not None:
        among["since"] = since
    if spark is not None:
        from tastemap.cli.over_spark import recommend_on_spark

        how: Any = {"k": k, "exclude_seen": not seen, "on_unknown": on_unknown, **among}
        recommend_on_spark(fitted, spark, str(out), histories=spark_histories, fold_in=fold_in, **how)
        return
    with opt.use_threads(threads):
        if liked:
            likes, remarks = names.find_all(liked)
            output.print_remarks(remarks)
            frame = fitted.recommend_for(list(dict.fromkeys(likes)), k=k, frame="polars", **among)
            frame = frame.drop(frame.columns[0])  # the number of the history, always 0
        elif history is not None:
            found = opt.make_reading(ctx).read(history, like=fitted)
            output.print_remarks(found.remarks)
            frame, remarks = recommend_from_histories(
                fitted, found.data, k=k, is_weighted="weight" in found.columns or bool(event), **among
            )
            output.print_remarks(remarks)
        elif (
            out is not None
            and file is not None
            and everyone
            and (in_parts or (output.is_parquet(file) and titles is None and not as_json))
        ):
            # All lists together need not fit in memory.
            if in_database:
                fitted.recommend_all(out, k=k, exclude_seen=not seen, table=table, password_file=password_file, **among)
                output.note(f"wrote the lists of all users to {out}")
                return
            with output.explain_write_errors(file):
                fitted.recommend_all(out, k=k, exclude_seen=not seen, **among)
            output.note(f"wrote {output.count_rows(file):,} rows to {out}")
            return
        else:
            users = None if everyone else [parse_id(text, fitted.users) for text in user or ()]
            asked: Any = {"exclude_seen": not seen, "on_unknown": on_unknown, **among}
            try:
                frame = fitted.recommend(users, k=k, frame="polars", **asked)
            except UnknownIdError as error:
                raise Search(fitted.users).tell_near(error) from None
    group = None if liked else frame.columns[0]
    frame = names.join(frame, fitted.items.name)
    output.answer(frame, "recommendations", as_json=as_json, out=file, escape=escape_formulas, group=group)


@app.command()
def similar(
    ctx: typer.Context,
    model: opt.ModelFile,
    item: Annotated[list[str], typer.Option(help="An item, by its id or, with --titles, its title; repeat it.")],
    k: opt.Top = 10,
    metric: Annotated[
        Literal["cosine", "plain_cosine", "dot", "euclidean"], typer.Option(help="What near means.")
    ] = "cosine",
    min_users: Annotated[int, typer.Option(min=0, help="List only items that at least so many users have.")] = 0,
    where: opt.Where = None,
    items: opt.Items = None,
    item_id: opt.ItemId = None,
    titles: opt.Titles = None,
    title_id: opt.TitleId = None,
    title_column: opt.TitleColumn = None,
    out: opt.Table = None,
    escape_formulas: opt.EscapeFormulas = True,
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """List the items most similar to an item."""
    output.check_table(out, model, titles, items)
    import tastemap as tm
    from tastemap.service.chosen import find_rare_neighbours
    from tastemap.service.titles import Titles

    fitted = tm.load(model)
    popularity = fitted.popularity_
    names = Titles.read(titles, fitted.items, id_column=title_id, title_column=title_column, popularity=popularity)
    output.print_remarks(names.remarks)
    with opt.use_threads(threads):
        wanted, remarks = names.find_all(item)
        output.print_remarks(remarks)
        among = opt.choose_where(ctx, fitted)
        frame = fitted.similar_items(wanted, k=k, metric=metric, min_pairs=min_users, **among, frame="polars")
    if not min_users:
        output.print_remarks(find_rare_neighbours(fitted, frame))
    output.answer(
        names.join(frame, "neighbour"),
        "neighbours",
        as_json=as_json,
        out=out,
        escape=escape_formulas,
        group=frame.columns[0],
        heading=lambda value: f"like {names.name(value)}",
    )


@app.command()
def evaluate(
    ctx: typer.Context,
    model: opt.ModelFile,
    test: Annotated[
        str | None, typer.Argument(metavar="TEST", help="Interactions to measure on.", show_default=False)
    ] = None,
    metric: opt.Metrics = None,
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    weight_column: opt.WeightColumn = None,
    time_column: opt.TimeColumn = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    log2: opt.Log2 = False,
    binarize: opt.Binarize = False,
    max_items: opt.MaxItems = None,
    zeros: opt.Zeros = "keep",
    duplicates: opt.Duplicates = "error",
    drop_nulls: opt.DropNulls = False,
    keep_na: opt.KeepNa = False,
    separator: opt.Separator = None,
    column_names: opt.Columns = None,
    encoding: opt.Encoding = None,
    quotes: opt.Quotes = True,
    query: opt.Query = None,
    password_file: opt.PasswordFile = None,
    wide: opt.Wide = False,
    seen: opt.Seen = False,
    on_unknown: opt.OnUnknown = "skip",
    threads: opt.Threads = None,
    as_json: opt.Json = False,
) -> None:
    """Measure a fitted model on a test file. To fit several and compare them, see `tastemap compare`."""
    import tastemap as tm
    from tastemap.service.documents import describe_comparison
    from tastemap.service.reading import is_model

    if not is_model(model):
        raise ParameterError(
            f"{model} is no fitted model: `tastemap compare {model}` fits models to a part of it and measures them on "
            "the rest",
            parameter="model",
            value=model,
        )
    if test is None:
        raise typer.BadParameter("a fitted model needs a file to test on")
    reading = opt.make_reading(ctx)
    fitted = tm.load(model)
    with opt.use_threads(threads):
        held = reading.read(test, like=fitted)
        output.print_remarks(held.remarks)
        metrics = opt.split_names(metric) or opt.DEFAULT_METRICS
        exclude: Literal["train"] | None = None if seen else "train"
        board = tm.compare([fitted], held.data, metrics=metrics, exclude=exclude, on_unknown=on_unknown)
    if as_json:
        output.print_json({"models": describe_comparison(board)})
    else:
        output.print_board(board)


@app.command()
def info(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A model, or interactions.", show_default=False)],
    user_column: opt.UserColumn = None,
    item_column: opt.ItemColumn = None,
    weight_column: opt.WeightColumn = None,
    time_column: opt.TimeColumn = None,
    no_weight: opt.NoWeight = False,
    event: opt.Events = None,
    at_least: opt.AtLeast = None,
    log2: opt.Log2 = False,
    binarize: opt.Binarize = False,
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
    k: opt.Top = 10,
    titles: opt.Titles = None,
    title_id: opt.TitleId = None,
    title_column: opt.TitleColumn = None,
    as_json: opt.Json = False,
) -> None:
    """Say what a file of interactions or a model holds."""
    import tastemap as tm
    from tastemap.service.documents import describe_interactions, describe_model, describe_spread, find_most_common
    from tastemap.service.reading import is_model
    from tastemap.service.titles import Titles

    if is_model(file):
        fitted = tm.load(file)
        if as_json:
            output.print_json({"file": str(file), **describe_model(fitted)})
        else:
            output.print_markdown(fitted.card())
            if fitted.interactions is not None:
                output.print_spread(describe_spread(fitted.interactions))
        return
    found = opt.make_reading(ctx, guess_time=True).read(file)
    output.print_remarks(found.remarks)
    data = found.data
    # A folder or zip file of MovieLens has titles beside the ratings.
    packed = Path(file).is_dir() or Path(file).suffix.lower() in (".zip", ".whl")
    names = Titles.read(
        titles, data.items, id_column=title_id, title_column=title_column, data=Path(file) if packed else None
    )
    output.print_remarks(names.remarks)
    top = names.join(find_most_common(data, k), data.items.name)
    if as_json:
        described = {**describe_interactions(data), **describe_spread(data)}
        output.print_json({"file": str(file), "columns": found.columns, **described, "top_items": top.to_dicts()})
    else:
        output.print_data(data, top, describe_spread(data))
