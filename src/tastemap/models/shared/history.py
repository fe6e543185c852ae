"""Models that keep no vector of a person: a score is a sum over the person's own history."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from tastemap.data._checks import LARGEST_FLOAT
from tastemap.data._pairs import Rows
from tastemap.data.interactions import Interactions
from tastemap.errors import DataError, NotSupportedError
from tastemap.models.shared.base import Model
from tastemap.training.loop import Options
from tastemap.typing import RowNumbers


@dataclass(frozen=True)
class Histories:
    """People known by what they have: person r by the pairs in row rows[r] (int64) of a CSR over all items."""

    pairs: Rows
    rows: RowNumbers

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, block: slice) -> Histories:
        return Histories(self.pairs, self.rows[block])


@dataclass(kw_only=True)
class HistoryModel(Model):
    """A model whose scores are s(u, i) = sum over the pairs (j, w) of u of w c_ji, with coefficients that it learns.

    Known people are scored from their training pairs, so a model saved without them knows new histories only.
    """

    @property
    @abstractmethod
    def _largest_coefficient(self) -> float:
        """The largest |c_ji|."""

    def _queries(self, rows: RowNumbers) -> Histories:
        if len(rows):
            return Histories(self._training("scoring a known user").by_user, rows)
        # Nobody needs no training pairs: strangers are recommended to without them.
        return Histories(Rows(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)), rows)

    def _fold_in(self, histories: Rows) -> Histories:
        self._check_range(histories, "a history")
        return Histories(histories, np.arange(len(histories.indptr) - 1))

    def _learn_more(self, before: Self, news: Interactions) -> None:
        self._learn(self._training("update"), Options())

    def _check_range(self, pairs: Rows, whose: str) -> None:
        """Raise DataError where a score could be more than a float32 holds."""
        totals = np.add.reduceat(np.append(pairs.data, 0).astype(np.float64), pairs.indptr[:-1])
        if totals.max(initial=0) * self._largest_coefficient > LARGEST_FLOAT:
            raise DataError(
                f"the weights of {whose} add up to {totals.max():.2g}, and scores from them may be more than 32-bit "
                "floats hold: scale them down"
            )

    @property
    def _user_space(self) -> Any:
        raise NotSupportedError(
            f"{type(self).__name__} keeps no vectors of users and knows no similar users: fit ImplicitALS"
        )
