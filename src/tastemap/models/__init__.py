"""The models, one file a model. `MODELS` finds a class by its name, for files and the command line."""

from __future__ import annotations

from tastemap.models.bpr import BPR
from tastemap.models.ease import EASE
from tastemap.models.explicit_als import ExplicitALS
from tastemap.models.graph_filter import GraphFilter
from tastemap.models.implicit_als import ImplicitALS
from tastemap.models.item_knn import ItemKNN
from tastemap.models.next_item import NextItem
from tastemap.models.personal_popular import PersonalPopular
from tastemap.models.popular import Popular
from tastemap.models.random import Random
from tastemap.models.shared.registry import MODELS as MODELS
from tastemap.models.svd import SVD
from tastemap.models.svdpp import SVDpp
from tastemap.models.warp import WARP

for _cls in (
    *(Random, Popular, PersonalPopular, ItemKNN, GraphFilter, EASE, NextItem),
    *(ImplicitALS, BPR, WARP, SVD, SVDpp, ExplicitALS),
):
    MODELS.add(_cls)
