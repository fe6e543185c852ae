"""The epoch loop: callbacks, early stopping, checkpoints."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import tastemap as tm
from reference import metrics as reference
from rewriting import rewrite
from tastemap.files.arrays import read_arrays, write_arrays
from tastemap.models.implicit_als import _Alternation
from tastemap.training.loop import Epoch

EPOCHS = 12
# With these the validation metric is best in the third epoch.
PARAMETERS = {"factors": 8, "epochs": EPOCHS, "regularization": 0.3, "alpha": 0.1}


def parts() -> tuple[tm.Interactions, tm.Interactions]:
    rng = np.random.default_rng(0)
    taste = rng.random((60, 3)) @ rng.random((3, 40))
    here = rng.random((60, 40)) < 0.5 * taste / taste.max()
    return tm.split.random(tm.Interactions.from_csr(sp.csr_array(here.astype(float))), 0.3, seed=1)


def als(**changed: Any) -> tm.ImplicitALS:
    return tm.ImplicitALS(**{**PARAMETERS, **changed})


def assert_same(one: tm.ImplicitALS, other: tm.ImplicitALS) -> None:
    np.testing.assert_array_equal(one.user_factors_, other.user_factors_)
    np.testing.assert_array_equal(one.item_factors_, other.item_factors_)
    assert [(e.epoch, e.objective, e.metric) for e in one.epochs_] == [
        (e.epoch, e.objective, e.metric) for e in other.epochs_
    ]


def interrupt_at(epoch: int) -> Callable[[Epoch], None]:
    def interrupt(done: Epoch) -> None:
        if done.epoch == epoch:
            raise KeyboardInterrupt

    return interrupt


def test_callbacks_hear_of_every_epoch_in_turn() -> None:
    train, validation = parts()
    heard: list[Epoch] = []
    also: list[Epoch] = []
    model = als().fit(train, validation=validation, callbacks=[heard.append, also.append])
    assert heard == also == model.epochs_
    assert [done.epoch for done in heard] == list(range(1, EPOCHS + 1))
    assert all(done.seconds > 0 and np.isfinite(done.objective) for done in heard)
    assert [done.metric is None for done in als().fit(train).epochs_] == [True] * EPOCHS


def test_callbacks_may_be_any_iterable() -> None:
    heard: list[Epoch] = []
    als().fit(parts()[0], callbacks=iter([heard.append]))
    assert len(heard) == EPOCHS


@pytest.mark.parametrize("wrong", [None, 5, [print, "x"], ""])
def test_what_is_no_callback_is_refused_before_training(wrong: Any) -> None:
    if wrong == "":
        assert als().fit(parts()[0], callbacks=wrong).epochs_  # no callbacks at all, as ()
        return
    with pytest.raises(tm.ParameterError, match="callbacks must be functions of an Epoch, got"):
        als().fit(parts()[0], callbacks=wrong)


def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    heard: list[Epoch] = []
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        als().fit(parts()[0], checkpoint=tmp_path / "no" / "checkpoint", callbacks=heard.append)
    assert not heard


def test_watching_does_not_change_what_is_learned() -> None:
    train, validation = parts()
    watched, alone = als().fit(train, validation=validation, progress=True), als().fit(train)
    np.testing.assert_array_equal(watched.item_factors_, alone.item_factors_)
    np.testing.assert_array_equal(watched.user_factors_, alone.user_factors_)


@pytest.mark.parametrize("metric", ["ndcg@5", "recall@10", "mrr@3"])
def test_the_metric_is_that_of_the_factors_after_the_epoch(metric: str) -> None:
    train, validation = parts()
    model = als(epochs=2).fit(train, validation=validation, metric=metric)
    task = _Alternation(model, train)
    state = task.start()
    name, k = metric.split("@")
    held = validation.matrix
    rows = np.flatnonzero(np.diff(held.indptr))
    for done in model.epochs_:
        task.train_epoch(state, done.epoch - 1)
        scores = state["users"] @ state["items"].T
        scores[train.matrix.toarray() > 0] = -np.inf
        values = []
        for u in rows:
            ranked = [int(i) for i in np.argsort(-scores[u], kind="stable") if scores[u, i] > -np.inf]
            relevant = set(held.indices[held.indptr[u] : held.indptr[u + 1]].tolist())
            values.append(reference.metrics(ranked, relevant, int(k))[name])
        assert done.metric == pytest.approx(np.mean(values), rel=1e-9)


def test_early_stopping_keeps_the_best_epoch() -> None:
    train, validation = parts()
    stopped = als(epochs=200).fit(train, validation=validation, patience=3)
    best = max(stopped.epochs_, key=lambda done: (done.metric, -done.epoch))
    assert best.epoch > 1
    assert len(stopped.epochs_) == best.epoch + 3 < 200
    shorter = als(epochs=best.epoch).fit(train)
    np.testing.assert_array_equal(stopped.item_factors_, shorter.item_factors_)
    np.testing.assert_array_equal(stopped.user_factors_, shorter.user_factors_)


def test_of_equal_epochs_the_first_is_the_best() -> None:
    train, validation = parts()
    # Forty places hold every item, so somebody's hit is sure in every epoch.
    stopped = als().fit(train, validation=validation, patience=3, metric="hit_rate@40")
    assert [done.metric for done in stopped.epochs_] == [1.0] * 4
    np.testing.assert_array_equal(stopped.item_factors_, als(epochs=1).fit(train).item_factors_)


def test_a_validation_part_on_other_id_maps_is_aligned() -> None:
    train, validation = parts()
    moved = tm.Interactions.from_frame(validation.to_frame().reverse(), weight="weight")
    assert_same(als().fit(train, validation=moved, patience=2), als().fit(train, validation=validation, patience=2))


SCRIPT = """
    import os, signal, sys
    sys.path[:0] = [sys.argv[1], sys.argv[2]]
    from test_loop import als, parts
    train, validation = parts()
    def killer(done):
        if done.epoch == int(sys.argv[5]):
            os.kill(os.getpid(), signal.SIGKILL)
    options = {"validation": validation, "patience": 3} if sys.argv[6] == "stopping" else {}
    als().fit(train, checkpoint=sys.argv[3], callbacks=[killer], **options).save(sys.argv[4])
"""


@pytest.mark.parametrize("how", ["all epochs", "stopping"])
def test_a_killed_training_goes_on_to_the_same_bits(how: str, run_python: Callable[..., str], tmp_path: Path) -> None:
    folders = Path(__file__).parent, Path(__file__).parents[1]
    files = tmp_path / "checkpoint", tmp_path / "model"
    run_python(SCRIPT, *folders, *files, 2, how, status=-signal.SIGKILL)
    assert files[0].exists()
    run_python(SCRIPT, *folders, *files, 4, how, status=-signal.SIGKILL)
    run_python(SCRIPT, *folders, *files, 0, how)
    train, validation = parts()
    options: dict[str, Any] = {"validation": validation, "patience": 3} if how == "stopping" else {}
    assert_same(tm.load(files[1]), als().fit(train, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("epoch", [1, 2, 7])
def test_ctrl_c_leaves_a_usable_checkpoint(epoch: int, tmp_path: Path) -> None:
    train, _ = parts()
    file = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        als().fit(train, checkpoint=file, callbacks=[interrupt_at(epoch)])
    assert_same(als().fit(train, checkpoint=file), als().fit(train))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_an_interrupted_model_is_not_taken_for_a_fitted_one() -> None:
    train, _ = parts()
    model = als()
    with pytest.raises(KeyboardInterrupt):
        model.fit(train, callbacks=[interrupt_at(2)])
    with pytest.raises(tm.NotFittedError):
        model.recommend(0)


def test_a_finished_checkpoint_gives_the_same_model_without_training(tmp_path: Path) -> None:
    train, _ = parts()
    first = als().fit(train, checkpoint=tmp_path / "checkpoint")
    heard: list[Epoch] = []
    assert_same(als().fit(train, checkpoint=tmp_path / "checkpoint", callbacks=[heard.append]), first)
    assert heard == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"seed": 1}, "parameters"), ({"epochs": 20}, "parameters"), ({"other data": True}, "data")],
    ids=str,
)
def test_the_checkpoint_of_another_training_is_refused(changed: dict[str, Any], word: str, tmp_path: Path) -> None:
    train, validation = parts()
    file = tmp_path / "checkpoint"
    als().fit(train, checkpoint=file)
    data = validation if changed.pop("other data", False) else train
    with pytest.raises(tm.ModelFileError, match=f"another training.*{word}") as refused:
        als(**changed).fit(data, checkpoint=file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", "cut", "model"])
def test_a_file_that_is_no_whole_checkpoint_is_refused(content: bytes | str, tmp_path: Path) -> None:
    train, _ = parts()
    file = tmp_path / "checkpoint"
    model = als().fit(train, checkpoint=file)
    if content == "model":
        model.save(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else file.read_bytes()[:-5])
    with pytest.raises(tm.ModelFileError) as refused:
        als().fit(train, checkpoint=file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["ImplicitALS", "BPR", "SVDpp"])
def test_a_checkpoint_of_other_arrays_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    train, validation = stars() if tm.MODELS[name].abilities.ratings else parts()
    file = tmp_path / "checkpoint"

    def fit() -> tm.Model:
        model: Any = tm.MODELS[name](factors=3, epochs=2)  # type: ignore[call-arg]
        return model.fit(train, validation=validation, patience=2, checkpoint=file, progress=False)  # type: ignore[no-any-return]

    fit()
    arrays, header, _ = read_arrays(file, "checkpoint")
    for part, array in arrays.items():
        others: list[Any] = [None, array[:-1], array[None], array.view(np.uint8)]
        if array.dtype.kind == "f":
            others += [np.full_like(array, np.nan), np.full_like(array, np.inf)]
        for other in others:
            changed = {key: value for key, value in {**arrays, part: other}.items() if value is not None}
            write_arrays(file, changed, "checkpoint", header)
            with pytest.raises(tm.ModelFileError) as refused:
                fit()
            assert f"its array {part!r}" in str(refused.value)
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"identity": ...}, "the header lacks 'identity'"),
        ({"identity": 3}, "'identity' in the header must be an object, got 3"),
        ({"identity": {}}, "its class is None, here it is 'ImplicitALS'"),
        ({"history": {}}, "'history' in the header must be a list, got {}"),
        ({"history": [{"epoch": 1}]}, "an entry of 'history' in the header lacks 'seconds'"),
        ({"history": [2]}, "an entry of 'history' in the header must be an object, got 2"),
        ({"history": "twice"}, "a history whose epochs are not 1, 2, 3 and so on"),
        ({"history": "not finite"}, "'objective' in an entry of 'history' in the header must be a finite number"),
    ],
)
def test_a_checkpoint_of_another_header_is_refused_in_a_sentence(
    header: dict[str, Any], words: str, tmp_path: Path
) -> None:
    train, _ = parts()
    file = tmp_path / "checkpoint"
    als(epochs=2).fit(train, checkpoint=file)
    history = read_arrays(file, "checkpoint")[1]["history"]
    made = {"twice": history * 2, "not finite": [{**history[0], "objective": float("inf")}]}
    changed = {name: made[value] if isinstance(value, str) else value for name, value in header.items()}
    rewrite(file, "checkpoint", **changed)
    with pytest.raises(tm.ModelFileError) as refused:
        als(epochs=2).fit(train, checkpoint=file)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("first", [{}, {"validation": True}, {"validation": True, "metric": "recall@5", "patience": 3}])
def test_a_checkpoint_goes_on_with_other_options_or_says_why_not(first: dict[str, Any], tmp_path: Path) -> None:
    train, validation = parts()
    file = tmp_path / "checkpoint"
    if first.pop("validation", False):
        first["validation"] = validation
    with pytest.raises(KeyboardInterrupt):
        als().fit(train, checkpoint=file, callbacks=[interrupt_at(4)], **first)
    # What was measured before is not what is asked now: say so, or train from the start.
    try:
        model = als().fit(train, checkpoint=file, validation=validation, patience=3)
    except tm.ModelFileError:
        return
    assert_same(model, als().fit(train, validation=validation, patience=3))


# -- ratings watched by their errors ----------------------------------------------------------------------------------

RATING_MODELS = {
    # With these the validation errors fall and then rise.
    "SVD": {"factors": 8, "epochs": EPOCHS, "learning_rate": 0.05, "regularization": 0.001},
    "SVDpp": {"factors": 8, "epochs": EPOCHS, "learning_rate": 0.05, "regularization": 0.001},
    "ExplicitALS": {"factors": 8, "epochs": EPOCHS, "regularization": 0.2},
}


def stars() -> tuple[tm.Interactions, tm.Interactions]:
    rng = np.random.default_rng(3)
    users, items = np.nonzero(rng.random((60, 40)) < 0.3)
    taste = rng.normal(size=(60, 2)), rng.normal(size=(40, 2))
    values = np.clip(np.round(3 + (taste[0][users] * taste[1][items]).sum(axis=1) + rng.normal(size=len(users))), 1, 5)
    pairs = tm.Interactions.from_frame({"user": users, "item": items, "stars": values}, weight="stars")
    return tm.split.random(pairs, 0.3, seed=1)


def rater(name: str, **changed: Any) -> Any:
    return tm.MODELS[name](**{**RATING_MODELS[name], **changed})


@pytest.mark.parametrize("metric", ["rmse", "mae"])
@pytest.mark.parametrize("name", RATING_MODELS)
def test_a_rating_model_is_watched_by_its_errors_and_keeps_the_epoch_with_the_least(name: str, metric: str) -> None:
    train, validation = stars()
    stopped = rater(name).fit(train, validation=validation, metric=metric, patience=2)
    best = min(stopped.epochs_, key=lambda done: (done.metric, done.epoch))
    assert len(stopped.epochs_) == best.epoch + 2 < EPOCHS
    # The fit of ExplicitALS ends with one more half-step of the users.
    close = 1e-2 if name == "ExplicitALS" else 1e-5
    assert tm.evaluate(stopped, validation, metrics=metric)[metric] == pytest.approx(best.metric, rel=close)
    assert all(done.metric > best.metric for done in stopped.epochs_ if done.epoch != best.epoch)


def test_a_resumed_training_that_watches_errors_stops_where_the_whole_one_does(
    tmp_path: Path,
) -> None:
    train, validation = stars()
    options: dict[str, Any] = {"validation": validation, "metric": "rmse", "patience": 2}
    whole = rater("ExplicitALS").fit(train, **options)
    file = tmp_path / "checkpoint"
    stop = len(whole.epochs_) - 1
    with pytest.raises(KeyboardInterrupt):
        rater("ExplicitALS").fit(train, checkpoint=file, callbacks=[interrupt_at(stop)], **options)
    resumed = rater("ExplicitALS").fit(train, checkpoint=file, **options)
    np.testing.assert_array_equal(resumed.item_factors_, whole.item_factors_)
    assert [done.metric for done in resumed.epochs_] == [done.metric for done in whole.epochs_]


@pytest.mark.parametrize("name", RATING_MODELS)
def test_errors_are_of_the_pairs_whose_user_and_item_have_a_training_pair(name: str) -> None:
    train, validation = stars()
    known = validation.to_frame()
    more = pl.concat(
        [known, pl.DataFrame({"user": [0, 777], "item": [888, 1], "stars": [5.0, 1.0]}).cast(known.schema)]
    )
    strangers = tm.Interactions.from_frame(more, weight="stars")
    first = rater(name, epochs=2).fit(train, validation=validation, metric="mae")
    second = rater(name, epochs=2).fit(train, validation=strangers, metric="mae")
    assert [done.metric for done in first.epochs_] == [done.metric for done in second.epochs_]
    with pytest.raises(tm.DataError, match="validation shares no user"):
        rater(name).fit(train, validation=strangers.pick(more["item"].to_numpy() > 800), metric="mae")


@pytest.mark.parametrize(
    ("name", "metric", "words"),
    [
        ("ImplicitALS", "rmse", ["'rmse' or 'mae' of models that predict ratings", "got 'rmse'"]),
        ("SVD", "rmse@5", ["has no cut-off: pass 'rmse', got 'rmse@5'"]),
        ("SVD", "ndcg", ["needs a cut-off, such as 'ndcg@10'", "got 'ndcg'"]),
        ("SVD", 5, ["such as 'ndcg@10'", "got 5"]),
        ("BPR", "coverage@10", ["got 'coverage@10'", "tastemap.evaluate"]),
        ("BPR", "auc", ["precision, recall, hit_rate, ndcg, map, mrr", "got 'auc'"]),
        ("BPR", "ndcg@0", ["whole number", "ndcg@0"]),
    ],
)
def test_what_training_cannot_measure_is_refused(name: str, metric: str, words: list[str]) -> None:
    train, validation = stars()
    with pytest.raises(ValueError, match="metric") as refused:
        tm.MODELS[name]().fit(train, validation=validation, metric=metric)
    assert all(word in str(refused.value) for word in words), str(refused.value)
