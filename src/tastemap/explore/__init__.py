"""The explorer: pages in a browser that show what models recommend, and why, over the HTTP service."""

from __future__ import annotations

from tastemap.extras import import_extra


def check_packages() -> None:
    """Raise MissingPackageError where a package that the pages need is absent, before anything of it is imported."""
    import_extra("nicegui", "nicegui", extra="explore", purpose="the explorer")
    import_extra("babel", "babel", extra="explore", purpose="the explorer")
    import_extra("orjson", "orjson", extra="serve", purpose="the explorer")
