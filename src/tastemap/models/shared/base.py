"""The base class of all models: it checks parameters, learns from interactions, updates and saves."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

import numpy as np

from tastemap import memory
from tastemap.data._checks import as_python
from tastemap.data.features import Features, check_features
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.data.specs import ArraySpec
from tastemap.engines import import_spark, is_spark
from tastemap.errors import (
    DataError,
    ModelFileError,
    NotFittedError,
    NotSupportedError,
    ParameterNameError,
    name_some,
    show,
)
from tastemap.files.arrays import as_json, compute_digest, write_arrays
from tastemap.metrics.definitions import Metric, RatingMetric, parse
from tastemap.models.shared import stored
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.answers import PLACE_BYTES, count_at_once
from tastemap.models.shared.asked import SparkPairs
from tastemap.models.shared.learned import check_learned
from tastemap.models.shared.likes import find_unit, take_likes, warn_of_new_zeros, warn_of_other_weights
from tastemap.models.shared.needs import Memory, Needs, find_made, find_size_of_data, read_sizes, tell
from tastemap.models.shared.parameters import make_unknown_error
from tastemap.models.shared.reasons import Reasons
from tastemap.models.shared.refusal import find_most_factors, find_most_items, make_refusal
from tastemap.models.shared.search import SearchSpace
from tastemap.models.shared.state import State
from tastemap.models.shared.totals import Totals
from tastemap.progress import say
from tastemap.training.loop import Epoch, Options, Trainable, train
from tastemap.typing import Array, Arrays, Counts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame

_NOTHING = "there is nothing to learn from: the interactions hold no pair"


@dataclass(kw_only=True, eq=False)
class Model(Reasons):
    """The contract of all models. Hyper-parameters are dataclass fields that `fit` checks; learned names end in `_`.

    users, items : the id maps of the training data
    interactions : the training pairs, None where the model was saved without it
    popularity_, activity_ : int64, (n_items,) and (n_users,): the number of training pairs of each item and user
    epochs_ : one `Epoch` for every epoch trained, empty for models that train without epochs
    digest_ : the digest of the file that the model was loaded from, 32 hexadecimal digits; None where it was not loaded
    used_ : an unfitted model of the class with a value for every parameter, those that learning used: a parameter that
        is None was worked out from the training data, as `find_defaults` says. Before `fit`, the model itself
    abilities : what the model can do
    search_space : the values that `tastemap.tune` tries for each parameter; empty where no parameter is worth a search.
        `factors` is never in it: more factors are nearly always better and cost more, so they are a budget
    feature_search_space : the same for parameters that matter only with features

    fitted_arrays : what each array that `learn` sets must be, an `ArraySpec` by name: `fit` holds the model to it, and
        `load` the file

    A model of your own is a subclass: a dataclass (kw_only=True, eq=False) of its parameters that declares its
    `abilities` and `fitted_arrays` and has the methods `check`, `learn`, `learn_more` and `make_scorer`.
    """

    abilities: ClassVar[Abilities] = Abilities()
    search_space: ClassVar[SearchSpace] = {}
    feature_search_space: ClassVar[SearchSpace] = {}
    # The arrays that `learn` sets and `save` writes, by name. `load` refuses others, before it makes a model of them.
    fitted_arrays: ClassVar[Mapping[str, ArraySpec]] = {}

    # -- what each model implements -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""

    @abstractmethod
    def learn(self, interactions: Interactions, options: Options) -> None:
        """Set the fitted arrays. `state` has the training data already; a model with epochs calls `run_epochs`.

        interactions : the training pairs; where `abilities.ratings` is False, the likes among them with weights in
            multiples of their mean weight, `state.unit`. `state.training` returns the same
        """

    @abstractmethod
    def learn_more(self, before: Self, news: Interactions) -> None:
        """Set the fitted arrays, starting from those of `before`; `state` has all pairs, including those of `news`."""

    def find_defaults(self, interactions: Interactions) -> dict[str, Any]:
        """Return a value for every parameter whose default is None, which means that the data say it.

        Floats are rounded to four digits, so that what is shown is what was used. Learning and answering read values
        from `used_`.

        interactions : the training pairs, as `learn` gets them
        """
        return self.find_defaults_from(Totals.of(interactions))

    def find_defaults_from(self, totals: Totals) -> dict[str, Any]:
        """Return what `find_defaults` does, where the pairs may be elsewhere; for models that train on Spark."""
        return {}

    def estimate_seconds(self, sizes: Mapping[str, int]) -> float:
        """Return about how long learning takes where that follows from the sizes alone; 0 where it is not known."""
        return 0.0

    def find_needs(self, sizes: Mapping[str, int]) -> Needs:
        """Return the memory that the model takes beside its fitted arrays and what all models take.

        sizes : "users", "items", "paired_items" and "pairs"; every whole parameter by its name; those that
            `estimate_sizes` returns; "user_features" and "item_features", the numbers of features
        """
        return Needs()

    def estimate_sizes(self) -> dict[str, int]:
        """Return the sizes in shapes of `fitted_arrays` that only learning finds, as `state` and `used_` let expect."""
        return {}

    def make_leaner(self) -> Model | None:
        """Return another model that takes less memory, which is proposed where this one does not fit; None for none."""
        return None

    def find_sizes(self, activity: Counts, popularity: Counts) -> dict[str, int]:
        """Return the sizes that shapes in `fitted_arrays` name: of users and items, and every whole parameter.

        activity, popularity : int64, (n_users,) and (n_items,): the number of training pairs of each
        """
        parameters = {name: value for name, value in asdict(self.used_).items() if type(value) is int}
        paired_items = int(np.count_nonzero(popularity))
        return {**parameters, "users": len(activity), "items": len(popularity), "paired_items": paired_items}

    def place_items(self) -> None:
        """Set the arrays of items without a training pair from their features; for models that take features."""
        raise NotSupportedError(
            f"{type(self).__name__} says that it takes features, but has no place_items, which add_items needs"
        )

    # -- parameters ---------------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # type checkers read the parameters from the dataclass

        def __new__(cls, *args: Any, **parameters: Any) -> Self:
            """Raise ParameterNameError, in one sentence, for parameters that the dataclass would refuse."""
            model = super().__new__(cls)
            names = {field.name for field in fields(cls) if field.init}
            if args or not names.issuperset(parameters):
                _check_call(cls, args, parameters)
            return model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as they were given.

        deep : for scikit-learn, which passes it; no parameter has parameters of its own
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters and return the model itself, unfitted: what it learned with others is forgotten.

        So no file and no card says that arrays were learned with parameters that came later. Like the constructor, it
        only stores; `fit` checks the values. Without a parameter it changes nothing, and a fitted model stays fitted.

        Raises ParameterNameError for a name that the model does not have, before anything is set.
        """
        known = self.get_params()
        unknown = {name: value for name, value in parameters.items() if name not in known}
        if unknown:
            raise make_unknown_error(f"{type(self).__name__} has", unknown, known)
        if parameters:
            self._forget()
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def clone(self) -> Self:
        """Return an unfitted model with the same parameters."""
        return type(self)(**asdict(self))

    # -- learning -----------------------------------------------------------------------------------------------------

    def settle(self, interactions: Interactions) -> Self:
        """Return an unfitted model with a value for every parameter: those that are None are found in the data.

        interactions : the training pairs, as `fit` takes them
        """
        if not self.abilities.ratings:
            interactions = interactions.likes()
        if not len(interactions):
            raise DataError(_NOTHING)
        return self._settle(interactions if self.abilities.ratings else interactions.divide(find_unit(interactions)))

    def try_on(self, interactions: Interactions, **values: Any) -> Self:
        """Return a model with these values that knows other pairs and has learned nothing of them.

        `find_defaults` uses it where values are tried on a part of the pairs. Raises DataError where learning takes
        more memory than is free.

        interactions : the pairs, as `learn` gets them
        """
        trial = self.clone().set_params(**values)
        trial._remember(State.of(interactions), trial.clone())
        trial._ask_for_memory(interactions)
        return trial

    def _settle(self, interactions: Interactions) -> Self:
        """Do as `settle` with pairs as `learn` gets them."""
        return self._complete(lambda: self.find_defaults(interactions))

    def settle_from(self, totals: Totals) -> Self:
        """Do as `settle` from totals of the pairs."""
        return self._complete(lambda: self.find_defaults_from(totals))

    def _complete(self, find: Callable[[], dict[str, Any]]) -> Self:
        """Return an unfitted model in which parameters that are None have the values found."""
        given = self.get_params()
        if None not in given.values():
            return self.clone()
        found = find()
        missing = {name: _round(found[name]) for name, value in given.items() if value is None and name in found}
        settled = self.clone().set_params(**missing)
        settled.check_parameters()
        return settled

    def check_parameters(self) -> None:
        """Turn NumPy's numbers among the parameters into Python's, and raise ValueError for one out of range."""
        for field in fields(self):
            setattr(self, field.name, as_python(getattr(self, field.name)))
        self.check()

    def fit(
        self,
        interactions: Interactions | SparkFrame,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
        validation: Interactions | None = None,
        patience: int | None = None,
        metric: Metric | str = "ndcg@10",
        callbacks: Callable[[Epoch], None] | Iterable[Callable[[Epoch], None]] = (),
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
        **columns: Unpack[SparkPairs],
    ) -> Self:
        """Learn from interactions and return the model itself. It forgets whatever it learned before.

        interactions : the training pairs; or a Spark frame with one row an interaction, from which `ImplicitALS`,
            `ExplicitALS`, `EASE` and `ItemKNN` learn on Spark
        user_features, item_features : features of users and items. Ids without a training pair are added to the id
            maps, so that the model knows these users and items too
        validation : held-out interactions; after every epoch `metric` is measured on those of their users who have a
            training pair or features, and on items of the training's id map
        metric : a metric of the first k places, such as "ndcg@10"; for models that predict ratings also "rmse" and
            "mae", over the pairs whose user and item have a training pair
        patience : stop when `metric` has not improved for this many epochs, and keep the best epoch
        callbacks : one function or several, called after every epoch with an `Epoch`; an error in one ends the training
            and is passed on
        progress : a bar on stderr; None shows one where stderr is a terminal
        checkpoint : a file that is written during training. If it exists, training resumes from it and ends with the
            same bits as an uninterrupted one
        columns : user, item, weight, duplicates and history, for a Spark frame alone, as `tastemap.spark.fit` takes
            them. It takes none of the other arguments

        A model that trains without epochs refuses patience, callbacks and checkpoint, and ignores the validation part.

        Models of likes learn from the likes, the pairs of a weight above 0, warn where they leave others out, and take
        weights in multiples of their mean; models of ratings take weights as they are. A warning says where a few very
        large weights would decide what is learned: damp such counts with `Interactions.log2` or `binarize`, and later
        what is passed to `update` and `recommend_for` in the same way.

        Raises ValueError for a parameter out of range, DataError where learning takes more memory than is free and for
        data without a pair or a like, or with negative weights where the model takes none, DivergenceError when the
        objective is no longer finite, ModelFileError for the checkpoint of another training, NotSupportedError for
        features where the model takes none.
        """
        if is_spark(interactions):
            given_too = (user_features, item_features, validation, patience, callbacks, checkpoint)
            return self._fit_on_spark(interactions, given_too, columns)
        check_interactions("fit", interactions)
        assert isinstance(interactions, Interactions)
        if columns:
            raise ParameterNameError(
                f"{min(columns)} is about Spark frames, and Interactions know their columns: leave it out",
                parameter=min(columns),
                value=columns[min(columns)],  # type: ignore[literal-required]
            )
        if not len(interactions):
            raise DataError(_NOTHING)
        self.check_parameters()
        self._check_takes_features(user_features, item_features)
        check_features("user_features", user_features)
        check_features("item_features", item_features)
        unit, given = 1.0, interactions
        if not self.abilities.ratings:
            weighs_pairs = self.abilities.weighs_pairs
            interactions = take_likes(type(self).__name__, interactions, weighs_pairs=weighs_pairs, stacklevel=2)
            unit = find_unit(interactions)
        state = State.learn(interactions, user_features, item_features, unit=unit)
        interactions = state.training("fit")
        metric = parse(metric)
        if validation is not None:
            check_interactions("validation", validation)
            validation = _keep_measurable(validation, state, isinstance(metric, RatingMetric))
        listeners = (callbacks,) if callable(callbacks) or not isinstance(callbacks, Iterable) else tuple(callbacks)
        options = Options(validation, patience, metric, listeners, progress, checkpoint)
        options.check(predicts_ratings=self.abilities.ratings)
        if not self.abilities.epochs:
            options.check_without_epochs(type(self).__name__)
        self._forget()
        try:
            self._remember(state, self._settle(interactions))
            told = self._ask_for_memory(given)
            if told.is_large:
                say(told.sentence, progress)
            self.learn(interactions, options)
            self._check_learned()
        except BaseException:
            self._forget()  # a half-fitted model must not look fitted
            raise
        return self

    def _fit_on_spark(self, frame: Any, options: tuple[Any, ...], columns: SparkPairs) -> Self:
        given = [
            name
            for name, value in zip(
                ("user_features", "item_features", "validation", "patience", "callbacks", "checkpoint"),
                options,
                strict=True,
            )
            if value is not None and value != ()
        ]
        if given:
            raise NotSupportedError(
                f"training on Spark takes no {name_some(given)}: leave it out, or fit to Interactions on one machine"
            )
        fitted: Self = import_spark().fit(self, frame, **columns)
        return fitted

    def learn_elsewhere(self, state: State, used: Self, learn: Callable[[Self], None]) -> Self:
        """Learn from pairs that are not on this machine, such as on Spark, and return the model itself.

        state, used : as a fit has them
        learn : sets the arrays that `fitted_arrays` declares of the model that it is given
        """
        self._forget()
        try:
            self._remember(state, used)
            learn(self)
            self._check_learned()
        except BaseException:
            self._forget()
            raise
        return self

    def without_users(self) -> Self:
        """Return the model without its users and training pairs: what it takes to rank for others."""
        state = self.state
        nobody = replace(
            state,
            users=IdMap(state.users.ids.clear(), state.users.name),
            activity=state.activity[:0],
            interactions=None,
            user_features=None,
        )
        rest = self.clone()
        rest._remember(nobody, self.used_)
        for name, spec in self.fitted_arrays.items():
            array = getattr(self, name)
            setattr(rest, name, array[:0] if spec.shape[:1] == ("users",) else array)
        return rest

    def run_epochs(self, task: Trainable, options: Options, divergence_hint: str) -> Arrays:
        """Train in epochs, set `epochs_`, and return the arrays of the last epoch, or with patience of the best.

        divergence_hint : which parameter to change, for the DivergenceError when the objective is not finite
        """
        identity: dict[str, Any] = {"class": type(self).__name__, "parameters": asdict(self.used_), "data": ""}
        if options.checkpoint is not None:  # fingerprints take time
            identity["data"] = self.state.fingerprint
            if self.abilities.uses_order:
                identity["order"] = self.state.training("fit").recency.fingerprint()
            sides = (("user_features", self.state.user_features), ("item_features", self.state.item_features))
            identity |= {name: None if own is None else own.fingerprint() for name, own in sides}
        arrays, self.epochs_ = train(task, identity, options, divergence_hint)
        return arrays

    def update(
        self,
        interactions: Interactions,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
    ) -> Self:
        """Return a new model that has learned from these interactions too; this model stays as it is.

        user_features, item_features : features of new ids, and changed features of known ids, made with
            `Features.transform` of those of the training. The factors of features stay as they were learned

        A known pair takes the new weight and the later time; where these interactions have no times, the new model
        keeps none. New users and items are added to the id maps. For models of likes a known
        pair of the new weight 0 is a like taken back and leaves, and weights count in the unit of the first training:
        after a fit to `interactions.log2()` pass `news.log2()`, after `binarize` ones.
        The docstring of each model says which of its arrays an update learns again.

        Raises NotFittedError before `fit`, NotSupportedError where the model was saved without its training pairs, or
        for features of a side that was fitted without.
        """
        state = self.state
        check_interactions("update", interactions)
        self._check_more_features(user_features, item_features)
        ratings = self.abilities.ratings
        if not ratings:
            warn_of_new_zeros(type(self).__name__, state.given("update"), interactions, stacklevel=2)
        warn_of_other_weights("update", state.columns, interactions, stacklevel=2)
        updated = self.clone()
        merged = state.merge(
            interactions, user_features, item_features, ratings=ratings, ordered=self.abilities.uses_order
        )
        updated._remember(merged, self._settle(merged.training("update")))
        updated.epochs_ = list(self.epochs_)
        updated._ask_for_memory(merged.given("update"))
        updated.learn_more(self, interactions.divide(state.unit))
        updated._check_learned()
        return updated

    def add_items(self, features: Features) -> Self:
        """Return a new model that can recommend these items too, from their features alone; this model stays as it is.

        features : features of the items, made with `Features.transform` of those of the training

        The ids are added to the id map, and each item gets the sum of its features' factors. Items with a training pair
        stay as they are; pass their changed features to `update`.

        Raises NotSupportedError where the model was fitted without item features, DataError for features that were not
        in the training data.
        """
        state = self.state
        if features is None:
            raise DataError("add_items takes tastemap.Features, got None: make them with Features.transform")
        self._check_more_features(None, features)
        grown = self.clone()
        grown._remember(state.add_items(features), self.used_)
        grown.epochs_ = list(self.epochs_)
        for name in self.fitted_arrays:
            setattr(grown, name, getattr(self, name))
        grown.place_items()
        return grown

    # -- memory -------------------------------------------------------------------------------------------------------

    def memory(
        self,
        interactions: Interactions,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
    ) -> Memory:
        """Return how many bytes the model takes with these interactions, part by part, without learning from them.

        interactions, user_features, item_features : as `fit` takes them

        Told are the most bytes at a time during the fit, beyond what the interactions take; what the fitted model takes
        beyond them; and the most at a time during `recommend_all` of ten items, beyond the fitted model. Parameters
        that are None get their values as in `fit`: of models that try values on a part of the pairs, this takes time.
        How many neighbours items have is estimated from some of the items. Threads take memory of their own: those of
        now are counted.

        Raises ValueError for a parameter out of range, DataError for data without a pair or a like.
        """
        check_interactions("memory", interactions)
        if not len(interactions):
            raise DataError(_NOTHING)
        model = self.clone()
        model.check_parameters()
        unit, given = 1.0, interactions
        if not self.abilities.ratings:
            interactions = interactions.likes()
            unit = find_unit(interactions)
        # What is computed for this stays with a copy, so that the interactions take no more than before.
        state = State.learn(interactions.copy(), user_features, item_features, unit=unit)
        model._remember(state, model._settle(state.training("memory")))
        return model._tell_memory(given)

    def ask_for_answers(self) -> None:
        """Raise DataError where what the first answer makes of the fitted arrays takes more memory than is free."""
        state = self.state
        arrays = {name: getattr(self, name) for name in self.fitted_arrays if hasattr(self, name)}
        sizes = {
            **self.find_sizes(state.activity, state.popularity),
            **read_sizes(self.fitted_arrays, arrays),
            **self._count_features(),
            "pairs": int(state.popularity.sum()),
        }
        needs = self.find_needs(sizes)
        memory.ask(
            f"answering with this {type(self).__name__}",
            sum(needs.answering.values()) + max(sum(needs.making.values()), sum(needs.scoring.values())),
            "fit it to fewer items, with interactions.top_items(...)",
        )

    def _count_features(self) -> dict[str, int]:
        state = self.state
        sides = (("user_features", state.user_features), ("item_features", state.item_features))
        return {name: 0 if own is None else len(own.names) for name, own in sides}

    def _tell_memory(self, given: Interactions, **sizes: int) -> Memory:
        """Return the memory of a fit to the data of `state`.

        given : the interactions before likes were taken
        sizes : in place of the model's own
        """
        state = self.state
        known = {
            **self.find_sizes(state.activity, state.popularity),
            **find_size_of_data(given, state),
            **self.estimate_sizes(),
            **self._count_features(),
            **sizes,
        }
        n_items = max(known["items"], 1)
        at_once = min(known["users"], count_at_once(min(10, n_items), n_items))
        return tell(type(self).__name__, self.find_needs(known), self.fitted_arrays, known, at_once, PLACE_BYTES)

    def _ask_for_memory(self, given: Interactions) -> Memory:
        """Return the memory of a fit to the data of `state`; raises DataError where more is needed than is free.

        given : the interactions before likes were taken
        """
        told, made = self._tell_memory(given), find_made(self.state)
        there = sum(size for part, size in told.parts["fit"].items() if part in made)
        needed = told.fit - there
        if needed < memory.SMALL:
            return told
        available = memory.available_memory()
        if available is None or needed <= available:
            return told
        factors = getattr(self.used_, "factors", None)
        fewer = other = None
        if isinstance(factors, int):
            fewer = find_most_factors(
                factors, lambda fewer: self._tell_memory(given, factors=fewer).fit - there <= available
            )
        leaner = self.make_leaner()
        if leaner is not None:
            leaner._remember(self.state, leaner._settle(self.state.training("fit")))
            needs = leaner._tell_memory(given).fit
            other = (repr(leaner.clone()).partition("(")[0], needs) if needs <= available else None

        def fits(fewer: Interactions) -> bool:
            trial = self.clone()
            trial._remember(State.of(fewer, unit=self.state.unit), self.used_)
            return trial._tell_memory(fewer).fit + 8 * len(fewer) <= available

        items = None if self.state.item_features else find_most_items(self.state.training("fit"), fits)
        what = f"{type(self).__name__}{'' if factors is None else f' with {factors:,} factors'}"
        size = f"{len(self.users):,} users, {len(self.items):,} items and {int(self.popularity_.sum()):,} pairs"
        seconds = self.estimate_seconds(self.find_sizes(self.activity_, self.popularity_))
        raise make_refusal(f"{what} of {size}", needed, available, fewer, items, other, seconds)

    # -- what is known ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the model knows of its training data; raises NotFittedError before `fit`."""
        self.check_fitted()
        return self._state

    def check_fitted(self) -> None:
        """Raise NotFittedError where the model has learned nothing yet."""
        if not hasattr(self, "_state"):
            raise NotFittedError(f"this {type(self).__name__} has learned nothing yet", "call fit first")

    @property
    def used_(self) -> Any:
        """An unfitted model with the values that learning used for parameters; before `fit`, the model itself."""
        return getattr(self, "_used", self)

    def __repr__(self) -> str:
        used = ", ".join(f"{name}={value!r}" for name, value in self.used_.get_params().items())
        return f"{type(self).__name__}({used})"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):  # else dataclass writes one, of the values given
            cls.__repr__ = Model.__repr__  # type: ignore[method-assign]

    @property
    def known(self) -> dict[str, Any]:
        """The arguments that every `Scorer` takes: known users and items, popularity, order of ties, training pairs."""
        state = self.state
        return {
            "known_users": state.known_users,
            "known_items": state.known_items,
            "popularity": state.popularity,
            "tie_order": state.items.tie_order,
            "seen": self.seen,
        }

    @property
    def users(self) -> IdMap:
        """The users of the training data: external id <-> row."""
        return self.state.users

    @property
    def items(self) -> IdMap:
        """The items of the training data: external id <-> row."""
        return self.state.items

    @property
    def interactions(self) -> Interactions | None:
        """The training data, for models of likes the likes among them; None where the model was saved without it."""
        return self.state.interactions

    @property
    def popularity_(self) -> Counts:
        """The number of training pairs of each item: int64, (n_items,)."""
        return self.state.popularity

    @property
    def activity_(self) -> Counts:
        """The number of training pairs of each user: int64, (n_users,)."""
        return self.state.activity

    def _remember(self, state: State, used: Self) -> None:
        self._state, self._used = state, used
        self.epochs_ = list[Epoch]()
        self.digest_: str | None = None

    def _check_learned(self) -> None:
        set_arrays = {name: getattr(self, name) for name in self.fitted_arrays if hasattr(self, name)}
        sizes = self.find_sizes(self.activity_, self.popularity_)
        check_learned(type(self).__name__, self.fitted_arrays, set_arrays, sizes)

    def _forget(self) -> None:
        parameters = {field.name for field in fields(self)}
        for name in [name for name in vars(self) if name not in parameters]:
            delattr(self, name)

    def __getstate__(self) -> dict[str, Any]:
        # Cached values can be computed again.
        kept = {*(field.name for field in fields(self)), "_state", "_used", "epochs_", "digest_", *self.fitted_arrays}
        return {name: value for name, value in vars(self).items() if name in kept}

    # -- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, interactions: bool = True) -> None:
        """Write the model to one safetensors file; a file of that name is replaced only by the whole new one.

        interactions : keep the training pairs, which `explain`, `update` and leaving out seen items need, with their
            times; without them the file is smaller and holds no user's history. Their input order, which counts between
            equal times, is kept for models that use it
        """
        state = self.state
        fitted = {name: getattr(self, name) for name in self.fitted_arrays}
        arrays = stored.arrays_of(state, fitted, interactions, ordered=self.abilities.uses_order)
        write_arrays(path, arrays, "model", self._header())

    def identify(self) -> str:
        """Return a hash of the fitted model and its training data: equal models have equal ones."""
        state = self.state
        fitted = {name: getattr(self, name) for name in self.fitted_arrays}
        # The header has the hash of the training pairs.
        return compute_digest(as_json(self._header()), stored.arrays_of(state, fitted, interactions=False))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; `tastemap.load` calls it.

        Nothing is made of the arrays before all of them are what the model declares. Raises ModelFileError where the
        header or an array is not.
        """
        stored.check_header(header)
        try:
            model = cls(**header["parameters"])
            model.check_parameters()
            used = model._take_used(header.get("used", {}))
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"its parameters are wrong: {error}") from error
        activity, popularity = (stored.find_counts(arrays, name) for name in ("activity_", "popularity_"))
        specs = {**stored.declare_state(arrays, cls.abilities), **cls.fitted_arrays}
        stored.check_arrays(arrays, specs, used.find_sizes(activity, popularity))
        model._remember(stored.state_of(arrays, header), used)
        model.epochs_ = stored.epochs_of(header)
        for name in cls.fitted_arrays:
            setattr(model, name, arrays[name])
        return model

    def card(self) -> str:
        """Return a description of the fitted model in Markdown: parameters, data, training, versions."""
        return stored.card(self._header(), self.state)

    def _header(self) -> dict[str, Any]:
        given, used = self.get_params(), asdict(self.used_)
        found = {name: value for name, value in used.items() if given[name] is None}
        return stored.header_of(type(self).__name__, asdict(self), found, self.state, self.epochs_)

    def _take_used(self, found: dict[str, Any]) -> Self:
        """Return the model with the values that a file says were found in the data; ValueError for others."""
        given = self.get_params()
        wanted = {name for name, value in given.items() if value is None}
        finders = ("find_defaults", "find_defaults_from")
        finds = any(getattr(type(self), name) is not getattr(Model, name) for name in finders)
        if not wanted.issuperset(found) or (finds and (wanted.difference(found) or None in found.values())):
            raise ValueError(f"those found in the data are {name_some(sorted(found))}, not {name_some(sorted(wanted))}")
        used = self.clone().set_params(**found)
        used.check_parameters()
        return used


def _round(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _check_call(cls: type[Model], args: tuple[Any, ...], parameters: dict[str, Any]) -> None:
    """Raise ParameterNameError where the constructor of a model does not take these arguments."""
    try:
        inspect.signature(cls.__init__).bind(None, *args, **parameters)  # a model may have a constructor of its own
    except TypeError:
        known = [field.name for field in fields(cls) if field.init]
        if args:
            first = known[0] if known else ""
            meant = f": write {cls.__name__}({first}={show(args[0])})" if known and len(args) == 1 else ""
            raise ParameterNameError(
                f"{cls.__name__} takes parameters by their names only, got {name_some(args)} without one{meant}",
                parameter=first,
                value=args[0],
            ) from None
        unknown = {name: value for name, value in parameters.items() if name not in known}
        if not unknown:  # a constructor of its own refuses them for a reason of its own
            return
        raise make_unknown_error(f"{cls.__name__} has", unknown, known) from None


def _keep_measurable(validation: Interactions, state: State, ratings: bool) -> Interactions:
    """Return the validation pairs of known users, on the training's id maps; DataError where there are none.

    ratings : whether the pairs are compared with predictions; then their items need a training pair too
    """
    if not ratings:
        validation = validation.likes()
    validation, _ = validation.align(state.users, state.items)
    if len(validation):
        measurable = state.known_users[validation.row_of_pair()]
        if ratings:
            measurable &= (state.popularity > 0)[validation.matrix.indices]
        validation = validation.pick(measurable[validation.input_order])
    if not len(validation):
        pair = ": no pair can be compared" if ratings else ""
        raise DataError(f"validation shares no user with a training pair and no item with the training data{pair}")
    return validation
