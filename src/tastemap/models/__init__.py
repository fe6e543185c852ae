"""The models, one file a family. `MODELS` finds a class by its name, for files and the command line."""

from __future__ import annotations

from tastemap.models.als import ImplicitALS
from tastemap.models.base import Model
from tastemap.models.bpr import BPR
from tastemap.models.ease import EASE
from tastemap.models.explicit_als import ExplicitALS
from tastemap.models.knn import ItemKNN
from tastemap.models.popular import PersonalPopular, Popular
from tastemap.models.random import Random
from tastemap.models.svd import SVD, SVDpp
from tastemap.models.warp import WARP

_ALL = (Random, Popular, PersonalPopular, ItemKNN, EASE, ImplicitALS, BPR, WARP, SVD, SVDpp, ExplicitALS)

MODELS: dict[str, type[Model]] = {cls.__name__: cls for cls in _ALL}
