"""What models tell of their memory, and the refusals that follow from it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap import memory
from tastemap.data._pairs import count_rows
from tastemap.models.shared.refusal import find_most_factors, make_refusal
from tastemap.training.graph import estimate_entries

KINDS: dict[str, dict[str, Any]] = {
    "ImplicitALS": {"factors": 16, "epochs": 1},
    "BPR": {"factors": 13, "epochs": 1},
    "WARP": {"factors": 13, "epochs": 1},
    "SVD": {"factors": 10, "epochs": 1},
    "SVDpp": {"factors": 10, "epochs": 1},
    "ExplicitALS": {"factors": 10, "epochs": 1},
    "EASE": {},
    "NextItem": {},
    "ItemKNN": {"neighbours": 5, "shrinkage": 1.0, "similarity_exponent": 1.0},
    "Popular": {},
    "PersonalPopular": {},
    "Random": {},
}
every = pytest.mark.parametrize("name", list(KINDS))


def pairs(n_users: int = 60, n_items: int = 40, seed: int = 0) -> tm.Interactions:
    """Ratings of 1 to 3 of some users and items, every one of which has a pair."""
    random = np.random.default_rng(seed)
    W = random.integers(1, 4, (n_users, n_items)) * (random.random((n_users, n_items)) < 0.4)
    W[np.arange(n_users), np.arange(n_users) % n_items] = 2
    made = tm.Interactions.from_csr(sp.csr_array(W.astype(np.float32)))
    return tm.Interactions(made.matrix, made.users, made.items, time=np.arange(len(made)))


def likes(n_users: int, n_items: int) -> tm.Interactions:
    """Five pairs of the weight 1 for each user; all items have as many users, but for one."""
    users = np.repeat(np.arange(n_users), 5)
    matrix = sp.csr_array((np.ones(5 * n_users, np.float32), (users, np.arange(5 * n_users) % n_items)))
    return tm.Interactions.from_csr(matrix)


@every
def test_the_fitted_arrays_take_what_was_told(name: str) -> None:
    model, data = tm.MODELS[name](**KINDS[name]), pairs()
    told = model.memory(data)
    model.fit(data)
    taken = sum(getattr(model, array).nbytes for array in model.fitted_arrays)
    assert told.parts["keep"].get("fitted arrays", 0) == taken
    assert told.parts["keep"]["numbers of pairs"] == model.popularity_.nbytes + model.activity_.nbytes


def test_the_shared_parts_are_those_of_the_arrays() -> None:
    data = pairs()
    told = tm.ImplicitALS(factors=16, epochs=1).memory(data).parts["keep"]
    model = tm.ImplicitALS(factors=16, epochs=1).fit(data)
    training = model.state.training("test")
    assert told["weights as multiples"] == training.matrix.data.nbytes
    assert told["starts of the users' pairs"] == training.by_user.indptr.nbytes
    by_item, transposed = training.by_item, training.transposed
    assert told["pairs by item"] == (
        by_item.indptr.nbytes + transposed.indptr.nbytes + by_item.indices.nbytes + by_item.data.nbytes
    )


def test_rows_as_kernels_take_them_are_whole_registers() -> None:
    told = tm.ImplicitALS(factors=50).memory(pairs()).parts["fit"]
    assert told["rows as kernels take them"] == 4 * 64 * (60 + 40)
    assert tm.BPR(factors=50).memory(pairs()).parts["fit"]["rows as kernels take them"] == 4 * 64 * 100


def test_weights_that_are_all_one_take_no_copy() -> None:
    assert "weights as multiples" not in tm.Popular().memory(pairs().binarize()).parts["keep"]


def test_likes_among_pairs_of_weight_0_are_copied() -> None:
    matrix = pairs().to_csr()
    matrix.data[:7] = 0
    data = tm.Interactions.from_csr(matrix)
    told = tm.Popular().memory(data).parts["keep"]
    assert told["likes"] == 8 * (len(data) - 7) + 4 * 61
    assert "likes" not in tm.SVD().memory(data).parts["keep"]  # to a model of ratings 0 is one


def test_half_of_a_matrix_and_w_are_what_ease_takes() -> None:
    data = likes(3000, 1000)
    told = tm.EASE().memory(data)
    assert told.parts["fit"]["half of the inverse"] == 8 * (256 * (256 + 512 + 768) + 232 * 1000)
    assert told.parts["keep"]["fitted arrays"] == 4 * 1000 * 1008 + 16 * 1000


def test_memory_learns_nothing_and_leaves_the_interactions_as_they_are() -> None:
    model, data = tm.ImplicitALS(), pairs()
    before = set(vars(data))
    first = model.memory(data)
    assert set(vars(data)) == before
    assert model.used_ is model
    data.by_item  # noqa: B018 - makes the pairs by item, which are told all the same
    assert model.memory(data) == first
    with pytest.raises(tm.NotFittedError):
        _ = model.users


def test_memory_has_the_features_of_both_sides() -> None:
    data = pairs()
    kinds = pl.DataFrame({"item": range(40), "kind": [n % 4 for n in range(40)]})
    features = tm.Features.from_frame(kinds, id="item", columns=["kind"])
    plain, described = (
        tm.ImplicitALS(factors=16).memory(data),
        tm.ImplicitALS(factors=16).memory(data, item_features=features),
    )
    assert described.parts["fit"]["factors of features"] == 4 * 16 * (2 * 40 + 4 * features.n_features)
    assert described.fit > plain.fit


def test_memory_is_shown_as_a_table() -> None:
    told = tm.Popular().memory(likes(1000, 200))
    assert repr(told).splitlines()[0] == "Memory of Popular"
    assert f"{'keep':<34}{'19 kB':>9}" in repr(told).splitlines()
    assert "<table" in told._repr_html_()
    frame = told.to_frame()
    assert frame.columns == ["stage", "part", "bytes"]
    assert frame.filter(pl.col("stage") == "keep")["bytes"].to_list() == [8 * 1200, 8 * 1001, 8 * 200]
    assert told.to_frame("pandas").shape == frame.shape
    assert (told.fit, told.keep) == tuple(
        frame.filter(pl.col("stage") == stage)["bytes"].sum() for stage in ("fit", "keep")
    )


@pytest.mark.parametrize(
    ("size", "said"), [(940_000, "940 kB"), (12_345_678, "12.3 MB"), (4 * 10**9, "4.0 GB"), (999_999, "1.0 MB")]
)
def test_bytes_read_well(size: int, said: str) -> None:
    assert memory.show_bytes(size) == said


def test_memory_refuses_what_fit_refuses() -> None:
    with pytest.raises(ValueError, match="factors must be"):
        tm.ImplicitALS(factors=0).memory(pairs())
    with pytest.raises(tm.DataError, match="nothing to learn from"):
        tm.Popular().memory(pairs().pick(np.zeros(len(pairs()), bool)))


def test_rows_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([3, 1, 1, 0, 3, 3], np.int32)
    monkeypatch.setattr("tastemap.data._pairs.count_at_once", lambda n: 2)
    assert count_rows(rows, 5).tolist() == [1, 2, 0, 3, 0]


def test_entries_are_counted_exactly_for_few_items_and_nearly_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pairs(200, 150)
    shared = (data.matrix.T @ data.matrix).toarray() > 0
    assert estimate_entries(data.by_item, data.by_user) == shared.sum()
    np.fill_diagonal(shared, False)
    assert estimate_entries(data.by_item, data.by_user, 7) == np.minimum(shared.sum(axis=1), 7).sum()
    monkeypatch.setattr("tastemap.training.graph.MOST_ASKED", 40)
    assert estimate_entries(data.by_item, data.by_user) == pytest.approx(shared.sum() + 150, rel=0.01)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says how many bytes are free."""
    monkeypatch.setattr(memory, "SMALL", 0)
    return lambda n: monkeypatch.setattr(memory, "available_memory", lambda: n)


def test_fewer_factors_are_the_most_that_fit(free: Any) -> None:
    data = likes(3000, 1000)
    free(tm.ImplicitALS(factors=100).memory(data).fit)
    with pytest.raises(tm.DataError, match="lower factors to") as caught:
        tm.ImplicitALS(factors=500).fit(data)
    (way,) = [way for way in caught.value.remedies if way.parameter == "settings"]
    factors = int(str(way.value).removeprefix("factors="))
    assert factors >= 100
    tm.ImplicitALS(factors=factors, epochs=1).fit(data)
    with pytest.raises(tm.DataError, match="needs"):
        tm.ImplicitALS(factors=factors + 16, epochs=1).fit(data)


def test_the_other_model_and_the_items_that_are_proposed_fit(free: Any) -> None:
    data = likes(3000, 1000)
    free(5_000_000)
    with pytest.raises(tm.DataError, match=r"^EASE of 3,000 users, 1,000 items and 15,000 pairs needs") as caught:
        tm.EASE().fit(data)
    assert [way.text for way in caught.value.remedies] == [
        "fit ImplicitALS, which needs 2.0 MB",
        "keep the 500 most popular items with interactions.top_items(500)",
    ]
    assert caught.value.facts["available"] == 5_000_000
    tm.ImplicitALS().fit(data)
    tm.EASE().fit(data.top_items(500))


def test_a_model_that_is_refused_has_learned_nothing(free: Any) -> None:
    data = pairs()
    model = tm.EASE().fit(data)
    free(1000)
    with pytest.raises(tm.DataError, match=r"^EASE of .* are free"):
        model.fit(data)
    with pytest.raises(tm.NotFittedError):
        _ = model.users


def test_the_first_answer_is_refused_where_it_has_no_room(free: Any) -> None:
    model = tm.BPR(factors=4, epochs=1).fit(pairs())
    free(1000)
    with pytest.raises(tm.DataError, match=r"^answering with this BPR takes"):
        model.recommend([1])


def test_too_few_factors_are_no_way_out() -> None:
    assert find_most_factors(64, lambda factors: factors <= 7) is None
    assert find_most_factors(64, lambda factors: factors <= 33) == 32
    assert find_most_factors(30, lambda factors: factors <= 11) == 11
    assert find_most_factors(8, lambda factors: True) is None


def test_where_nothing_fits_rare_ids_are_the_way_out() -> None:
    assert str(make_refusal("X", 2 * 10**9, 10**9, None, None, None)) == (
        "X needs 2.0 GB of memory, and 1.0 GB are free: leave out rare ids with interactions.core(...).compact()"
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(59, ""), (60, "1 minute"), (100, "2 minutes"), (3700, "1 hour"), (40_000, "11 hours"), (10**6, "12 days")],
)
def test_a_refusal_says_how_long_the_fit_would_take(seconds: float, told: str) -> None:
    said = str(make_refusal("X", 2 * 10**9, 10**9, 16, None, None, seconds))
    more = f"; it would take about {told}" if told else ""
    assert said.startswith(f"X needs 2.0 GB of memory, and 1.0 GB are free{more}: ")


def test_models_with_an_inverse_know_its_time() -> None:
    sizes = {"paired_items": 100_000}
    assert tm.NextItem().estimate_seconds(sizes) > tm.EASE().estimate_seconds(sizes) > 60
    assert tm.Popular().estimate_seconds(sizes) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a limit on its memory")
def test_a_fit_beyond_the_limit_of_the_process_is_refused_in_one_sentence() -> None:
    code = """
import resource
import numpy as np, scipy.sparse as sp
import tastemap as tm
matrix = sp.random_array((3000, 20_000), density=.01, format="csr", dtype=np.float32, rng=0)
data = tm.Interactions.from_csr(matrix).binarize()
tm.ImplicitALS(factors=4, epochs=1).fit(data)
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, used + 10**9))
try:
    tm.EASE().fit(data)
except tm.DataError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("EASE of 3,000 users, 20,000 items and 600,000 pairs needs 3.2 GB of memory, and ")
    assert re.search("[GM]B are free(; it would take about [a-z0-9 ]+)?: fit ImplicitALS, which needs", said)


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_control_group_counts(version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path if version == 2 else tmp_path / "memory"
    folder.mkdir(exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (folder / names[0]).write_text("5000000\n")
    (folder / names[1]).write_text("3000000\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} 250000\n")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.available_memory() == 2_250_000
    (folder / names[0]).write_text("max\n")
    assert memory._read_container() is None


# -- blocks -----------------------------------------------------------------------------------------------------------


def test_blocks_shrink_with_what_is_free(free: Any) -> None:
    free(4000)
    assert memory.fit_block(100, 20) == 50
    assert memory.fit_block(30, 20) == 30
    assert memory.fit_block(100, 10**6) == 1


def test_lists_are_the_same_where_memory_is_short(free: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pairs()
    model, test = tm.ImplicitALS(factors=4, epochs=1).fit(data), pairs(seed=1)
    model.recommend_all(tmp_path / "whole.parquet", k=5)
    whole = tm.evaluate(model, test, exclude=None)
    free(20_000)
    asked: list[int] = []
    rank = type(model.scorer).rank

    def count(self: Any, rows: Any, *options: Any) -> Any:
        asked.append(len(rows))
        return rank(self, rows, *options)

    monkeypatch.setattr(type(model.scorer), "rank", count)
    model.recommend_all(tmp_path / "parts.parquet", k=5)
    parts = tm.evaluate(model, test, exclude=None)
    assert max(asked) == 15
    assert pl.read_parquet(tmp_path / "parts.parquet").equals(pl.read_parquet(tmp_path / "whole.parquet"))
    np.testing.assert_array_equal(parts.values, whole.values)


def test_a_large_fit_is_told_in_a_line_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = likes(3000, 1000)
    monkeypatch.setattr("tastemap.models.shared.needs.LARGE", 10**6)
    monkeypatch.setattr("tastemap.models.shared.needs.available_memory", lambda: 10**9)
    tm.EASE().fit(data, progress=False)
    assert capsys.readouterr().err == ""
    tm.EASE().fit(data, progress=True)
    assert capsys.readouterr().err.startswith("EASE needs 9.2 MB of 1.0 GB that are free, and 4.1 MB once")


def test_a_model_of_a_stranger_tells_the_shared_parts() -> None:
    class Own(tm.Popular):
        pass

    assert tm.Popular().memory(pairs()).parts == Own().memory(pairs()).parts
