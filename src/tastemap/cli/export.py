"""The commands that write models for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tastemap.cli import options as opt
from tastemap.cli import output
from tastemap.cli.app import app
from tastemap.cli.errors import Subcommands

export = typer.Typer(cls=Subcommands, no_args_is_help=True, help="Write a model for other tools.")
app.add_typer(export, name="export")


@export.command()
def tensorboard(
    model: opt.ModelFile,
    out: Annotated[Path, typer.Option(help="Folder to write; one that holds another export is replaced.")],
    titles: Annotated[
        Path | None,
        typer.Option(help="File that describes the items: csv, tsv, parquet, movies.dat, MovieLens zip."),
    ] = None,
    title_id: opt.TitleId = None,
    n: Annotated[int | None, typer.Option("-n", help="Only so many items, the most popular; all if absent.")] = None,
    escape_formulas: opt.EscapeFormulas = True,
    as_json: opt.Json = False,
) -> None:
    """Write the items' vectors, titles and popularity for TensorBoard's projector."""
    from tastemap.export.tensorboard import FILES
    from tastemap.files.writable import check_folder

    check_folder(out, FILES)
    import tastemap as tm
    from tastemap.service.titles import ItemFile

    fitted = tm.load(model)
    items: dict[str, Any] = {}
    if titles is not None:
        table = ItemFile.read(titles, fitted.items, id_column=title_id, count_missing=True)
        output.print_remarks(table.remarks)
        items = {"items": table.frame, "id": table.id_column}
    with output.explain_write_errors(out):
        tm.export.tensorboard(fitted, out, **items, n=n, escape_formulas=escape_formulas)
    vectors = fitted.item_vectors()[1]
    n_items, n_dimensions = len(vectors[:n]), vectors.shape[1]
    if as_json:
        output.print_json({"folder": str(out), "items": n_items, "dimensions": n_dimensions})
    else:
        output.print_text(
            f"wrote {n_items:,} items in {n_dimensions} dimensions: run tensorboard --logdir {out} and open Projector\n"
        )
