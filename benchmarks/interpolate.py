# SPDX-License-Identifier: MIT
"""The generated middle of a path against the held-out real one, beside what simpler ways give.

interpolate.py linear WORK ATTRIBUTE FROM TO            writes WORK/linear.h5ad, linear interpolations as latents, for `cytoforge decode`
interpolate.py measure WORK ATTRIBUTE FROM TO OUT.json  compares; ATTRIBUTE is also the numeric obs column
interpolate.py table JSON...                            prints a table over seeds

WORK holds seen.h5ad and held.h5ad as encoded by the model (seen_z, held_z), path.h5ad from `cytoforge interpolate` and linear_x.h5ad, the
decoded linear.h5ad.
"""
import json
import sys

import anndata
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict

from distances import Space, expression, fit_pca, read

SPACES = ("latents", "expression")
LINEAR = {kind: f"linear interpolation, {kind} pairs" for kind in ("random", "optimal")}


def in_class(cells, attribute, name):
    values = cells.obs[attribute].astype(float)
    if ".." in name:
        low, high = map(float, name.split(".."))
        return ((values >= low) & (values < high)).values
    return (values == float(name)).values


def end_pairs(seen, attribute, first, last):
    """Latents of real cells of both classes in random pairs, and how to pair them for the least squared distance."""
    rng = np.random.default_rng(0)
    ends = [seen.obsm["X_latent"][in_class(seen, attribute, name)] for name in (first, last)]
    n = min(500, len(ends[0]))
    a, b = (z[rng.choice(len(z), n, replace=n > len(z))] for z in ends)
    return a, b, linear_sum_assignment(cdist(a, b, "sqeuclidean"))


def write_linear(work, attribute, first, last):
    seen = read(f"{work}/seen_z.h5ad")
    a, b, (i, j) = end_pairs(seen, attribute, first, last)
    middle = np.vstack([0.5 * a + 0.5 * b, 0.5 * a[i] + 0.5 * b[j]])
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    anndata.AnnData(np.zeros((len(middle), seen.n_vars), np.float32), var=seen.var,
                    obsm={"X_latent": middle.astype(np.float32)}).write_h5ad(f"{work}/linear.h5ad")


def distances(of, seen, held, middle, linear, attribute, first, last):
    rng = np.random.default_rng(0)
    real, order, n = of(held), rng.permutation(held.n_obs), linear.n_obs // 2
    ends = [of(seen[in_class(seen, attribute, name)]) for name in (first, last)]
    small = min(map(len, ends))
    space = Space(real)
    return {name: space.mmd(cells, real) for name, cells in {
        "generated middle": of(middle), LINEAR["random"]: of(linear[:n]), LINEAR["optimal"]: of(linear[n:]), "first class": ends[0],
        "last class": ends[1], "first and last mixed": np.vstack([e[:small] for e in ends])}.items()} | {
            "halves of the held-out cells": space.mmd(real[order[::2]], real[order[1::2]])}


def pseudotime(seen, held, path, number):
    """The number regressed on the latents of real seen cells; none of the held-out ones is used."""
    inside = seen.obs[number].astype(float)
    model = RidgeCV(np.logspace(-3, 3, 13))
    fitted = cross_val_predict(model, seen.obsm["X_latent"], inside, cv=10)
    model.fit(seen.obsm["X_latent"], inside)
    at, point, s = model.predict(path.obsm["X_latent"]), path.obs["path_point"].values, path.obs["path_s"].values
    by_point = [float(at[point == p].mean()) for p in range(point.max() + 1)]
    cells = path.obs["start_cell"].values
    return {"of": number, "Spearman on real cells, cross-validated": float(spearmanr(fitted, inside)[0]), "mean at each point": by_point,
            "monotone": bool(np.all(np.diff(by_point) > 0)), "mean of held-out cells": float(model.predict(held.obsm["X_latent"]).mean()),
            "Spearman with s, mean over start cells": float(np.nanmean([spearmanr(s[cells == c], at[cells == c])[0] for c in np.unique(cells)]))}


def measure(work, attribute, first, last, out):
    seen, held, path, linear = (read(f"{work}/{name}.h5ad") for name in ("seen_z", "held_z", "path", "linear_x"))
    point = path.obs["path_point"].values
    middle = path[point == point.max() // 2]
    pca = fit_pca(np.vstack([expression(seen), expression(held)]))
    of = {"latents": lambda cells: cells.obsm["X_latent"], "expression": lambda cells: pca.transform(expression(cells))}
    result = {"cells": {"seen": seen.n_obs, "held out": held.n_obs, "a point": middle.n_obs},
              "provenance": {k: (v.item() if hasattr(v, "item") else v) for k, v in path.uns["cytoforge"].items()},
              "mmd": {name: distances(of[name], seen, held, middle, linear, attribute, first, last) for name in SPACES},
              "pseudotime": pseudotime(seen, held, path, attribute)}
    with open(out, "w") as stream:
        json.dump(result, stream, indent=2)
        stream.write("\n")


def table(paths):
    results = [json.load(open(path)) for path in paths]
    print(f"| against the held-out middle, MMD^2 | {' | '.join(SPACES)} |\n|---|{'---|' * len(SPACES)}")
    for row in results[0]["mmd"]["latents"]:
        values = {s: [r["mmd"][s][row] for r in results] for s in SPACES}
        print(f"| {row} | {' | '.join('%.4f ± %.4f' % (np.mean(values[s]), np.std(values[s], ddof=1)) for s in SPACES)} |")
    print()
    for name in SPACES:
        won = {kind: sum(r["mmd"][name]["generated middle"] < r["mmd"][name][LINEAR[kind]] for r in results) for kind in LINEAR}
        print(f"In {name} the generated middle lies nearer to the held-out one than linear interpolation of random pairs in {won['random']} of "
              f"{len(results)} runs, of optimal pairs in {won['optimal']}.")
    times = [r["pseudotime"] for r in results]
    print(f"\nPseudotime ({times[0]['of']} regressed on latents of seen cells; cross-validated Spearman "
          f"{', '.join('%.2f' % t['Spearman on real cells, cross-validated'] for t in times)}): monotone in s in {sum(t['monotone'] for t in times)} of "
          f"{len(times)} runs; Spearman with s a start cell {', '.join('%.2f' % t['Spearman with s, mean over start cells'] for t in times)} on average. "
          f"First run, point by point: {', '.join('%.4g' % x for x in times[0]['mean at each point'])}; held-out cells "
          f"{times[0]['mean of held-out cells']:.4g}.")


{"linear": write_linear, "measure": measure, "table": lambda *paths: table(paths)}[sys.argv[1]](*sys.argv[2:])
