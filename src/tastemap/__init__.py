"""tastemap learns people's tastes from who-liked-what. The public names, imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tastemap import export as export
    from tastemap import plot as plot
    from tastemap.data import datasets as datasets
    from tastemap.data import splits as split  # noqa: F401 - public under a name of its own
    from tastemap.data.features import Features as Features
    from tastemap.data.ids import IdMap as IdMap
    from tastemap.data.interactions import Interactions as Interactions
    from tastemap.data.text import text_features as text_features
    from tastemap.errors import DataError as DataError
    from tastemap.errors import DivergenceError as DivergenceError
    from tastemap.errors import MissingPackageError as MissingPackageError
    from tastemap.errors import ModelFileError as ModelFileError
    from tastemap.errors import NotFittedError as NotFittedError
    from tastemap.errors import NotSupportedError as NotSupportedError
    from tastemap.errors import TastemapError as TastemapError
    from tastemap.errors import UnknownIdError as UnknownIdError
    from tastemap.evaluation.compare import compare as compare
    from tastemap.evaluation.cross_validation import cross_validate as cross_validate
    from tastemap.evaluation.evaluate import evaluate as evaluate
    from tastemap.evaluation.lists import evaluate_lists as evaluate_lists
    from tastemap.evaluation.metrics import METRICS as METRICS
    from tastemap.models import MODELS as MODELS
    from tastemap.models.als import ImplicitALS as ImplicitALS
    from tastemap.models.bpr import BPR as BPR
    from tastemap.models.ease import EASE as EASE
    from tastemap.models.explicit_als import ExplicitALS as ExplicitALS
    from tastemap.models.knn import ItemKNN as ItemKNN
    from tastemap.models.popular import PersonalPopular as PersonalPopular
    from tastemap.models.popular import Popular as Popular
    from tastemap.models.random import Random as Random
    from tastemap.models.search import Range as Range
    from tastemap.models.svd import SVD as SVD
    from tastemap.models.svd import SVDpp as SVDpp
    from tastemap.models.warp import WARP as WARP
    from tastemap.parallel import threads as threads
    from tastemap.persistence import load as load
    from tastemap.tuning.tune import tune as tune

# Public name -> module that holds it, and its name there where that differs.
_PUBLIC = {
    "Interactions": "tastemap.data.interactions",
    "IdMap": "tastemap.data.ids",
    "Features": "tastemap.data.features",
    "text_features": "tastemap.data.text",
    "datasets": "tastemap.data.datasets:",
    "split": "tastemap.data.splits:",
    "Random": "tastemap.models.random",
    "Popular": "tastemap.models.popular",
    "ExplicitALS": "tastemap.models.explicit_als",
    "PersonalPopular": "tastemap.models.popular",
    "ItemKNN": "tastemap.models.knn",
    "EASE": "tastemap.models.ease",
    "ImplicitALS": "tastemap.models.als",
    "SVD": "tastemap.models.svd",
    "SVDpp": "tastemap.models.svd",
    "BPR": "tastemap.models.bpr",
    "WARP": "tastemap.models.warp",
    "MODELS": "tastemap.models",
    "METRICS": "tastemap.evaluation.metrics",
    "Range": "tastemap.models.search",
    "evaluate": "tastemap.evaluation.evaluate",
    "evaluate_lists": "tastemap.evaluation.lists",
    "compare": "tastemap.evaluation.compare",
    "cross_validate": "tastemap.evaluation.cross_validation",
    "plot": "tastemap.plot:",
    "export": "tastemap.export:",
    "load": "tastemap.persistence",
    "tune": "tastemap.tuning.tune",
    "threads": "tastemap.parallel",
    **dict.fromkeys(
        (
            "TastemapError",
            "DataError",
            "UnknownIdError",
            "NotFittedError",
            "NotSupportedError",
            "MissingPackageError",
            "ModelFileError",
            "DivergenceError",
        ),
        "tastemap.errors",
    ),
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tastemap")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tastemap' has no attribute {name!r}")
    place = _PUBLIC[name]
    # A place that ends in a colon is the public thing itself.
    value = importlib.import_module(place.rstrip(":"))
    if not place.endswith(":"):
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
