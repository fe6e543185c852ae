"""Tells which parameter of a model is meant by a name that it does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tastemap.errors import ParameterNameError, find_close, name_some

# Our name of a parameter -> what scikit-learn, implicit, LightFM, Surprise, RecTools, irspack, RecBole and Spark call
# it, in small letters without underscores. One that means several things, such as k, stands beside each.
_ELSEWHERE = {
    "factors": "nfactors ncomponents nocomponents numfactors numcomponents embeddingdim embeddingsize embdim dim rank "
    "nlatent latentdim hiddensize k",
    "epochs": "nepochs numepochs iterations niter niters niterations numiterations maxiter maxepochs epoch",
    "seed": "randomstate randomseed rng",
    "learning_rate": "lr lrall learnrate eta alpha stepsize",
    "regularization": "reg regall regparam regularisation regweight lambda lambda1 l2 l2reg l2weight l2norm "
    "weightdecay itemalpha useralpha",
    "bias_regularization": "regbu regbi regbiases",
    "unobserved_weight": "alpha0 w0 unobserved",
    "frequency_exponent": "nu",
    "neighbours": "k topk nneighbors nneighbours neighbors numneighbors numneighbours maxk knn",
    "shrinkage": "shrink",
    "similarity": "metric simoptions",
    "bm25_k1": "k1",
    "bm25_b": "b",
    "max_sampled": "maxtrial maxtrials maxsampling",
    "cg_steps": "cgiterations maxcgsteps ncgsteps",
    "biases": "biased bias usebias",
}


def make_unknown_error(owner: str, unknown: Mapping[str, object], known: Iterable[str]) -> ParameterNameError:
    """Make the error of parameters that a model, or several, does not have; it names those that are meant.

    owner : the model, as the subject of the sentence: "SVD has", "SVD and BPR have"
    unknown : their names, at least one, and the values that were given
    """
    known = list(known)
    names, (name, value) = list(unknown), next(iter(unknown.items()))
    what = f"no parameter {name!r}" if len(names) == 1 else f"no parameters {name_some(names, 30)}"
    meant = list(dict.fromkeys(own for own in (_find_meant(name, known) for name in names) if own is not None))
    return ParameterNameError(
        f"{owner} {what}, {f'only {name_some(known, 30)}' if known else 'nor any other'}"
        f"{f'; did you mean {name_some(meant, 30)}?' if meant else ''}",
        parameter=name,
        value=value,
    )


def _find_meant(name: str, known: Sequence[str]) -> str | None:
    """Return the parameter that has this name elsewhere, or one that is spelt nearly so."""
    plain = name.lower().replace("_", "")
    elsewhere = (own for own, others in _ELSEWHERE.items() if own in known and plain in others.split())
    return next(elsewhere, None) or find_close(name, known)
