from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from snowballstemmer import stemmer
from stopwordsiso import stopwords

import tastemap as tm
from reference.features import stems_of
from tastemap.data import text as text_module
from tastemap.data.features import Features
from tastemap.data.text import text_features
from tastemap.errors import DataError

CODES = {"english": "en", "portuguese": "pt", "russian": "ru", "spanish": "es"}
SCRIPTS = {"english": "LATIN", "portuguese": "LATIN", "russian": "CYRILLIC", "spanish": "LATIN"}

# Two sentences each, of which the second inflects the words of the first.
SENTENCES = {
    "english": ("The cats were running to their houses", "A cat runs from her house"),
    "portuguese": ("Os meninos foram para as escolas com os livros", "O menino não foi à escola com um livro"),
    "spanish": ("Los gatos corrieron por las casas de los vecinos", "El gato corre en la casa de un vecino"),
    "russian": ("Мальчики читали эти интересные книги", "Мальчик читал очень интересную книгу"),
}
STEMS = {
    "english": {"cat", "run", "hous"},
    "portuguese": {"menin", "escol", "livr"},
    "spanish": {"gat", "corr", "cas", "vecin"},
    "russian": {"мальчик", "чита", "интересн", "книг"},
}


def features_of(*texts: str | None, **options: Any) -> Features:
    frame = pl.DataFrame({"id": range(len(texts)), "t": pl.Series(texts, dtype=pl.String)})
    return text_features(frame, id="id", columns=["t"], **{"min_documents": 1, **options})


def stems(features: Features, row: int) -> set[str]:
    return {features.names[column].removeprefix("t:") for column in features.matrix[row].indices}


def test_inflected_words_of_four_languages_share_their_columns() -> None:
    texts = [sentence for pair in zip(*SENTENCES.values(), strict=True) for sentence in pair]
    features = features_of(*texts, languages=list(SENTENCES), min_documents=2)
    for place, language in enumerate(SENTENCES):
        assert stems(features, place) == stems(features, place + 4) == STEMS[language]
    assert features.n_features == sum(map(len, STEMS.values()))
    np.testing.assert_allclose(np.sqrt(features.matrix.multiply(features.matrix).sum(axis=1)), 1, rtol=1e-6)


def test_each_word_is_stemmed_in_a_language_of_its_script() -> None:
    features = features_of("Мальчики читали developers, не студии Ελλάδα", languages=["russian", "english"])
    assert stems(features, 0) == {"мальчик", "чита", "develop", "студ", "ελλάδα"}


def test_a_column_may_name_the_language() -> None:
    named = ["es", "en-US", "Spanish", None, "ja"]
    frame = pl.DataFrame({"id": range(5), "t": ["gatos"] * 5, "lang": named})
    features = text_features(frame, id="id", columns="t", language="lang", languages=("EN", "es"), min_documents=1)
    assert [stems(features, row) for row in range(5)] == [{"gat"}, {"gato"}, {"gat"}, {"gato"}, {"gato"}]
    assert features.transform(frame) == features
    new = features.transform({"id": ["a", "b"], "t": ["gato", "gato"], "lang": ["es", None]})
    assert [stems(new, row) for row in range(2)] == [{"gat"}, {"gato"}]
    with pytest.raises(DataError, match="column 'lang' names none of the languages russian, but 'es', 'en-US', 'Spa"):
        text_features(frame, id="id", columns="t", language="lang", languages="russian")


@cache
def own_stem(language: str, word: str) -> str:
    return str(stemmer(language).stemWord(word))


VOCABULARY = sorted({word for pair in SENTENCES.values() for text in pair for word in text.split()})
TEXT = st.lists(
    st.sampled_from([*VOCABULARY, "Don't", "l’homme", "ﬁne", "x", "2001", "c++", "snow-white", "Ação", "не", "no"]),
    max_size=12,
).map(" ".join)


@settings(max_examples=50)  # the first example imports scikit-learn
@given(
    st.lists(st.tuples(TEXT, st.sampled_from([None, *CODES])), min_size=1, max_size=12),
    st.permutations(sorted(CODES)),
    st.integers(1, 4),
    st.integers(1, 2),
)
def test_weights_equal_those_of_scikit_learn_over_naive_stems(
    rows: list[tuple[str, str | None]], order: list[str], n_languages: int, min_documents: int
) -> None:
    languages = order[:n_languages]
    rows = [*rows, ("Ελλάδα", None), ("Ελλάδα", None)]
    texts, named = (list(column) for column in zip(*rows, strict=True))
    listed = {language: {word.replace("’", "'") for word in stopwords(CODES[language])} for language in languages}

    def analyzer(row: tuple[str, str | None]) -> list[str]:
        return stems_of(row[0], listed, SCRIPTS, own_stem, row[1] if row[1] in languages else None)

    frame = pl.DataFrame({"id": range(len(rows)), "t": texts, "l": pl.Series(named, dtype=pl.String)})
    known = set(named) & set(languages)
    features = text_features(
        frame,
        id="id",
        columns="t",
        languages=languages,
        language="l" if known else None,
        min_documents=min_documents,
    )
    oracle = TfidfVectorizer(analyzer=analyzer, min_df=min_documents)
    expected = oracle.fit_transform(rows).toarray()
    assert features.names == tuple(f"t:{stem}" for stem in oracle.get_feature_names_out())
    np.testing.assert_allclose(features.matrix.toarray(), expected, rtol=1e-6)
    assert features.transform(frame) == features
    assert features.transform(frame[::-2]) == features.only(frame[::-2]["id"])


def test_many_texts_are_read_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"writers {i % 7} libros {i % 3}x" for i in range(30)]
    whole = features_of(*texts, languages=["en", "es"])
    monkeypatch.setattr(text_module, "_DOCUMENTS_AT_ONCE", 4)
    assert features_of(*texts, languages=["en", "es"]) == whole


def test_stop_words_are_left_out_also_those_with_an_apostrophe() -> None:
    assert stems(features_of("Don’t look, it isn't the rock'n'roll of O'Brien"), 0) == {"rock", "roll", "brien"}
    assert stems(features_of("Home Alone in 1990", stop_words=()), 0) == {"home", "alon", "in", "1990"}
    assert stems(features_of("Home Alone in 1990", stop_words=["IN", "1990"]), 0) == {"home", "alon"}


def test_frequent_words_are_kept_where_there_are_too_many() -> None:
    texts = ["dog dog dog bird", "cat cat bird", "mouse bird fox", "fox"]
    assert features_of(*texts, max_features=3).names == ("t:bird", "t:cat", "t:dog")
    assert features_of(*texts, min_documents=2).names == ("t:bird", "t:fox")


def test_each_column_has_words_of_its_own_and_rows_may_have_none() -> None:
    frame = pl.DataFrame({"id": ["a", "b", "c"], "title": ["Toys", None, "the"], "plot": ["toy story", "", None]})
    features = text_features(frame, id="id", columns=["title", "plot"], min_documents=1)
    assert features.names == ("title:toy", "plot:stori", "plot:toy")
    half = np.float32(1 / np.sqrt(2))
    assert features.matrix.toarray().tolist() == [[1, half, half], [0, 0, 0], [0, 0, 0]]


def test_new_texts_get_the_stems_and_weights_that_were_learned() -> None:
    features = features_of("red cat", "red dog", "red bird")
    new = features.transform({"id": ["n", "m", "o"], "t": ["Cats, unicorns!", "unicorns", None]})
    assert new.names == features.names
    assert [stems(new, row) for row in range(3)] == [{"cat"}, set(), set()]
    assert new.matrix[0, features.names.index("t:cat")] == 1
    assert len(features.transform({"id": [], "t": []})) == 0
    copy = pickle.loads(pickle.dumps(features))
    assert copy.transform({"id": ["n"], "t": ["red cats"]}).only(["n"]).matrix[0].nnz == 2
    with pytest.raises(DataError, match=r"column 't' holds Int64 values \(3\), and text is strings: cast it"):
        features.transform({"id": [1], "t": [3]})


def test_text_and_other_features_are_transformed_together() -> None:
    frame = pl.DataFrame({"id": [1, 2], "kind": ["x", "y"], "t": ["red cat", "dogs"]})
    kinds = Features.from_frame(frame, id="id", columns="kind")
    both = kinds | text_features(frame, id="id", columns="t", min_documents=1)
    assert both.names == ("kind=x", "kind=y", "t:cat", "t:dog", "t:red")
    assert both.transform(frame) == both


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": "klingon"}, "languages must be among 'danish', 'dutch', "),
        ({"languages": []}, "languages must name at least one, and each once, got []"),
        ({"languages": ["en", "english"]}, "languages must name at least one, and each once, got ['en', 'english']"),
        ({"min_documents": 0}, "min_documents must be a whole number of at least 1, got 0"),
        ({"min_documents": None}, "min_documents must be a whole number of at least 1, got None"),
        ({"max_features": 0}, "max_features must be a whole number of at least 1, got 0"),
        ({"max_features": 2.5}, "max_features must be a whole number of at least 1, got 2.5"),
        ({"stop_words": "the"}, "stop_words must be a list of strings, got 'the'"),
        ({"stop_words": True}, "stop_words must be a list of strings, got True"),
        ({"languages": [1]}, "languages must be a text, got 1"),
        ({"stop_words": [1]}, "stop_words must be a list of strings, got [1]"),
        ({"columns": []}, "columns must name at least one column"),
        ({"language": "t"}, "each column has one use, got 'id', 't', 't'"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        text_features(**{"frame": {"id": [1], "t": ["cat"]}, "id": "id", "columns": ["t"], **options})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 1]}, "column 'id' has 1 in rows 0, 1 (ids that come more than once: 1)"),
        ({"t": [1, 2]}, "column 't' holds Int64 values (1, 2), and text is strings"),
        ({"t": ["the", None]}, "column 't' has no word in at least 2 rows: leave it out, or lower min_documents"),
        ({"t": [None, None]}, "column 't' has no word in at least 2 rows"),
        ({"t": []}, "columns must be of one length"),
        ({"id": [], "t": []}, "column 't' has no word in at least 2 rows"),
        ({"l": [1, 2]}, "column 'l' holds Int64 values (1, 2), and text is strings"),
    ],
)
def test_a_column_that_is_not_text_is_refused(columns: dict[str, Any], message: str) -> None:
    frame = {"id": [1, 2], "t": ["cat", "cats"], **columns}
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        text_features(frame, id="id", columns=["t"], language="l" if "l" in columns else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("scikit-learn", "sklearn.feature_extraction.text"),
        ("snowballstemmer", "snowballstemmer"),
        ("stopwordsiso", "stopwordsiso"),
    ],
)
def test_a_package_that_is_absent_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, package: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    text_module._load_stop_words.cache_clear()
    message = f'text_features needs {package}, which is not installed: run pip install "tastemap[text]"'
    with pytest.raises(tm.MissingPackageError, match=re.escape(message)):
        features_of("cats")
    assert issubclass(tm.MissingPackageError, ImportError)
    assert issubclass(tm.MissingPackageError, tm.TastemapError)


def test_the_packages_are_imported_only_when_used(run_python: Callable[..., str]) -> None:
    script = """
        import sys, tastemap as tm
        print("polars" in sys.modules)
        tm.text_features, tm.Features
        print([name for name in ("sklearn", "snowballstemmer", "stopwordsiso", "numba") if name in sys.modules])
    """
    assert run_python(script) == "False\n[]\n"
