"""Guesses what a column is for from its name."""

from __future__ import annotations

from collections.abc import Sequence

_USUAL = {
    "user": "user user_id person_id customer_id visitor_id reviewer_id reader_id account_id uid person customer",
    "item": "item item_id movie_id content_id product_id article_id book_id business_id anime_id track_id song_id "
    "artist_id stock_code sku isbn asin iid movie content product article book track song artist",
    "weight": "weight rating ratings score stars strength count plays play_count listens playcount quantity qty "
    "overall",
    "time": "timestamp time datetime date created_at event_time invoice_date unix_time unix_review_time review_time ts",
    "event": "event event_type type action",
    "id": "id",
    "title": "title name item_name product_name description",
}


def guess_column(use: str, header: Sequence[str], first: str | None = None) -> str | None:
    """Return the column whose name is ``first`` or usual for its use, None if there is none.

    use : "user", "item", "weight", "time", "event", "id" or "title"
    """
    if first in header:
        return first
    plain = {"".join(letter for letter in name.lower() if "a" <= letter <= "z"): name for name in reversed(header)}
    return next((plain[name] for name in _USUAL[use].replace("_", "").split() if name in plain), None)
