"""The class scores of scikit-learn's linear classifiers."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from workflow_scripts.evaluation.classifier import class_scores


@pytest.mark.parametrize("classes", [[1, 3], [0, 1, 3]])  # classes out of four; sklearn has one score for two classes
@pytest.mark.parametrize("classifier", [LogisticRegression(), LinearSVC()])
def test_class_scores_are_highest_at_the_predicted_class(classifier: LogisticRegression, classes: list[int]) -> None:
    rng = np.random.default_rng(0)
    targets = rng.choice(classes, 80)
    features = rng.normal(size=(80, 6)) + 2 * np.eye(6)[targets]
    classifier.fit(features, targets)
    scores = class_scores(classifier, features, 4)
    assert (scores.argmax(axis=1) == classifier.predict(features)).all()
    assert np.isneginf(scores[:, 2]).all() and scores.shape == (80, 4)
