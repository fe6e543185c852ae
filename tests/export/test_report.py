from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tastemap as tm
from tastemap import plot
from tastemap.evaluation.comparison import Comparison
from tastemap.evaluation.evaluate import Evaluation
from tastemap.metrics.definitions import MRR

HERE = np.random.default_rng(0).random((40, 15)) < 0.4
PAIRS = tm.Interactions.from_frame(pl.DataFrame({"user": np.nonzero(HERE)[0], "item": np.nonzero(HERE)[1]}))
TRAIN, TEST = tm.split.random(PAIRS, 0.3, seed=1)


@pytest.fixture(scope="module")
def board() -> Comparison:
    models = {"<i>als</i>": tm.ImplicitALS(factors=3, epochs=2), "ease": tm.EASE(), "Popular": tm.Popular()}
    return tm.compare(models, TEST, train=TRAIN, metrics=("ndcg@5", "recall@3"))


@pytest.fixture(scope="module")
def page(board: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("reports") / "report.html"
    tm.export.report(board, path, title="Films & <friends>")
    return path.read_text(encoding="utf-8")


class Parts(HTMLParser):
    """Collects the elements of a page, what they refer to and the text a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone(page: str) -> None:
    parts = Parts(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(parts.elements)
    assert all(reference.startswith("#") for reference in parts.references)
    assert not re.search(r"https?:|//\w+\.\w|@import|@font-face", page)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)", page))
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert "default-src 'none'" in page


def test_no_name_is_taken_for_markup(page: str) -> None:
    assert "<i>" not in page
    assert "<friends>" not in page
    text = Parts(page).text
    assert "Films & <friends>" in text
    assert "<i>als</i>" in text


def test_the_page_says_what_was_compared_how_it_came_out_and_how_to_repeat_it(board: Comparison, page: str) -> None:
    text = Parts(page).text
    for name, evaluation in board.evaluations.items():
        assert f"{evaluation['ndcg@5']:.4f} ± " in text
        assert name in text
    assert f"{len(TRAIN):,} pairs, {TRAIN.n_users} users x {TRAIN.n_items} items" in text
    assert re.search(rf"Users measured\s*{board.evaluations['ease'].n_users}\s", text)
    for word in (
        "regularization",
        "epochs",
        "Holm",
        "Smucker",
        "ndcg",
        "rel(r) is 1 where",
        TRAIN.fingerprint(),
        f"tastemap {tm.__version__}",
    ):
        assert word in text
    assert Parts(page).elements.count("svg") == 2 + 1
    best = board.ranking("ndcg@5")[0]
    assert f"{best} is best by ndcg@5, with {board.evaluations[best]['ndcg@5']:.4f}" in text
    for row in board.differences.iter_rows(named=True):
        assert f"{row['metric']}: {row['model']} less {row['other']}" in text
        assert f"{row['difference']:+.4f}" in text


def test_the_recipe_repeats_the_comparison(board: Comparison, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = Parts(page).text
    recipe = text[text.index("import tastemap as tm") : text.index("print(board)")]
    names: dict[str, Any] = {"train": TRAIN, "test": TEST}
    exec(compile(recipe, "report.html", "exec"), names)
    seconds = ["fit_seconds", "score_seconds"]
    assert names["board"].frame.drop(seconds).equals(board.frame.drop(seconds))


def test_a_command_line_stands_in_for_the_recipe(board: Comparison, tmp_path: Path) -> None:
    tm.export.report(board, tmp_path / "r.html", command="tastemap compare a.csv --metric 'ndcg@5'")
    text = Parts((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "tastemap compare a.csv --metric 'ndcg@5'" in text
    assert "import tastemap" not in text
    assert "<i>als</i>, ease and Popular compared" in text


def test_the_page_tells_who_and_what_is_left_out_and_the_warnings(tmp_path: Path) -> None:
    rated = {"user": ["a", "a", "b", "b", "c"], "item": [1, 2, 1, 3, 2], "stars": [1, 2, 3, 4, 5]}
    train = tm.Interactions.from_frame(rated, weight="stars")
    # b's 3 is in training, 9 is a new item, d a new user, and c has no test pair.
    test = tm.Interactions.from_frame({"user": ["a", "a", "b", "d"], "item": [3, 9, 3, 1]})
    with pytest.warns(UserWarning, match="test pairs"):
        board = tm.compare([tm.SVD(epochs=2), tm.ExplicitALS()], test, train=train, metrics=("ndcg@2", "rmse"))
    assert len(board.notes) == 2
    assert "rmse over all test pairs, less 2 of an unknown user or item" in str(board)
    assert "unknown users left out: 1" in str(board)
    assert "test pairs of unknown items, counted as not found: 1" in str(board)
    tm.export.report(board, tmp_path / "left-out.html")
    page = (tmp_path / "left-out.html").read_text(encoding="utf-8")
    facts = dict(re.findall(r'<th scope="row"[^>]*>([^<]*)</th><td>([^<]*)</td>', page))
    assert facts["Users measured"] == "2"
    told = {
        "Users left out: not known to the model": "1",
        "Users left out: without a test pair": "1",
        "Test pairs of unknown items, not found": "1",
        "Test pairs kept out of the lists, not found": "1",
        "Test pairs left out of rating metrics": "2",
    }
    assert told.items() <= facts.items()
    assert all(note in Parts(page).text for note in board.notes)


def test_one_fitted_model_has_a_report_too(tmp_path: Path) -> None:
    board = tm.compare([tm.Popular().fit(TRAIN)], TEST, metrics="mrr@3")
    tm.export.report(board, tmp_path / "one.html")
    text = Parts((tmp_path / "one.html").read_text(encoding="utf-8")).text
    assert f"Popular has a mrr@3 of {board.evaluations['Popular']['mrr@3']:.4f}." in text
    assert "chance" not in text
    assert "Trained on" not in text


def test_the_best_over_other_users_may_be_behind_on_those_of_both(tmp_path: Path) -> None:
    easy, all_users = [0.9] * 20, [1.0] * 20 + [0.1] * 80
    evaluations = {
        name: Evaluation(
            metrics=(MRR(3),),
            values=np.array(values)[:, None],
            users=pl.Series("user", range(len(values))),
            known=np.ones(len(values), bool),
            n_without_test=0,
            n_skipped=0,
            n_unknown_items=0,
            n_left_out=0,
            n_rated=np.zeros(len(values), np.int64),
            n_unrated=0,
        )
        for name, values in (("narrow", easy), ("wide", all_users))
    }
    models = {name: tm.Popular().fit(TRAIN) for name in evaluations}
    board = Comparison(models, evaluations, (MRR(3),), None, TEST)
    assert board.ranking("mrr@3") == ["narrow", "wide"]
    assert board.differences["p"][0] < 0.05
    assert board.is_close("wide", "mrr@3")
    tm.export.report(board, tmp_path / "apart.html")
    text = Parts((tmp_path / "apart.html").read_text(encoding="utf-8")).text
    assert "narrow is significantly behind wide (by 0.1000, p < 0.001) on the users whom both know." in text
    assert "narrow is significantly ahead" not in text


def test_a_single_user_gives_a_report_without_intervals(tmp_path: Path) -> None:
    board = tm.compare([tm.Popular(), tm.EASE()], TEST.pick(np.arange(len(TEST)) == 0), train=TRAIN, metrics="mrr@50")
    assert board.intervals.select("low", "high").unique().rows() == [(None, None)]
    assert board.differences.select("low", "high", "p").rows() == [(None, None, 1)]
    assert "±" not in str(board.table()).partition("means over")[0]
    tm.export.report(board, tmp_path / "single.html")


def test_the_same_board_gives_the_same_charts(board: Comparison, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        tm.export.report(board, tmp_path / name)
        pages.append((tmp_path / name).read_text(encoding="utf-8"))
    assert pages[0] == pages[1]


def test_a_report_is_written_whole_or_not_at_all(
    board: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(plot, "intervals", fails)
    with pytest.raises(OSError, match="no space left"):
        tm.export.report(board, path)
    monkeypatch.undo()
    monkeypatch.setattr(Path, "write_text", fails)
    with pytest.raises(OSError, match="no space left"):
        tm.export.report(board, path)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OSError, match="there is no folder"):
        tm.export.report(board, tmp_path / "no" / "report.html")


def test_a_missing_package_is_named_with_its_extra(
    board: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(tm.MissingPackageError, match=r'a report needs jinja2.*pip install "tastemap\[report\]"'):
        tm.export.report(board, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
