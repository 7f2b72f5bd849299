"""interpolate.py WORK ATTRIBUTE FROM TO NUMBER OUT.json: the generated middle against the held-out one, beside what simpler ways give.

WORK holds seen.h5ad and held.h5ad as encoded by the model, path.h5ad from `cytoforge interpolate` and linear.h5ad, which this script
writes as latents first (`interpolate.py WORK ATTRIBUTE FROM TO`) for `cytoforge decode`. NUMBER is the numeric obs column.
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

work, attribute, first, last = sys.argv[1:5]
seen, held = read(f"{work}/seen_z.h5ad"), read(f"{work}/held_z.h5ad")


def in_class(cells, name):
    values = cells.obs[attribute]
    if ".." in name or name[0] in "<>":
        low = float(name.split("..")[0]) if ".." in name else float(name[2:]) if name[0] == ">" else -np.inf
        high = float(name.split("..")[1]) if ".." in name else float(name[1:]) if name[0] == "<" else np.inf
        return ((values.astype(float) >= low) & (values.astype(float) < high)).values
    return (values.astype(float) == float(name)).values


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


at_first, at_last = seen[in_class(seen, first)], seen[in_class(seen, last)]
n = min(500, at_first.n_obs)
rng = np.random.default_rng(0)
a = at_first.obsm["X_latent"][rng.choice(at_first.n_obs, n, replace=n > at_first.n_obs)]
b = at_last.obsm["X_latent"][rng.choice(at_last.n_obs, n, replace=n > at_last.n_obs)]
if len(sys.argv) == 5:
    i, j = linear_sum_assignment(cdist(a, b, "sqeuclidean"))
    latent = unit(np.vstack([0.5 * a + 0.5 * b, 0.5 * a[i] + 0.5 * b[j]])).astype(np.float32)
    out = anndata.AnnData(np.zeros((2 * n, seen.n_vars), np.float32), var=seen.var, obsm={"X_latent": latent})
    out.write_h5ad(f"{work}/linear.h5ad")
    sys.exit()

number, out_path = sys.argv[5:7]
path, linear = read(f"{work}/path.h5ad"), read(f"{work}/linear_x.h5ad")
point = path.obs["path_point"].values
middle = path[point == point.max() // 2]
pca = fit_pca(np.vstack([expression(seen), expression(held)]))
spaces = {"latents": lambda cells: cells.obsm["X_latent"], "expression": lambda cells: pca.transform(expression(cells))}
result = {"cells": {"from": at_first.n_obs, "to": at_last.n_obs, "held out": held.n_obs, "a point": middle.n_obs},
          "provenance": {k: (v.item() if hasattr(v, "item") else v) for k, v in path.uns["cytoforge"].items()}, "mmd": {}}
order = rng.permutation(held.n_obs)
small = min(at_first.n_obs, at_last.n_obs)
for name, of in spaces.items():
    real = of(held)
    space = Space(real)
    result["mmd"][name] = {
        "generated middle": space.mmd(of(middle), real),
        "linear interpolation, random pairs": space.mmd(of(linear[:n]), real),
        "linear interpolation, optimal pairs": space.mmd(of(linear[n:]), real),
        "first class": space.mmd(of(at_first), real),
        "last class": space.mmd(of(at_last), real),
        "first and last mixed": space.mmd(np.vstack([of(at_first)[:small], of(at_last)[:small]]), real),
        "halves of the held-out cells": space.mmd(real[order[::2]], real[order[1::2]]),
    }

# Pseudotime: the number regressed on the latents of real seen cells; none of the held-out ones is used.
inside = seen.obs[number].astype(float)
model = RidgeCV(np.logspace(-3, 3, 13))
fitted = cross_val_predict(model, seen.obsm["X_latent"], inside, cv=10)
model.fit(seen.obsm["X_latent"], inside)
by_point = [float(model.predict(path.obsm["X_latent"][point == p]).mean()) for p in range(point.max() + 1)]
each = [spearmanr(path.obs["path_s"][path.obs["start_cell"] == cell],
                  model.predict(path.obsm["X_latent"][(path.obs["start_cell"] == cell).values]))[0]
        for cell in path.obs["start_cell"].unique()]
result["pseudotime"] = {
    "of": number, "Spearman on real cells, cross-validated": float(spearmanr(fitted, inside)[0]),
    "mean at each point": by_point, "monotone": bool(np.all(np.diff(by_point) > 0)),
    "mean of held-out cells": float(model.predict(held.obsm["X_latent"]).mean()),
    "Spearman with s, mean over start cells": float(np.nanmean(each))}
with open(out_path, "w") as stream:
    json.dump(result, stream, indent=2)
    stream.write("\n")

print(f"| against the held-out middle, MMD^2 | {' | '.join(spaces)} |\n|---|{'---|' * len(spaces)}")
for row in result["mmd"]["latents"]:
    print(f"| {row} | {' | '.join('%.4f' % result['mmd'][s][row] for s in spaces)} |")
p = result["pseudotime"]
print(f"\nPseudotime ({number} regressed on latents of seen cells; Spearman {p['Spearman on real cells, cross-validated']:.2f} cross-validated) at "
      f"the points: {', '.join('%.4g' % x for x in by_point)}; held-out cells {p['mean of held-out cells']:.4g}. "
      f"{'Monotone in s' if p['monotone'] else 'Not monotone in s'}; Spearman with s a start cell "
      f"{p['Spearman with s, mean over start cells']:.2f} on average.")
for name in spaces:
    m = result["mmd"][name]
    beaten = [pairs for pairs in ("random", "optimal") if m["generated middle"] < m[f"linear interpolation, {pairs} pairs"]]
    print(f"\nIn {name} the generated middle ({m['generated middle']:.4f}) lies nearer to the held-out one than linear interpolation of "
          f"{' and of '.join(beaten) + ' pairs' if beaten else 'neither kind of pairs'}"
          f"{', but not of optimal pairs' if beaten == ['random'] else ''}.")
