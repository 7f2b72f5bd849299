# SPDX-License-Identifier: MIT
"""What the benchmarks of conditions and paths share: latents and expression as arrays, and the maximum mean discrepancy."""
import warnings

import numpy as np
import scipy.sparse
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

warnings.simplefilter("ignore")
import anndata  # noqa: E402


def read(path):
    return anndata.read_h5ad(path)


def expression(cells):
    return np.asarray(cells.X.todense()) if scipy.sparse.issparse(cells.X) else np.asarray(cells.X)


class Space:
    """One kernel for all comparisons with these reference cells: Gaussians of a quarter, half, one and two times their median distance."""

    def __init__(self, reference):
        self.median = np.median(cdist(reference, reference)[np.triu_indices(len(reference), 1)])

    def kernel(self, a, b):
        squared = cdist(a, b, "sqeuclidean")
        return sum(np.exp(-squared / (2 * (f * self.median) ** 2)) for f in (0.25, 0.5, 1, 2)) / 4

    def mmd(self, x, y):
        """Unbiased estimate of the squared MMD (Gretton et al. 2012, eq. 3); it may fall a little below zero."""
        n, m = len(x), len(y)
        kx, ky = self.kernel(x, x), self.kernel(y, y)
        return float((kx.sum() - np.trace(kx)) / (n * (n - 1)) + (ky.sum() - np.trace(ky)) / (m * (m - 1))
                     - 2 * self.kernel(x, y).mean())


def fit_pca(x, components=30):
    return PCA(n_components=min(components, *x.shape), random_state=0).fit(x)
