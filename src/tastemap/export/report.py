"""A comparison as one HTML page that stands alone."""

from __future__ import annotations

import io
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from tastemap import parallel
from tastemap.data.interactions import Interactions
from tastemap.evaluation.comparison import LEVEL, Comparison, format_count, is_ahead
from tastemap.evaluation.significance import FLIPS
from tastemap.extras import optional
from tastemap.files.whole import whole_file
from tastemap.metrics.definitions import Metric, RatingMetric
from tastemap.metrics.own import OwnMetric
from tastemap.tables import Cell, Table

_TEMPLATE = "report.html.jinja"


def check_report(path: str | Path) -> None:
    """Raise ValueError where the name is not that of a page, MissingPackageError where a package is missing."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"a report is an HTML page: name it {Path(path).stem}.html, got {Path(path).name}")
    optional("jinja2", "jinja2", extra="report", purpose="a report")
    optional("matplotlib", "matplotlib", extra="report", purpose="a report")


def report(board: Comparison, path: str | Path, title: str | None = None, *, command: str | None = None) -> None:
    """Write an HTML page that stands alone, with the leaderboard, charts, significance and how to repeat it.

    board : what `compare` returned
    path : ends in .html; written whole or not at all
    title : None names the models
    command : the command line that repeats it, in place of the call of `compare`

    The page loads nothing from anywhere. Needs the extra "report".
    Raises MissingPackageError without it, ValueError where the name does not end in .html, OSError where the file
    cannot be written.
    """
    check_report(path)
    page = _page(board, title or f"{_listed(board.models)} compared", command)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _page(board: Comparison, title: str, command: str | None) -> str:
    jinja2 = optional("jinja2", "jinja2", extra="report", purpose="a report")
    template = files("tastemap.export").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page: str = environment.from_string(template).render(
        title=title,
        subtitle=f"{format_count(len(board.models), 'model')}, {format_count(len(board.metrics), 'metric')}, "
        f"{_day(datetime.now(UTC))}",
        verdict=_verdict(board),
        leaderboard=board.table().html(),
        charts=list(_charts(board)),
        significance=[sentence for metric in _tested(board) for sentence in _said(board, metric)],
        about_significance=_ABOUT,
        differences=_differences(board).html(),
        facts=list(_facts(board)),
        notes=board.notes,
        models=[_described(board, name) for name in board.ranking(board.metrics[0])],
        metrics=[(metric.name, metric.definition) for metric in board.metrics],
        ranks=any(not isinstance(metric, RatingMetric | OwnMetric) for metric in board.metrics),
        recipe=command or _recipe(board),
        versions={"Python": platform.python_version()}
        | {name: version(name) for name in ("tastemap", "numpy", "scipy", "numba")},
        machine=f"{platform.system()} on {platform.machine()}, {format_count(parallel.n_threads(), 'thread')}.",
    )
    return page


_ABOUT = (
    "A difference is that of the model named first less that of the best, over the users whom both know, with its 95 % "
    f"bootstrap interval over users. p is of the paired randomisation test with {FLIPS:,} swaps (Smucker et al., CIKM "
    "2007), adjusted by Holm for the number of models: how often as large a difference would come about if each user "
    f"had the two models' results by the toss of a coin. Below {LEVEL} it is called significant."
)


def _verdict(board: Comparison) -> str:
    """Say the outcome by the first metric."""
    metric = board.metrics[0]
    best, *others = board.ranking(metric)
    value = f"{board.evaluations[best][metric]:.4f}"
    if not others:
        return f"{best} has a {metric} of {value}."
    close = [name for name in others if board.is_close(name, metric)]
    text = f"{best} is best by {metric}, with {value}"
    if close:
        return f"{text}; {_listed(close)} {'is' if len(close) == 1 else 'are'} not significantly worse."
    if metric.per_user:
        return f"{text}, and significantly better than {'the other' if len(others) == 1 else 'each of the others'}."
    return f"{text}."


def _said(board: Comparison, metric: Metric) -> Iterator[str]:
    """Say what the tests of a metric found."""
    rows = [row for row in board.difference_rows if row["metric"] == metric.name]
    best = board.ranking(metric)[0]
    chance = [row for row in rows if row["p"] >= LEVEL]
    ahead = [row for row in rows if row["p"] < LEVEL and is_ahead(row, metric)]
    behind = [row for row in rows if row not in chance and row not in ahead]
    if behind:
        yield f"By {metric}, {best} is significantly ahead of {_by_how_much(behind)}."
    if chance:
        yield f"By {metric}, the difference between {best} and {_by_how_much(chance)} may be chance."
    if ahead:
        yield f"By {metric}, {best} is significantly behind {_by_how_much(ahead)} on the users whom both know."


def _by_how_much(rows: list[dict[str, Any]]) -> str:
    return _listed(f"{row['model']} (by {abs(row['difference']):.4f}, {_p(row['p'])})" for row in rows)


def _differences(board: Comparison) -> Table:
    rows = [
        (
            Cell(f"{row['metric']}: {row['model']} less {row['other']}"),
            Cell(f"{row['difference']:+.4f}"),
            Cell("–" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"),
            Cell(_p(row["p"]).removeprefix("p = ").removeprefix("p ")),
            Cell(f"{row['users']:,}"),
        )
        for row in board.difference_rows
    ]
    return Table(("", "difference", "95 % interval", "p", "users"), tuple(rows))


def _charts(board: Comparison) -> Iterator[dict[str, str]]:
    from tastemap import plot

    for metric in board.metrics:
        figure = plot.intervals(board, metric=metric)
        yield {"about": f"{metric} of every model with its interval", "svg": _svg(figure)}
    tested = _tested(board)
    if len(board.models) > 1 and tested:
        first, second, *_ = board.ranking(tested[0])
        figure = plot.differences(board, first, second, metric=tested[0])
        yield {"about": f"{tested[0]} of {first} less that of {second}, by user", "svg": _svg(figure)}


def _svg(figure: Any) -> str:
    """Return a figure as an element of a page."""
    import matplotlib

    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Names of the parts that depend on what they are: no two charts of a page take each other's.
    with matplotlib.rc_context({"svg.hashsalt": "tastemap", "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata=nothing, bbox_inches="tight", transparent=True)
    element = text.getvalue()
    element = element[element.index("<svg") :]
    # A page knows the namespaces by itself.
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", element).strip()


def _facts(board: Comparison) -> Iterator[tuple[str, str]]:
    """Say what data it was and whom the means are over."""
    evaluations = list(board.evaluations.values())

    def of_models(counts: list[int]) -> str:
        if min(counts) == max(counts):
            return f"{counts[0]:,}"
        return ", ".join(f"{name} {count:,}" for name, count in zip(board.evaluations, counts, strict=True))

    if board.train is not None:
        yield "Trained on", _data(board.train)
    yield "Measured on", _data(board.test)
    for name in ("history", "validation"):
        if isinstance(board.asked.get(name), Interactions):
            yield name.capitalize(), _data(board.asked[name])
    yield "Users measured", of_models([one.n_users for one in evaluations])
    if any(not one.known.all() for one in evaluations):
        yield "of them new to the model", of_models([int((~one.known).sum()) for one in evaluations])
    for about, counts in (
        ("Users left out: not known to the model", [one.n_skipped for one in evaluations]),
        ("Users left out: without a test pair", [one.n_without_test for one in evaluations]),
        ("Test pairs of unknown items, not found", [one.n_unknown_items for one in evaluations]),
        ("Test pairs kept out of the lists, not found", [one.n_left_out for one in evaluations]),
        ("Test pairs left out of rating metrics", [one.n_unrated for one in evaluations]),
    ):
        if any(counts):
            yield about, of_models(counts)
    exclude = board.asked.get("exclude")
    hidden = {"train": "what the user has in training", "None": "nothing"}.get(str(exclude), "pairs given for it")
    yield "Left out of the lists", hidden
    if board.asked.get("candidates") is not None:
        yield "Ranked", "only the candidates given"
    for name in ("user_features", "item_features"):
        if board.asked.get(name) is not None:
            yield name.replace("_", " ").capitalize(), repr(board.asked[name])
    if board.without_features:
        yield "Fitted without features", f"{_listed(board.without_features)}, which take none"


def _described(board: Comparison, name: str) -> dict[str, Any]:
    model: Any = board.models[name]
    told = [type(model).__name__] if type(model).__name__ != name else []
    if board.fit_seconds is not None:
        told.append(f"fitted in {board.fit_seconds[name]:.2f} s")
    told.append(f"ranked and measured in {board.score_seconds[name]:.2f} s")
    if model.epochs_:
        told.append(f"{format_count(len(model.epochs_), 'epoch')}, objective {model.epochs_[-1].objective:.6g}")
    about = ", ".join(told)
    return {"name": name, "about": about[0].upper() + about[1:], "parameters": list(asdict(model).items())}


def _recipe(board: Comparison) -> str:
    lines = ["import tastemap as tm", ""]
    if board.train is not None:
        lines.append(f"# train: fingerprint {board.train.fingerprint()}")
    lines += [f"# test: fingerprint {board.test.fingerprint()}", "board = tm.compare(", "    {"]
    lines += [f"        {name!r}: {_call(model)}," for name, model in board.models.items()]
    lines += ["    },", "    test,"]
    if board.train is not None:
        lines.append("    train=train,")
    metrics = [f"tm.{metric!r}" if isinstance(metric, OwnMetric) else repr(metric.name) for metric in board.metrics]
    lines.append(f"    metrics=[{', '.join(metrics)}],")
    for name, value in board.asked.items():
        lines.append(f"    {name}={value!r}," if isinstance(value, str | None) else f"    {name}={name},")
    return "\n".join([*lines, ")", "print(board)"])


def _call(model: Any) -> str:
    """Say how a model is made."""
    return f"tm.{model!r}" if type(model).__module__.startswith("tastemap.") else repr(model)


def _data(data: Interactions) -> str:
    return repr(data).removeprefix("Interactions: ")


def _tested(board: Comparison) -> list[Metric]:
    return [metric for metric in board.metrics if metric.per_user] if len(board.models) > 1 else []


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _listed(names: Any) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else str(last)


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
