"""The models, one file a family. `MODELS` finds a class by its name, for files and the command line."""

from __future__ import annotations

from tastemap.models.als import ImplicitALS
from tastemap.models.base import Model
from tastemap.models.bpr import BPR
from tastemap.models.ease import EASE
from tastemap.models.explicit_als import ExplicitALS
from tastemap.models.popular import Popular
from tastemap.models.svd import SVD, SVDpp
from tastemap.models.warp import WARP

MODELS: dict[str, type[Model]] = {
    cls.__name__: cls for cls in (Popular, EASE, ImplicitALS, BPR, WARP, SVD, SVDpp, ExplicitALS)
}
