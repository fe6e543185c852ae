"""Checks of files and of pickled scorers."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from tastemap.data.frames import as_kind
from tastemap.errors import ModelFileError, NotSupportedError, UnknownIdError
from tastemap.evaluation.evaluate import evaluate
from tastemap.files.arrays import read_arrays, write_arrays
from tastemap.models.load import load
from tastemap.models.shared.base import Model
from tastemap.ranking.top_k import Lists
from tastemap.testing.data import (
    GHOST,
    KINDS,
    Make,
    data,
    ensure,
    ensure_each_refused,
    ensure_refused,
    ensure_same_lists,
    ensure_same_model,
    make_described,
    make_fitted,
    news,
    pairs,
    people,
    read,
    temporary_folder,
)


def check_loaded_model_is_the_saved_one(make: Make) -> None:
    """A loaded model has the same bits as the saved one, and gives the same answers with all its abilities."""
    for kind in KINDS:
        model = make().fit(read(as_kind(pairs(), kind)), validation=data(1), progress=False)
        _check_loads(model, f" to data of {kind}")
    _check_loads(model, " and memory-mapped", memory_map=True)
    if model.abilities.features:
        _check_loads(make_described(make), " with features")


def _check_loads(model: Model, told: str, *, memory_map: bool = False) -> None:
    with temporary_folder() as folder:
        model.save(folder / "model")
        try:
            again = load(folder / "model", memory_map=memory_map)
        except ModelFileError as error:
            raise AssertionError(f"load must know the model: put @tastemap.register on it; it says: {error}") from error
        again_saved = folder / "again"
        again.save(again_saved)
        same_bytes = again_saved.read_bytes() == (folder / "model").read_bytes()
    own, loaded = type(model), type(again)
    ensure(
        loaded is own, f"load must give a {own.__module__}.{own.__name__}, got {loaded.__module__}.{loaded.__name__}"
    )
    ensure(asdict(again) == asdict(model), f"a loaded model must have the same parameters, got {again}")
    ensure_same_model(again, model, f"a loaded model{told} must be the saved one")
    for method, ask in _list_questions(model).items():
        try:
            answer = ask(again)
        except Exception as error:
            raise AssertionError(f"{method} of a loaded model{told} must answer, got {error!r}") from error
        ensure_same_lists(answer, ask(model), f"{method} of a loaded model{told} must answer as the saved one")
    told_epochs = [[(e.epoch, e.objective, e.metric) for e in one.epochs_] for one in (model, again)]
    ensure(told_epochs[0] == told_epochs[1], "a loaded model must have the epochs of the saved one")
    ensure(again.card() == model.card(), "a loaded model must have the card of the saved one")
    ensure(same_bytes, "saving a loaded model must write the same bytes")


def check_without_history_only_what_needs_it_is_refused(make: Make) -> None:
    """A model saved without the interactions answers the same, or says with NotSupportedError that it needs them."""
    model = make_fitted(make)
    with temporary_folder() as folder:
        model.save(folder / "model", interactions=False)
        bare = load(folder / "model")
        ensure(bare.interactions is None, "a file without interactions must hold none")
        ensure_same_lists(bare.recommend_for([103]), model.recommend_for([103]), "a new history must get the same list")
        unknown: dict[str, Any] = {"users": ["nobody"], "on_unknown": "popular", "exclude_seen": False}
        ensure_same_lists(
            bare.recommend(**unknown), model.recommend(**unknown), "an unknown user must get the same list"
        )
        _check_known_users(bare, model)
        calls: dict[str, Callable[[], Any]] = {
            "recommend without what is seen": lambda: bare.recommend("u1"),
            "recommend_rows without what is seen": lambda: bare.recommend_rows([0]),
            "update without interactions": lambda: bare.update(data()),
            "save without interactions": lambda: bare.save(folder / "other"),
            "evaluate without interactions": lambda: evaluate(bare, data()),
        }
        if model.abilities.explains:
            calls["explain without interactions"] = lambda: bare.explain("u1", 100)
        ensure_each_refused(calls, NotSupportedError, "interactions=False")
        ensure_refused(
            lambda: bare.recommend(GHOST, exclude_seen=False),
            UnknownIdError,
            GHOST,
            what="a user without a training pair",
        )
        bare.save(folder / "other", interactions=False)
        ensure_same_model(load(folder / "other"), bare, "a model without interactions must load as it was saved")


def _check_known_users(bare: Model, model: Model) -> None:
    """Check that a known user gets the same list, or an error that names the missing interactions."""
    asks: list[Callable[[Model], Any]] = [
        lambda model: model.recommend(people(), exclude_seen=False),
        lambda model: model.recommend(exclude_seen=False),
        lambda model: pl.Series(model.predict("u1", 100)),
    ]
    for ask in asks:
        try:
            answer = ask(bare)
        except NotSupportedError as error:
            ensure("interactions=False" in str(error), f"the sentence must name interactions=False, got {error}")
        else:
            ensure_same_lists(answer, ask(model), "without interactions a known user must get the same list")


def check_altered_file_is_refused(make: Make) -> None:
    """A file whose arrays are not those that the model declares is refused, with one sentence of ModelFileError."""
    model = make_fitted(make)
    with temporary_folder() as folder:
        path = folder / "model"
        model.save(path)
        held, header, _ = read_arrays(path, "model")
        sizes = model.find_sizes(model.activity_, model.popularity_)
        for name, spec in model.fitted_arrays.items():
            array = held[name]
            others = {
                "left out": None,
                "of another type": array.astype(np.bool_ if array.dtype != np.bool_ else np.int8),
                "of another dimension": array[None],
            }
            if spec.shape[0] in sizes:
                others["a row too long"] = np.concatenate([array, array[:1]])
            if array.dtype.kind == "f":
                others["of numbers that are not finite"] = np.full_like(array, np.nan)
            if spec.below is not None:
                others["of numbers that are too high"] = np.full_like(array, np.iinfo(np.int32).max)
            for how, other in others.items():
                changed = {key: value for key, value in {**held, name: other}.items() if value is not None}
                write_arrays(path, changed, "model", header)
                ensure_refused(lambda: load(path), ModelFileError, name, what=f"a file with {name} {how}")


def check_copies_answer_alike(make: Make) -> None:
    """A model and its scorer can be pickled and copied, whatever was asked before, and the copies answer the same."""
    model = make_fitted(make)
    questions: dict[str, Callable[[Model], Any]] = {"fit": lambda model: None, **_list_questions(model)}
    questions["predict"] = lambda model: pl.Series(model.predict("u1", 100))
    for method, ask in questions.items():
        ask(model)
        for how, copied in (("pickled", _pickle), ("copied", copy.deepcopy)):
            try:
                other: Model = copied(model)
                copied(model.scorer)
            except Exception as error:
                raise AssertionError(f"after {method} a model must be possible to be {how}, got {error!r}") from error
            ensure_same_model(other, model, f"after {method} a model that was {how} must be the same")
    for method, ask in questions.items():
        if method != "fit":
            ensure_same_lists(ask(_pickle(model)), ask(model), f"{method} of a model that was pickled must be the same")


def _pickle(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def check_scorer_serves_elsewhere(make: Make) -> None:
    """The scorer can be pickled, and then gives the same lists to known users and new histories."""
    model = make_fitted(make)
    try:
        scorer = pickle.loads(pickle.dumps(model.scorer))
    except Exception as error:
        raise AssertionError(f"the scorer must be possible to pickle, got {error!r}") from error
    rows = model.users.rows(people())
    _same_arrays(scorer.recommend(rows, 5), model.scorer.recommend(rows, 5), "a scorer that was pickled")
    theirs = read({"person": ["new"], "film": [103], "stars": [2.0]})
    histories = theirs.align(theirs.users, model.items)[0].by_user
    one, other = (who.rank_queries(who.fold(histories), 5) for who in (scorer, model.scorer))
    _same_arrays(one, other, "a scorer that was pickled, for a new history,")


def _same_arrays(one: Lists, other: Lists, who: str) -> None:
    same = np.array_equal(one.rows, other.rows) and np.array_equal(one.scores, other.scores)
    ensure(same, f"{who} must list the same")


def check_card(make: Make) -> None:
    """The card tells the class, parameters, data and versions."""
    model = make_fitted(make)
    card = model.card()
    ensure(card.startswith(f"# {type(model).__name__}\n"), "the card must begin with the class")
    for name, value in asdict(model.used_).items():
        ensure(f"| {name} | {value} |" in card, f"the card must tell the parameter {name}")
    ensure(re.search(r"Data: \d+ pairs, 14 person x 11 film", card), "the card must tell the data")
    ensure(data().fingerprint() in card, "the card must tell the fingerprint of the data")


def _list_questions(model: Model) -> dict[str, Callable[[Model], Any]]:
    """Return what can be asked of a fitted model, by the name of the method."""
    questions: dict[str, Callable[[Model], Any]] = {
        "recommend": lambda model: model.recommend(k=3),
        "recommend_for": lambda model: model.recommend_for([[103], {104: 2}], k=3),
        "update": lambda model: model.update(news()).recommend(k=3),
    }
    if model.abilities.similar_items:
        questions["similar_items"] = lambda model: model.similar_items(100)
    if model.abilities.similar_users:
        questions["similar_users"] = lambda model: model.similar_users("u1")
    if model.abilities.explains:
        questions["explain"] = lambda model: model.explain("u1", 103).frame
    return questions
