"""All pages of the explorer."""

from __future__ import annotations

from tastemap.explore.desk import Desk
from tastemap.explore.frame import add_page
from tastemap.explore.items import build_items
from tastemap.explore.people import build_people
from tastemap.explore.taste import build_taste


def add_all(desk: Desk) -> None:
    """Add every page."""
    add_page(desk, "/", build_items)
    add_page(desk, "/people", build_people)
    add_page(desk, "/taste", build_taste)
