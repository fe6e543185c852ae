"""What a model is: parameters that are checked, learned from interactions, updated, saved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from tastemap.data.features import Features, check_features
from tastemap.data.ids import IdMap
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.errors import DataError, NotFittedError
from tastemap.files.arrays import write_arrays
from tastemap.metrics.definitions import Metric, RatingMetric, parse
from tastemap.models.shared import stored
from tastemap.models.shared.abilities import Abilities
from tastemap.models.shared.answers import Answers
from tastemap.models.shared.learned import check_arrays
from tastemap.models.shared.search import SearchSpace
from tastemap.models.shared.state import State
from tastemap.training.loop import Epoch, Options, Trainable, train
from tastemap.typing import Array, Arrays, Counts


@dataclass(kw_only=True, eq=False)
class Model(Answers):
    """The contract of all models. Hyper-parameters are dataclass fields that `fit` checks; what it learns ends in `_`.

    users, items : the id maps of the training data
    interactions : the training data itself, None where the model was saved without it
    popularity_, activity_ : int64, (n_items,) and (n_users,): in how many training pairs an item and a user are
    epochs_ : one `Epoch` for every epoch trained, empty for models that train without epochs
    abilities : what the model can do
    search_space : what `tastemap.tune` tries for which parameter; empty where none is worth searching. `factors` is
        never in it: more is nearly always better and costs more, so it is a budget
    feature_search_space : the same for the parameters that mean something only where features are given

    A model of your own is a subclass: a dataclass (kw_only=True, eq=False) of its parameters that says its `abilities`
    and `fitted_arrays` and has the methods `check`, `learn`, `learn_more` and `make_scorer`.
    """

    abilities: ClassVar[Abilities] = Abilities()
    search_space: ClassVar[SearchSpace] = {}
    feature_search_space: ClassVar[SearchSpace] = {}
    # Names of the arrays that `learn` sets, which a file holds.
    fitted_arrays: ClassVar[tuple[str, ...]] = ()

    # -- what a model says of itself ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise ValueError for a hyper-parameter out of range."""

    @abstractmethod
    def learn(self, interactions: Interactions, options: Options) -> None:
        """Set the fitted arrays. The `state` knows the data; a model that trains in epochs calls `run_epochs`."""

    @abstractmethod
    def learn_more(self, before: Self, news: Interactions) -> None:
        """Set the fitted arrays from those of `before`; the `state` knows all interactions, those of the news too."""

    def place_items(self) -> None:
        """Give the items without a training pair what their features say; for models that take features."""
        raise NotImplementedError

    # -- learning -----------------------------------------------------------------------------------------------------

    def fit(
        self,
        interactions: Interactions,
        *,
        user_features: Features | None = None,
        item_features: Features | None = None,
        validation: Interactions | None = None,
        patience: int | None = None,
        metric: Metric | str = "ndcg@10",
        callbacks: Callable[[Epoch], None] | Iterable[Callable[[Epoch], None]] = (),
        progress: bool | None = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Learn from interactions and return the model itself. Whatever was learned before is forgotten.

        user_features, item_features : what is known of users and items beside the interactions. Ids that only they
            have are added to the id maps, so that the model knows these users and items too
        validation : held-out interactions; `metric` is measured after every epoch on their users with a training pair
            or features and items of the training's id map
        metric : a metric of the first k places, such as "ndcg@10"; of models that predict ratings also "rmse" and
            "mae", of the pairs whose user and item have a training pair
        patience : stop when `metric` has not improved for this many epochs, and keep the best epoch
        callbacks : called after every epoch with an `Epoch`; an error in one ends the training and is passed on
        progress : a bar on stderr; None shows one where stderr is a terminal
        checkpoint : a file that is written during training. If it exists, training goes on from it, and ends with
            the same bits as if it had never stopped

        A model that trains without epochs refuses patience, callbacks and checkpoint, and measures no validation part.

        Raises ValueError for a parameter out of range, DivergenceError when the objective is no longer finite,
        ModelFileError for the checkpoint of another training, NotSupportedError for features where the model takes
        none.
        """
        check_interactions("fit", interactions)
        if not len(interactions):
            raise DataError("there is nothing to learn from: the interactions hold no pair")
        self.check()
        self._check_takes_features(user_features, item_features)
        check_features("user_features", user_features)
        check_features("item_features", item_features)
        state = State.learn(interactions, user_features, item_features)
        interactions = state.training("fit")
        metric = parse(metric)
        if validation is not None:
            check_interactions("validation", validation)
            validation = _keep_measurable(validation, state, isinstance(metric, RatingMetric))
        listeners = (callbacks,) if callable(callbacks) else tuple(callbacks)
        options = Options(validation, patience, metric, listeners, progress, checkpoint)
        options.check(predicts_ratings=self.abilities.ratings)
        if not self.abilities.epochs:
            options.check_without_epochs(type(self).__name__)
        self._forget()
        try:
            self._remember(state)
            self.learn(interactions, options)
            self._check_learned()
        except BaseException:
            self._forget()  # half a model must not pass for a fitted one
            raise
        return self

    def run_epochs(self, task: Trainable, options: Options, divergence_hint: str) -> Arrays:
        """Train in epochs, keep in `epochs_` what happened, and return the arrays of the last or the best epoch.

        divergence_hint : which parameter to change, for the DivergenceError when the objective is not finite
        """
        identity: dict[str, Any] = {"class": type(self).__name__, "parameters": asdict(self), "data": ""}
        if options.checkpoint is not None:  # it takes time
            identity["data"] = self.state.fingerprint
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
        """Return a new model that knows these interactions too; this one stays as it is.

        user_features, item_features : of new ids, and of known ones whose features have changed, made like those of the
            training (`Features.transform`). The factors of features stay as they were learned

        A pair that was known takes the new weight; unknown users and items are added to the id maps. How far the
        learning goes is said by each model.
        """
        state = self.state
        check_interactions("update", interactions)
        self._check_more_features(user_features, item_features)
        updated = self.clone()
        updated._remember(state.merge(interactions, user_features, item_features))
        updated.epochs_ = list(self.epochs_)
        updated.learn_more(self, interactions)
        updated._check_learned()
        return updated

    def add_items(self, features: Features) -> Self:
        """Return a new model that can recommend these items too, from their features alone; this one stays as it is.

        features : of the items, made like those of the training (`Features.transform`)

        Their ids are added to the id map, and the items get the sum of their features' factors at once. Items with a
        training pair stay as they are: `update` takes changed features of these.

        Raises NotSupportedError where the model was fitted without item features, DataError for features that were not
        in the training.
        """
        state = self.state
        if features is None:
            raise DataError("add_items takes tastemap.Features, got None: make them with Features.transform")
        self._check_more_features(None, features)
        grown = self.clone()
        grown._remember(state.add_items(features))
        grown.epochs_ = list(self.epochs_)
        for name in self.fitted_arrays:
            setattr(grown, name, getattr(self, name))
        grown.place_items()
        return grown

    def clone(self) -> Self:
        """Return a model with the same parameters that has learned nothing."""
        return type(self)(**asdict(self))

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
    def known(self) -> dict[str, Any]:
        """Who and what is known, as every `Scorer` takes it."""
        state = self.state
        return {
            "known_users": state.known_users,
            "known_items": state.known_items,
            "popularity": state.popularity,
            "seen": None if state.interactions is None else state.interactions.by_user,
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
        """The training data, None where the model was saved without it."""
        return self.state.interactions

    @property
    def popularity_(self) -> Counts:
        """In how many training pairs each item is: int64, (n_items,)."""
        return self.state.popularity

    @property
    def activity_(self) -> Counts:
        """In how many training pairs each user is: int64, (n_users,)."""
        return self.state.activity

    def _remember(self, state: State) -> None:
        self._state = state
        self.epochs_ = list[Epoch]()

    def _check_learned(self) -> None:
        set_arrays = {name: getattr(self, name) for name in self.fitted_arrays if hasattr(self, name)}
        check_arrays(type(self).__name__, self.fitted_arrays, set_arrays, len(self.users), len(self.items))

    def _forget(self) -> None:
        parameters = {field.name for field in fields(self)}
        for name in [name for name in vars(self) if name not in parameters]:
            delattr(self, name)

    def __getstate__(self) -> dict[str, Any]:
        # What is cached can be made again.
        kept = {*(field.name for field in fields(self)), "_state", "epochs_", *self.fitted_arrays}
        return {name: value for name, value in vars(self).items() if name in kept}

    # -- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, interactions: bool = True) -> None:
        """Write the model to one safetensors file; a file of that name is replaced only by the whole new one.

        interactions : keep the training pairs, which leaving out seen items, `explain` and `update` need; without them
            the file is smaller and holds no person's history
        """
        state = self.state
        fitted = {name: getattr(self, name) for name in self.fitted_arrays}
        write_arrays(path, stored.arrays_of(state, fitted, interactions), "model", self._header())

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], header: dict[str, Any]) -> Self:
        """Make a fitted model from what `save` wrote; `tastemap.load` calls it."""
        model = cls(**header["parameters"])
        model._remember(stored.state_of(arrays, header))
        model.epochs_ = stored.epochs_of(header)
        for name in cls.fitted_arrays:
            setattr(model, name, arrays[name])
        return model

    def card(self) -> str:
        """Return a description of the fitted model in Markdown: parameters, data, training, versions."""
        return stored.card(self._header(), self.state)

    def _header(self) -> dict[str, Any]:
        return stored.header_of(type(self).__name__, asdict(self), self.state, self.epochs_)


def _keep_measurable(validation: Interactions, state: State, ratings: bool) -> Interactions:
    """Return the validation pairs of users that training can learn something of, on the training's id maps.

    ratings : whether they are compared with predictions, which takes an item with a training pair as well
    """
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
