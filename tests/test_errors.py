from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tastemap as tm
from tastemap.errors import Note, Remedy, compose, name_some, show, suggest, tell_about
from tastemap.testing import data as small

KINDS = [
    tm.TastemapError,
    tm.DataError,
    tm.ParameterError,
    tm.UnknownIdError,
    tm.NotFittedError,
    tm.NotSupportedError,
    tm.MissingPackageError,
    tm.ModelFileError,
    tm.DivergenceError,
    tm.TastemapWarning,
]
SEEN = Remedy("pass exclude=None", "exclude", None)


def pairs(**columns: list[object]) -> tm.Interactions:
    options = {name: name for name in ("weight", "time") if name in columns}
    return tm.Interactions.from_frame({"user": [1, 2], "item": [10, 20], **columns}, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_alone_is_the_sentence(kind: type[tm.TastemapError]) -> None:
    error = kind("it is wrong")
    assert (str(error), error.problem, error.remedies, error.facts) == ("it is wrong", "it is wrong", (), {})


@pytest.mark.parametrize("kind", KINDS)
def test_the_ways_out_follow_the_problem_and_all_is_there_as_data(kind: type[tm.TastemapError]) -> None:
    error = kind("pairs are left out", "test on others", SEEN, column="user")
    assert str(error) == "pairs are left out: test on others, or pass exclude=None"
    assert error.problem == "pairs are left out"
    assert error.remedies == (Remedy("test on others", None, None), SEEN)
    assert error.facts == {"column": "user"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_a_copy_says_and_knows_the_same(kind: type[tm.TastemapError], again: Any) -> None:
    error = tell_about("WARP", kind("it is wrong", SEEN, ids=[1, 2]))
    error.add_note("so it was")
    other = again(error)
    assert type(other) is kind
    assert str(other) == str(error) == "WARP: it is wrong: pass exclude=None"
    assert (other.facts, other.remedies, other.subjects) == ({"ids": [1, 2]}, (SEEN,), ("WARP",))
    assert other.__notes__ == ["so it was"]


def test_the_subject_comes_first_and_facts_are_kept() -> None:
    error = tm.ParameterError("k must be above 0, got 0", parameter="k", value=0).about("EASE").about("fold 2", "stop")
    assert str(error) == "fold 2: EASE: k must be above 0, got 0: stop"
    assert (error.parameter, error.value, error.args) == ("k", 0, (str(error),))
    plain = tell_about("EASE", ValueError("it is wrong"))
    assert (type(plain), str(plain)) == (ValueError, "EASE: it is wrong")


def test_a_problem_that_is_a_sentence_is_followed_by_one() -> None:
    assert compose("2 ids are unknown.", []) == "2 ids are unknown."
    assert compose("2 ids are unknown.", ["leave them out"]) == "2 ids are unknown. Leave them out."
    assert compose("'a' is unknown; did you mean 'b'?", ["leave it out"]) == (
        "'a' is unknown; did you mean 'b'? Leave it out."
    )
    assert compose("2 ids are unknown", ["a", "b", "c"], ["WARP"]) == "WARP: 2 ids are unknown: a, b, or c"


def test_a_note_is_a_text_with_ways_out() -> None:
    note = pickle.loads(pickle.dumps(Note("nothing is kept", SEEN)))
    assert note == "nothing is kept: pass exclude=None"
    assert (note.problem, note.remedies) == ("nothing is kept", (SEEN,))


def test_a_column_that_is_wrong_is_named() -> None:
    with pytest.raises(tm.DataError) as caught:
        pairs(user=[None, 2])
    assert (caught.value.column, caught.value.facts["rows"].tolist()) == ("user", [0])
    assert caught.value.remedies[0].parameter == "drop_nulls"
    with pytest.raises(tm.DataError) as caught:
        pairs(weight=[1.0, -2.0])
    assert (caught.value.column, caught.value.facts["rows"].tolist()) == ("weight", [1])
    ways = [(way.parameter, way.value) for way in caught.value.remedies]
    assert ways == [(None, None), ("allow_negative", True)]
    with pytest.raises(tm.DataError) as caught:
        pairs(time=["noon", "one"])
    assert caught.value.column == "time"
    with pytest.raises(tm.DataError) as caught:
        pairs(user=[1.5, 2.0])
    assert caught.value.column == "user"
    with pytest.raises(tm.DataError) as caught:
        tm.Interactions.from_frame({"user": [1], "itme": [2]})
    assert caught.value.column == "item"
    assert tm.DataError("there are no rows").column is None


def test_unknown_ids_are_there_each_once() -> None:
    with pytest.raises(tm.UnknownIdError) as caught:
        tm.Popular().fit(pairs()).recommend([1, 7, 8, 7])
    assert caught.value.ids == (7, 8)
    assert caught.value.remedies[0].parameter == "on_unknown"
    assert tm.UnknownIdError("rows go from 0 to 3").ids == ()


def test_a_parameter_out_of_range_is_named_and_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="factors must be a whole number of at least 1, got 0") as caught:
        tm.WARP(factors=0).fit(pairs())
    assert isinstance(caught.value, tm.ParameterError)
    assert (caught.value.parameter, caught.value.value) == ("factors", 0)
    with pytest.raises(tm.ParameterError) as share:
        tm.split.random(pairs(), 2)
    assert (share.value.parameter, share.value.value) == ("test", 2)
    with pytest.raises(tm.ParameterError) as asked, tm.threads(0):
        pass
    assert (asked.value.parameter, asked.value.value) == ("threads", 0)


def test_errors_of_compare_about_a_model_keep_the_facts() -> None:
    with pytest.raises(tm.ParameterError, match=r"^WARP: factors must be") as caught:
        tm.compare([tm.WARP(factors=0)], pairs(), train=pairs())
    assert (caught.value.parameter, caught.value.subjects) == ("factors", ("WARP",))
    said = "Popular: this Popular has learned nothing yet: call fit first, or pass train to have the models fitted"
    with pytest.raises(tm.NotFittedError) as unfitted:
        tm.compare([tm.Popular()], pairs())
    assert str(unfitted.value) == said
    assert [way.parameter for way in unfitted.value.remedies] == [None, "train"]


def test_a_warning_has_facts_and_ways_out() -> None:
    model = tm.Popular().fit(pairs())
    with pytest.warns(tm.TastemapWarning, match="2 of 2 test pairs") as caught:
        tm.evaluate(model, pairs())
    (warning,) = [one.message for one in caught]
    assert isinstance(warning, tm.TastemapWarning)
    assert (warning.facts["pairs"], warning.facts["test_pairs"]) == (2, 2)
    assert SEEN in warning.remedies
    with pytest.warns(tm.TastemapWarning, match="2 of 2 test pairs") as compared:
        tm.compare([model, tm.EASE().fit(pairs())], pairs())
    assert [str(one.message) for one in compared] == [str(warning)]


def test_a_warning_raised_as_an_error_is_not_an_error_of_tastemap() -> None:
    with pytest.raises(tm.TastemapWarning) as caught:  # as all warnings are in these tests
        tm.evaluate(tm.Popular().fit(pairs()), pairs())
    assert not isinstance(caught.value, tm.TastemapError)


def test_some_values_stand_for_all() -> None:
    assert name_some("abc") == "'a', 'b', 'c'"
    assert name_some(range(5), 2) == "0, 1 and 3 more"


def test_the_closest_word_is_asked_for() -> None:
    assert suggest("ease", ["WARP", "EASE"]) == "; did you mean 'EASE'?"
    assert suggest("itme", ["user", "item"]) == "; did you mean 'item'?"
    assert suggest("price", ["user", "item"]) == ""
    assert suggest("price", ["user", "item"], ": name one") == ": name one"


def test_what_has_rows_is_told_by_its_type_and_shape() -> None:
    assert show(np.zeros((2, 3))) == "an array of 2 x 3"
    assert show(pl.Series([1, 2])) == "a Series of 2 values"
    assert show(pd.DataFrame({"a": [1]})) == "a DataFrame of 1 x 1"
    assert show(np.float64(1.5)) == repr(np.float64(1.5))
    ids = tm.IdMap([1, 2])
    with pytest.raises(tm.UnknownIdError, match=r"users are integers here and never cast, got a Series of 2 values$"):
        ids.rows([pd.Series([1, 2])])
    with pytest.raises(tm.UnknownIdError, match=r"never cast, got 'a' of type str$"):
        ids.rows(["a"])
    popular = tm.Popular().fit(small.data())
    with pytest.raises(tm.ParameterError, match=r"frame must be .*, got a DataFrame of 1 x 1"):
        popular.recommend(frame=pd.DataFrame({"a": [1]}))  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"models must be a list of models, .*, got a DataFrame of 1 x 1"):
        tm.compare(pd.DataFrame({"a": [1]}), small.data())  # type: ignore[arg-type]


def test_a_long_value_is_cut_and_a_control_character_is_shown() -> None:
    assert name_some(["a" * 1_000, "b"]) == f"'{'a' * 59}...{'a' * 59}', 'b'"
    error = tm.DataError(f"the cell {'x' * 1_000_000} is \x1b]0;wrong\x07 and \u202eodd", "look\nat it")
    assert len(str(error)) < 1_500
    assert str(tm.DataError("the cell \x1b[31m\u202e\n is odd", "say é")) == (
        r"the cell \x1b[31m\u202e\n is odd" + ": say é"
    )


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "call",
    [
        lambda: tm.Range(LONG, 1),
        lambda: tm.compare(LONG, None),
        lambda: tm.METRICS["ndcg"](LONG),
        lambda: tm.tune(LONG, None),
        lambda: tm.Popular().fit(small.data(), metric=LONG),
        lambda: tm.evaluate(tm.Popular().fit(small.data()), small.data(), exclude=LONG),
        lambda: tm.split.by_time(small.data(), at=LONG, test=0.5),
        lambda: tm.Popular().fit(small.data()).recommend(k=LONG),
        lambda: tm.Popular().fit(small.data()).recommend(on_unknown=np.eye(50)),
        lambda: tm.ItemKNN(similarity=np.array(["cosine", "tfidf"])).fit(small.data()),
        lambda: tm.compare([np.eye(50)], small.data()),
        lambda: tm.load("line\n" * 20),
    ],
)
def test_values_of_any_length_and_with_line_ends_leave_one_short_line(call: Callable[[], object]) -> None:
    with pytest.raises((ValueError, OSError, tm.TastemapError)) as caught:
        call()
    assert len(str(caught.value)) < 1_500
    assert "\n" not in str(caught.value)
