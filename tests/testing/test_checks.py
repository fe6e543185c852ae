"""The contract tests that `tastemap.testing` offers find what is wrong with a model."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import scipy.sparse as sp

import tastemap as tm
from tastemap.data._checks import check_amount, check_whole
from tastemap.data._pairs import Rows
from tastemap.data.specs import ArraySpec, Specs
from tastemap.models.shared import stored
from tastemap.models.shared.registry import MODELS
from tastemap.parallel import n_threads
from tastemap.ranking.scorer import FactorScorer, Scorer
from tastemap.ranking.similar import Space
from tastemap.testing import MODEL_CHECKS, check_model
from tastemap.training.loop import Options
from tastemap.typing import Floats, RowNumbers

CHECKS = {check.__name__: check for check in MODEL_CHECKS}


@dataclass(kw_only=True, eq=False)
class Sound(tm.Model):
    """Random vectors of items, longer for popular ones; a user is the sum of the items in the history."""

    factors: int = 4
    strength: float = 1.0
    seed: int = 0

    fitted_arrays: ClassVar[Specs] = {
        "user_factors_": ArraySpec(dtype="float32", shape=("users", "factors")),
        "item_factors_": ArraySpec(dtype="float32", shape=("items", "factors")),
    }
    abilities: ClassVar[tm.Abilities] = tm.Abilities(similar_items=True, similar_users=True, folds_in_exactly=True)
    search_space: ClassVar[Any] = {"strength": tm.Range(0.1, 10.0, log=True)}

    def check(self) -> None:
        check_whole("factors", self.factors, lowest=1)
        check_amount("strength", self.strength)
        check_whole("seed", self.seed, lowest=0)

    def learn(self, interactions: tm.Interactions, options: Options) -> None:
        drawn = np.random.default_rng(self.seed).standard_normal((len(interactions.items), self.factors))
        counts = self.popularity_[:, None]
        self.item_factors_ = (drawn * (counts > 0) + self.strength * counts / counts.max()).astype(np.float32)
        self.user_factors_, _ = add_up(self.item_factors_, interactions.by_user, None)

    def learn_more(self, before: Self, news: tm.Interactions) -> None:
        self.learn(self.state.training("update"), Options())

    def make_scorer(self) -> Scorer:
        return FactorScorer(
            **self.known,
            user_factors=self.user_factors_,
            item_factors=self.item_factors_,
            fold_in=partial(add_up, self.item_factors_),
        )


def add_up(item_factors: Floats, histories: Rows, features: Rows | None, lock: object = None) -> tuple[Floats, None]:
    shape = (len(histories.counts), len(item_factors))
    owned = sp.csr_array((np.ones(len(histories.indices)), histories.indices, histories.indptr), shape=shape)
    return np.asarray(owned @ item_factors.astype(np.float64), np.float32), None


@pytest.fixture(autouse=True)
def registry(own_registry: None) -> None:
    pass


def broken(cls: type) -> Any:
    """Make a model of a class that changes one thing of the correct model."""
    return tm.register(dataclass(kw_only=True, eq=False)(cls))


def refusal(check: str, make: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        CHECKS[check](make)
    return str(caught.value)


def test_a_sound_model_passes() -> None:
    check_model(tm.register(Sound))


def test_every_check_says_in_a_sentence_what_it_holds_a_model_to() -> None:
    for name, check in CHECKS.items():
        assert re.fullmatch(r"[^\n]+\.", check.__doc__ or ""), name


def test_all_that_is_wrong_is_told_a_line_for_each_check() -> None:
    class Silent(Sound):
        def check(self) -> None:
            pass

        def card(self) -> str:
            return "A card."

    with pytest.raises(AssertionError) as caught:
        check_model(broken(Silent))
    first, *lines = str(caught.value).split("\n")
    assert first == f"Silent breaks {len(lines)} of the {len(CHECKS)} promises of a model:"
    assert [line.partition(":")[0] for line in lines] == [
        "check_unfitted_model_says_so",
        "check_wrong_types_of_parameters_are_refused",
        "check_copies_answer_alike",  # pickle does not find a class within a function
        "check_card",
    ]
    assert lines[-1] == (
        "check_card: The card tells the class, parameters, data and versions. the card must begin with the class"
    )


def test_a_model_that_is_not_registered_is_found_out_when_it_is_loaded() -> None:
    told = refusal("check_loaded_model_is_the_saved_one", Sound)
    assert "load must know the model: put @tastemap.register on it" in told


def test_a_model_that_computes_when_it_is_made() -> None:
    class Early(Sound):
        def __post_init__(self) -> None:
            self.half = 0.5

    told = refusal("check_making_only_stores", broken(Early))
    assert told.startswith("__init__ must only store its parameters, but sets ['factors', 'half', 'seed'")


def test_a_model_that_refuses_when_it_is_made() -> None:
    class Strict(Sound):
        def __post_init__(self) -> None:
            self.check()

    assert "__init__ must only store its parameters, but raises" in refusal("check_making_only_stores", broken(Strict))


def test_a_model_whose_chance_has_no_seed() -> None:
    class Unsteady(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.item_factors_ += np.random.default_rng().standard_normal(self.item_factors_.shape).astype(np.float32)

    told = refusal("check_fit_can_be_repeated", broken(Unsteady))
    assert told == "fitting twice must be fitting once: item_factors_ differs"


def test_a_model_that_changes_its_parameters() -> None:
    class Adaptive(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.strength = 2.0

    assert "'strength': 2.0" in refusal("check_fit_can_be_repeated", broken(Adaptive))


def test_a_model_that_keeps_what_it_learns_in_its_class() -> None:
    class Shared(Sound):
        everyones: ClassVar[Any] = None

        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            Shared.everyones = self.item_factors_

        def make_scorer(self) -> Scorer:
            return replace(super().make_scorer(), item_factors=Shared.everyones)

    told = refusal("check_models_share_nothing", broken(Shared))
    assert told == "fitting another model must leave the first: the lists differ"


def test_an_array_that_is_not_among_the_fitted_ones() -> None:
    class Forgetful(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.item_bonus_ = np.ones(len(self.item_factors_), np.float32)

    told = refusal("check_fit_sets_fitted_names_only", broken(Forgetful))
    assert told == ("the arrays ['item_bonus_'] are learned, but not named among the fitted ones: no file holds them")


def test_a_name_that_does_not_say_that_it_is_learned() -> None:
    class Plain(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.size = len(interactions)

    told = refusal("check_fit_sets_fitted_names_only", broken(Plain))
    assert told == "the names that fit sets must end in '_', got ['size']"


def test_a_model_that_is_another_after_loading() -> None:
    class Lossy(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self._scale = 2.0

        def make_scorer(self) -> Scorer:
            scale = np.float32(getattr(self, "_scale", 1.0))
            return replace(super().make_scorer(), user_factors=self.user_factors_ * scale)

    told = refusal("check_loaded_model_is_the_saved_one", broken(Lossy))
    assert told == "a loaded model to data of polars must be the saved one: the lists differ"


def test_a_parameter_without_effect() -> None:
    class Idle(Sound):
        patience: int = 3

    told = refusal("check_parameters_change_what_is_learned", broken(Idle))
    assert told.startswith("patience=4 must change something; if it is too near 3, say another in others")


def test_a_parameter_of_which_no_other_value_is_known() -> None:
    class Named(Sound):
        title: str = ""

        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.item_factors_ += np.float32(len(self.title))

    model = broken(Named)
    told = refusal("check_parameters_change_what_is_learned", model)
    assert told == "others must say another value of title than ''"
    CHECKS["check_parameters_change_what_is_learned"](model, others={"title": "longer"})  # type: ignore[call-arg]


def test_parameters_that_nobody_checks() -> None:
    class Careless(Sound):
        def check(self) -> None:
            pass

    told = refusal("check_wrong_types_of_parameters_are_refused", broken(Careless))
    assert told.startswith("factors=2.5 must be refused with ValueError, ")


def test_an_update_that_changes_the_old_model() -> None:
    class Restless(Sound):
        def learn_more(self, before: Self, news: tm.Interactions) -> None:
            before.item_factors_ += 1
            super().learn_more(before, news)

    told = refusal("check_update_knows_the_news", broken(Restless))
    assert told == "update must leave the old model: item_factors_ differs"


def test_scores_that_depend_on_who_else_is_asked_for() -> None:
    class RelativeScorer(FactorScorer):
        def queries(self, rows: RowNumbers) -> Floats:
            return super().queries(rows) / np.float32(max(len(rows), 1))

    class Relative(Sound):
        def make_scorer(self) -> Scorer:
            scorer = super().make_scorer()
            return RelativeScorer(**{field.name: getattr(scorer, field.name) for field in fields(FactorScorer)})

    told = refusal("check_batches_change_no_list", broken(Relative))
    assert told.endswith("the lists differ")


def test_a_model_that_holds_a_lock() -> None:
    class Locked(Sound):
        def make_scorer(self) -> Scorer:
            return replace(super().make_scorer(), fold_in=partial(add_up, self.item_factors_, lock=threading.Lock()))

    told = refusal("check_copies_answer_alike", broken(Locked))
    assert told.startswith("after fit a model must be possible to be pickled, got ")


def test_a_file_that_may_hold_anything() -> None:
    class Trusting(Sound):
        @classmethod
        def from_arrays(cls, arrays: Any, header: Any) -> Self:
            model = cls(**header["parameters"])
            model._remember(stored.state_of(arrays, header), model)
            for name in cls.fitted_arrays:
                setattr(model, name, arrays.get(name))
            return model

    told = refusal("check_altered_file_is_refused", broken(Trusting))
    assert told == "a file with user_factors_ left out must be refused with ModelFileError, and is not"


def test_bits_that_depend_on_the_threads() -> None:
    class Threaded(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.item_factors_ *= np.float32(1 + n_threads())

    told = refusal("check_threads_change_nothing", broken(Threaded))
    assert told == "the number of threads must not change a bit: item_factors_ differs"


def test_an_ability_that_is_none() -> None:
    class Boastful(Sound):
        abilities: ClassVar[tm.Abilities] = tm.Abilities(similar_items=True, similar_users=True, explains="exact")

    with pytest.raises(tm.NotSupportedError, match="Boastful"):
        CHECKS["check_explanations"](broken(Boastful))


def test_an_ability_that_is_not_declared() -> None:
    class Modest(Sound):
        abilities: ClassVar[tm.Abilities] = tm.Abilities(similar_users=True)

        def make_item_space(self) -> Space:
            return Space(self.item_factors_, np.flatnonzero(self.state.known_items))

    told = refusal("check_what_a_model_cannot_do", broken(Modest))
    assert told.startswith("similar_items, which is not among the abilities, must be refused with NotSupportedError")


def test_a_history_that_does_not_give_the_users_own_list() -> None:
    class Distant(Sound):
        def make_scorer(self) -> Scorer:
            return replace(super().make_scorer(), fold_in=partial(add_up, self.item_factors_ + 1))

    told = refusal("check_folding_in_gives_the_users_own_list", broken(Distant))
    assert told.startswith("a history must give the user's own ")


def test_epochs_that_nobody_hears_of() -> None:
    class Deaf(Sound):
        epochs: int = 3
        abilities: ClassVar[tm.Abilities] = tm.Abilities(epochs=True)

    told = refusal("check_options_of_epochs", broken(Deaf))
    assert told == "callbacks must hear of every epoch once, heard []"
    told = refusal("check_training_goes_on_from_a_checkpoint", MODELS["Deaf"])
    assert told == "an error of a callback must end the training and be passed on"


def test_a_default_outside_of_the_search_space() -> None:
    class Astray(Sound):
        search_space: ClassVar[Any] = {"strength": tm.Range(2.0, 3.0)}

    told = refusal("check_search_space", broken(Astray))
    assert told == "search_space must hold the default of strength, 1.0"


# -- what fit itself says of a model whose arrays are none -------------------------------------------------------------


def learning(item_factors: Any) -> type[tm.Model]:
    """Make a model whose item array is the result of a function of a correct one."""

    class Odd(Sound):
        def learn(self, interactions: tm.Interactions, options: Options) -> None:
            super().learn(interactions, options)
            self.item_factors_ = item_factors(self.item_factors_)

    return dataclass(kw_only=True, eq=False)(Odd)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (list, TypeError, "Odd.item_factors_ must be a NumPy array, got list"),
        (
            lambda Q: Q[1:],
            TypeError,
            "Odd.item_factors_ must be float32 of shape (items = 2, factors = 4), got float32 of shape (1, 4)",
        ),
        (
            lambda Q: Q.astype(object),
            TypeError,
            "Odd.item_factors_ must be float32 of shape (items = 2, factors = 4), got object of shape (2, 4)",
        ),
        (lambda Q: Q.sum(), TypeError, "Odd.item_factors_ must be a NumPy array, got float32"),
        (lambda Q: Q * np.nan, tm.DivergenceError, "Odd.item_factors_ holds numbers that are not finite: change the"),
        (lambda Q: Q * np.inf, tm.DivergenceError, "Odd.item_factors_ holds numbers that are not finite: change the"),
    ],
    ids=["a list", "a row too few", "objects", "a number", "NaN", "infinite"],
)
def test_what_is_no_fitted_array_is_refused_by_fit(make: Any, error: type[Exception], sentence: str) -> None:
    model, likes = learning(make)(), tm.Interactions.from_frame({"user": ["a", "a"], "item": [1, 2]})
    with np.errstate(all="ignore"), pytest.raises(error, match=re.escape(sentence)) as caught:
        model.fit(likes)
    assert "\n" not in str(caught.value)
    with pytest.raises(tm.NotFittedError):
        model.recommend()


def test_an_array_that_fit_leaves_out() -> None:
    @dataclass(kw_only=True, eq=False)
    class Lacking(Sound):
        fitted_arrays: ClassVar[Specs] = {
            **Sound.fitted_arrays,
            "item_biases_": ArraySpec(dtype="float32", shape=("items",)),
        }

    likes = tm.Interactions.from_frame({"user": ["a", "a"], "item": [1, 2]})
    with pytest.raises(
        TypeError, match="Lacking names 'item_biases_' among its fitted arrays, and learning did not set"
    ):
        Lacking().fit(likes)


def test_a_model_that_makes_no_scorer() -> None:
    @dataclass(kw_only=True, eq=False)
    class Mute(Sound):
        def make_scorer(self) -> Any:
            return None

    model = Mute().fit(tm.Interactions.from_frame({"user": ["a", "a"], "item": [1, 2]}))
    with pytest.raises(TypeError, match=r"Mute\.make_scorer must return a Scorer, got NoneType"):
        model.recommend()


# -- what a scorer says of factors that are none -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"user_factors": np.zeros((3, 2))},
            "user_factors must be float32 of shape (3, 2), got float64 of shape (3, 2)",
        ),
        (
            {"user_factors": np.zeros((4, 2), np.float32)},
            "user_factors must be float32 of shape (3, 2), got float32 of",
        ),
        (
            {"item_factors": np.zeros((2, 5), np.float32)},
            "item_factors must be float32 of shape (2, 2), got float32 of",
        ),
        ({"item_factors": [[0.0, 0.0]] * 2}, "item_factors must be float32 of shape (2, 2), got list"),
        (
            {"item_biases": np.zeros((2, 1), np.float32)},
            "item_biases must be float32 of shape (2,), got float32 of shape",
        ),
    ],
    ids=["float64", "a row too many", "columns too many", "a list", "a column"],
)
def test_factors_of_another_kind_or_shape_are_refused_in_a_sentence(changed: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=re.escape(sentence)):
        scorer_with(**changed)


def test_people_folded_in_to_another_shape_are_refused_in_a_sentence() -> None:
    likes = tm.Interactions.from_frame({"user": ["a"], "item": [1]})
    scorer = scorer_with(fold_in=lambda histories, features: (np.zeros((2, 2), np.float32), None))
    with pytest.raises(
        TypeError, match=re.escape("the factors that fold_in returns must be float32 of shape (1, 2), got")
    ):
        scorer.fold(likes.by_user)


def scorer_with(**changed: Any) -> FactorScorer:
    """Make a scorer of 3 users, 2 items and 2 factors."""
    parts: dict[str, Any] = {
        "known_users": np.ones(3, bool),
        "known_items": np.ones(2, bool),
        "popularity": np.ones(2, np.int64),
        "user_factors": np.zeros((3, 2), np.float32),
        "item_factors": np.zeros((2, 2), np.float32),
        "fold_in": add_up,
    }
    return FactorScorer(**{**parts, **changed})
