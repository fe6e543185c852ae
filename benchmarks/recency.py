"""What recency gives: lists for the last tenth of the pairs by time, of weights that fade.

Each set is split at one moment for all users, so that its latest tenth is the test part. Half-lives, and the span of
Popular, are chosen in the same way on the training part alone: its own latest tenth is held out. Lists have ten places
and leave out training pairs; measured are the users of the test part who have a training pair. "gain" is that of the
chosen half-life over none, with a 95 % interval over users. NextItem forgets by the pair in the columns "without", and
by the time, in steps chosen in that way, in the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import tasks
from side_by_side import DATA, Report, Row, command_line, fresh


def small_likes() -> Any:
    """MovieLens 100K's ratings of 4 and 5, as ones."""
    import tastemap as tm

    return tm.datasets.movielens("100k").interactions.at_least(4).binarize()


def reads() -> Any:
    """Deskdrop's articles, damped by how strong the events are."""
    import tastemap as tm

    return tm.datasets.deskdrop(DATA / "deskdrop").interactions.log2()


def split(pairs: Any) -> tuple[Any, Any]:
    """Return what comes before the latest tenth of pairs, and that."""
    import tastemap as tm

    return tm.split.by_time(pairs, test=TENTH)


def hold_out(data: str, *, again: bool) -> tuple[Any, Any]:
    """Return the training and the test part of a set, or with `again` two parts of the training part alone."""
    if data == "Online Retail":  # whose events repeat: the parts are months
        return tasks.online_retail(*((tasks.MONTH_BEFORE, tasks.LAST_MONTH) if again else (tasks.LAST_MONTH,)))
    train, test = split(SETS[data]())
    return split(train) if again else (train, test)


SETS: dict[str, Callable[[], Any]] = {
    "Deskdrop": reads,
    "Online Retail": lambda: None,
    "MovieTweetings": lambda: tasks.tweeted_ratings().at_least(7).binarize(),
    "MovieLens 100K": small_likes,
    "MovieLens 1M": tasks.likes,
}
MODELS = ("Popular", "EASE", "ImplicitALS", "ItemKNN", "NextItem")
SPANS = ("3d", "7d", "14d", "30d", "60d", "120d", "240d", "480d", "960d")
FEW_SPANS = ("7d", "60d")
STEPS = ("1d", "7d")
TENTH = 0.1
METRICS = ("ndcg@10", "recall@10")


def fit(name: str, span: str | None, train: Any) -> Any:
    """Fit a model to weights that halve within a span, or, Popular, to what was taken within it."""
    import tastemap as tm

    if name == "Popular":
        return tm.Popular(last=span).fit(train, progress=False)
    if name == "NextItem":
        return tm.NextItem(step=span).fit(train, progress=False)
    return tm.MODELS[name]().fit(train if span is None else train.decay(span), progress=False)


def choose(data: str, name: str, spans: Sequence[str]) -> tuple[str | None, Row]:
    """Return the span that is best on the latest tenth of the training part, and the NDCG of each."""
    import tastemap as tm

    early, late = hold_out(data, again=True)
    found = {
        span: tm.evaluate(fit(name, span, early), late, metrics="ndcg@10", progress=False)["ndcg@10"]
        for span in (None, *spans)
    }
    return max(found, key=found.__getitem__), {str(span): round(value, 4) for span, value in found.items()}


def measure(data: str, name: str, spans: Sequence[str], threads: int) -> Row:
    """Return the figures of a model with and without recency on the test part of a set."""
    import tastemap as tm

    warnings.simplefilter("ignore")  # of few heavy weights: that is what fading does
    span, tried = choose(data, name, spans)
    train, test = hold_out(data, again=False)
    plain, recent = (tm.evaluate(fit(name, one, train), test, metrics=METRICS, progress=False) for one in (None, span))
    gains = recent.values[:, 0] - plain.values[:, 0]
    error = 1.96 * gains.std() / len(gains) ** 0.5
    row: Row = {"model": name, "span": str(span), "users": len(gains)}
    for metric in METRICS:
        row |= {f"{metric} without": plain[metric], f"{metric} with": recent[metric]}
    return row | {"gain": f"{gains.mean():+.4f} ± {error:.4f}", "on the training part": str(tried)}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options = parser.parse_args()
    report = Report(options.json)
    for data in options.sets:
        spans = FEW_SPANS if options.quick else SPANS
        spans_of = {"NextItem": STEPS}
        rows = [
            fresh(measure, data=data, name=name, spans=spans_of.get(name, spans), threads=2) for name in options.models
        ]
        report.table(f"{data}, the last tenth by time", rows)
    report.finish()


if __name__ == "__main__":
    main()
