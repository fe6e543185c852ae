"""The parts of which a model of your own is made, beside `tastemap.Model`: checks, scorers, threads."""

from __future__ import annotations

from tastemap.data._checks import check_amount, check_choice, check_share, check_switch, check_whole
from tastemap.data.recency import Recency
from tastemap.data.specs import ArraySpec
from tastemap.models.shared.needs import Needs
from tastemap.parallel import one_blas_thread, row_blocks, run
from tastemap.ranking.scorer import FactorScorer, Histories, HistoryScorer
from tastemap.ranking.top_k import ComputedCandidates, VectorCandidates
from tastemap.training.loop import Options, Trainable

__all__ = [
    "ArraySpec",
    "ComputedCandidates",
    "FactorScorer",
    "Histories",
    "HistoryScorer",
    "Needs",
    "Options",
    "Recency",
    "Trainable",
    "VectorCandidates",
    "check_amount",
    "check_choice",
    "check_share",
    "check_switch",
    "check_whole",
    "one_blas_thread",
    "row_blocks",
    "run",
]
