"""The search for parameters: its trials are repeatable, whatever interrupts them, and its results."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import optuna
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.errors import MissingPackageError, TastemapError
from tastemap.tuning import sampling, studies, trials, tune
from tastemap.tuning.sampling import Sampling
from tastemap.tuning.tune import Tuning

SMALL = tm.ImplicitALS(factors=4, epochs=4)
SPACE = {"epochs": tm.Range(2, 8), "regularization": tm.Range(0.01, 1.0, log=True)}


def only(model: Any = tm.ImplicitALS, **space: Any) -> dict[str, Any]:
    """Return options that search these parameters only."""
    return {**dict.fromkeys({**model.search_space, **model.feature_search_space}), **space}


def taste(weights: bool = False) -> tm.Interactions:
    rng = np.random.default_rng(0)
    liking = rng.random((60, 3)) @ rng.random((3, 40))
    here = rng.random((60, 40)) < 0.5 * liking / liking.max()
    stars = np.ceil(5 * liking / liking.max()) if weights else 1.0
    return tm.Interactions.from_csr(sp.csr_array(here * stars))


@cache
def parts() -> tuple[tm.Interactions, tm.Interactions]:
    return tm.split.random(taste(), 0.3, seed=1)


def search(model: Any = SMALL, **options: Any) -> Tuning:
    usual: dict[str, Any] = {"space": only(**SPACE), "progress": False}
    return tm.tune(model, *parts(), **{**usual, "trials": 6, **options})


def outcome(found: Tuning) -> list[dict[str, Any]]:
    """Return the trials without their times."""
    return found.trials.drop("seconds").to_dicts()


@pytest.fixture
def no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if a trial runs from here on."""
    monkeypatch.setattr(trials.Work, "run", lambda *_: pytest.fail("a trial was made"))


# -- what comes out ----------------------------------------------------------------------------------------------------


def test_the_best_trial_is_what_evaluate_says_and_is_fitted_to_both_parts() -> None:
    train, validation = parts()
    found = search()
    table = found.trials
    assert table["trial"].to_list() == list(range(6))
    assert set(table["state"]) == {"complete"}
    assert (table["seconds"] > 0).all()
    assert table["epochs_trained"].to_list() == table["epochs"].to_list()
    assert found.score == table["score"].max()
    best = table.row(int(table["score"].arg_max() or 0), named=True)
    assert found.parameters == {name: best[name] for name in SPACE}
    again = tm.ImplicitALS(factors=4, **found.parameters)
    assert tm.evaluate(again.fit(train), validation)["ndcg@10"] == found.score
    np.testing.assert_array_equal(again.fit(train.merge(validation)).item_factors_, found.model.item_factors_)  # type: ignore[attr-defined]
    assert repr(found.model) == repr(again)
    assert [trial.value for trial in found.study.trials] == table["score"].to_list()


def test_the_final_fit_takes_other_interactions() -> None:
    train, validation = parts()
    twice = tm.Interactions.from_csr(2 * train.merge(validation).matrix)
    found = search(trials=2, refit=twice)
    assert found.model.interactions is twice
    assert outcome(found) == outcome(search(trials=2, refit=False))


def test_the_first_trial_is_the_model_as_given_and_what_is_not_searched_stays() -> None:
    found = search(tm.ImplicitALS(factors=3, epochs=5, regularization=0.07, alpha=2.0, seed=3), refit=False)
    first = found.trials.row(0, named=True)
    assert (first["epochs"], first["regularization"]) == (5, 0.07)
    assert (found.model.factors, found.model.alpha, found.model.seed) == (3, 2, 3)  # type: ignore[attr-defined]
    assert not hasattr(found.model, "item_factors_")
    exact = search(tm.ImplicitALS(factors=3, epochs=5, regularization=0.0712345), trials=1).trials
    assert exact["regularization"].item() == 0.0712345
    outside = search(tm.ImplicitALS(factors=3, epochs=50), trials=1).trials.row(0, named=True)
    assert outside["epochs"] == SPACE["epochs"].high


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_every_trial_is_in_the_space(sampler: Any) -> None:
    table = search(sampler=sampler, trials=16, space={**SPACE, "loss": ["hu", "rendle"]}).trials
    assert table["epochs"].is_between(2, 8).all()
    assert table["regularization"].is_between(0.01, 1).all()
    assert table["regularization"].n_unique() > 3
    assert set(table["loss"]) == {"hu", "rendle"}
    kept = {float(f"{value:.4g}") for value in table["regularization"]}
    assert kept == set(table["regularization"])


def test_numbers_of_numpy_are_numbers() -> None:
    plain = only(epochs=[3, 5], alpha=[0.5, 2.0], regularization=tm.Range(0.5, 1.5))
    ends = tm.Range(np.float32(0.5), np.float64(1.5))  # type: ignore[arg-type]
    arrays = only(epochs=[*np.array([3, 5])], alpha=np.array([0.5, 2.0]), regularization=ends)
    assert outcome(search(space=arrays)) == outcome(search(space=plain))
    assert tm.Range(np.int64(2), 4) == tm.Range(2, 4)
    assert tm.Range(np.int64(2), 4).is_whole


def test_a_class_stands_for_its_defaults() -> None:
    train, validation = parts()
    found = tm.tune(tm.EASE, train, validation, trials=3, progress=False)
    assert found.trials["regularization"][0] == tm.EASE().settle(train).regularization
    assert found.trials["epochs_trained"].to_list() == [None] * 3
    assert isinstance(found.model, tm.EASE)


def test_without_a_validation_part_a_tenth_is_held_out_and_all_is_fitted_in_the_end() -> None:
    whole = taste()
    found = tm.tune(SMALL, whole, trials=2, seed=5, progress=False)
    train, validation = tm.split.random(whole, 0.1, seed=5)
    first = tm.evaluate(tm.ImplicitALS(factors=4, epochs=8).fit(train), validation)["ndcg@10"]
    assert found.trials["score"][0] == first
    assert found.model.interactions is whole


def test_of_a_metric_of_errors_the_lowest_is_the_best() -> None:
    train, validation = tm.split.random(taste(weights=True), 0.3, seed=1)
    model = tm.ExplicitALS(factors=2)
    found = tm.tune(model, train, validation, metric="rmse", trials=5, space={"regularization": [5.0, 0.1]})
    assert found.score == found.trials["score"].min()
    assert found.study.direction == optuna.study.StudyDirection.MINIMIZE
    assert found.score < found.trials["score"].max()


def test_what_lists_leave_out_is_passed_on() -> None:
    train, validation = parts()
    found, usual = (search(trials=1, exclude=exclude, refit=False) for exclude in (None, "train"))
    expected = tm.evaluate(SMALL.fit(train), validation, exclude=None)["ndcg@10"]
    assert found.score == expected
    assert found.score != usual.score
    # What `fit` measures on the way leaves the training items out.
    assert [len(one.study.trials[0].intermediate_values) for one in (found, usual)] == [0, SMALL.epochs - 1]


def kinds() -> tm.Features:
    frame = {"item": parts()[0].items.ids, "kind": ["a", "b"] * 20}
    return tm.Features.from_frame(frame, id="item", columns="kind")


def test_feature_parameters_are_searched_where_there_are_features() -> None:
    train, validation = parts()
    found = tm.tune(SMALL, train, validation, trials=3, item_features=kinds(), progress=False)
    assert found.trials["feature_regularization"].n_unique() == 3
    again = tm.ImplicitALS(**asdict(found.model)).fit(train.merge(validation), item_features=kinds())
    assert found.model.recommend().equals(again.recommend())
    assert "feature_regularization" not in tm.tune(SMALL, train, validation, trials=1, progress=False).parameters


def test_importances_tell_what_matters() -> None:
    # Without features the second changes nothing.
    space = only(regularization=[0.1, 1e6], feature_regularization=tm.Range(1.0, 2.0))
    found = search(trials=20, space=space, sampler="random", refit=False)
    assert found.importances["parameter"].to_list() == ["regularization", "feature_regularization"]
    assert found.importances["importance"].sum() == pytest.approx(1)
    assert "importances: regularization 1.00, feature_regularization 0.00" in str(found)
    few = search(trials=3)
    assert few.importances is None
    assert "importances: unknown, they need 10 complete trials" in str(few)


def test_frames_are_of_the_kind_that_came_in() -> None:
    frame = taste().to_frame("pandas")
    found = tm.tune(SMALL, tm.Interactions.from_frame(frame, user="user", item="item"), trials=11, prune=False)
    assert type(found.trials) is type(found.importances) is type(frame)


def test_a_warning_of_all_trials_is_shown_once() -> None:
    train, validation = parts()
    both = validation.merge(train.pick(np.arange(len(train)) < 5))
    with pytest.warns(UserWarning, match="5 of .* test pairs are among those that exclude='train'") as caught:
        tm.tune(SMALL, train, both, trials=3, refit=False, progress=False)
    assert len(caught) == 1


# -- the same trials whatever happens ----------------------------------------------------------------------------------


def test_the_same_call_gives_the_same_result() -> None:
    one, other = search(trials=14), search(trials=14)
    assert outcome(one) == outcome(other)
    assert one.score == other.score
    assert outcome(search(trials=14, seed=1)) != outcome(one)


def test_trials_at_once_do_not_depend_on_time_or_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    run, shares = trials.Work.run, []

    def slow_first(self: Any, asked: Any, clock: Any) -> Any:
        shares.append(tm.parallel.n_threads())  # type: ignore[attr-defined]
        made = run(self, asked, clock)
        if asked.number % 3 == 0:
            trials.time.sleep(0.05)
        return made

    one = search(trials=15, parallel=3)
    monkeypatch.setattr(trials.Work, "run", slow_first)
    with tm.threads(15):
        other = search(trials=15, parallel=3)
    assert outcome(one) == outcome(other)
    assert set(shares) == {15 // 3}


def test_trials_at_once_are_no_more_than_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    run, running, most = trials.Work.run, [], []

    def counted(self: Any, asked: Any, clock: Any) -> Any:
        running.append(asked.number)
        trials.time.sleep(0.02)
        most.append(len(running))
        made = run(self, asked, clock)
        running.remove(asked.number)
        return made

    together = search(trials=6, parallel=3, refit=False)
    monkeypatch.setattr(trials.Work, "run", counted)
    for n in (1, 2):
        most.clear()
        with tm.threads(n):
            assert outcome(search(trials=6, parallel=3, refit=False)) == outcome(together)
        assert max(most) == n


KILLED = """
import os, signal, sys
import test_tune
from tastemap.tuning import studies
add, left = studies.StudyFile.add, [int(sys.argv[2])]
def add_and_die(self, trial):
    add(self, trial)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
studies.StudyFile.add = add_and_die
test_tune.search(trials=14, study=sys.argv[1], parallel=int(sys.argv[3]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(("parallel", "after"), [(1, 11), (3, 11)])
def test_a_killed_search_goes_on_as_if_it_had_never_stopped(tmp_path: Path, parallel: int, after: int) -> None:
    file = tmp_path / "tune.db"
    paths = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", dedent(KILLED), str(file), str(after), str(parallel)]
    died = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=300)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(numbers_in(file)) == after
    resumed = search(trials=14, study=file, parallel=parallel)
    assert outcome(resumed) == outcome(search(trials=14, parallel=parallel))
    assert numbers_in(file) == list(range(14))


def numbers_in(file: Path) -> list[int]:
    """Return the numbers of the trials in a study file, all of which must be finished."""
    stored = studies.StudyFile.__new__(studies.StudyFile)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    stored.study = optuna.load_study(study_name=studies.NAME, storage=storage)
    assert all(trial.state.is_finished() for trial in stored.study.trials)
    kept = [trial.user_attrs["trial"] for trial in stored.study.trials]
    storage.remove_session()
    storage.engine.dispose()
    return kept


def test_a_finished_study_is_only_refitted_and_more_trials_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "what {a} study? 100%.db"
    first = search(trials=5, study=file)
    with monkeypatch.context() as patched:
        patched.setattr(trials.Work, "run", lambda *_: pytest.fail("a trial was made"))
        again = search(trials=5, study=str(file))
        fewer = search(trials=2, study=str(file))
    assert outcome(again) == outcome(first) == outcome(fewer)
    assert (again.score, repr(again.model)) == (first.score, repr(first.model))
    assert again.study.best_value == again.score
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert outcome(search(trials=8, study=file)) == outcome(search(trials=8))
    assert [trial.value for trial in again.study.trials[:5]] == first.trials["score"].to_list()


def test_ctrl_c_leaves_what_was_found_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trials.Work.run

    def interrupted(self: Any, asked: Any, clock: Any) -> Any:
        if asked.number == 3:
            raise KeyboardInterrupt
        return run(self, asked, clock)

    for parallel in (1, 2):
        file = tmp_path / f"{parallel}.db"
        with monkeypatch.context() as patched:
            patched.setattr(trials.Work, "run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                search(study=file, parallel=parallel)
        assert numbers_in(file) == [0, 1, 2]
        assert outcome(search(study=file, parallel=parallel)) == outcome(search(parallel=parallel))


def test_ctrl_c_stops_the_trials_beside_and_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def interrupted(self: Any, asked: Any, clock: Any) -> Any:
        if asked.number == 0:
            trials.time.sleep(0.1)  # the next has begun by then
            raise KeyboardInterrupt
        for _ in range(500):
            if not clock.is_over():
                trials.time.sleep(0.01)
        told.append(clock.is_over())

    monkeypatch.setattr(trials.Work, "run", interrupted)
    with tm.threads(2), pytest.raises(KeyboardInterrupt):
        search(trials=20, parallel=20)
    assert told[0]
    assert len(told) < 10  # of 19: the one beside, and what the threads took up meanwhile


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_what_ends_a_search_is_noted_with_the_best_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    run = trials.Work.run

    def ended(self: Any, asked: Any, clock: Any) -> Any:
        if asked.number == 3:
            raise kind
        return run(self, asked, clock)

    three = search(trials=3)
    best = f"the best of the trials so far (3), with ndcg@10 {three.score:.4f}, is {three.model.clone()!r}; "
    monkeypatch.setattr(trials.Work, "run", ended)
    with pytest.raises(kind) as caught:
        search()
    assert caught.value.__notes__ == [best + "no trial is kept: with study=FILE the same call would go on from here"]
    file = tmp_path / "tune.db"
    with pytest.raises(kind) as caught:
        search(study=file)
    assert caught.value.__notes__ == [best + f"the trials are kept in {file}: the same call goes on from them"]


def test_ctrl_c_in_the_final_fit_still_tells_the_best_and_before_any_trial_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trials.Work, "run", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            search()
        assert not hasattr(caught.value, "__notes__")
    monkeypatch.setattr(tm.Interactions, "merge", lambda *_: taste())  # reached by the final fit only
    fit = tm.ImplicitALS.fit
    monkeypatch.setattr(
        tm.ImplicitALS,
        "fit",
        lambda self, data, **given: (interrupted if data is not parts()[0] else fit)(self, data, **given),
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        search(trials=2)
    assert caught.value.__notes__[0].startswith("the best of the trials so far (2)")


# -- trials that do not end well ---------------------------------------------------------------------------------------


class Over:
    """A clock whose time is over after it was read this many times."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def __call__(self, *_: Any) -> Over:
        return self

    def is_over(self) -> bool:
        self.reads -= 1
        return self.reads < 0


def test_a_timeout_stops_the_running_trial_which_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tune.db"
    monkeypatch.setattr(tune, "Clock", Over(7))  # before each trial, and after each of 4 epochs but the last
    cut = search(study=file, space={"epochs": None, **{name: SPACE[name] for name in ("regularization",)}})
    assert cut.trials["state"].to_list() == ["complete", "stopped"]
    last = cut.trials.row(1, named=True)
    assert (last["score"], last["epochs_trained"], last["reason"]) == (None, 3, "timeout")
    assert cut.score == cut.trials["score"][0]
    assert numbers_in(file) == [0]
    monkeypatch.undo()
    resumed = search(study=file, space={"epochs": None, "regularization": SPACE["regularization"]})
    assert resumed.trials["state"].to_list() == ["complete"] * 6
    assert resumed.trials["regularization"][1] == last["regularization"]


def test_a_timeout_before_anything_is_known_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "Clock", Over(2))
    with pytest.raises(TastemapError, match="no trial was complete before the timeout: raise it"):
        search()


def test_a_real_timeout_ends_the_search() -> None:
    found = search(trials=100_000, timeout=1.0, refit=False)
    assert found.seconds < 10
    assert found.trials.height < 100_000


def test_a_trial_that_diverges_is_recorded_and_the_search_goes_on() -> None:
    train, validation = parts()
    found = tm.tune(
        tm.BPR(factors=4, epochs=3),
        train,
        validation,
        trials=4,
        sampler="grid",
        space=only(tm.BPR, learning_rate=[1.0, 1e30, 0.5]),
    )
    table = found.trials.sort("learning_rate")
    assert table["state"].to_list() == ["complete", "complete", "failed"]
    assert table["score"][2] is None
    assert "training diverged" in table["reason"][2]
    assert table["reason"].null_count() == 2
    with pytest.raises(tm.DivergenceError, match="all 1 trials failed, the first because training diverged"):
        tm.tune(
            tm.BPR(factors=4),
            train,
            validation,
            trials=3,
            sampler="grid",
            space=only(tm.BPR, learning_rate=[1e30]),
        )


def test_values_that_do_not_go_together_fail_in_their_trial() -> None:
    pairs = {"unobserved_weight": [0.2, 0.0], "regularization": [0.1, 0.0]}
    table = search(sampler="grid", trials=9, space=only(**pairs)).trials
    failed = table.filter(state="failed").row(0, named=True)
    assert table["state"].to_list().count("failed") == 1
    assert (failed["unobserved_weight"], failed["regularization"]) == (0, 0)
    assert "cannot both be 0" in failed["reason"]


def test_a_trial_that_falls_behind_is_given_up() -> None:
    space = {"regularization": tm.Range(0.001, 1e3, log=True)}
    options: dict[str, Any] = {"trials": 24, "sampler": "random", "refit": False}
    model = tm.ImplicitALS(factors=4, epochs=10)
    options["space"] = only(**space)
    found, all_of_them = search(model, **options), search(model, **options, prune=False)
    pruned = found.trials.filter(state="pruned")
    assert pruned.height >= 3
    assert pruned["trial"].min() >= sampling.AT_RANDOM
    assert pruned["score"].null_count() == pruned.height
    assert pruned["epochs_trained"].is_between(sampling.WARM_UP, 9).all()
    assert (all_of_them.trials["state"] == "complete").all()
    # What is given up would not have been the best.
    assert found.parameters == all_of_them.parameters
    assert found.trials["regularization"].to_list() == all_of_them.trials["regularization"].to_list()


def test_trials_are_compared_at_equal_shares_of_their_epochs() -> None:
    def shares(epochs: int) -> list[int]:
        found = search(tm.ImplicitALS(factors=2, epochs=epochs), trials=1, refit=False, space=only(alpha=[1.0]))
        return list(found.study.trials[0].intermediate_values)

    assert shares(20) == list(range(1, 10))
    assert shares(4) == [2, 5, 7]
    assert shares(1) == []


def test_pruning_looks_at_complete_trials_of_earlier_batches_only() -> None:
    space = {"alpha": tm.Range(0.1, 1.0)}
    chooser = Sampling(space, {"alpha": 1.0}, "random", True, "maximize", 0)
    known: dict[str, Any] = {"params": {"alpha": 0.5}, "distributions": chooser.distributions()}
    one = optuna.trial.create_trial(value=0.5, intermediate_values={2: 0.4, 4: 0.5}, **known)
    done = [one] * sampling.AT_RANDOM
    behind, ahead = chooser.ask(done, [10, 11])
    for asked, value in ((behind, 0.3), (ahead, 0.6)):
        asked.trial.report(value, 2)
        assert not asked.trial.should_prune()  # too early
    behind.trial.report(0.3, 4)
    ahead.trial.report(0.6, 4)
    assert behind.trial.should_prune()
    assert not ahead.trial.should_prune()
    (alone,) = chooser.ask(done[1:], [10])
    alone.trial.report(0.0, 4)
    assert not alone.trial.should_prune()  # too few are known


def test_a_grid_is_tried_once_and_then_ends() -> None:
    points = {"epochs": [4, 2], "regularization": [0.3, 0.1, 0.03]}
    space = only(**points)
    table = search(tm.ImplicitALS(factors=2, epochs=4), sampler="grid", trials=100, space=space).trials
    tried = list(table.select("epochs", "regularization").iter_rows())
    assert tried[0] == (4, 0.3)
    assert sorted(tried) == sorted((e, r) for e in points["epochs"] for r in points["regularization"])


# -- what is refused ---------------------------------------------------------------------------------------------------


def changed_data() -> tm.Interactions:
    return parts()[0].pick(np.arange(len(parts()[0])) > 0)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: {"model": tm.ImplicitALS(factors=5, epochs=4)}, "its parameter factors is 4, here it is 5"),
        (lambda: {"model": tm.WARP, "space": {}}, "its model is 'ImplicitALS', here it is 'WARP'"),
        (lambda: {"metric": "recall@10"}, "its metric is 'ndcg@10', here it is 'recall@10'"),
        (lambda: {"seed": 1}, "its seed is 0, here it is 1"),
        (lambda: {"sampler": "random"}, "its sampler is 'tpe', here it is 'random'"),
        (lambda: {"exclude": None}, "its exclude is 'train', here it is None"),
        (lambda: {"prune": False}, "its prune is True, here it is False"),
        (lambda: {"item_features": kinds()}, "its item features are others"),
        (lambda: {"space": {"epochs": [4]}}, "its space of epochs is 'Range(low=2, high=8, log=False)', here"),
    ],
)
def test_the_study_of_another_search_is_refused(
    tmp_path: Path, other: Callable[[], dict[str, Any]], words: str
) -> None:
    file = tmp_path / "tune.db"
    search(study=file, trials=1, refit=False)
    with pytest.raises(tm.ModelFileError, match=re.escape(words)) as caught:
        search(study=file, **other())
    assert str(caught.value).startswith(f"{file} is the study of another search: ")
    assert str(caught.value).endswith("pass another path, or delete the file")


def test_a_study_of_other_data_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tune.db"
    search(study=file, trials=1, refit=False)
    train, validation = parts()
    for given, words in (
        ((changed_data(), validation), "its training data are others"),
        ((train, train), "its validation data are others"),
    ):
        with pytest.raises(tm.ModelFileError, match=words):
            tm.tune(
                SMALL,
                *given,
                study=file,
                trials=6,
                progress=False,
                space=only(**SPACE),
            )


def test_what_is_no_study_is_refused_and_left_as_it_is(tmp_path: Path, no_trial: None) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but text that is long enough to look at")
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE orders (id INTEGER)")
    database.close()
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'own.db'}")
    optuna.create_study(storage=storage, study_name="mine")
    storage.remove_session()
    storage.engine.dispose()
    (tmp_path / "broken.db").write_bytes((tmp_path / "shop.db").read_bytes()[:100] + bytes(1000))
    (tmp_path / "folder").mkdir()
    for name, words in (
        ("notes.txt", "is no study of tune, which is an SQLite file"),
        ("shop.db", "is no study of tune"),
        ("own.db", "holds studies that tune did not make"),
        ("broken.db", "is no study of tune"),
    ):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(tm.ModelFileError, match=words) as caught:
            search(study=tmp_path / name)
        assert "\n" not in str(caught.value)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(IsADirectoryError, match="is no ordinary file"):
        search(study=tmp_path / "folder")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        search(study=tmp_path / "nowhere" / "tune.db")


def test_a_search_that_dies_before_its_first_trial_ends_leaves_no_file(tmp_path: Path) -> None:
    file, train, validation = tmp_path / "tune.db", *parts()
    others = tm.Interactions.from_frame({"user": [validation.users[0]], "item": [1000]})
    with pytest.raises(tm.DataError, match="the model knows no item of the test part"):
        tm.tune(SMALL, train, others, study=file, prune=False)
    strangers = tm.Interactions.from_frame({"user": [1000], "item": [validation.items[0]]})
    with pytest.raises(tm.DataError, match="no user of the validation part has a training pair"):
        tm.tune(SMALL, train, strangers, study=file)
    with pytest.raises(TastemapError, match="before the timeout"):
        search(study=file, timeout=1e-9)
    with pytest.raises(tm.NotSupportedError, match="rmse takes a model that predicts ratings"):
        search(study=file, metric="rmse")
    assert list(tmp_path.iterdir()) == []
    search(study=file, trials=2)
    with pytest.raises(TastemapError, match="study of another search"):
        search(study=file, trials=2, seed=1)
    assert numbers_in(file) == [0, 1]


def test_where_the_disk_is_full_the_study_keeps_the_trials_before(tmp_path: Path, full_disk: Any) -> None:
    file = tmp_path / "tune.db"
    search(study=file, trials=1, refit=False)
    with full_disk(file.stat().st_size), pytest.raises(tm.ModelFileError, match=r"cannot be written: .*; it keeps the"):
        search(study=file, trials=200, refit=False)
    kept = numbers_in(file)
    assert kept == list(range(len(kept)))
    some_more = len(kept) + 2
    assert outcome(search(study=file, trials=some_more)) == outcome(search(trials=some_more))
    for size in (0, 1000, 40_000, 100_000):
        with full_disk(size), pytest.raises(tm.ModelFileError, match=r"cannot be used as a study: [^\[(]*$"):
            search(study=tmp_path / "other.db")
        assert [path.name for path in tmp_path.iterdir()] == ["tune.db"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE trial_user_attributes SET value_json = '\"no\"' WHERE key = 'trial'", "'trial' in what is kept of it"),
        ("UPDATE trial_user_attributes SET value_json = '0' WHERE key = 'trial'", "it has a trial twice"),
        ("UPDATE trial_user_attributes SET value_json = '-1' WHERE key = 'trial'", "its number is -1"),
        ("UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'state'", "cannot be used as a study"),
        (
            "UPDATE trial_user_attributes SET value_json = '\"lost\"' WHERE key = 'state'",
            "'complete', 'pruned', 'failed'",
        ),
        ("DELETE FROM trial_user_attributes WHERE key = 'seconds'", "what is kept of it lacks 'seconds'"),
        ("DELETE FROM trial_params", "it has no value of 'epochs'"),
        ("UPDATE trial_params SET param_value = 99", " is 99"),
        ("UPDATE trial_params SET distribution_json = '[]'", "cannot be used as a study"),
        ("UPDATE trial_values SET value_type = 'INF_POS', value = NULL", "it is complete and has no score"),
        ("UPDATE trial_values SET value = 'high'", "it is complete and has no score"),
        ("UPDATE trial_values SET value = x'00'", "it is complete and has no score"),
        ("PRAGMA writable_schema = 1; UPDATE sqlite_master SET name = CAST(x'ff' AS TEXT)", "is no study of tune"),
        ("DELETE FROM trial_values", "it is complete and has no score"),
        ("UPDATE trials SET state = 'GONE'", "cannot be used as a study"),
        ("UPDATE study_user_attributes SET value_json = '[1]'", "it does not say which search it keeps"),
        ("UPDATE study_user_attributes SET value_json = '{'", "cannot be used as a study"),
        ("DROP TABLE trial_params", "it has no value of 'epochs'"),
    ],
)
def test_a_study_that_another_program_changed_is_refused_in_a_sentence(change: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "tune.db"
    search(study=file, trials=2, refit=False)
    with sqlite3.connect(file) as database:
        database.executescript(change)
    database.close()
    with pytest.raises(tm.ModelFileError, match=re.escape(words)) as caught:
        search(study=file, trials=3, refit=False)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_study_whose_writer_was_killed_within_a_write_goes_on(tmp_path: Path) -> None:
    file, copied = tmp_path / "tune.db", tmp_path / "copy.db"
    search(study=file, trials=2, refit=False)
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA cache_size = 1")  # what is changed goes to the disk before its end
        database.execute("CREATE TABLE more (text)")
        database.executemany("INSERT INTO more VALUES (?)", [("x" * 1000,) for _ in range(500)])
        shutil.copy(file, copied)
        shutil.copy(f"{file}-journal", f"{copied}-journal")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        sqlite3.connect(f"{copied.as_uri()}?mode=ro", uri=True).execute("SELECT name FROM sqlite_master")
    assert outcome(search(study=copied, trials=3)) == outcome(search(trials=3))


def test_two_searches_do_not_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, run = tmp_path / "tune.db", trials.Work.run

    def also_elsewhere(self: Any, asked: Any, clock: Any) -> Any:
        monkeypatch.setattr(trials.Work, "run", run)
        search(study=file, trials=1)
        return run(self, asked, clock)

    monkeypatch.setattr(trials.Work, "run", also_elsewhere)
    with pytest.raises(tm.ModelFileError, match="another search is writing to"):
        search(study=file, trials=1)
    assert numbers_in(file) == [0]


@pytest.mark.parametrize(
    "said", ["table studies already exists", "UNIQUE constraint failed: alembic_version.version_num"]
)
def test_two_searches_do_not_begin_a_file_together(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_trial: None
) -> None:
    def raced(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("about the storage") from sqlite3.OperationalError(said)

    monkeypatch.setattr(optuna, "create_study", raced)
    with pytest.raises(tm.ModelFileError, match=r"another search is writing to .*tune\.db at this moment"):
        search(study=tmp_path / "tune.db")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "trials must be a whole number of at least 1, got 0"),
        ({"metric": ("ndcg@5", "recall@5")}, "metrics must be names such as 'ndcg@10', got ("),
        ({"parallel": 0}, "parallel must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, got 0"),
        ({"sampler": "best"}, "sampler must be one of 'tpe', 'random', 'grid', got 'best'"),
        ({"prune": 1}, "prune must be True or False"),
        ({"metric": "ndgc@10"}, "metric must be one of"),
        ({"refit": 1}, "refit must be True, False or Interactions, got 1"),
        ({"space": ["epochs"]}, "space must be {parameter: Range, list of values, or None}, got ['epochs']"),
        ({"model": "WARP"}, "tune takes a model such as tastemap.WARP"),
        ({"model": tm.Popular, "space": None}, "there is nothing to search in Popular: fit it as it is"),
        ({"model": tm.ImplicitALS(factors=0)}, "factors must be a whole number"),
        ({"space": {"depth": [1]}}, "space: ImplicitALS has no parameter 'depth', only 'factors', 'epochs'"),
        (
            {"space": {"epochs": (5, 50)}},
            "space: epochs=(5, 50) may be a range or two values: pass Range(5, 50) or [5, 50]",
        ),
        ({"space": {"epochs": 5}}, "space: epochs must be a Range, a list of values, or None, got 5"),
        ({"space": {"solver": "cg"}}, "space: solver must be a Range"),
        ({"space": {"epochs": []}}, "space: epochs must be a Range"),
        ({"space": {"epochs": tm.Range(0, 5)}}, "space: epochs must be a whole number of at least 1, got 0"),
        ({"space": {"epochs": tm.Range(1.0, 5)}}, "space: epochs must be a whole number of at least 1, got 1.0"),
        ({"space": {"solver": ["cg", "lu"]}}, "space: solver must be one of"),
        ({"space": {"alpha": [1j]}}, "space: values of alpha must be numbers, texts, True, False or None, got 1j"),
        (
            {"sampler": "grid", "space": {"seed": list(range(400)), "alpha": [float(a + 1) for a in range(300)]}},
            "points: pass fewer parameters or shorter lists, or another sampler",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_fitted(
    no_trial: None, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        search(**options)
    assert "\n" not in str(caught.value)


def test_metrics_of_all_lists_together_are_searched_without_pruning() -> None:
    train, validation = parts()
    found = search(trials=2, metric="gini@5", refit=False)
    assert [trial.intermediate_values for trial in found.study.trials] == [{}, {}]
    assert found.trials["score"][0] == tm.evaluate(SMALL.fit(train), validation, metrics="gini@5")["gini@5"]
    assert found.score == found.trials["score"].min()


def test_errors_of_ratings_are_watched_on_the_way() -> None:
    train, validation = tm.split.random(taste(weights=True), 0.3, seed=1)
    found = tm.tune(tm.ExplicitALS(factors=2), train, validation, metric="rmse", trials=1, refit=False)
    on_the_way = found.study.trials[0].intermediate_values
    assert list(on_the_way) == list(range(1, 10))
    assert on_the_way[9] == pytest.approx(found.score, rel=0.1)


def test_a_missing_optuna_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPackageError, match=re.escape('pip install "tastemap[tune]"')):
        search()


def test_optuna_is_quiet_and_stays_as_loud_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    search(trials=2)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_a_bar_shows_the_best_so_far(capfd: pytest.CaptureFixture[str]) -> None:
    found = search(trials=3, progress=True)
    shown = capfd.readouterr().err
    assert "3/3" in shown
    assert f"best ndcg@10={found.score:.4f}" in shown
