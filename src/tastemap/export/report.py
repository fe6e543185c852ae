"""Writes a comparison as one HTML page that needs no other file."""

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
from tastemap.extras import import_extra
from tastemap.files.whole import whole_file
from tastemap.metrics.definitions import Metric, RatingMetric
from tastemap.metrics.own import OwnMetric
from tastemap.tables import Cell, Table, show_controls

_TEMPLATE = "report.html.jinja"


def check_report(path: str | Path) -> None:
    """Raise ValueError where the name is not that of a page, MissingPackageError where a package is missing."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"a report is an HTML page: name it {Path(path).stem}.html, got {Path(path).name}")
    import_extra("jinja2", "jinja2", extra="report", purpose="a report")
    import_extra("matplotlib", "matplotlib", extra="report", purpose="a report")


def report(board: Comparison, path: str | Path, title: str | None = None, *, command: str | None = None) -> None:
    """Write one HTML page with the leaderboard, charts, significance and how to repeat the comparison.

    board : what `compare` returned
    path : ends in .html or .htm; written whole or not at all
    title : the heading; None names the models
    command : the command line that repeats the comparison, in place of the call of `compare`

    The page needs no other file and no network. Needs the extra "report".
    Raises MissingPackageError without it, ValueError where the name does not end in .html or .htm, OSError where the
    file cannot be written.
    """
    check_report(path)
    page = _render_page(board, title or f"{_join_names(board.models)} compared", command)
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _render_page(board: Comparison, title: str, command: str | None) -> str:
    jinja2 = import_extra("jinja2", "jinja2", extra="report", purpose="a report")
    template = files("tastemap.export").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: show_controls(value, keep="\n") if type(value) is str else value,
    )
    page: str = environment.from_string(template).render(
        title=title,
        subtitle=f"{format_count(len(board.models), 'model')}, {format_count(len(board.metrics), 'metric')}, "
        f"{_write_day(datetime.now(UTC))}",
        verdict=_say_outcome(board),
        leaderboard=board.table().html(),
        charts=list(_draw_charts(board)),
        significance=[sentence for metric in _find_tested_metrics(board) for sentence in _say_tests(board, metric)],
        about_significance=_ABOUT,
        differences=_make_difference_table(board).html(),
        facts=list(_list_facts(board)),
        notes=board.notes,
        models=[_describe_model(board, name) for name in board.ranking(board.metrics[0])],
        metrics=[(metric.name, metric.definition) for metric in board.metrics],
        ranks=any(not isinstance(metric, RatingMetric | OwnMetric) for metric in board.metrics),
        recipe=command or _write_recipe(board),
        versions={"Python": platform.python_version()}
        | {name: version(name) for name in ("tastemap", "numpy", "scipy", "numba")},
        machine=f"{platform.system()} on {platform.machine()}, {format_count(parallel.n_threads(), 'thread')}.",
    )
    return page


_ABOUT = (
    "A difference is the metric of the model named first less that of the best, over the users on whom both were "
    "measured, with its 95 % bootstrap interval over users. p is of the paired randomisation test with "
    f"{FLIPS:,} swaps (Smucker et al., CIKM 2007), adjusted by Holm for the number of models: how often as large a "
    "difference would come about if each user "
    f"had the two models' results by the toss of a coin. Below {LEVEL} it is called significant."
)


def _say_outcome(board: Comparison) -> str:
    """Return one sentence on which model is best by the first metric."""
    metric = board.metrics[0]
    best, *others = board.ranking(metric)
    value = f"{board.evaluations[best][metric]:.4f}"
    if not others:
        return f"{best} has a {metric} of {value}."
    close = [name for name in others if board.is_close(name, metric)]
    text = f"{best} is best by {metric}, with {value}"
    if close:
        return f"{text}; {_join_names(close)} {'is' if len(close) == 1 else 'are'} not significantly worse."
    if metric.per_user:
        return f"{text}, and significantly better than {'the other' if len(others) == 1 else 'each of the others'}."
    return f"{text}."


def _say_tests(board: Comparison, metric: Metric) -> Iterator[str]:
    """Return sentences on what the tests of a metric found."""
    rows = [row for row in board.difference_rows if row["metric"] == metric.name]
    best = board.ranking(metric)[0]
    chance = [row for row in rows if row["p"] >= LEVEL]
    ahead = [row for row in rows if row["p"] < LEVEL and is_ahead(row, metric)]
    behind = [row for row in rows if row not in chance and row not in ahead]
    if behind:
        yield f"By {metric}, {best} is significantly ahead of {_list_margins(behind)}."
    if chance:
        yield f"By {metric}, the difference between {best} and {_list_margins(chance)} may be chance."
    if ahead:
        yield f"By {metric}, {best} is significantly behind {_list_margins(ahead)} on the users whom both know."


def _list_margins(rows: list[dict[str, Any]]) -> str:
    return _join_names(f"{row['model']} (by {abs(row['difference']):.4f}, {_write_p(row['p'])})" for row in rows)


def _make_difference_table(board: Comparison) -> Table:
    rows = [
        (
            Cell(f"{row['metric']}: {row['model']} less {row['other']}"),
            Cell(f"{row['difference']:+.4f}"),
            Cell("–" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"),
            Cell(_write_p(row["p"]).removeprefix("p = ").removeprefix("p ")),
            Cell(f"{row['users']:,}"),
        )
        for row in board.difference_rows
    ]
    return Table(("", "difference", "95 % interval", "p", "users"), tuple(rows))


def _draw_charts(board: Comparison) -> Iterator[dict[str, str]]:
    from tastemap import plot

    for metric in board.metrics:
        figure = plot.intervals(board, metric=metric)
        yield {"about": f"{metric} of every model with its interval", "svg": _write_svg(figure)}
    tested = _find_tested_metrics(board)
    if len(board.models) > 1 and tested:
        first, second, *_ = board.ranking(tested[0])
        figure = plot.differences(board, first, second, metric=tested[0])
        yield {"about": f"{tested[0]} of {first} less that of {second}, by user", "svg": _write_svg(figure)}


def _write_svg(figure: Any) -> str:
    """Return a figure as an element of a page."""
    import matplotlib

    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # The ids of the parts depend on their content, so that the charts of a page do not use each other's.
    with matplotlib.rc_context({"svg.hashsalt": "tastemap", "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata=nothing, bbox_inches="tight", transparent=True)
    element = text.getvalue()
    element = element[element.index("<svg") :]
    # In HTML the namespaces are known.
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", element).strip()


def _list_facts(board: Comparison) -> Iterator[tuple[str, str]]:
    """Return names and values: the data, the users behind the means, and what was left out."""
    evaluations = list(board.evaluations.values())

    def list_counts(counts: list[int]) -> str:
        if min(counts) == max(counts):
            return f"{counts[0]:,}"
        return ", ".join(f"{name} {count:,}" for name, count in zip(board.evaluations, counts, strict=True))

    if board.train is not None:
        yield "Trained on", _describe_data(board.train)
    yield "Measured on", _describe_data(board.test)
    for name in ("history", "validation"):
        if isinstance(board.asked.get(name), Interactions):
            yield name.capitalize(), _describe_data(board.asked[name])
    yield "Users measured", list_counts([one.n_users for one in evaluations])
    if any(not one.known.all() for one in evaluations):
        yield "of them new to the model", list_counts([int((~one.known).sum()) for one in evaluations])
    for about, counts in (
        ("Users left out: not known to the model", [one.n_skipped for one in evaluations]),
        ("Users left out: without a test pair", [one.n_without_test for one in evaluations]),
        ("Test pairs of unknown items, not found", [one.n_unknown_items for one in evaluations]),
        ("Test pairs kept out of the lists, not found", [one.n_left_out for one in evaluations]),
        ("Test pairs left out of rating metrics", [one.n_unrated for one in evaluations]),
    ):
        if any(counts):
            yield about, list_counts(counts)
    exclude = board.asked.get("exclude")
    hidden = {"train": "what the user has in training", "None": "nothing"}.get(str(exclude), "pairs given for it")
    yield "Left out of the lists", hidden
    if board.asked.get("candidates") is not None:
        yield "Ranked", "only the candidates given"
    for name in ("user_features", "item_features"):
        if board.asked.get(name) is not None:
            yield name.replace("_", " ").capitalize(), repr(board.asked[name])
    for name, failure in board.failed.items():
        yield f"Failed: {name}", failure.reason
    if board.without_features:
        yield "Fitted without features", f"{_join_names(board.without_features)}, which take none"


def _describe_model(board: Comparison, name: str) -> dict[str, Any]:
    model: Any = board.models[name]
    told = [type(model).__name__] if type(model).__name__ != name else []
    if board.fit_seconds is not None:
        told.append(f"fitted in {board.fit_seconds[name]:.2f} s")
    told.append(f"ranked and measured in {board.score_seconds[name]:.2f} s")
    if model.epochs_:
        told.append(f"{format_count(len(model.epochs_), 'epoch')}, objective {model.epochs_[-1].objective:.6g}")
    about = ", ".join(told)
    return {"name": name, "about": about[0].upper() + about[1:], "parameters": list(asdict(model.used_).items())}


def _write_recipe(board: Comparison) -> str:
    lines = ["import tastemap as tm", ""]
    if board.train is not None:
        lines.append(f"# train: fingerprint {board.train.fingerprint()}")
    lines += [f"# test: fingerprint {board.test.fingerprint()}", "board = tm.compare(", "    {"]
    models = board.models | {name: failure.model for name, failure in board.failed.items()}
    lines += [f"        {name!r}: {_write_call(model)}," for name, model in models.items()]
    lines += ["    },", "    test,"]
    if board.train is not None:
        lines.append("    train=train,")
    metrics = [f"tm.{metric!r}" if isinstance(metric, OwnMetric) else repr(metric.name) for metric in board.metrics]
    lines.append(f"    metrics=[{', '.join(metrics)}],")
    for name, value in board.asked.items():
        lines.append(f"    {name}={value!r}," if isinstance(value, str | None) else f"    {name}={name},")
    return "\n".join([*lines, ")", "print(board)"])


def _write_call(model: Any) -> str:
    """Return the code that makes a model."""
    return f"tm.{model!r}" if type(model).__module__.startswith("tastemap.") else repr(model)


def _describe_data(data: Interactions) -> str:
    return repr(data).removeprefix("Interactions: ")


def _find_tested_metrics(board: Comparison) -> list[Metric]:
    return [metric for metric in board.metrics if metric.per_user] if len(board.models) > 1 else []


def _write_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _join_names(names: Any) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else str(last)


def _write_day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
