"""The scores of scikit-learn's linear classifiers."""

import numpy as np
from sklearn.base import ClassifierMixin


def class_scores(classifier: ClassifierMixin, features: np.ndarray, n_classes: int) -> np.ndarray:
    """The scores (n, n_classes) float64 of a linear classifier, which predicts the class with the highest score.

    A class without training videos scores -inf.
    """
    decisions = classifier.decision_function(features)
    if decisions.ndim == 1:  # for two classes, sklearn scores only the second one
        decisions = np.stack([-decisions, decisions], axis=1)
    scores = np.full((len(features), n_classes), -np.inf)
    scores[:, classifier.classes_] = decisions
    return scores
