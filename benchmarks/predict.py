# SPDX-License-Identifier: MIT
"""Rows of a table: how well the probabilities of `cytoforge predict` are calibrated, of held-out cells.

    benchmarks/predict.py NAME LABELLED.h5ad ATTRIBUTE

The expected calibration error is that of Guo et al. 2017, over 15 bins of equal width of the predicted class's probability. It is the mean over bins of
|share that is right - mean probability|, weighted by cells. Beside it stands what it would be if the probabilities were exact: labels drawn from them, mean of 200 draws.
"""

import sys

import anndata
import numpy

BINS = 15


def calibration_error(probability, right):
    bin_of = numpy.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = [abs(right[bin_of == b].mean() - probability[bin_of == b].mean()) * (bin_of == b).sum() for b in numpy.unique(bin_of)]
    return sum(gaps) / len(probability)


def main():
    name, path, attribute = sys.argv[1:]
    cells = anndata.read_h5ad(path)
    categories = list(cells.obs[f"predicted_{attribute}"].cat.categories)  # before cells go: anndata drops those without any
    cells = cells[cells.obs[attribute].notna().to_numpy()]
    probabilities = cells.obsm[f"probabilities_{attribute}"].astype(float)
    truth = numpy.array([categories.index(value) if value in categories else -1 for value in cells.obs[attribute].astype(str)])
    predicted = probabilities.argmax(axis=1)
    best = probabilities.max(axis=1)
    right = predicted == truth
    generator = numpy.random.default_rng(0)
    exact = [calibration_error(best, generator.random(len(best)) < best) for _ in range(200)]
    log_loss = -numpy.log(numpy.maximum(probabilities[numpy.arange(len(truth)), truth], 1e-12)).mean()
    print(
        f"| {name} | {attribute} | {len(categories)} | {len(best)} | {right.mean():.3f} | {best.mean():.3f} | "
        f"{calibration_error(best, right):.3f} | {numpy.mean(exact):.3f} | {log_loss:.3f} |"
    )


main()
