"""What each metric means. `METRICS` finds a metric's class by its name.

A metric is a value: "ndcg@10" is `METRICS["ndcg"](10)`, and every function that takes metrics accepts either. A class
is a definition: its docstring gives the formula, the range, the rule for ties and for users without test items, the
libraries that define the same name differently, and the paper that proposed it.

Ranking metrics compare the first k places of a user's list with T, the set of the user's test items. rel(r) is 1 where
the item at rank r is in T, else 0; sums over r <= k end where the list ends, so a list with fewer than k items has no
hits beyond its end. Lists are ordered by score, and equal scores by a hash of the item's id (`IdMap.tie_order`), before
anything is measured. Metrics are computed for each user and averaged over the users with at least one test item; users
without one are left out and counted in `Evaluation.n_without_test`. A test item that the model does not know, or that
is kept out of the list, stays in T: it counts as not found.
"""

from __future__ import annotations

import difflib
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tastemap.errors import show
from tastemap.kernels.metrics import RANKING_METRICS
from tastemap.typing import Doubles, RowNumbers

# The largest cut-off; kernels count places in 32 bits.
LONGEST = 2**31 - 1


@dataclass(frozen=True, repr=False)
class Metric:
    """The base class of metrics. Make one with a class in `METRICS`, or with `OwnMetric`.

    Two metrics are equal if they have the same class and the same cut-off.

    k : the cut-off: how many places of a list count; None for no cut-off
    name : its name in results, such as "ndcg@10"
    base_name : the same without the cut-off, "ndcg"
    lower_is_better : whether lower values are better
    per_user : whether each user has a value and the mean is taken; else there is one value for all lists together
    has_cutoff, needs_cutoff : whether it takes a cut-off, and whether it must have one
    needs_train : whether it needs the training pairs beside lists and test items
    takes_features : whether features of the items can replace the training pairs
    watchable : whether `Model.fit` can measure it after each epoch

    Raises ValueError for a cut-off out of range, for one that the metric does not take, and for a missing one.
    """

    k: int | None = None

    # They have no annotations, so that the dataclass does not make fields of them.
    base_name = ""
    lower_is_better = False
    per_user = True
    has_cutoff = True
    needs_cutoff = True
    needs_train = False
    takes_features = False
    watchable = False

    def __post_init__(self) -> None:
        name, k = self.base_name, self.k
        if not name:
            raise TypeError(f"{type(self).__name__} is a kind of metric: take one of METRICS, or make an OwnMetric")
        if k is None:
            if self.needs_cutoff:
                raise ValueError(f"the metric {name} needs a cut-off, such as '{name}@10': got {show(name)}")
        elif not self.has_cutoff:
            raise ValueError(
                f"the metric {name} is over all test pairs and has no cut-off: pass {show(name)}, got {show(self.name)}"
            )
        elif isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"the cut-off of a metric must be a whole number of at least 1, got {show(self.name)}")
        elif k > LONGEST:
            raise ValueError(
                f"the cut-off of a metric must be at most {LONGEST:,}, got {show(self.name)}: leave such lists whole"
            )

    @property
    def name(self) -> str:
        """The name in results, such as "ndcg@10"."""
        return self.base_name if self.k is None else f"{self.base_name}@{self.k}"

    @property
    def definition(self) -> str:
        """The first paragraph of the class docstring: formula and meaning."""
        return first_paragraph(type(self))

    def goodness(self, value: float) -> float:
        """Return the value, negated where lower is better, so that a higher number is always better."""
        return -value if self.lower_is_better else value

    def terms(self, values: Doubles) -> Doubles:
        """Return the terms whose mean is taken over users or test pairs: the values themselves by default."""
        return values

    def of_mean(self, means: Any) -> Any:
        """Return the metric from the mean of its `terms`, a number or an array of means."""
        return means

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.k is None else self.k})"


class ListMetric(Metric):
    """A metric with one value for each list.

    column : its column in the values of the kernel that measures several metrics together
    """

    column = 0


class RankingMetric(ListMetric):
    """A metric of a list and its test items, computed by `kernels.metrics.ranking_metrics` under the same name."""

    watchable = True

    def __init_subclass__(cls) -> None:
        cls.column = RANKING_METRICS.index(cls.base_name)


class OverallMetric(Metric, ABC):
    """A metric with one value for all lists together."""

    per_user = False
    needs_train = True

    @staticmethod
    @abstractmethod
    def of(times_listed: RowNumbers) -> float:
        """Return the metric from how often each item of the catalogue is in a list."""


class RatingMetric(Metric, ABC):
    """A metric that compares ratings with their predictions. Its mean is over test pairs."""

    lower_is_better = True
    has_cutoff = needs_cutoff = False
    watchable = True

    @abstractmethod
    def terms(self, values: Doubles) -> Doubles:
        """Return the loss of each error (rating minus prediction), or of each user's value."""


class Precision(RankingMetric):
    """precision@k = (1/k) sum_{r<=k} rel(r): the share of the k places that hold a test item.

    Range 0 to 1, more is better. The divisor is always k, so a user with fewer than k test items, or a list shorter
    than k, cannot reach 1.

    Ties are settled by the order of the list. Users without test items are left out.

    RecTools, ranx and LightFM's precision_at_k: the same (LightFM where no scores are equal). RecTools can divide
    by |T| instead (r_precision=True). implicit divides all hits of all users by sum_u min(k, |T_u|).

    Cleverdon, Mills and Keen, Factors determining the performance of indexing systems, 1966.
    """

    base_name = "precision"


class Recall(RankingMetric):
    """recall@k = (1/|T|) sum_{r<=k} rel(r): the share of the test items that are among the first k.

    Range 0 to 1, more is better. A user with more than k test items cannot reach 1.

    Ties are settled by the order of the list. Users without test items are left out.

    RecTools, ranx and LightFM's recall_at_k: the same (LightFM where no scores are equal). implicit has none; what
    it calls precision is hits over min(k, |T|), all users' together.

    Cleverdon, Mills and Keen, Factors determining the performance of indexing systems, 1966.
    """

    base_name = "recall"


class HitRate(RankingMetric):
    """hit_rate@k = 1 if at least one of the first k is in T, else 0.

    Range 0 to 1, more is better; the mean is the share of users with a hit.

    Ties are settled by the order of the list. Users without test items are left out.

    RecTools' HitRate and ranx' hit_rate: the same.

    Deshpande and Karypis, Item-based top-N recommendation algorithms, TOIS 2004.
    """

    base_name = "hit_rate"


class NDCG(RankingMetric):
    """ndcg@k = sum_{r<=k} rel(r) / log2(r+1), over the same sum for the ideal list, min(k, |T|) hits from the top: a
    hit counts more the higher it stands, and a perfect list has 1.

    Normalised discounted cumulative gain with gains of 0 and 1: the weights of test pairs are ignored.

    Range 0 to 1, more is better.

    Ties are settled by the order of the list. Users without test items are left out.

    ranx' ndcg and scikit-learn's ndcg_score(k=k) with relevances of 0 and 1, and implicit: the same, but scikit-learn
    averages over the orders of items with equal scores. RecTools divides by the ideal of k hits, whatever
    |T|, unless divide_by_achievable=True, which is the same as here.

    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002.
    """

    base_name = "ndcg"


class MAP(RankingMetric):
    """map@k = (1/min(k, |T|)) sum_{r<=k} rel(r) precision@r: average precision; its mean over users is MAP.

    Range 0 to 1, more is better.

    Ties are settled by the order of the list. Users without test items are left out.

    implicit: the same. RecTools' MAP and ranx' map divide by |T|, even if that is more than k; RecTools with
    divide_by_k=True divides by k. RecTools and ranx agree with this one if no user has more than k test items.
    scikit-learn's average_precision_score uses the whole ranking.

    Buckley and Voorhees, Evaluating evaluation measure stability, SIGIR 2000.
    """

    base_name = "map"


class MRR(RankingMetric):
    """mrr@k = 1/r for the first r <= k with rel(r) = 1, 0 without one: the reciprocal rank; its mean over users is MRR.

    Range 0 to 1, more is better.

    Ties are settled by the order of the list. Users without test items are left out.

    RecTools' MRR and ranx' mrr: the same. LightFM's reciprocal_rank uses the whole ranking: its k is the number
    of items.

    Voorhees, The TREC-8 question answering track report, 1999.
    """

    base_name = "mrr"


class AUC(RankingMetric):
    """auc@k: the share of the pairs of a test item and another item of the ranking that are in the right order.

    The first k places are ordered. All other ranked items tie behind them, and a tied pair counts one half: the value
    is the expected area under the ROC curve when only k places are known. With k at least the number of items, or
    without a cut-off ("auc"), it is the area under the whole curve. Test items that are not ranked, because the model
    does not know them or they are left out, stand behind everything.

    The ranking has every item of the catalogue (or every candidate) that is not left out for the user.

    Range 0 to 1, more is better; chance gives .5, and so does a ranking without any other item.

    Equal scores are ordered by `IdMap.tie_order`, not tied. Users without test items are left out.

    "auc": scikit-learn's roc_auc_score and LightFM's auc_score are the same where no scores are equal; equal scores
    count one half in scikit-learn, and against the test item in LightFM, which returns NaN where there is no other
    item. auc@k: implicit ties the rest in the same way, but keeps the seen items in the rest. RecTools' PartialAUC@k is
    a different metric: it takes the k best-ranked items that are not test items, from lists longer than k.

    Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic curve, Radiology
    1982.
    """

    base_name = "auc"
    needs_cutoff = False
    needs_train = True
    watchable = False


class Novelty(ListMetric):
    """novelty@k = mean over the first k items of -log2(p_i), p_i the share of the training users who have item i.

    Self-information in bits: how surprising it is that a random user has the item.

    Range 0 (every user has the items) to log2 of the number of training users. More is more novel, not better in
    itself.

    An item that no training user has counts as if one user had it. The mean is over the filled places, 0 for an empty
    list.

    Ties are settled by the order of the list. Users without test items are left out, though they would have a
    value.

    RecTools' MeanInvUserFreq: the same, but it averages over the users who have a list.

    Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 2010.
    """

    base_name = "novelty"
    needs_train = True


class Diversity(ListMetric):
    """diversity@k = mean over the pairs of the first k items of 1 - cosine(v_i, v_j): intra-list diversity.

    v_i is the item's row of `item_features`; without these, it has 1 for every training user who has the item and 0
    for the others.

    An item without a vector has a cosine of 0 with every other item.

    Range 0 to 1, up to 2 where features are negative. More is more diverse, not better in itself. 0 for a list with
    fewer than two items.

    Ties are settled by the order of the list. Users without test items are left out, though they would have a
    value.

    RecTools' IntraListDiversity takes the distance as an argument and has no cosine distance; given one, it is the
    same, over the users who have a list.

    Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005; Smyth and McClave,
    Similarity vs. diversity, ICCBR 2001.
    """

    base_name = "diversity"
    needs_train = True
    takes_features = True


class Coverage(OverallMetric):
    """coverage@k: the share of the catalogue that is among the first k of at least one list.

    The catalogue is all items that can be recommended: the candidates if given, else the items with a training pair
    or features. One value for the lists of all users with test items: more lists cover more.

    Range 0 to 1, more is more of the catalogue. Ties are settled by the order of the lists.

    RecTools' CatalogCoverage(normalize=True), given that catalogue: the same; it is a number of items by default.

    Ge, Delgado-Battenfeld and Jannach, Beyond accuracy, RecSys 2010.
    """

    base_name = "coverage"

    @staticmethod
    def of(times_listed: RowNumbers) -> float:
        """Return the metric from how often each item of the catalogue is in a list."""
        return float(np.count_nonzero(times_listed) / max(len(times_listed), 1))


class Gini(OverallMetric):
    """gini@k = sum_i (2i - n - 1) c_i / (n sum_i c_i), c_1 <= ... <= c_n how often each of n items is in the first k.

    The Gini index of the n items of the catalogue (see coverage): how unequally they share the places of all lists.

    Range 0 (all are listed equally often) to 1 - 1/n (one item takes every place); less is more even. 0 if there
    are no lists.

    Ties are settled by the order of the lists. Only lists of users with test items are counted.

    RecTools, LightFM and ranx do not have it.

    Fleder and Hosanagar, Blockbuster culture's next rise or fall, Management Science 2009.
    """

    base_name = "gini"
    lower_is_better = True

    @staticmethod
    def of(times_listed: RowNumbers) -> float:
        """Return the metric from how often each item of the catalogue is in a list."""
        n, total = len(times_listed), int(times_listed.sum())
        if not total:
            return 0.0
        # Whole numbers: exact in any order.
        return float((2 * np.arange(1, n + 1) - n - 1) @ np.sort(times_listed)) / (n * total)


class RMSE(RatingMetric):
    """rmse = sqrt((1/n) sum (r - p)^2), r the rating of a test pair and p its prediction.

    The n test pairs of all users are pooled, as in the Netflix prize and in Surprise: the mean is over pairs, so a user
    with many pairs counts more than one with few. A user's own value is the same formula over that user's pairs.

    Range from 0, less is better; in units of the rating. No cut-off and no order, so no ties.

    Users without a test pair are left out, and so are pairs whose user or item has no training pair. Surprise includes
    such pairs and predicts them from the mean and the known bias; scikit-learn's root_mean_squared_error takes any.

    Bennett and Lanning, The Netflix prize, KDD Cup and Workshop 2007.
    """

    base_name = "rmse"

    def terms(self, values: Doubles) -> Doubles:
        """Return the squared errors."""
        return values**2

    def of_mean(self, means: Any) -> Any:
        """Return the square roots of the means."""
        return np.sqrt(np.maximum(means, 0))  # a difference of sums of squares may round to less than 0


class MAE(RatingMetric):
    """mae = (1/n) sum |r - p|, r the rating of a test pair and p its prediction.

    Pooled over the test pairs of all users; users without a test pair, and pairs without a training pair of their user
    or item, are left out as for rmse.

    Range from 0, less is better; in units of the rating. No cut-off and no order, so no ties.

    Surprise's mae and scikit-learn's mean_absolute_error: the same for the same pairs.

    Herlocker et al., Evaluating collaborative filtering recommender systems, TOIS 2004.
    """

    base_name = "mae"

    def terms(self, values: Doubles) -> Doubles:
        """Return the absolute errors."""
        return np.abs(values)


_ALL = (Precision, Recall, HitRate, NDCG, MAP, MRR, AUC, Novelty, Diversity, Coverage, Gini, RMSE, MAE)

#: The classes of metrics by their names, before the "@" of a cut-off.
METRICS: dict[str, type[Metric]] = {cls.base_name: cls for cls in _ALL}


def parse(metric: Metric | str) -> Metric:
    """Return the metric that a name such as "ndcg@10" means, or the metric itself; ValueError for anything else."""
    if isinstance(metric, Metric):
        return metric
    if not isinstance(metric, str):
        raise ValueError(f"metrics must be names such as 'ndcg@10', got {show(metric)}{_suggest_metric(metric)}")
    name, at, cutoff = metric.partition("@")
    if name not in METRICS:
        of_lists = ", ".join(name for name, cls in METRICS.items() if cls.has_cutoff)
        of_ratings = " or ".join(name for name, cls in METRICS.items() if not cls.has_cutoff)
        known = f"{of_lists} with a cut-off, such as 'ndcg@10', or {of_ratings}"
        raise ValueError(f"metric must be one of {known}, got {show(metric)}{_suggest_name(metric)}")
    k: Any = int(cutoff) if cutoff.isdecimal() else cutoff  # the metric refuses what is not a number
    return METRICS[name](k if at else None)


def parse_all(metrics: Iterable[Metric | str] | Metric | str) -> tuple[Metric, ...]:
    """Return the metrics of several names; raises ValueError for no metric, and for two of one name."""
    given = (metrics,) if isinstance(metrics, str) or not isinstance(metrics, Iterable) else tuple(metrics)
    if not given:
        raise ValueError("metrics must name at least one, such as 'ndcg@10'")
    parsed = tuple(map(parse, given))
    names = [metric.name for metric in parsed]
    if len(set(names)) < len(names):
        raise ValueError(f"metrics must name each once, got {', '.join(map(show, names))}")
    return parsed


def find(metric: Metric | str, measured: Iterable[Metric]) -> Metric:
    """Return the measured metric that is given by name or as a value; raises KeyError where it was not measured."""
    measured = tuple(measured)
    for one in measured:
        if metric in (one, one.name):
            return one
    raise KeyError(f"{show(str(metric))} was not measured, only {', '.join(map(str, measured))}")


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring as one line, "" without a docstring."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _suggest_metric(value: object) -> str:
    """Return the hint that turns a class or a function into a metric, "" for anything else."""
    if isinstance(value, type) and issubclass(value, Metric):
        return f": pass {value.__name__}({10 if value.needs_cutoff else ''})"
    return f": pass tastemap.OwnMetric({getattr(value, '__name__', 'it')})" if callable(value) else ""


def _suggest_name(name: str) -> str:
    """Return the hint with the known metric closest to an unknown name; upper case and a missing @ are accepted."""
    word, cutoff = re.match(r"(\D*)(\d*)", name.lower()).groups()  # type: ignore[union-attr]
    close = difflib.get_close_matches("hit_rate" if word.rstrip("@_ ") in ("hr", "hit") else word, METRICS, n=1)
    if not close:
        return ""
    at = f"@{cutoff or 10}" if METRICS[close[0]].needs_cutoff else ""
    return f"; did you mean {close[0] + at!r}?"
