"""The classes of models by name: those of tastemap, registered ones, and those that installed packages offer."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from tastemap.errors import name_some
from tastemap.models.shared.base import Model
from tastemap.models.shared.learned import check_specs

# The entry point group of models; each entry point has the name of its class: NMF = "my_package.nmf:NMF".
GROUP = "tastemap.models"

AnyModel = TypeVar("AnyModel", bound=Model)


class Registry(Mapping[str, type[Model]]):
    """A mapping from the names of models to their classes.

    The models that packages offer are imported when first needed: one of them by its name, or all of them by iterating
    over the names. A package that cannot be imported is left out with a warning.
    """

    def __init__(self) -> None:
        self._classes: dict[str, type[Model]] = {}
        self._offers: list[EntryPoint] | None = None  # those not imported yet; None before the first look
        self._lock = threading.RLock()  # importing a package may register its models

    def __getitem__(self, name: str) -> type[Model]:
        if name not in self._classes:
            self._import_offers(name)
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        self._import_offers()
        return iter(tuple(self._classes))

    def __len__(self) -> int:
        self._import_offers()
        return len(self._classes)

    def __repr__(self) -> str:
        return f"<the models {', '.join(self)}>"

    def add(self, cls: type[Model]) -> None:
        """Add a class under its name; raises ValueError where another class has that name."""
        with self._lock:
            taken = self._classes.setdefault(cls.__name__, cls)
        if taken is not cls:
            raise ValueError(
                f"the name {cls.__name__!r} is taken by {taken.__module__}.{taken.__qualname__}: rename your class"
            )

    def _import_offers(self, name: str | None = None) -> None:
        """Import the models that packages offer under a name; None for all of them."""
        with self._lock:
            if self._offers is None:
                self._offers = list(entry_points(group=GROUP))
            for offer in [offer for offer in self._offers if name in (None, offer.name)]:
                self._offers.remove(offer)
                try:
                    _import(offer)
                except Exception as error:
                    package = offer.dist.name if offer.dist else offer.module
                    warnings.warn(
                        f"the model {offer.name!r} of the package {package} is left out, because of "
                        f"{type(error).__name__}: {error}",
                        stacklevel=3,
                    )


#: The classes of models by their names: those of tastemap, registered ones, and those that installed packages offer.
MODELS = Registry()


def register(cls: type[AnyModel]) -> type[AnyModel]:
    """Register a model of your own under the name of its class, and return the class: a decorator.

    `load`, `MODELS` and the command line of this process then know it like a model of tastemap. A package instead lists
    its models in the entry point group "tastemap.models", so that every process knows them.

    Raises TypeError for an incomplete model class, ValueError for a name that another model has.
    """
    check_class(cls)
    MODELS.add(cls)
    return cls


def _import(offer: EntryPoint) -> None:
    cls = register(offer.load())
    if cls.__name__ != offer.name:
        raise ValueError(f"its class is called {cls.__name__!r}: an entry point has the name of its class")


def check_class(cls: Any) -> None:
    """Raise TypeError, in one sentence, where a class is not a complete model."""
    if not inspect.isclass(cls) or not issubclass(cls, Model):
        raise TypeError(f"a model must be a subclass of tastemap.Model, got {cls!r}")
    name = cls.__name__
    if "__dataclass_fields__" not in vars(cls):
        raise TypeError(
            f"{name} is no dataclass, so its parameters are not known: put @dataclass(kw_only=True, eq=False) on it"
        )
    if vars(cls)["__dataclass_params__"].eq:
        raise TypeError(
            f"two fitted models of {name} would be equal whatever they learned: put eq=False into @dataclass"
        )
    if inspect.isabstract(cls):
        raise TypeError(f"{name} lacks {name_some(sorted(cls.__abstractmethods__), 9)}, which every model has")
    check_specs(name, cls.fitted_arrays)
    known = {field.name for field in fields(cls)}
    for field in fields(cls):
        if not field.kw_only or not field.init:
            raise TypeError(f"{name} takes {field.name!r} by its place or not at all: put kw_only=True into @dataclass")
        if field.default is MISSING and field.default_factory is MISSING:
            raise TypeError(f"{name} has no default for {field.name!r}: every parameter has one")
        if field.name.endswith("_"):
            raise TypeError(f"{name} calls a parameter {field.name!r}, but what ends in '_' is learned: rename it")
    for space in ("search_space", "feature_search_space"):
        unknown = getattr(cls, space).keys() - known
        if unknown:
            raise TypeError(f"{name}.{space} names {name_some(sorted(unknown))}, which {name} has no parameter for")
    if cls.abilities.epochs and "epochs" not in known:
        raise TypeError(f"{name} trains in epochs, but has no parameter 'epochs' that says how many")
