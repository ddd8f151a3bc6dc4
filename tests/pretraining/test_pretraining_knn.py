"""The vote of nearest neighbours, compared with scikit-learn."""

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from workflow_scripts.pretraining.knn import nearest_classes


def rows(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 6))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_nearest_classes_agrees_with_scikit_learn():
    train, test, answers = rows(60, 0), rows(30, 1), np.random.default_rng(2).integers(0, 4, 60)
    reference = KNeighborsClassifier(9, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07)).fit(train, answers)
    tensors = [torch.from_numpy(array) for array in (test, train, answers)]
    predicted = nearest_classes(*tensors, neighbours=9, temperature=0.07)
    assert (predicted.numpy() == reference.predict(test)).all()


def test_nearest_classes_rows_without_class_do_not_vote():
    train, test, answers = rows(60, 0), rows(30, 1), np.random.default_rng(2).integers(-1, 3, 60)
    options = {"neighbours": 5, "temperature": 0.07}
    predicted = nearest_classes(*(torch.from_numpy(array) for array in (test, train, answers)), **options)
    known = answers >= 0
    expected = nearest_classes(*(torch.from_numpy(array) for array in (test, train[known], answers[known])), **options)
    assert torch.equal(predicted, expected)
