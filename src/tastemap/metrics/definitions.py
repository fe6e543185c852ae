"""What each metric means. `METRICS` finds a metric's class by its name.

A metric is a value: "ndcg@10" is `METRICS["ndcg"](10)`, and wherever metrics are asked for, either may be passed. A
class is a definition: its docstring has the formula, the range, what becomes of ties and of users without test items,
where other libraries define the same name otherwise, and who proposed it.

Ranking metrics compare the list of a user, of which the first k places count, with the user's set of test items T.
rel(r) is 1 where the item at rank r is in T, else 0; sums over r <= k end where the list ends, so that a list with
fewer than k items has no hits beyond its end. All lists are ordered by (score descending, item row ascending), so a tie
of scores is settled before anything is measured. Metrics are computed for each user and averaged over the users with at
least one test item; users without one are left out and counted in `Evaluation.n_without_test`. A test item that the
model does not know, or that is kept out of the list, stays in T: it counts as not found.
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

from tastemap.kernels.metrics import RANKING_METRICS
from tastemap.typing import Doubles, RowNumbers

# No list has more places.
LONGEST = 2**31 - 1


@dataclass(frozen=True, repr=False)
class Metric:
    """A metric: equal ones are of one class and one cut-off. The classes in `METRICS` make them, or an `OwnMetric`.

    k : the cut-off, how many places of a list count; None where there is none
    name : what it is called in results, such as "ndcg@10"
    base_name : the same without the cut-off, "ndcg"
    lower_is_better : whether less is better
    per_user : whether every user has a value, of which the mean is taken; else there is one for all lists together
    has_cutoff, needs_cutoff : whether it takes a cut-off, and whether it must have one
    needs_train : whether it asks for more than lists and test items: for who has which item in training
    takes_features : whether features of the items can take the place of that
    watchable : whether `Model.fit` can measure it after each epoch

    Raises ValueError for a cut-off that no list has, one too many and one that is missing.
    """

    k: int | None = None

    # Without annotations, so that they are no fields.
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
                raise ValueError(f"the metric {name} needs a cut-off, such as '{name}@10': got {name!r}")
        elif not self.has_cutoff:
            raise ValueError(
                f"the metric {name} is over all test pairs and has no cut-off: pass {name!r}, got {self.name!r}"
            )
        elif isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ValueError(f"the cut-off of a metric must be a whole number of at least 1, got {self.name!r}")
        elif k > LONGEST:
            raise ValueError(
                f"the cut-off of a metric must be at most {LONGEST:,}, got {self.name!r}: leave such lists whole"
            )

    @property
    def name(self) -> str:
        """What it is called in results, such as "ndcg@10"."""
        return self.base_name if self.k is None else f"{self.base_name}@{self.k}"

    @property
    def definition(self) -> str:
        """What it means, in a paragraph."""
        return first_paragraph(type(self))

    def goodness(self, value: float) -> float:
        """Return a number of which more is better: a value, or minus it."""
        return -value if self.lower_is_better else value

    def terms(self, values: Doubles) -> Doubles:
        """Return what the mean over users, or over test pairs, is taken of: the values, unless a metric says else."""
        return values

    def of_mean(self, means: Any) -> Any:
        """Return the metric from the mean of `terms`, an array of means or one."""
        return means

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.k is None else self.k})"


class ListMetric(Metric):
    """A metric of each list.

    column : its place among the metrics that one kernel measures together
    """

    column = 0


class RankingMetric(ListMetric):
    """A metric of a list and its test items, by `kernels.metrics.ranking_metrics`; the kernel knows its name too."""

    watchable = True

    def __init_subclass__(cls) -> None:
        cls.column = RANKING_METRICS.index(cls.base_name)


class OverallMetric(Metric, ABC):
    """A metric of all lists together."""

    per_user = False
    needs_train = True

    @staticmethod
    @abstractmethod
    def of(times_listed: RowNumbers) -> float:
        """Return the metric from how often each item of the catalogue is in a list."""


class RatingMetric(Metric, ABC):
    """A metric of ratings and their predictions. Its mean is over test pairs."""

    lower_is_better = True
    has_cutoff = needs_cutoff = False
    watchable = True

    @abstractmethod
    def terms(self, values: Doubles) -> Doubles:
        """Return the losses of errors, each a rating less its prediction, or a user's value."""


class Precision(RankingMetric):
    """precision@k = (1/k) sum_{r<=k} rel(r): the share of the k places that hold a test item.

    Range 0 to 1, more is better. Always divided by k: with fewer than k test items, or in a list shorter than k, it
    cannot reach 1.

    Ties are settled by the order of the list. Users without test items are left out.

    RecTools, ranx and LightFM's precision_at_k: the same (LightFM where no scores are equal). RecTools can divide
    by |T| instead (r_precision=True). implicit divides all hits of all users by sum_u min(k, |T_u|).

    Cleverdon, Mills and Keen, Factors determining the performance of indexing systems, 1966.
    """

    base_name = "precision"


class Recall(RankingMetric):
    """recall@k = (1/|T|) sum_{r<=k} rel(r): the share of the test items that are among the first k.

    Range 0 to 1, more is better. With more than k test items it cannot reach 1.

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
    hit counts the more the higher it stands, and 1 is a perfect list.

    Normalised discounted cumulative gain with gains of 0 and 1: the weight of a test pair plays no part.

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

    implicit: the same. RecTools' MAP and ranx' map divide by |T|, also where that is more than k; RecTools with
    divide_by_k=True by k. Where nobody has more than k test items RecTools and ranx agree with this one. scikit-learn's
    average_precision_score is that of the whole ranking.

    Buckley and Voorhees, Evaluating evaluation measure stability, SIGIR 2000.
    """

    base_name = "map"


class MRR(RankingMetric):
    """mrr@k = 1/r for the first r <= k with rel(r) = 1, 0 without one: the reciprocal rank; its mean over users is MRR.

    Range 0 to 1, more is better.

    Ties are settled by the order of the list. Users without test items are left out.

    RecTools' MRR and ranx' mrr: the same. LightFM's reciprocal_rank looks at the whole ranking: k is the number of
    items.

    Voorhees, The TREC-8 question answering track report, 1999.
    """

    base_name = "mrr"


class AUC(RankingMetric):
    """auc@k: the share of the pairs of a test item and another item of the ranking that are in the right order.

    The first k places are ordered. Everything else that is ranked ties behind them, and a tied pair counts one
    half; so without knowing more than k places it is the area under the ROC curve that one has to expect. With k at
    least the number of items, or no cut-off ("auc"), it is the area under the whole curve. Test items that are not
    ranked at all, because the model does not know them or they are left out, stand behind everything.

    The ranking has every item of the catalogue (or every candidate) that is not left out for the user.

    Range 0 to 1, more is better; .5 is what chance gives, also the value where there is no other item.

    Equal scores are ordered by item row, not tied. Users without test items are left out.

    "auc": scikit-learn's roc_auc_score and LightFM's auc_score are the same where no scores are equal; equal scores
    count one half in scikit-learn, and against the test item in LightFM, which gives no number where there is no other
    item. auc@k: implicit ties the rest in the same way, but leaves nothing that was seen out of the rest. RecTools'
    PartialAUC@k is something else: it takes the k best-ranked items that are no test items, from lists that are longer
    than k.

    Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic curve, Radiology
    1982.
    """

    base_name = "auc"
    needs_cutoff = False
    needs_train = True
    watchable = False


class Novelty(ListMetric):
    """novelty@k = mean over the first k items of -log2(p_i), p_i the share of the training users who have item i.

    Self-information in bits: how surprising it is to find that somebody has an item.

    Range 0 (everybody has the items) to log2 of the number of training users. More is more novel, not better in
    itself.

    An item that no training user has counts as one that a single user has. The mean is over the places that are
    filled, 0 for an empty list.

    Ties are settled by the order of the list. Users without test items are left out, though they would have a
    value.

    RecTools' MeanInvUserFreq: the same, but it averages over the users who have a list.

    Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 2010.
    """

    base_name = "novelty"
    needs_train = True


class Diversity(ListMetric):
    """diversity@k = mean over the pairs of the first k items of 1 - cosine(v_i, v_j): intra-list diversity.

    v_i is the item's row of `item_features`; without these, 1 for every training user who has the item, 0 for
    others.

    An item without a vector is unlike every other: the cosine is 0.

    Range 0 to 1, up to 2 where features are negative. More is more diverse, not better in itself. 0 for a list with
    fewer than two items.

    Ties are settled by the order of the list. Users without test items are left out, though they would have a
    value.

    RecTools' IntraListDiversity takes the distance as an argument and has none by cosine; given one, it is the
    same, over the users who have a list.

    Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005; Smyth and McClave,
    Similarity vs. diversity, ICCBR 2001.
    """

    base_name = "diversity"
    needs_train = True
    takes_features = True


class Coverage(OverallMetric):
    """coverage@k: the share of the catalogue that is among the first k of at least one list.

    The catalogue is what can be recommended: the candidates, else the items that the model knows from training
    pairs or features. One value for the lists of all users with test items: more lists cover more.

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

    Range 0 (all are listed equally often) to 1 - 1/n (one item takes every place); less is more even. 0 without
    lists.

    Ties are settled by the order of the lists. Only lists of users with test items are counted.

    RecTools, LightFM and ranx have none.

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

    The n test pairs of all users are pooled, as in the Netflix prize and in Surprise: the mean is over pairs, and
    who has many counts for more than who has few. A user's own value is the same formula over that user's pairs.

    Range from 0, less is better; in units of the rating. No cut-off and no order, so no ties.

    Users without a test pair are left out, and pairs whose user or item has no training pair. Surprise compares these
    too, with the mean and what it knows of the one or the other; scikit-learn's root_mean_squared_error takes any.

    Bennett and Lanning, The Netflix prize, KDD Cup and Workshop 2007.
    """

    base_name = "rmse"

    def terms(self, values: Doubles) -> Doubles:
        """Return the squares."""
        return values**2

    def of_mean(self, means: Any) -> Any:
        """Return the roots."""
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
        """Return the amounts."""
        return np.abs(values)


_ALL = (Precision, Recall, HitRate, NDCG, MAP, MRR, AUC, Novelty, Diversity, Coverage, Gini, RMSE, MAE)

METRICS: dict[str, type[Metric]] = {cls.base_name: cls for cls in _ALL}


def parse(metric: Metric | str) -> Metric:
    """Return the metric of a name such as "ndcg@10", or the metric itself; ValueError for what is neither."""
    if isinstance(metric, Metric):
        return metric
    if not isinstance(metric, str):
        raise ValueError(f"metrics must be names such as 'ndcg@10', got {metric!r}{_way_out(metric)}")
    name, at, cutoff = metric.partition("@")
    if name not in METRICS:
        of_lists = ", ".join(name for name, cls in METRICS.items() if cls.has_cutoff)
        of_ratings = " or ".join(name for name, cls in METRICS.items() if not cls.has_cutoff)
        known = f"{of_lists} with a cut-off, such as 'ndcg@10', or {of_ratings}"
        raise ValueError(f"metric must be one of {known}, got {metric!r}{_meant(metric)}")
    k: Any = int(cutoff) if cutoff.isdecimal() else cutoff  # what is no number, the metric refuses
    return METRICS[name](k if at else None)


def parse_all(metrics: Iterable[Metric | str] | Metric | str) -> tuple[Metric, ...]:
    """Return the metrics of names; raises ValueError for none, and for two of one name."""
    given = (metrics,) if isinstance(metrics, str) or not isinstance(metrics, Iterable) else tuple(metrics)
    if not given:
        raise ValueError("metrics must name at least one, such as 'ndcg@10'")
    parsed = tuple(map(parse, given))
    names = [metric.name for metric in parsed]
    if len(set(names)) < len(names):
        raise ValueError(f"metrics must name each once, got {', '.join(map(repr, names))}")
    return parsed


def find(metric: Metric | str, measured: Iterable[Metric]) -> Metric:
    """Return which of the metrics measured is meant, by its name or itself; KeyError where it is not among them."""
    measured = tuple(measured)
    for one in measured:
        if metric in (one, one.name):
            return one
    raise KeyError(f"{str(metric)!r} was not measured, only {', '.join(map(str, measured))}")


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring in a line, "" without one."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())


def _way_out(value: object) -> str:
    """Say how a class or a function becomes a metric."""
    if isinstance(value, type) and issubclass(value, Metric):
        return f": pass {value.__name__}({10 if value.needs_cutoff else ''})"
    return f": pass tastemap.OwnMetric({getattr(value, '__name__', 'it')})" if callable(value) else ""


def _meant(name: str) -> str:
    """Name the metric that an unknown name is most like, whatever its case and however it writes the cut-off."""
    word, cutoff = re.match(r"(\D*)(\d*)", name.lower()).groups()  # type: ignore[union-attr]
    close = difflib.get_close_matches("hit_rate" if word.rstrip("@_ ") in ("hr", "hit") else word, METRICS, n=1)
    if not close:
        return ""
    at = f"@{cutoff or 10}" if METRICS[close[0]].needs_cutoff else ""
    return f"; did you mean {close[0] + at!r}?"
