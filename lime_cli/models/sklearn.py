"""Objects that answer the scikit-learn way: their parts, what is asked, what they say of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.engine.texts import Texts
from lime_cli.errors import ModelError
from lime_cli.models.bag_of_words import bags_of, takes_texts
from lime_cli.models.encoders import with_records
from lime_cli.models.fitted import fitted
from lime_cli.models.input_forms import Handing, fitted_form, handed
from lime_cli.models.model_file import ModelFile
from lime_cli.models.outputs import Stated
from lime_cli.models.predictor import Origin, Way
from lime_cli.models.walking import objects


def final(model: Any) -> Any:
    """Return the estimator that answers in the end: of a pipeline its last step, of a search its
    best."""
    while True:
        steps = getattr(model, "steps", None)
        if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
            model = steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def limit_threads(model: Any, threads: int) -> None:
    """Set ``n_jobs`` everywhere in the model: more threads change the last digits of sums."""
    for part in objects(model):
        if "n_jobs" in getattr(part, "__dict__", {}):
            with contextlib.suppress(Exception):  # a stranger's attribute may refuse
                part.n_jobs = threads
        module = str(type(part).__module__)  # which some classes compute
        if module.startswith("xgboost.") and hasattr(part, "set_param"):
            with contextlib.suppress(Exception):
                part.set_param({"nthread": threads})


def one_thread(method: Callable[[Any], Any], model: Any, threads: int) -> Callable[[Any], Any]:
    """Return a method that is called with ``n_jobs`` of the model as of a file's; it stays as it
    is.
    """
    parts = [one for one in objects(model) if "n_jobs" in getattr(one, "__dict__", {})]

    def predict(inputs: Any) -> Any:
        before = [one.n_jobs for one in parts]
        for one in parts:
            one.n_jobs = threads
        try:
            return method(inputs)
        finally:
            for one, n_jobs in zip(parts, before, strict=True):
                one.n_jobs = n_jobs

    return predict


METHODS = {
    "probabilities": "predict_proba",
    "decision": "decision_function",
    "labels": "predict",
    "scores": "score_samples",
}
"""What is asked, and by which method; the first that a model has."""

MARGINS = CodedWarning(
    "decision_values",
    "the model gives no probabilities; its decision values are explained",
)

OUTLIERS = CodedWarning(
    "decision_values",
    "the decision values of the model are explained, which are below 0 for outliers; "
    "--model-output scores explains its score_samples",
)


LOG_ODDS = CodedWarning(
    "log_odds",
    "binary:logitraw returns log odds, as the booster's own predict does; --activation sigmoid "
    "makes probabilities of them",
)


def _gives_log_odds(ending: Any) -> bool:
    """Tell the classifier of XGBoost whose ``predict_proba`` has log odds in the second column."""
    xgboost = type(ending).__module__.partition(".")[0] == "xgboost"
    return xgboost and getattr(ending, "objective", None) == "binary:logitraw"


def _second(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda inputs: np.asarray(method(inputs))[:, 1]


def way_of(
    model: Any, file: ModelFile, origin: Origin, columns: tuple[str, ...] | None = None
) -> Way:
    """Choose what to ask ``model``: probabilities, else decision values, else predictions.

    ``columns`` are those that stand beside a model which does not name its own.
    """
    name = origin.name
    model = with_records(model)
    own = file.live is not None  # whose settings are not ours to change
    if not own:
        limit_threads(model, file.threads or 1)
    numbered = file.output is not None and file.output.isdecimal()
    output, place = (None, int(file.output or 0)) if numbered else (file.output, None)
    possible = [one for one, method in METHODS.items() if hasattr(model, method)]
    if _is_regressor(final(model)) and "labels" in possible:
        possible = ["labels"]
    chosen = next((one for one in possible if output in (None, one)), None)
    if chosen is None:
        words = f"{name}: the model has no output {file.output!r}"
        raise ModelError(words, f"it has {', '.join(possible)}")
    method, name_of_method = getattr(model, METHODS[chosen]), METHODS[chosen]
    logits = chosen == "probabilities" and _gives_log_odds(final(model))
    if logits:
        method, chosen = _second(method), "decision"
    stated = _stated(model, chosen)
    bags = bags_of(model, name_of_method) if place is None else None
    if place is not None:
        stated, method = _one_output(method, stated, place, name)
    said: tuple[CodedWarning, ...] = ()
    if chosen == "decision" and not output:
        outliers = (OUTLIERS,) if "scores" in possible else ()
        said = outliers if stated.classes is None else (MARGINS,)
    said += (LOG_ODDS,) if logits else ()
    if type(model).__module__.startswith("lime_cli."):
        said += getattr(model, "said", ())
    kind = "text" if takes_texts(model) else None
    given = fitted(model)._replace(model=name, kind=kind, pandas=True, layout=file.layout)
    if file.live is not None:
        given = given._replace(dtypes=file.live.dtypes, labels=file.live.labels)
        method = one_thread(method, model, file.threads or 1)
    form = file.input_form if file.input_form != "auto" else fitted_form(model)
    handing = Handing(method, form, given)

    def predict(inputs: Any) -> Any:
        if isinstance(inputs, Texts):
            answers = bags.predict(inputs) if bags else None
            if answers is not None:
                return _as_columns(answers, stated)
            inputs = inputs.strings
        return _as_columns(handing.predict(inputs), stated)

    decide = None
    if chosen == "probabilities" and output is None and place is None and _decides(model, stated):
        # in the form in which it has answered by then
        named = getattr(model, "decide", None) or model.predict
        decide = lambda inputs: named(handed(inputs, handing.form, given))  # noqa: E731
    known = given  # the columns beside a model choose those of a table, as far as it names none
    if given.columns is None and columns and given.n_columns in (None, len(columns)):
        known = given._replace(columns=columns)
    way = Way(origin, predict, stated, known, name_of_method, said)
    return way._replace(handing=handing, bags=bags, decide=decide, thing=model)


def _is_regressor(ending: Any) -> bool:
    """Tell a model that calls itself a regressor; it may have methods that only classifiers answer,
    as those have that search for a model of either kind.
    """
    return getattr(ending, "_estimator_type", None) == "regressor"


OWN_DECISION = ("FixedThresholdClassifier", "TunedThresholdClassifierCV", "SVC", "NuSVC")
"""Classifiers of scikit-learn whose ``predict`` does not look for the largest probability."""

LIBRARIES = ("sklearn", "lightgbm", "xgboost", "lime_cli", "imblearn")
"""Those whose other classifiers do."""


def _decides(model: Any, stated: Stated) -> bool:
    """Tell whether ``predict`` may name another class than the most probable one."""
    if not stated.classes:
        return False
    if getattr(model, "decide", None) is not None:
        return True
    ending = final(model)
    known = type(ending).__module__.partition(".")[0] in LIBRARIES
    own = not known or type(ending).__name__ in OWN_DECISION
    return own and hasattr(model, "predict")


def _stated(model: Any, chosen: str) -> Stated:
    ending = final(model)
    classes = getattr(model, "classes_", getattr(ending, "classes_", None))
    if classes is None and chosen == "probabilities":
        own = getattr(model, "classes", None)  # of a stranger's object, as of functions
        classes = own if isinstance(own, (list, tuple)) and all(map(_is_word, own)) else None
    if classes is not None and len(classes) == 0:  # of CatBoost's regressors
        classes = None
    if classes is None and chosen == "labels":
        groups = getattr(ending, "labels_", None)  # of a clustering, whose predict names one
        classes = None if groups is None else list(range(int(np.max(groups)) + 1))
    several = isinstance(classes, list) and all(np.ndim(one) == 1 for one in classes)
    return Stated(
        task=_task(ending, chosen, classes is not None),
        classes=None if classes is None or several else tuple(map(str, classes)),
        groups=tuple(tuple(map(str, one)) for one in classes or ()) if several else None,
        margins=chosen == "decision",
        pairs=chosen == "decision" and getattr(ending, "decision_function_shape", "") == "ovo",
        independent=_multilabel(ending) or several,
        labels=chosen == "labels" and classes is not None and not several,
    )


def _is_word(name: object) -> bool:
    return isinstance(name, str)


def _task(ending: Any, chosen: str, has_classes: bool) -> str | None:
    """Tell classification from regression; None for a stranger's ``predict`` that does not say."""
    if chosen != "scores" and (has_classes or chosen == "probabilities"):
        return "classification"
    known = type(ending).__module__.split(".")[0] in (*LIBRARIES, "catboost")
    numbers = chosen in ("decision", "scores")
    return "regression" if known or numbers or _is_regressor(ending) else None


def _multilabel(ending: Any) -> bool:
    """Tell whether outputs are probabilities of their own, as for labels that may hold together."""
    several = getattr(ending, "n_outputs_", 1) > 1
    logistic = getattr(ending, "out_activation_", "") == "logistic"
    return bool(getattr(ending, "multilabel_", False)) or (logistic and several)


def _one_output(
    method: Callable[[Any], Any], stated: Stated, place: int, name: str
) -> tuple[Stated, Callable[[Any], Any]]:
    """Narrow a model of several answers to one of them."""
    groups = stated.groups
    if groups is None or place >= len(groups):
        count = len(groups) if groups else 1
        raise ModelError(
            f"{name}: has no output {place}", f"it gives {count}; leave --model-output out"
        )
    one = stated._replace(classes=groups[place], groups=None, independent=False)

    def predict(inputs: Any) -> Any:
        answers = method(inputs)
        if isinstance(answers, list):
            return answers[place]
        return np.asarray(answers)[:, place]

    return one._replace(labels=method.__name__ == "predict"), predict


def _as_columns(raw: Any, stated: Stated) -> Any:
    """Turn the labels of several answers into one array of votes for each."""
    if stated.groups is None or isinstance(raw, list) or np.ndim(raw) != 2:
        return raw
    found = np.asarray(raw)
    if found.shape[1] != len(stated.groups) or found.dtype.kind == "f":
        return raw
    words = found.astype(str)
    return [
        (words[:, [i]] == np.array(group)).astype(float) for i, group in enumerate(stated.groups)
    ]
