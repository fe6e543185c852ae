"""All pages of the explorer."""

from __future__ import annotations

from functools import partial

from nicegui import core

from tastemap.explore import texts
from tastemap.explore.atlas.making import Cartographer
from tastemap.explore.data import build_data
from tastemap.explore.desk import Desk
from tastemap.explore.frame import Visit, add_page
from tastemap.explore.items import build_items
from tastemap.explore.map import build_map
from tastemap.explore.models import build_models
from tastemap.explore.parts import Tag
from tastemap.explore.people import build_people
from tastemap.explore.taste import build_taste


def add_all(desk: Desk) -> None:
    """Add every page."""
    add_page(desk, "/", build_items)
    add_page(desk, "/people", build_people)
    add_page(desk, "/taste", build_taste)
    add_page(desk, "/data", build_data)
    add_page(desk, "/models", build_models)
    cartographer = Cartographer()
    core.app.on_shutdown(cartographer.close)
    add_page(desk, "/map", partial(build_map, cartographer))
    add_page(desk, "/{other}", _say_unknown)


async def _say_unknown(visit: Visit) -> None:
    Tag("h1", texts.UNKNOWN_PAGE)
