# SPDX-License-Identifier: MIT
"""Control cells taken to a treatment, against the treated cells that training never saw.

transfer.py latents FOLDER TYPE              writes FOLDER/none_z.h5ad and shift_z.h5ad: the type's control cells as they are, and by the additive shift
transfer.py judge WORK OUT.json TYPES...     compares what was decoded of them, and transfer.h5ad, with the held-out cells; prints tables

Two definitions are cell-eval's (0.8.2). pearson_delta is the correlation of differences of mean log-normalised expression from the control cells.
overlap_at_50 compares the 50 genes of largest log2 fold change, of those with FDR below 0.05 (Wilcoxon rank-sum, Benjamini-Hochberg).
"""
import json
import sys

import anndata
import numpy as np
import scipy.sparse
from scipy.stats import mannwhitneyu
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from distances import Space, expression, fit_pca, read

N_TOP, N_NEIGHBOURS, N_BOOTSTRAPS = 50, 15, 200


def labels(cells, column):
    return cells.obs[column].astype(str).values


def key(name):
    return "".join(c for c in name if c.isalnum() and c.isascii())


def write_latents(folder, held_type):
    seen = read(f"{folder}/seen_z.h5ad")
    types, treated, z = labels(seen, "cell_type"), labels(seen, "condition") == "stim", np.asarray(seen.obsm["X_latent"])
    shift = np.mean([z[(types == t) & treated].mean(0) - z[(types == t) & ~treated].mean(0) for t in sorted(set(types) - {held_type})], axis=0)
    controls = (types == held_type) & ~treated
    for name, latent in (("none", z[controls]), ("shift", z[controls] + shift)):
        cells = anndata.AnnData(scipy.sparse.csr_matrix((int(controls.sum()), 1)), obs=seen.obs[controls])
        cells.obsm["X_latent"] = (latent / np.linalg.norm(latent, axis=1, keepdims=True)).astype(np.float32)  # as the decoder takes them
        cells.write_h5ad(f"{folder}/{name}_z.h5ad")


def log_normalised(cells):
    x = expression(cells).astype(float)
    return np.log1p(x / x.sum(1, keepdims=True) * 1e4)


def top_genes(x, controls):
    means, before = np.expm1(x).mean(0), np.expm1(controls).mean(0)
    change = np.abs(np.log2((means + 1e-9) / (before + 1e-9)))
    p = mannwhitneyu(x, controls, axis=0).pvalue
    order = np.argsort(p)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    significant = np.flatnonzero(q < 0.05)
    return significant[np.argsort(-change[significant])][:N_TOP]


def effect_scores(effect, real_effect):
    slope = (effect * real_effect).sum() / (real_effect**2).sum()
    return float(np.corrcoef(effect, real_effect)[0, 1]), float(slope)


def weighted_mmd(kernel, wx, wy):
    """Unbiased squared MMD of resampled cells: kernel = (xx, yy, xy), w how often each cell was drawn. Pairs of a cell with itself stay out."""
    def within(k, w):
        return (w @ k @ w - (w**2 * np.diag(k)).sum()) / (w.sum()**2 - (w**2).sum())
    return float(within(kernel[0], wx) + within(kernel[1], wy) - 2 * wx @ kernel[2] @ wy / (wx.sum() * wy.sum()))


def weights(rng, n):
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(float)


def neighbourhood(latent, start):
    """For each cell the share of its start cell's nearest control cells that are its own nearest ones, once the cells' mean shift is taken off."""
    def nearest(cells):
        distance = ((cells[:, None] - start[None]) ** 2).sum(-1)
        np.fill_diagonal(distance, np.inf)
        return np.argsort(distance, axis=1)[:, :N_NEIGHBOURS]
    return np.array([len(set(a) & set(b)) / N_NEIGHBOURS for a, b in zip(nearest(latent - latent.mean(0) + start.mean(0)), nearest(start))])


def judge_type(folder, held_type, pca, rng):
    held, seen = read(f"{folder}/held.h5ad"), read(f"{folder}/seen_z.h5ad")
    x_seen, x_real = log_normalised(read(f"{folder}/seen.h5ad")), log_normalised(held)
    is_control = (labels(seen, "cell_type") == held_type) & (labels(seen, "condition") == "ctrl")
    controls, start, donor = x_seen[is_control], np.asarray(seen.obsm["X_latent"])[is_control], labels(seen, "donor")[is_control]
    real_effect, real_top = x_real.mean(0) - controls.mean(0), top_genes(x_real, controls)
    space, real_points = Space(pca.transform(x_real)), pca.transform(x_real)
    half = rng.permutation(len(x_real))
    # The donors' classifier sees every real cell but one half of the held-out ones, which say how well it does.
    shown = half[::2]
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.003, class_weight="balanced")).fit(
        np.vstack([x_seen, x_real[shown]]), np.concatenate([labels(seen, "donor"), labels(held, "donor")[shown]]))
    made = {name: read(f"{folder}/{name}.h5ad") for name in ("none", "shift", "transfer")}
    x = {name: expression(cells).astype(float) for name, cells in made.items()}
    assert all(len(v) == len(controls) for v in x.values())

    result = {"type": held_type, "controls": len(controls), "treated": len(x_real), "methods": {}}
    halves = [effect_scores(x_real[half[0::2]].mean(0) - controls.mean(0), x_real[half[1::2]].mean(0) - controls.mean(0))]
    result["methods"]["halves"] = {"correlation": halves[0][0], "slope": halves[0][1],
                                   "top": len(set(top_genes(x_real[half[::2]], controls)) & set(top_genes(x_real[half[1::2]], controls))) / N_TOP,
                                   "mmd": space.mmd(real_points[half[::2]], real_points[half[1::2]])}
    kernels = {}
    for name, cells in x.items():
        points = pca.transform(cells)
        kernels[name] = (space.kernel(points, points), space.kernel(real_points, real_points), space.kernel(points, real_points))
        correlation, slope = effect_scores(cells.mean(0) - controls.mean(0), real_effect)
        result["methods"][name] = {"correlation": correlation, "slope": slope, "top": len(set(top_genes(cells, controls)) & set(real_top)) / len(real_top),
                                   "mmd": space.mmd(points, real_points)}

    draws = {name: [] for name in x}
    for _ in range(N_BOOTSTRAPS):  # the same start and real cells for all methods
        w_start, w_real = weights(rng, len(controls)), weights(rng, len(x_real))
        before = w_start @ controls / w_start.sum()
        truth = w_real @ x_real / w_real.sum() - before
        for name, cells in x.items():
            correlation, slope = effect_scores(w_start @ cells / w_start.sum() - before, truth)
            draws[name].append((correlation, slope, weighted_mmd(kernels[name], w_start, w_real)))
    draws = {name: np.array(d) for name, d in draws.items()}
    for name in x:
        for i, measure in enumerate(("correlation", "slope", "mmd")):
            result["methods"][name][f"{measure} interval"] = np.quantile(draws[name][:, i], [0.025, 0.975]).tolist()
    difference = draws["transfer"] - draws["shift"]
    result["transfer less shift"] = {m: np.quantile(difference[:, i], [0.025, 0.975]).tolist() for i, m in ((0, "correlation"), (2, "mmd"))}

    real_latent = np.asarray(read(f"{folder}/held_z.h5ad").obsm["X_latent"])
    replaced = rng.integers(0, len(x_real), len(controls))
    candidates = {name: (x[name], np.asarray(made[name].obsm["X_latent"])) for name in x}
    candidates["random treated cell"] = (x_real[replaced], real_latent[replaced])
    hidden = half[1::2]
    result["donor of real treated cells"] = float((judge.predict(x_real[hidden]) == labels(held, "donor")[hidden]).mean())
    result["identity"] = {}
    for name, (cells, latent) in candidates.items():
        own, near = judge.predict(cells) == donor, neighbourhood(latent, start) >= 0.5
        result["identity"][name] = {"donor": float(own.mean()), "neighbourhood": float(near.mean()), "both": float((own & near).mean())}
    return result


def between(interval):
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def print_tables(results):
    print("| type held out (controls, treated) | cells | correlation (95 %) | slope (95 %) | top 50 | MMD^2 (95 %) |\n|---|---|---|---|---|---|")
    titles = {"halves": "halves of the real ones", "none": "no change", "shift": "additive shift", "transfer": "`transfer`"}
    for r in results:
        for name, title in titles.items():
            m = r["methods"][name]
            texts = [f"{m[k]:.3f}" + (f" ({between(m[k + ' interval'])})" if k + " interval" in m else "") for k in ("correlation", "slope", "mmd")]
            first = f"{r['type']} ({r['controls']}, {r['treated']})" if name == "halves" else ""
            print(f"| {first} | {title} | {texts[0]} | {texts[1]} | {m['top']:.2f} | {texts[2]} |")
    print("\n| type | correlation, `transfer` less shift (95 %) | MMD^2, `transfer` less shift (95 %) |\n|---|---|---|")
    for r in results:
        print(f"| {r['type']} | {between(r['transfer less shift']['correlation'])} | {between(r['transfer less shift']['mmd'])} |")
    for measure, better in (("mmd", np.less), ("correlation", np.greater)):
        won = [r["type"] for r in results if better(r["methods"]["transfer"][measure], r["methods"]["shift"][measure])]
        print(f"\nBy {'MMD' if measure == 'mmd' else measure} `transfer` is better than the additive shift in {len(won)} of {len(results)} types"
              f" ({', '.join(won) if won else 'none'}).", end="")
    print("\n\n## Whether a cell is still the same\n")
    names = {"none": "no change", "shift": "additive shift", "transfer": "`transfer`", "random treated cell": "a random treated cell"}
    print("| type (donor right of real treated cells) | " + " | ".join(f"{t}: donor / neighbourhood / both" for t in names.values()) + " |")
    print("|---|" + "---|" * len(names))
    for r in results:
        texts = [" / ".join(f"{r['identity'][n][k]:.2f}" for k in ("donor", "neighbourhood", "both")) for n in names]
        print(f"| {r['type']} ({r['donor of real treated cells']:.2f}) | " + " | ".join(texts) + " |")


if sys.argv[1] == "latents":
    write_latents(*sys.argv[2:4])
else:
    work, out_path, held_types = sys.argv[2], sys.argv[3], sys.argv[4:]
    folders = [f"{work}/{key(t)}" for t in held_types]
    everything = np.vstack([log_normalised(read(f"{folders[0]}/{part}.h5ad")) for part in ("seen", "held")])
    space_of_all, generator = fit_pca(everything, 50), np.random.default_rng(0)
    found = [judge_type(f, t, space_of_all, generator) for f, t in zip(folders, held_types)]
    with open(out_path, "w") as stream:
        json.dump(found, stream, indent=2)
        stream.write("\n")
    print("Correlation and slope are of gene-wise changes of mean log-normalised expression from the control cells (cell-eval's `pearson_delta`); top 50 is")
    print("`overlap_at_50`. MMD is over 50 principal components. No change and the shift go through the same decoder with the same drawn counts. The shift is")
    print("the mean over the other types of what treatment adds to their mean latent. Intervals are of 200 bootstraps over start and real cells; those of")
    print("a correlation lie below it, since drawing adds noise.\n")
    print_tables(found)
    print("\nA donor is kept where a logistic regression, fitted to real cells, gives the start cell's. A neighbourhood is kept where the")
    print("cell's nearest 15 control cells in latents, once the mean shift is taken off, are at least half of its start cell's.")
