"""Makes the lists of a batch of requests at once: the bits of each are those that it would have alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from tastemap.data._pairs import Rows, freeze_rows
from tastemap.data.conditions import Condition
from tastemap.data.events import Event
from tastemap.ranking.rerank import Rank
from tastemap.ranking.scorer import Scorer
from tastemap.ranking.top_k import Candidates, Hidden, Lists
from tastemap.serve.asked import Recommend, SimilarItems
from tastemap.serve.served import Served
from tastemap.serve.tastes import read_taste
from tastemap.typing import Ints, RowNumbers

# Lists of up to so many places are ranked together, and others with those of up to four times as many, and so on.
FEW_PLACES = 100

EMPTY = freeze_rows(Rows(np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)))


@dataclass(frozen=True, slots=True)
class Job:
    """A request for a list, and the model that answers it.

    events : what the user did, the model may have learned some of it
    """

    served: Served
    asked: Recommend | SimilarItems
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Ready:
    """A job in the model's rows.

    place : of the job in its batch
    row : of the user or item; -1 for a new user
    history : of a user to fold in: a row over the items; None for a user as the training left him
    left_out : rows of items that may not be listed, beside those of the training
    among : rows of the only items that may be listed, None for all that fulfil the conditions
    conditions : on the items that may be listed
    disliked : of a user to fold in: a row over the items; None where nothing is disliked
    """

    place: int
    asked: Recommend | SimilarItems
    row: int
    left_out: Sequence[int]
    among: RowNumbers | None
    conditions: tuple[Condition, ...]
    history: Rows | None = None
    disliked: Rows | None = None

    @property
    def group(self) -> Hashable:
        """Jobs of one group are ranked together."""
        size = 0
        while self.asked.depth > FEW_PLACES << 2 * size:
            size += 1
        among = None if self.among is None else self.among.tobytes()
        if isinstance(self.asked, SimilarItems):
            return size, among, self.conditions, self.asked.metric
        limits = tuple(sorted(self.asked.at_most.items()))
        return size, among, self.conditions, self.asked.since, self.asked.diversity, limits


def make_lists(jobs: Sequence[Job]) -> list[bytes | Exception]:
    """Return the answer to each job as JSON, or the error that it ends with: the fault of one harms no other."""
    answers: list[bytes | Exception] = [b""] * len(jobs)
    groups = defaultdict[Hashable, list[Ready]](list)
    for place, job in enumerate(jobs):
        try:
            ready = _prepare(place, job)
        except Exception as error:
            answers[place] = error
        else:
            groups[id(job.served), ready.group].append(ready)
    for group in groups.values():
        served = jobs[group[0].place].served
        try:
            for ready, answer in zip(group, _answer(served, group), strict=True):
                answers[ready.place] = answer
        except Exception as error:
            for ready in group:
                answers[ready.place] = error
    return answers


def _prepare(place: int, job: Job) -> Ready:
    served, asked = job.served, job.asked
    left_out = [row for row in map(served.find_item, asked.exclude) if row >= 0]  # others cannot appear anyway
    conditions, among = served.filter(asked.where), None
    if asked.candidates is not None:
        among = np.unique([served.require_item(item) for item in asked.candidates]).astype(np.int64)
        among = among[served.require_table().select(conditions)[among]] if conditions else among
    if isinstance(asked, SimilarItems):
        if asked.min_pairs:
            state = served.model.state
            if among is None:
                among = served.find_candidates(conditions) if conditions else np.flatnonzero(state.known_items)
            among = among[state.popularity[among] >= asked.min_pairs]
        return Ready(place, asked, served.require_item(asked.item), left_out, among, conditions)
    served.choose(served.scorer.catalogue, asked.diversity, asked.at_most)  # refuses what cannot be chosen by
    if asked.since is not None:
        is_new = served.model.state.find_new(asked.since)
        among = None if among is None else among[is_new[among]]
    taste = read_taste(served, asked, job.events, may_be_unknown=asked.on_unknown == "popular")
    # What came since the training is not recommended again either.
    left_out = left_out if asked.seen else [*left_out, *taste.came]
    if taste.disliked is not None:
        left_out = [*left_out, *taste.disliked.indices.tolist()]
    return Ready(place, asked, taste.row, left_out, among, conditions, taste.history, taste.disliked)


def _answer(served: Served, group: Sequence[Ready]) -> list[bytes]:
    """Return the answers to jobs of one group."""
    depth = max(ready.asked.depth for ready in group)
    if isinstance(group[0].asked, SimilarItems):
        return _write(served, group, _find_neighbours(served, group, depth))
    return _write(served, group, _rank(served, group, depth))


def _rank(served: Served, group: Sequence[Ready], depth: int) -> Lists:
    """Rank items for users: some as the training left them, others folded in from their histories."""
    scorer, first = served.scorer, group[0]
    assert isinstance(first.asked, Recommend)
    rows = np.array([ready.row for ready in group])
    choice = served.choose(_find_candidates(served, first), first.asked.diversity, first.asked.at_most)
    hidden = _hide(scorer.hide_seen, group, rows)
    folded = np.flatnonzero([ready.history is not None for ready in group])
    if not len(folded):
        return choice.rank(_rank_known(scorer, rows, hidden, choice.among), len(rows), depth)
    others = np.setdiff1d(np.arange(len(group)), folded)
    histories = _stack([ready.history for ready in group if ready.history is not None])
    disliked = None
    if any(ready.disliked is not None for ready in group):
        disliked = _stack([ready.disliked or EMPTY for ready in group if ready.history is not None])
    queries = served.model.fold(histories, served.find_features(rows[folded]), disliked)

    def rank(some: RowNumbers, depth: int) -> Lists:
        own = queries if len(some) == len(folded) else queries[some]
        return scorer.rank_queries(own, depth, [one.of(folded[some]) for one in hidden], choice.among)

    lists = choice.rank(rank, len(folded), depth)
    if not len(others):
        return lists
    of_others = [one.of(others) for one in hidden]
    rest = choice.rank(_rank_known(scorer, rows[others], of_others, choice.among), len(others), depth)
    place = np.argsort(np.concatenate([folded, others]))
    return Lists(*(np.concatenate([getattr(lists, name), getattr(rest, name)])[place] for name in Lists._fields))


def _rank_known(scorer: Scorer, rows: RowNumbers, hidden: Sequence[Hidden], among: Candidates) -> Rank:
    def rank(some: RowNumbers, depth: int) -> Lists:
        return scorer.rank(rows[some], depth, [one.of(some) for one in hidden], among)

    return rank


def _find_candidates(served: Served, ready: Ready) -> Candidates:
    if ready.among is not None:
        return served.scorer.among(ready.among)
    assert isinstance(ready.asked, Recommend)
    if not ready.conditions and ready.asked.since is None:
        return served.scorer.catalogue
    return served.candidates_of(ready.conditions, ready.asked.since)


def _find_neighbours(served: Served, group: Sequence[Ready], depth: int) -> Lists:
    rows = np.array([ready.row for ready in group])
    first = group[0].asked
    assert isinstance(first, SimilarItems)
    depth += max(len(ready.left_out) for ready in group)
    among = group[0].among
    if among is None and group[0].conditions:
        among = served.find_candidates(group[0].conditions)
    lists = served.model.item_space.nearest(rows, depth, first.metric, among)
    dropped = np.array([np.isin(row, ready.left_out) for row, ready in zip(lists.rows, group, strict=True)])
    if not dropped.any():
        return lists
    filled = np.arange(dropped.shape[1]) < lists.counts[:, None]
    order = np.argsort(dropped, axis=1, kind="stable")  # the places behind a dropped one move up
    return Lists(
        np.take_along_axis(lists.rows, order, 1),
        np.take_along_axis(lists.scores, order, 1),
        lists.counts - (dropped & filled).sum(axis=1),
    )


def _hide(hide_seen: Any, group: Sequence[Ready], rows: RowNumbers) -> list[Hidden]:
    """Return what each list leaves out: items of the training, those named, and those that came since."""
    shows_seen = np.array([isinstance(ready.asked, Recommend) and ready.asked.seen for ready in group])
    seen_rows = np.where(shows_seen, -1, rows)
    hidden = [hide_seen(seen_rows)] if (seen_rows >= 0).any() else []
    if any(ready.left_out for ready in group):
        own = [np.unique(np.array(ready.left_out, np.int32)) for ready in group]
        indptr = np.concatenate(([0], np.cumsum([len(items) for items in own])))
        indices: Ints = np.concatenate(own).astype(np.int32)
        pairs = freeze_rows(Rows(indptr, indices, np.ones(len(indices), np.float32)))
        hidden.append(Hidden(pairs, np.arange(len(group))))
    return hidden


def _write(served: Served, group: Sequence[Ready], lists: Lists) -> list[bytes]:
    """Return each list as JSON, from its offset on."""
    places = [
        slice(ready.asked.offset, min(ready.asked.depth, count))
        for ready, count in zip(group, lists.counts.tolist(), strict=True)
    ]
    wanted = [(lists.rows[r, place], lists.scores[r, place]) for r, place in enumerate(places)]
    fragments = served.fragments.take(np.concatenate([rows for rows, _ in wanted]))
    # As float32 in the fewest digits that tell it from its neighbours.
    scores = orjson.dumps(np.concatenate([own for _, own in wanted]), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    entries = [part + b',"score":' + score for part, score in zip(fragments, scores.split(b","), strict=False)]
    ends = np.cumsum([len(rows) for rows, _ in wanted]).tolist()
    answers = []
    for ready, start, end in zip(group, [0, *ends], ends, strict=False):
        items = b"},".join(entries[start:end]) + b"}" if end > start else b""
        answers.append(b'%b%b,"items":[%b]}' % (served.start, _name_asker(ready.asked), items))
    return answers


def _name_asker(asked: Recommend | SimilarItems) -> bytes:
    if isinstance(asked, SimilarItems):
        return b',"item":%b' % orjson.dumps(str(asked.item))
    return b"" if asked.user is None else b',"user":%b' % orjson.dumps(str(asked.user))


def _stack(histories: Sequence[Rows]) -> Rows:
    indptr = np.concatenate(([0], np.cumsum([len(history.indices) for history in histories])))
    indices, data = (np.concatenate([getattr(one, name) for one in histories]) for name in ("indices", "data"))
    return freeze_rows(Rows(indptr, indices, data))
