"""Fits a diagonal Gaussian mixture by EM at the paper's size: 1.75 million descriptors, 256 components.

scikit-learn's GaussianMixture holds all posteriors of the sample in float64, over 10 GiB. This one processes blocks of
a fixed number of rows. In a block, each step is one float32 matrix product, because log w_k G(x; mu_k, sigma_k) and the
moments of the M-step are linear in [x, x^2].

The fit does not depend on the number of cores: each product runs on one thread, and blocks are summed in float64 in
their order. The mean of the data is subtracted from each block. Otherwise the squares of numbers far from zero would
leave no digits of float32 for the variances.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from idt_tools.fisher_vector import LEAST_LOG, posteriors

log = logging.getLogger(__name__)

BLOCK_ROWS = 8192  # the posteriors of a block under 256 components take 8 MiB
START_ROWS = 128  # rows per component for the initial k-means

Start = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class _Moments(NamedTuple):
    """Sums over rows that the M-step needs, and their log-likelihood: float64, on the CPU."""

    log_likelihood: torch.Tensor  # () sum over rows, in nats
    mass: torch.Tensor  # (K,) sum of posteriors
    sums: torch.Tensor  # (K, 2D) sum of posteriors times [x, x^2]; x is relative to the centre


class DiagonalGMM(DensityMixin, BaseEstimator):
    """Mixture of Gaussians with diagonal covariances, by scikit-learn's conventions.

    Args:
        n_components: K.
        max_iter: The largest number of EM steps.
        tol: EM ends when the mean log-likelihood (nats) gains less per step.
        variance_floor: The smallest variance, as a fraction of the data's variance in that column.
        random_state: Seed of the initial k-means.
        start: Initial weights (K,), means (K, D) and covariances (K, D), instead of the k-means.
        n_jobs: How many cores are used.
        device: Where torch computes, for example "cuda".

    `fit` sets `weights_` (K,), `means_` and `covariances_` (K, D) float64, `centre_` (D,) float32 (the mean of rows),
    `lower_bound_` (mean log-likelihood before the last step), `n_iter_` and `converged_`.
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        max_iter: int = 100,
        tol: float = 1e-3,
        variance_floor: float = 1e-3,
        random_state: int = 0,
        start: Start | None = None,
        n_jobs: int = 1,
        device: str = "cpu",
    ) -> None:
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.variance_floor = variance_floor
        self.random_state = random_state
        self.start = start
        self.n_jobs = n_jobs
        self.device = device

    def fit(self, X: NDArray[np.floating], y: None = None) -> "DiagonalGMM":
        """Fits the mixture to the rows of X (n, D). Raises ValueError if n < K or if a number is not finite."""
        X = np.ascontiguousarray(X, np.float32)
        if X.ndim != 2 or len(X) < self.n_components:
            raise ValueError(f"{self.n_components} components need at least as many rows, not {X.shape}")
        if not np.isfinite(X).all():
            raise ValueError("the rows to fit must be finite numbers")
        centre = X.mean(axis=0, dtype=np.float64)
        variance = np.einsum("nd,nd->d", X, X, dtype=np.float64) / len(X) - centre**2  # X.var would copy X to float64
        self.centre_ = centre.astype(np.float32)
        floor = np.maximum(self.variance_floor * variance, np.finfo(np.float32).tiny)
        self.weights_, self.means_, self.covariances_ = self.start or self._start(X, floor)
        log.info("mixture: %d components initialised", self.n_components)
        self.converged_, self.lower_bound_, self.n_iter_ = False, -np.inf, 0
        with tqdm(range(1, self.max_iter + 1), "mixture, EM", unit="step") as steps:
            for self.n_iter_ in steps:
                moments = self._moments(X)
                previous, self.lower_bound_ = self.lower_bound_, float(moments.log_likelihood) / len(X)
                self._maximise(moments, floor)
                steps.set_postfix_str(f"log-likelihood {self.lower_bound_:.4f}")
                if abs(self.lower_bound_ - previous) < self.tol:
                    self.converged_ = True
                    break
        convergence = "converged" if self.converged_ else f"not converged to {self.tol:g} nats"
        log.info("mixture: log-likelihood %.4f, %s after %d EM steps", self.lower_bound_, convergence, self.n_iter_)
        return self

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """Returns the posteriors (n, K) of the components for the rows of X (n, D)."""
        return posteriors(np.asarray(X) - self.centre_, self.weights_, self.means_ - self.centre_, self.covariances_)

    def score(self, X: NDArray[np.floating], y: None = None) -> float:
        """Returns the mean log-likelihood of the rows of X (n, D), in nats."""
        return float(self._moments(np.ascontiguousarray(X, np.float32)).log_likelihood) / len(X)

    def _start(self, X: NDArray[np.float32], floor: NDArray[np.float64]) -> Start:
        """Returns the mixture whose components are the clusters of a k-means on randomly drawn rows."""
        generator = np.random.default_rng(self.random_state)
        rows = np.sort(generator.permutation(len(X))[: START_ROWS * self.n_components])
        part = X[rows] - self.centre_
        k_means = KMeans(self.n_components, n_init=1, max_iter=20, random_state=self.random_state)
        with threadpool_limits(1):  # the sums of scikit-learn depend on the number of threads
            labels = k_means.fit(part).labels_
        mass = np.bincount(labels, minlength=self.n_components).astype(np.float64)
        sums = np.zeros((self.n_components, 2 * X.shape[1]))
        np.add.at(sums, labels, np.concatenate([part, part**2], axis=1, dtype=np.float64))
        self._maximise(_Moments(torch.tensor(0.0), torch.from_numpy(mass), torch.from_numpy(sums)), floor)
        return self.weights_, self.means_, self.covariances_

    def _maximise(self, moments: _Moments, floor: NDArray[np.float64]) -> None:
        """Sets weights, means and variances from the moments: the M-step."""
        mass = moments.mass.numpy() + 10 * np.finfo(np.float64).eps  # not 0 for a component without rows
        first, second = np.split(moments.sums.numpy() / mass[:, None], 2, axis=1)
        self.weights_ = mass / mass.sum()
        self.means_ = first + self.centre_
        self.covariances_ = np.maximum(second - first**2, floor)

    def _moments(self, X: NDArray[np.float32]) -> _Moments:
        """Returns the moments of all rows: the E-step, block by block."""
        mu, var = (torch.from_numpy(np.asarray(a)) for a in (self.means_ - self.centre_, self.covariances_))
        centre = torch.from_numpy(self.centre_).to(self.device)
        log_weights = torch.from_numpy(np.log(self.weights_))
        factors = torch.cat([mu / var, -0.5 / var], dim=1).T.to(self.device, torch.float32)  # (2D, K)
        constant = log_weights - 0.5 * (mu**2 / var + torch.log(2 * torch.pi * var)).sum(dim=1)
        constant = constant.to(self.device, torch.float32)  # (K,)

        def block_moments(first_row: int) -> _Moments:
            x = torch.from_numpy(X[first_row : first_row + BLOCK_ROWS]).to(self.device) - centre
            x = torch.cat([x, x**2], dim=1)  # (n, 2D)
            p = torch.addmm(constant, x, factors)  # (n, K) log w_k G(x; mu_k, sigma_k)
            largest = p.amax(dim=1, keepdim=True)
            total = p.sub_(largest).clamp_(min=LEAST_LOG).exp_().sum(dim=1, keepdim=True)
            log_likelihood = (largest + total.log()).sum(dtype=torch.float64)
            p.div_(total)  # the posteriors
            return _Moments(log_likelihood.cpu(), p.sum(dim=0).double().cpu(), (p.T @ x).double().cpu())

        blocks = self._map(block_moments, range(0, len(X), BLOCK_ROWS))
        return functools.reduce(lambda a, b: _Moments(*(x + y for x, y in zip(a, b, strict=True))), blocks)

    def _map(self, function: Callable[[int], _Moments], items: range) -> Iterator[_Moments]:
        """Maps in the order of the items, on `n_jobs` cores with one thread of torch each."""
        jobs = self.n_jobs if self.device == "cpu" else 1
        # A few items at a time, to bound the memory of the results that wait to be summed.
        with ThreadPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for first in range(0, len(items), 8 * jobs):
                yield from pool.map(function, items[first : first + 8 * jobs])
