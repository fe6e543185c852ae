"""The page Data: what the models were trained on."""

from __future__ import annotations

from collections.abc import Sequence

from tastemap.explore import texts
from tastemap.explore.figures import draw, write_table
from tastemap.explore.frame import Visit
from tastemap.explore.measures import Bars
from tastemap.explore.parts import Tag


async def build_data(visit: Visit) -> None:
    """Fill the page."""
    Tag("h1", texts.DATA_TITLE)
    numbers = visit.numbers
    described = await visit.desk.describe_data()
    if described is None:
        Tag("p", texts.HISTORY_MISSING)
        return
    name, figures = described
    Tag("p", texts.DATA_INTRO.format(model=name))
    facts = {
        texts.DATA_PAIRS: numbers.whole(figures.pairs),
        texts.DATA_USERS: numbers.whole(figures.users),
        texts.DATA_ITEMS: numbers.whole(figures.items),
        texts.DATA_DENSITY: numbers.percent(figures.density, 2),
        texts.DATA_HISTORY: numbers.score(figures.pairs / max(figures.users, 1)),
    }
    with Tag("dl", classes="facts"):
        for fact, value in facts.items():
            with Tag("div"):
                Tag("dt", fact)
                Tag("dd", value)
    with Tag("div", classes="side-by-side wide"):
        tenth = texts.TAIL_SAYS.format(share=numbers.percent(figures.share_of(0.1)))
        tail = [
            (numbers.percent(part), numbers.percent(share))
            for part, share in figures.tail[:: len(figures.tail) // 10 or 1]
        ]
        with _figure(texts.TAIL, tenth):
            points = [[100 * part, 100 * share] for part, share in figures.tail]
            draw(
                texts.TAIL,
                {"type": "value", "max": 100},
                {"type": "line", "data": points, "showSymbol": False, "areaStyle": {}},
            )
            _write_table(texts.TAIL_COLUMNS, tail)
        _show_bars(visit, texts.HISTORIES, texts.HISTORIES_COLUMNS, figures.histories)
        if figures.weights:
            _show_bars(visit, texts.WEIGHTS, texts.WEIGHTS_COLUMNS, figures.weights)
        if figures.activity:
            _show_bars(visit, texts.ACTIVITY, texts.ACTIVITY_COLUMNS, figures.activity)


def _show_bars(visit: Visit, title: str, columns: tuple[str, str], bars: Bars) -> None:
    with _figure(title):
        names, counts = [name for name, _ in bars], [count for _, count in bars]
        draw(title, {"type": "category", "data": names}, {"type": "bar", "data": counts})
        _write_table(columns, [(name, visit.numbers.whole(count)) for name, count in bars])


def _figure(title: str, says: str = "") -> Tag:
    figure = Tag("section", classes="model", aria_label=title)
    with figure:
        Tag("h2", title)
        if says:
            Tag("p", says)
    return figure


def _write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with Tag("details"):
        Tag("summary", texts.AS_TABLE)
        write_table(columns, rows)
