"""Searches for the parameters with which a model scores best on held-out interactions."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import numpy as np
import polars as pl

from tastemap import split as splits
from tastemap.data._checks import check_choice, check_switch, check_whole
from tastemap.data.features import Features
from tastemap.data.frames import as_kind
from tastemap.data.interactions import Interactions, check_interactions
from tastemap.errors import (
    DataError,
    DivergenceError,
    Note,
    ParameterError,
    Remedy,
    TastemapError,
    TastemapWarning,
    show,
    tell_about,
)
from tastemap.evaluation.evaluate import check_suits
from tastemap.extras import import_extra
from tastemap.metrics.definitions import Metric, parse
from tastemap.metrics.own import OwnMetric
from tastemap.models.shared.base import Model
from tastemap.models.shared.parameters import make_unknown_error
from tastemap.models.shared.search import Range, SearchSpace, ends, nearest
from tastemap.parallel import n_threads, threads, wanted_until
from tastemap.progress import make_bar
from tastemap.tables import write_html
from tastemap.tuning.sampling import Asked, Sampling, make_study, silence_optuna
from tastemap.tuning.studies import StudyFile
from tastemap.tuning.trials import Clock, Work
from tastemap.typing import FrameKind

if TYPE_CHECKING:
    import optuna
    from typing_extensions import TypeVar as TypeVarWithDefault  # typing's own has one from Python 3.13 on

    Tuned = TypeVarWithDefault("Tuned", bound=Model, default=Model, covariant=True)
else:
    Tuned = TypeVar("Tuned")

# The fewest complete trials from which importances are computed.
FEWEST_FOR_IMPORTANCE = 10

# The share of the training part that is held out if there is no validation part. The more is held out, the less the
# best parameters for the rest suit the whole: a fifth chose worse parameters on MovieLens 100K and no better ones on
# two other data sets, a twentieth worse ones on one.
HELD_OUT = 0.1


@dataclass(frozen=True, eq=False)
class Tuning(Generic[Tuned]):
    """The result of `tune`.

    model : the model with the best parameters, fitted to the training and the validation part together; not fitted with
        refit=False
    parameters : the searched parameters with their best values
    score : the score of the best trial on the validation part
    metric : the metric of the score
    study : the Optuna study of the trials, for Optuna's own plots and tools
    seconds, refit_seconds : the time of the search in this call, and of the final fit
    finished : the trials as Optuna's objects, including stopped ones
    frame_kind : the library of `trials` and `importances`, the same as of the training part's frames
    """

    model: Tuned
    parameters: dict[str, Any]
    score: float
    metric: Metric
    study: optuna.Study = field(repr=False)
    seconds: float
    refit_seconds: float
    finished: tuple[optuna.trial.FrozenTrial, ...] = field(repr=False)
    frame_kind: FrameKind = field(default="polars", repr=False)

    @cached_property
    def trials(self) -> Any:
        """One row for each trial: trial (from 0), state, score, seconds, epochs_trained, each parameter, reason.

        state : "complete"; "pruned" if it was ended early after `epochs_trained` epochs; "failed" if training diverged;
            "stopped" by the timeout. Only complete trials have a score
        reason : why a trial failed or was stopped
        """
        each = [(trial, trial.user_attrs) for trial in self.finished]
        columns = {
            "trial": [attributes["trial"] for _, attributes in each],
            "state": [attributes["state"] for _, attributes in each],
            "score": pl.Series([_score(trial) for trial, _ in each], dtype=pl.Float64),
            "seconds": pl.Series([attributes["seconds"] for _, attributes in each], dtype=pl.Float64, strict=False),
            "epochs_trained": pl.Series([attributes["epochs"] for _, attributes in each], dtype=pl.Int64),
            **{name: _values([trial.params[name] for trial, _ in each]) for name in self.parameters},
            "reason": pl.Series([attributes["reason"] for _, attributes in each], dtype=pl.String),
        }
        return as_kind(pl.DataFrame(columns), self.frame_kind)

    @cached_property
    def importances(self) -> Any:
        """The share of the variance of scores that each parameter explains: parameter, importance, largest first.

        Importances add up to 1. None if fewer than 10 trials are complete, or all have the same score.

        Hutter, Hoos and Leyton-Brown, An efficient approach for assessing hyperparameter importance, ICML 2014.
        """
        if self._importances is None:
            return None
        names, shares = list(self._importances), list(self._importances.values())
        return as_kind(pl.DataFrame({"parameter": names, "importance": shares}), self.frame_kind)

    @cached_property
    def _importances(self) -> dict[str, float] | None:
        complete = [trial for trial in self.finished if _score(trial) is not None]
        if len(complete) < FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
            return None
        importance: Any = import_extra("optuna.importance", "optuna", extra="tune", purpose="importances")
        import_extra("sklearn.ensemble", "scikit-learn", extra="tune", purpose="importances")
        with silence_optuna():
            study = make_study("maximize", complete)
            found: dict[str, float] = importance.get_param_importances(
                study, evaluator=importance.FanovaImportanceEvaluator(seed=0), params=list(self.parameters)
            )
        return found

    def __str__(self) -> str:
        states = [trial.user_attrs["state"] for trial in self.finished]
        best = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        if self._importances is None:
            shares = f"unknown, they need {FEWEST_FOR_IMPORTANCE} complete trials of different scores"
        else:
            shares = ", ".join(f"{name} {share:.2f}" for name, share in self._importances.items())
        return (
            f"{type(self.model).__name__}({best}): {self.metric} {self.score:.4f}\n"
            f"trials: {counts}\nimportances: {shares}"
        )

    def _repr_html_(self) -> str:
        _, *more = str(self).split("\n")
        return write_html(("parameter", "best"), self.parameters.items(), f"{self.metric} {self.score:.4f}", *more)


def tune(
    model: type[Tuned] | Tuned,
    train: Interactions,
    validation: Interactions | None = None,
    *,
    metric: Metric | str = "ndcg@10",
    trials: int = 50,
    timeout: float | None = None,
    space: Mapping[str, Range | Sequence[Any] | None] | None = None,
    sampler: Literal["tpe", "random", "grid"] = "tpe",
    prune: bool = True,
    parallel: int = 1,
    study: str | Path | None = None,
    seed: int = 0,
    exclude: Literal["train"] | Interactions | None = "train",
    user_features: Features | None = None,
    item_features: Features | None = None,
    refit: bool | Interactions = True,
    progress: bool | None = None,
) -> Tuning[Tuned]:
    """Search for the parameters with the best score on the validation part, and fit the model with them.

    model : a model, or its class for one with the defaults. The first trial is this model; parameters that are not
        searched, such as factors, stay as they are
    train, validation : trials are fitted to train and measured on validation; validation=None holds out a random tenth
        of the pairs of train
    metric : any metric of `tastemap.evaluate`. The score of a trial is its value on the validation part
    trials : the number of all trials, including those in the study file
    timeout : seconds from now, None for no limit. A trial that is running then ends after its epoch (or, in a model
        without epochs, when it is done) and is not used. The final fit takes extra time
    space : from a parameter to a `Range` or a list of values; it replaces or extends the model's `search_space`. None
        for a parameter leaves it as it is in the model. A value of the model outside the space is replaced by the
        nearest value in it
    sampler : "tpe", which searches near good trials (Bergstra et al., Algorithms for hyper-parameter optimization,
        NeurIPS 2011; with the parameters seen together); "random"; "grid", in random order, lists as they are and 4
        values of each Range, at even distances or, with log=True, ratios
    prune : give a trial up that after three tenths of its epochs or more has not once come up to the median of the
        complete trials at the same share of theirs; never before ten are complete. On the way the metric is measured
        for at most 1000 users, where `fit` can measure it and `exclude` is "train"
    parallel : how many trials are made at once, each with its share of the threads (no more at once than there are
        threads). They are chosen together, before any of them is known, so other numbers give other trials
    study : an SQLite file, which is made, or gone on with where it exists. A search that was killed goes on with the
        trial it was in, from its start, and ends as if it had never stopped
    seed : the seed of the sampler and of the held-out tenth; the model has its own seed
    exclude : the items left out of lists, as for `tastemap.evaluate`
    user_features, item_features : as for `fit`
    refit : True fits the best model to train and validation together, where a pair in both has its weight of the
        validation part; interactions are fitted instead of these, for example where counts should add up; False omits
        the final fit
    progress : a bar on stderr; None shows one where stderr is a terminal

    The same call gives the same result on any machine and number of threads, unless a timeout ends it early. A trial
    whose training diverges is recorded as failed. The models of trials are not kept. If Ctrl-C or an error ends the
    search, a note below the error gives the best parameters so far.

    Raises ValueError for a model without anything to search, or a space it does not accept; ModelFileError where
    `study` is not a study or belongs to another search; DivergenceError or TastemapError where no trial is complete.
    """
    started = time.perf_counter()
    chosen = _make_model(model)
    wanted = _make_space(chosen, space, has_features=user_features is not None or item_features is not None)
    metric = parse(metric)
    _check(trials, timeout, sampler, prune, parallel, seed, refit)
    check_suits(chosen, (metric,))
    check_interactions("tune", train)
    whole = train
    if validation is None:
        train, validation = splits.random(train, HELD_OUT, seed=seed)
    check_interactions("validation", validation)
    _check_shared(train, validation, user_features)
    import_extra("optuna", "optuna", extra="tune", purpose="tune")

    first = chosen.settle(train)
    given = {name: nearest(values, getattr(first, name)) for name, values in wanted.items()}
    direction: Literal["minimize", "maximize"] = "minimize" if metric.lower_is_better else "maximize"
    sampling = Sampling(wanted, given, sampler, prune, direction, seed)
    work = Work(chosen, sampling, train, validation, metric, exclude, user_features, item_features)
    with silence_optuna(), _warn_once_each():
        file = None if study is None else StudyFile(study, _identify(work), direction)
        with nullcontext() if file is None else closing(file):
            search = _Search(work, file, Clock(started, timeout))
            with search.note_best():
                search.run(sampling.limit(trials), parallel, progress)
                best = search.best()
        seconds = time.perf_counter() - started
        final = cast("Tuned", work.make_model(best.params))
        if refit is not False:
            if refit is True:
                refit = whole if train is not whole else train.merge(validation)
            with search.note_best():
                final.fit(refit, user_features=user_features, item_features=item_features, progress=progress)
        return Tuning(
            model=final,
            parameters=dict(best.params),
            score=float(best.value),  # type: ignore[arg-type]
            metric=metric,
            study=search.study(),
            seconds=seconds,
            refit_seconds=time.perf_counter() - started - seconds,
            finished=search.trials(),
            frame_kind=whole.frame_kind,
        )


class _Search:
    """Runs trials until there are enough, in batches that are chosen together and written in order."""

    def __init__(self, work: Work, file: StudyFile | None, clock: Clock) -> None:
        self._work, self._file, self._clock = work, file, clock
        self._finished = {} if file is None else file.read_finished(work.sampling.distributions())
        self._stopped: list[optuna.trial.FrozenTrial] = []

    def run(self, trials: int, parallel: int, progress: bool | None) -> None:
        """Run the trials that are missing up to this number."""
        name = type(self._work.model).__name__
        with make_bar(trials, progress, done=min(len(self._finished), trials), unit="trial", about=name) as shown:
            while not self._clock.is_over():
                missing = [number for number in range(trials) if number not in self._finished]
                if not missing:
                    break
                # Batches begin at multiples of their size, wherever an earlier search ended. Of a batch that it wrote
                # in part, all trials are chosen again and the missing ones run.
                first = missing[0] - missing[0] % parallel
                earlier = [self._finished[number] for number in sorted(self._finished) if number < first]
                batch = self._work.sampling.ask(earlier, range(first, min(first + parallel, trials)))
                with closing(self._run_batch([asked for asked in batch if asked.number in missing])) as each:
                    for made in each:
                        if made.user_attrs["state"] == "stopped":
                            self._stopped.append(made)
                            continue
                        if self._file is not None:
                            self._file.add(made)
                        self._finished[made.user_attrs["trial"]] = made
                        best = self._best()
                        if best is not None:
                            shown.set_postfix({f"best {self._work.metric}": f"{best.value:.4f}"}, refresh=False)
                        shown.update(1)

    def _run_batch(self, batch: list[Asked]) -> Generator[optuna.trial.FrozenTrial, None, None]:
        """Run the trials of a batch at the same time; yield each in order, as soon as those before it are done."""
        at_once = min(len(batch), n_threads())
        if at_once == 1 or not threading.main_thread().is_alive():  # pools end with the main thread
            for asked in batch:
                yield self._work.run(asked, self._clock)
            return
        share = n_threads() // at_once

        def run(asked: Asked) -> optuna.trial.FrozenTrial:
            with threads(share), wanted_until(self._clock.stopped):
                return self._work.run(asked, self._clock)

        with ThreadPoolExecutor(at_once, thread_name_prefix="tastemap-trial") as pool:
            running = [pool.submit(run, asked) for asked in batch]
            try:
                for one in running:
                    while not one.done():  # a wait without an end may not notice Ctrl-C
                        wait([one], timeout=0.1)
                    yield one.result()
            except BaseException:
                self._clock.stopped.set()  # the others end soon, or never start
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    @contextmanager
    def note_best(self) -> Iterator[None]:
        """Add a note with the best parameters so far to an error, or to Ctrl-C, of the block."""
        try:
            yield
        except BaseException as error:
            best = self._best()
            if best is not None:
                found = (
                    f"the best of the trials so far ({len(self._finished)}), with {self._work.metric} "
                    f"{best.value:.4f}, is {self._work.make_model(best.params)!r}"
                )
                error.add_note(self._make_note(found))
            raise

    def _make_note(self, found: str) -> Note:
        if self._file is None:
            way = Remedy("with study=FILE the same call would go on from here", "study", ...)
            return Note(f"{found}; no trial is kept", way)
        way = Remedy("the same call goes on from them", "call", "again")
        return Note(f"{found}; the trials are kept in {self._file.path}", way)

    def best(self) -> optuna.trial.FrozenTrial:
        """Return the complete trial with the best score.

        Raises DivergenceError where trials failed and none is complete, TastemapError where the timeout came first.
        """
        best = self._best()
        if best is not None:
            return best
        failed = [trial.user_attrs["reason"] for trial in self.trials() if trial.user_attrs["state"] == "failed"]
        if failed:
            raise DivergenceError(f"all {len(failed)} trials failed, the first because {failed[0]}")
        raise TastemapError("no trial was complete before the timeout: raise it")

    def _best(self) -> optuna.trial.FrozenTrial | None:
        """Return the complete trial with the best score, the first of equal ones; None without a complete trial."""
        scores = [(trial, score) for trial in self.trials() if (score := _score(trial)) is not None]
        best = max(scores, key=lambda scored: self._work.metric.goodness(scored[1]), default=None)
        return None if best is None else best[0]

    def trials(self) -> tuple[optuna.trial.FrozenTrial, ...]:
        """Return all trials by number; stopped ones come last."""
        return (*(self._finished[number] for number in sorted(self._finished)), *self._stopped)

    def study(self) -> optuna.Study:
        """Return the finished trials as a study of Optuna."""
        if self._file is not None:
            return self._file.study
        return make_study(self._work.sampling.direction, [self._finished[number] for number in sorted(self._finished)])


def _make_model(model: type[Tuned] | Tuned) -> Tuned:
    """Return an unfitted copy, or a model with the defaults."""
    if isinstance(model, type) and issubclass(model, Model):
        return model()
    if isinstance(model, Model):
        return model.clone()
    raise ValueError(f"tune takes a model such as tastemap.WARP or tastemap.WARP(factors=128), got {show(model)}")


def _make_space(model: Model, changed: Mapping[str, Any] | None, *, has_features: bool) -> SearchSpace:
    """Return the model's own space with the changes; raises ValueError where the model refuses a name or value."""
    if not isinstance(changed, Mapping | None):
        raise ValueError(f"space must be {{parameter: Range, list of values, or None}}, got {show(changed)}")
    name, own = type(model).__name__, model.get_params()
    space = dict(model.search_space) | (dict(model.feature_search_space) if has_features else {})
    for key, values in (changed or {}).items():
        if key not in own:
            raise make_unknown_error(f"space: {name} has", {str(key): values}, own)
        if isinstance(values, np.ndarray):
            values = values.tolist()
        if values is None:
            space.pop(key, None)
        elif isinstance(values, Range):
            space[key] = values
        elif isinstance(values, str | Mapping) or not isinstance(values, Sequence) or not len(values):
            raise ValueError(f"space: {key} must be a Range, a list of values, or None, got {show(values)}")
        elif isinstance(values, tuple) and len(values) == 2 and all(type(end) in (int, float) for end in values):
            low, high = values
            raise ValueError(
                f"space: {key}={show(values)} may be a range or two values: pass Range({low}, {high}) or "
                f"[{low}, {high}]"
            )
        else:
            space[key] = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not space:
        raise ParameterError(
            f"there is nothing to search in {name}",
            "fit it as it is",
            Remedy("pass space={parameter: values}", "space", ...),
            parameter="space",
            value=changed,
        )
    model.check_parameters()
    for key, values in space.items():
        for value in ends(values):
            if not isinstance(value, str | bool | int | float | None):
                raise ValueError(
                    f"space: values of {key} must be numbers, texts, True, False or None, got {show(value)}"
                )
            try:
                type(model)(**{**asdict(model), key: value}).check()
            except ValueError as error:
                raise tell_about("space", error) from error
    return space


def _check(
    trials: object,
    timeout: object,
    sampler: object,
    prune: object,
    parallel: object,
    seed: object,
    refit: object,
) -> None:
    check_whole("trials", trials, lowest=1)
    check_whole("parallel", parallel, lowest=1)
    check_whole("seed", seed, lowest=0)
    check_choice("sampler", sampler, ("tpe", "random", "grid"))
    check_switch("prune", prune)
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and timeout > 0):  # type: ignore[operator]
        raise ParameterError(
            f"timeout must be a number of seconds above 0, got {show(timeout)}", parameter="timeout", value=timeout
        )
    if not isinstance(refit, bool | Interactions):
        raise ValueError(f"refit must be True, False or Interactions, got {show(refit)}")


def _check_shared(train: Interactions, validation: Interactions, user_features: Features | None) -> None:
    """Raise DataError where no user could be measured; the remedies that `evaluate` names are no options of `tune`."""
    asked = validation.users.take(np.unique(validation.row_of_pair()))
    known = train.users.find_among(asked, train.by_user.has_pairs) >= 0
    if user_features is not None:
        known |= user_features.ids.find(asked) >= 0
    if not known.any():
        raise DataError(
            "no user of the validation part has a training pair: pass a validation part of people who are in training, "
            "or more data"
        )


def _identify(work: Work) -> dict[str, Any]:
    """Return the settings that a study must share with this search to continue it."""
    sampling = work.sampling
    return {
        "model": type(work.model).__name__,
        **{f"parameter {name}": value for name, value in asdict(work.model).items()},
        **{f"space of {name}": repr(values) for name, values in sampling.space.items()},
        "metric": work.metric.name,
        **({"direction": sampling.direction} if isinstance(work.metric, OwnMetric) else {}),
        "sampler": sampling.sampler,
        "prune": sampling.prune,
        "seed": sampling.seed,
        "training data": work.train.fingerprint(),
        **({"order of the training data": work.train.recency.fingerprint()} if work.model.abilities.uses_order else {}),
        "validation data": work.validation.fingerprint(),
        "exclude": work.exclude.fingerprint() if isinstance(work.exclude, Interactions) else work.exclude,
        "user features": work.user_features and work.user_features.fingerprint(),
        "item features": work.item_features and work.item_features.fingerprint(),
    }


@contextmanager
def _warn_once_each() -> Iterator[None]:
    """Show every warning of the block once, at its end: many trials on the same data give the same warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The score of such a trial says as much.
        warnings.filterwarnings("ignore", "the model cannot tell the items", TastemapWarning)
        yield
    for warning in {(one.category, str(one.message)): one for one in caught}.values():
        warnings.warn(warning.message, warning.category, stacklevel=4)


def _score(trial: optuna.trial.FrozenTrial) -> float | None:
    """Return the score of a complete trial, None for others."""
    return trial.value if trial.user_attrs["state"] == "complete" else None


def _values(values: list[Any]) -> pl.Series:
    """Return the values of a parameter as a column, as text if they have several types."""
    kinds = {type(value) for value in values if value is not None}
    return pl.Series(values if len(kinds) == 1 else [None if value is None else str(value) for value in values])
