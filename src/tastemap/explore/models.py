"""The page Models: how good they are on held-out pairs, what their lists are like, how they learned, their cards."""

from __future__ import annotations

from tastemap.explore import texts
from tastemap.explore.desk import Board
from tastemap.explore.figures import draw, write_table
from tastemap.explore.frame import Visit, tell_error
from tastemap.explore.measures import PLACES, Compared
from tastemap.explore.parts import Tag
from tastemap.serve.served import Served

METRICS = ("ndcg@10", "recall@10", "coverage@10", "novelty@10")


async def build_models(visit: Visit) -> None:
    """Fill the page."""
    Tag("h1", texts.MODELS_TITLE)
    with Tag("section", classes="model", aria_label=texts.BOARD):
        Tag("h2", texts.BOARD)
        try:
            board = await visit.desk.measure(METRICS)
        except Exception as error:
            tell_error(error)
        else:
            if board is None:
                Tag("p", texts.BOARD_MISSING)
            else:
                _show_board(visit, board)
    with Tag("section", classes="model", aria_label=texts.LISTS):
        Tag("h2", texts.LISTS)
        try:
            _show_lists(visit, await visit.desk.compare_lists())
        except Exception as error:
            tell_error(error)
    for served in visit.desk.models:
        with Tag("section", classes="model", aria_label=served.name):
            Tag("h2", served.name)
            _draw_curve(visit, served)
            with Tag("details"):
                Tag("summary", texts.CARD)
                Tag("pre", str(served.model.card()), "code", tabindex="0", role="region", aria_label=texts.CARD)


def _show_board(visit: Visit, board: Board) -> None:
    number = visit.numbers.score
    Tag("p", texts.BOARD_SAYS.format(users=visit.numbers.whole(board.users)))
    rows = [
        [
            model,
            *(texts.INTERVAL.format(mean=number(mean), low=number(low), high=number(high)) for mean, low, high in own),
        ]
        for model, own in board.figures.items()
    ]
    write_table([texts.MODEL, *board.metrics], rows)


def _show_lists(visit: Visit, compared: Compared) -> None:
    numbers = visit.numbers
    Tag("p", texts.LISTS_SAY.format(users=numbers.whole(compared.users), places=PLACES))
    names = [one.model for one in compared.figures]
    rows = [
        [one.model, numbers.percent(one.coverage, 1), numbers.score(one.novelty), *map(numbers.percent, overlap)]
        for one, overlap in zip(compared.figures, compared.overlap.tolist(), strict=True)
    ]
    both = [texts.OVERLAP.format(model=name) for name in names]
    write_table([texts.MODEL, texts.COVERAGE, texts.NOVELTY, *both], rows)


def _draw_curve(visit: Visit, served: Served) -> None:
    epochs = served.model.epochs_
    if len(epochs) < 2:
        Tag("p", texts.NO_EPOCHS)
        return
    first, last = (visit.numbers.score(epoch.objective) for epoch in (epochs[0], epochs[-1]))
    Tag("p", texts.CURVE.format(model=served.name, first=first, last=last))
    across = {"type": "category", "data": [epoch.epoch for epoch in epochs]}
    draw(texts.OBJECTIVE, across, {"type": "line", "data": [epoch.objective for epoch in epochs]}, from_zero=False)
