#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rare classes: thins types of a data set, and judges generated cells of each type (benchmarks/rare.sh).

    rare.py split FILE FOLDER TYPE=CELLS...    FOLDER gets train.h5ad, judge.h5ad, test.h5ad, requests.csv
    rare.py table FOLDER RUN STRENGTH...       a table of RUN/STRENGTH.h5ad
"""
import os
import sys

import anndata
import numpy
import scipy.sparse
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LABEL = "cell_type"
DRAWN = 200


def split(file, folder, thinned):
    cells = anndata.read_h5ad(file)
    labels = cells.obs[LABEL].astype(str).to_numpy()
    wanted = {text.rsplit("=", 1)[0]: int(text.rsplit("=", 1)[1]) for text in thinned}
    draw = numpy.random.default_rng(0)
    part = numpy.empty(len(labels), dtype=object)
    for label in numpy.unique(labels):
        at = draw.permutation(numpy.flatnonzero(labels == label))
        n = wanted.get(label, int(len(at) * 0.6))
        half = n + (len(at) - n) // 2
        part[at[:n]], part[at[n:half]], part[at[half:]] = "train", "judge", "test"
    os.makedirs(folder, exist_ok=True)
    for name in ("train", "judge", "test"):
        cells[part == name].copy().write_h5ad(f"{folder}/{name}.h5ad")
    with open(f"{folder}/requests.csv", "w") as table:
        table.write(f"{LABEL},count\n")
        table.writelines(f'"{label}",{DRAWN}\n' for label in numpy.unique(labels))


def log_expression(cells, genes):
    x = cells[:, genes].X
    x = numpy.asarray(x.todense() if scipy.sparse.issparse(x) else x, dtype=numpy.float32)
    return numpy.log1p(x / numpy.maximum(x.sum(1, keepdims=True), 1) * 1e4)


def nearest(points, base):
    return numpy.median(NearestNeighbors(n_neighbors=1).fit(base).kneighbors(points)[0])


def mmd(a, b):
    """As cytoforge evaluate: five Gaussian kernels, bandwidths around a quarter of the mean squared distance."""
    both = numpy.vstack([a, b])
    squared = cdist(both, both, "sqeuclidean")
    mean = squared.sum() / (len(both) * (len(both) - 1)) / 4
    kernel = sum(numpy.exp(-squared / (mean * 2**i)) for i in range(5))
    n = len(a)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def table(folder, run, strengths):
    part = {name: anndata.read_h5ad(f"{folder}/{name}.h5ad") for name in ("train", "judge", "test")}
    drawn = {w: anndata.read_h5ad(f"{run}/{w}.h5ad") for w in strengths}
    known = set(drawn[strengths[0]].var_names)
    genes = [gene for gene in part["judge"].var_names if gene in known]
    x = {name: log_expression(cells, genes) for name, cells in part.items()}
    y = {name: cells.obs[LABEL].astype(str).to_numpy() for name, cells in part.items()}
    judge = make_pipeline(PCA(50, random_state=0), StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    judge.fit(x["judge"], y["judge"])
    told = judge.predict(x["test"])
    space = PCA(30, random_state=0).fit(x["train"])
    z = {name: space.transform(values) for name, values in x.items()}
    print("| type | training cells | real cells told | " + " | ".join(f"W {w}" for w in strengths) + " |")
    print("|---" * (3 + len(strengths)) + "|")
    for label in sorted(set(y["test"]), key=lambda name: (y["train"] == name).sum()):
        train, test = z["train"][y["train"] == label], z["test"][y["test"] == label]
        half = len(test) // 2
        ceiling, held_out = mmd(test[:half], test[half:2 * half]), nearest(test, train)
        fields = []
        for w in strengths:
            cells = drawn[w][drawn[w].obs[LABEL].astype(str) == label]
            values = log_expression(cells, genes)
            points = space.transform(values)
            fields.append(f"{(judge.predict(values) == label).mean():.2f}, {nearest(points, train) / held_out:.2f}, "
                          f"{mmd(points[:half], test[:half]) / ceiling:.1f}")
        real = (told[y["test"] == label] == label).mean()
        print(f"| {label} | {len(train)} | {real:.2f} | " + " | ".join(fields) + " |")


if __name__ == "__main__":
    if sys.argv[1] == "split":
        split(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        table(sys.argv[2], sys.argv[3], sys.argv[4:])
