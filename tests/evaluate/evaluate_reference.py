# SPDX-License-Identifier: MIT
"""Writes golden/evaluate_reference.h5: reference values for tests/evaluate from scikit-learn, SciPy and plain NumPy.

    python evaluate_reference.py golden/evaluate_reference.h5

Needs h5py, numpy, scipy, scikit-learn. None of it calls cytoforge; MMD and LISI are written out here from their
definitions (LISI's bandwidth by Brent's method, where the C code bisects).
"""

import sys

import h5py
import numpy as np
from scipy import optimize, stats
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(20240611)


def log_normalise(counts):
    total = counts.sum(1, keepdims=True)
    return np.log1p(counts / np.where(total > 0, total, 1) * 1e4).astype(np.float32)


def simulate(n, programs, blur):
    """Counts of n cells of three types; blur moves every cell's rates towards the mean type."""
    labels = rng.integers(0, len(programs), n)
    rates = (1 - blur) * programs[labels] + blur * programs.mean(0)
    return log_normalise(rng.poisson(rates * rng.gamma(3, 1 / 3, rates.shape))), labels


def mmd(points, n_a):
    d2 = ((points[:, None, :] - points[None, :, :]) ** 2).sum(-1)
    n = len(points)
    bandwidth = d2.sum() / (n * n - n) / 2 ** (5 // 2)
    kernel = sum(np.exp(-d2 / (bandwidth * 2**i)) for i in range(5))
    return kernel[:n_a, :n_a].mean() + kernel[n_a:, n_a:].mean() - 2 * kernel[:n_a, n_a:].mean()


def lisi(points, n_a, perplexity=30.0):
    """Each point's inverse Simpson index; neighbours as in compute_lisi: 3 x perplexity with the point itself first."""
    n = len(points)
    k = min(int(3 * perplexity) - 1, n - 1)
    perplexity = min(perplexity, (k + 1) / 3)
    result = np.empty(n)
    for i in range(n):
        distance = np.sqrt(((points - points[i]) ** 2).sum(1))
        distance[i] = np.inf
        near = np.argsort(distance, kind="stable")[:k]

        def weights(log_beta):
            w = np.exp(-np.exp(log_beta) * (distance[near] - distance[near].min()))
            return w / w.sum()

        def excess(log_beta):
            w = weights(log_beta)
            return -(w * np.log(np.maximum(w, 1e-300))).sum() - np.log(perplexity)

        w = weights(optimize.brentq(excess, -20, 20, xtol=1e-12))
        b = w[near >= n_a].sum()
        result[i] = 1 / (b * b + (1 - b) * (1 - b))
    return result


def forest_auc(x, y, x_new, y_new, seeds):
    p = np.mean(
        [
            RandomForestClassifier(1000, max_depth=5, random_state=s, n_jobs=2).fit(x, y).predict_proba(x_new)[:, 1]
            for s in seeds
        ],
        axis=0,
    )
    return p, roc_auc_score(y_new, p)


def gene_correlations(a, b, keep):
    a, b = a.astype(float)[:, keep], b.astype(float)[:, keep]
    pairs = [(a.mean(0), b.mean(0)), (a.var(0, ddof=1), b.var(0, ddof=1))]
    return [f(x, y)[0] for x, y in pairs for f in (stats.spearmanr, stats.pearsonr)]


def joint_measures(a, b, k=50):
    points = PCA(min(k, a.shape[1], len(a) + len(b) - 1), svd_solver="full").fit_transform(np.vstack([a, b]).astype(float))
    y = np.r_[np.zeros(len(a)), np.ones(len(b))]
    aucs = []
    for s in range(20):
        x0, x1, y0, y1 = train_test_split(points, y, test_size=0.25, stratify=y, random_state=s)
        aucs.append(roc_auc_score(y1, RandomForestClassifier(200, max_depth=5, random_state=s).fit(x0, y0).predict_proba(x1)[:, 1]))
    return [mmd(points, len(a)), lisi(points, len(a)).mean(), np.mean(aucs), np.std(aucs)]


def rank_sum(cells, labels, n_classes=3):
    """z and two-sided p of each class against the rest, [class, gene]; z from the ranks, p by SciPy."""
    cells = cells.astype(float)
    z, p = np.zeros((n_classes, cells.shape[1])), np.ones((n_classes, cells.shape[1]))
    for c in range(n_classes):
        inside = labels == c
        a, b, n = inside.sum(), (~inside).sum(), len(labels)
        for g in range(cells.shape[1]):
            ranks = stats.rankdata(cells[:, g])
            spread = np.sqrt(stats.tiecorrect(ranks) * a * b * (n + 1) / 12)
            if spread > 0:
                z[c, g] = (ranks[inside].sum() - a * (n + 1) / 2) / spread
                p[c, g] = stats.mannwhitneyu(cells[inside, g], cells[~inside, g], use_continuity=False, method="asymptotic").pvalue
    return z, p


def top_genes(z, n):
    return set(np.lexsort((np.arange(len(z)), -z))[:n])


def even_out(synthetic_label, train_label):
    """Labels with as many cells of each class in both: the last surplus ones become -1 (test_evaluate_run.c does the same)."""
    pair = [synthetic_label.copy(), train_label.copy()]
    for c in range(3):
        counts = [(l == c).sum() for l in pair]
        larger = pair[int(counts[0] < counts[1])]
        surplus = abs(counts[0] - counts[1])
        if surplus:
            larger[np.flatnonzero(larger == c)[-surplus:]] = -1
    return pair


def class_scores(real, real_label, others, other_labels, keep, n_markers=10):
    """[class, (mean Spearman, mean Pearson, MMD, markers), (synthetic, train)]."""
    result = np.empty((3, 4, 2))
    z_real = rank_sum(real, real_label)[0]
    for s, (cells, labels) in enumerate(zip(others, other_labels)):
        points = PCA(50, svd_solver="full").fit_transform(np.vstack([real, cells]).astype(float))
        known = labels >= 0
        z = rank_sum(cells[known], labels[known])[0]
        for c in range(3):
            a, b = real[real_label == c].astype(float)[:, keep].mean(0), cells[labels == c].astype(float)[:, keep].mean(0)
            own = np.vstack([points[: len(real)][real_label == c], points[len(real) :][labels == c]])
            shared = top_genes(z_real[c], n_markers) & top_genes(z[c], n_markers)
            result[c, :, s] = stats.spearmanr(a, b)[0], stats.pearsonr(a, b)[0], mmd(own, (real_label == c).sum()), len(shared) / n_markers
    return result


def nearest(train, synthetic, real):
    """Median distances to the nearest training cell and shares of copies, on the training cells' components."""
    pca = PCA(50, svd_solver="full").fit(train.astype(float))
    search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(pca.transform(train.astype(float)))
    d = [search.kneighbors(pca.transform(cells.astype(float)))[0] for cells in (synthetic, real)]
    return [np.median(x[:, 0]) for x in d] + [(x[:, 0] < x[:, 1] / 3).mean() for x in d]


def write(path):
    with h5py.File(path, "w") as f:

        def put(name, value):
            value = np.asarray(value)
            f.create_dataset(name, data=value, **({"compression": "gzip"} if value.size > 64 else {}))

        # Correlations and AUC, with ties.
        x = np.round(rng.normal(size=60), 1)
        y = np.round(0.6 * x + rng.normal(size=60), 1)
        put("correlation/x", x)
        put("correlation/y", y)
        put("correlation/expected", [stats.pearsonr(x, y)[0], stats.spearmanr(x, y)[0]])
        score, label = np.round(rng.normal(size=80), 1), rng.integers(0, 2, 80)
        put("auc/score", score)
        put("auc/label", label.astype(np.int64))
        put("auc/expected", [roc_auc_score(label, score)])

        # Expression: real (100 cells), synthetic and train (120 each), 80 genes, of which some are never seen.
        programs = rng.gamma(0.4, 2.0, (3, 80))
        programs[:, :4] = 0
        programs[:, 4:8] = 0.004
        real, real_label = simulate(100, programs, 0.0)
        train, train_label = simulate(120, programs, 0.0)
        synthetic, synthetic_label = simulate(120, programs, 0.35)
        for name, cells, labels in (
            ("real", real, real_label),
            ("synthetic", synthetic, synthetic_label),
            ("train", train, train_label),
        ):
            put(f"expression/{name}", cells)
            put(f"expression/{name}_label", labels.astype(np.int64))

        # Principal components: more cells than genes, and fewer.
        joint = np.vstack([real, synthetic]).astype(float)
        for name, cells in (("tall", joint), ("wide", joint[:60])):
            pca = PCA(20, svd_solver="full").fit(cells)
            sign = np.sign(pca.components_[np.arange(20), np.abs(pca.components_).argmax(1)])
            put(f"pca/{name}_variance", pca.explained_variance_)
            put(f"pca/{name}_loadings", (pca.components_ * sign[:, None]).T)
            put(f"pca/{name}_total", [cells.var(0, ddof=1).sum()])

        # MMD and LISI on plain points.
        points = np.vstack([rng.normal(size=(70, 6)), rng.normal(0.4, 1.2, size=(50, 6))])
        put("points/points", points)
        put("points/mmd", [mmd(points, 70)])
        put("points/lisi", lisi(points, 70))
        put("points/lisi_few", lisi(points[60:80], 10))

        # Logistic regression: standardised inputs, C = 1.
        centres = rng.normal(0, 1.2, (4, 8))
        code = rng.integers(0, 4, 150)
        inputs = (centres[code] + rng.normal(size=(150, 8))) * np.geomspace(0.1, 10, 8) + 3
        new = (centres[rng.integers(0, 4, 60)] + rng.normal(size=(60, 8))) * np.geomspace(0.1, 10, 8) + 3
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-10, max_iter=10000)).fit(inputs, code)
        put("logistic/points", inputs)
        put("logistic/class", code.astype(np.int64))
        put("logistic/new_points", new)
        put("logistic/weights", model[-1].coef_)
        put("logistic/intercepts", model[-1].intercept_)
        put("logistic/predicted", model.predict(new).astype(np.int64))

        # Forest on a fixed split: probabilities and AUC, the mean of five forests.
        y = rng.integers(0, 2, 400)
        points = rng.normal(size=(400, 10))
        points[:, 0] += 0.7 * y
        points[:, 1] = points[:, 1] * (1 + 0.8 * y)
        points[:, 2] = np.round(points[:, 2])
        points[:, 3] = 1.0
        p, auc = forest_auc(points[:250], y[:250], points[250:], y[250:], range(5))
        put("forest/points", points[:250])
        put("forest/label", y[:250].astype(np.int64))
        put("forest/new_points", points[250:])
        put("forest/new_label", y[250:].astype(np.int64))
        put("forest/probability", p)
        put("forest/auc", [auc])

        # Everything together, ceilings too (as many training as synthetic cells, so nothing is subsampled).
        keep = (train > 0).sum(0) >= 3
        put("together/n_genes_compared", [int(keep.sum())])
        for name, cells in (("value", synthetic), ("ceiling", train)):
            put(f"together/{name}_correlations", gene_correlations(real, cells, keep))
            put(f"together/{name}_joint", joint_measures(real, cells))
        put("together/genes_per_cell", [(s > 0).sum(1).mean() for s in (real, synthetic, train)])
        put("together/zero_fraction", [(s == 0).mean() for s in (real, synthetic, train)])
        model = make_pipeline(PCA(50, svd_solver="full"), StandardScaler(), LogisticRegression(C=1.0, tol=1e-10, max_iter=10000))
        model.fit(train.astype(float), train_label)
        hit_b = model.predict(synthetic.astype(float)) == synthetic_label
        hit_a = model.predict(real.astype(float)) == real_label
        put("together/accuracy", [hit_b.mean(), hit_a.mean()])
        put("together/class_accuracy", [[h[l == c].mean() for c in range(3)] for h, l in ((hit_b, synthetic_label), (hit_a, real_label))])

        # Marker genes, classes, neighbours.
        z, p = rank_sum(real, real_label)
        put("markers/z", z)
        put("markers/p", p)
        put("together/classes", class_scores(real, real_label, (synthetic, train), even_out(synthetic_label, train_label), keep))
        put("together/nearest", nearest(train, synthetic, real))
        put("forest/joint_points", PCA(50, svd_solver="full").fit_transform(np.vstack([real, synthetic]).astype(float)))


if __name__ == "__main__":
    write(sys.argv[1])
