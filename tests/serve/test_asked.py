from __future__ import annotations

import pytest

from tastemap.errors import ParameterError
from tastemap.serve.asked import (
    Find,
    Pairs,
    Recommend,
    SimilarItems,
    UnreadableError,
    read_list,
    read_object,
)


def test_a_query_and_a_body_ask_the_same() -> None:
    query = b"user=4&k=3&offset=2&seen=true&exclude=12&exclude=a%20b&where=genre=Drama&at_most=genre:2&diversity=.3"
    body = (
        b'{"user": "4", "k": 3, "offset": 2, "seen": true, "exclude": ["12", "a b"], "where": ["genre=Drama"], '
        b'"at_most": {"genre": 2}, "diversity": 0.3}'
    )
    assert Recommend.of_query(query) == Recommend.of_body(body)
    assert Recommend.of_query(query).depth == 5


def test_ids_are_texts_or_whole_numbers() -> None:
    assert Recommend.of_body(b'{"user": 4, "history": {"x": 2}}').user == 4
    assert Pairs.of_body(b'{"pairs": [[1, "a"]]}').pairs == [(1, "a")]
    for wrong in (b"4.5", b"true", b"null", b"[]", b"{}"):
        with pytest.raises(ParameterError, match="item must be"):
            SimilarItems.of_body(b'{"item": ' + wrong + b"}")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (b"user=4&k=-1", "k must be greater than or equal to 1, got '-1'"),
        (b"user=4&k=1001", "k must be less than or equal to 1000, got '1001'"),
        (b"user=4&k=many", "k must be a valid integer, unable to parse string as an integer, got 'many'"),
        (b"usr=4", "there is no parameter 'usr'; did you mean 'user'?"),
        (b"user=4&user=5", "user is given twice"),
        (b"user=4&diversity=nan", "diversity must be less than or equal to 1, got 'nan'"),
        (b"user=4&at_most=genre", "at_most must be COLUMN:MOST, such as genre:2, got 'genre'"),
        (b"user=4&on_unknown=cry", "on_unknown must be 'raise' or 'popular', got 'cry'"),
    ],
)
def test_a_wrong_query_is_refused_in_one_sentence(query: bytes, sentence: str) -> None:
    with pytest.raises(ParameterError) as raised:
        Recommend.of_query(query)
    assert str(raised.value) == sentence


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ParameterError, match=r"^q is missing$"):
        Find.of_query(b"")


@pytest.mark.parametrize("query", [b"user=%ff%fe", b"user=\xff", b"&".join([b"exclude=1"] * 10_001)])
def test_a_query_that_cannot_be_read_is_refused(query: bytes) -> None:
    with pytest.raises(UnreadableError, match="the query is no text of a form"):
        Recommend.of_query(query)


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"k": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="the body is no JSON"):
        read_object(body)


def test_a_body_must_be_an_object_and_a_batch_a_list() -> None:
    with pytest.raises(UnreadableError, match="must be a JSON object"):
        read_object(b"[1]")
    for values, sentence in (
        ({}, 'the body must be {"requests": [...]}'),
        ({"requests": [{}], "k": 3}, 'the body must be {"requests": [...]}'),
        ({"requests": []}, "requests must be 1 to 9, got 0"),
        ({"requests": [{}] * 10}, "requests must be 1 to 9, got 10"),
    ):
        with pytest.raises(ParameterError) as raised:
            read_list(values, "requests", 9)
        assert str(raised.value) == sentence
