"""The HTTP service: `tastemap serve`, and `app` for any server of ASGI applications."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tastemap.errors import DataError

if TYPE_CHECKING:
    from tastemap.serve.guard import Guard
    from tastemap.serve.service import App


def app(
    models: str | Path | Iterable[str | Path] | Mapping[str, str | Path],
    *,
    items: str | Path | None = None,
    item_id: str | None = None,
    title_column: str | None = None,
    token: str | None = None,
    events: str | Path | None = None,
    hosts: Iterable[str] = (),
    copies: str | Path | None = None,
    pages: Callable[[App], object] | None = None,
) -> Guard:
    """Return the HTTP service of fitted models as an ASGI application, for uvicorn, granian, gunicorn and others.

    models : the files of models, of which the stem of a name is the model's, or {name: file}; the first is the default
    items : a file with what is known of items: titles, and the columns of filters
    item_id, title_column : names of its columns; None looks for usual names
    token : what requests have to show as `Authorization: Bearer TOKEN`; None asks for none
    events : a folder where `POST /events` writes
    hosts : the names by which the server may be called, beside those of this machine
    copies : a private folder for copies of the models' files, which the processes that name it share in memory; None
        has the models in the memory of this process alone
    pages : adds pages for people, such as `tastemap.explore.service.add_pages` makes them; the models are then tried
        when the first page is there

    The models are read, checked and tried at once. Raises ModelFileError, FileNotFoundError and DataError where one
    cannot be served, MissingPackageError without the extra `serve`.
    """
    from tastemap.extras import import_extra

    for module, package in (("fastapi", "FastAPI"), ("orjson", "orjson"), ("prometheus_client", "prometheus-client")):
        import_extra(module, package, extra="serve", purpose="the HTTP service")
    from tastemap.serve.service import make_app

    return make_app(
        name_models(models),
        items=None if items is None else Path(items),
        item_id=item_id,
        title_column=title_column,
        token=token,
        events=None if events is None else Path(events),
        hosts=hosts,
        copies=None if copies is None else Path(copies),
        pages=pages,
    )


def name_models(models: str | Path | Iterable[str | Path] | Mapping[str, str | Path]) -> dict[str, Path]:
    """Return the files of models by name; raises DataError where two have one name."""
    if isinstance(models, Mapping):
        return {name: Path(path) for name, path in models.items()}
    paths = [Path(path) for path in ([models] if isinstance(models, str | Path) else models)]
    named = {path.stem: path for path in paths}
    if len(named) < len(paths):
        raise DataError("two models have one name: pass {name: file}, or give the files names of their own")
    return named
