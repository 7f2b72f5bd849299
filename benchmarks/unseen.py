# SPDX-License-Identifier: MIT
"""unseen.py WORK CELLS.h5ad OUT.json PAIRS...: cells generated for pairs of labels that training never saw together, against the held-out real cells.

WORK holds seen.h5ad and held.h5ad, both as encoded by the model (seen_z, held_z); CELLS is from `cytoforge sample --requests`. Each
pair is "donor=d101,cell_type=B cells", in the order of the requests.
"""
import json
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from distances import Space, expression, read

work, cells_path, out_path = sys.argv[1:4]
pairs = [dict(p.split("=", 1) for p in a.split(",")) for a in sys.argv[4:]]
seen, held, made = read(f"{work}/seen_z.h5ad"), read(f"{work}/held_z.h5ad"), read(cells_path)
columns = list(pairs[0])
x_seen, x_held, x_made = (expression(cells) for cells in (seen, held, made))
# The regressions that judge labels see real cells of all pairs. Without half of the held-out cells they would learn that this type is never of this
# donor.
rng = np.random.default_rng(0)
shown = rng.random(held.n_obs) < 0.5
judges = {c: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.003, class_weight="balanced")).fit(
              np.vstack([x_seen, x_held[shown]]), np.concatenate([seen.obs[c].astype(str), held.obs[c].astype(str)[shown]]))
          for c in columns}


def of_pair(cells, pair):
    return np.logical_and.reduce([(cells.obs[c].astype(str) == pair[c]).values for c in columns])


def accuracy(column, x, value):
    return float((judges[column].predict(x) == value).mean())


seen_pairs = seen.obs[columns].astype(str).value_counts()
results = []
for number, pair in enumerate(pairs, 1):
    real_rows, made_rows = of_pair(held, pair), (made.obs["request"] == number).values
    real, generated = held.obsm["X_latent"][real_rows], made.obsm["X_latent"][made_rows]
    space = Space(real)
    others = []
    for other, count in seen_pairs.items():
        if count < 20:
            continue
        cells = seen.obsm["X_latent"][of_pair(seen, dict(zip(columns, other)))]
        cells = cells[rng.permutation(len(cells))[:500]]
        others.append((space.mmd(real, cells), dict(zip(columns, other)), cells))
    others.sort(key=lambda o: o[0])
    order = rng.permutation(len(real))
    results.append({
        "pair": pair, "real cells": int(real_rows.sum()), "generated cells": int(made_rows.sum()),
        "accuracy": {c: {"generated": accuracy(c, x_made[made_rows], pair[c]), "real": accuracy(c, x_held[real_rows & ~shown], pair[c])}
                     for c in columns},
        "mmd": {"generated, held-out pair": space.mmd(generated, real),
                "halves of the held-out pair": space.mmd(real[order[::2]], real[order[1::2]]),
                "nearest seen pairs": [{"pair": o[1], "to the held-out pair": o[0], "to the generated cells": space.mmd(generated, o[2])}
                                       for o in others[:2]]}})

with open(out_path, "w") as stream:
    json.dump(results, stream, indent=2)
    stream.write("\n")

print("| held-out pair (real cells) | " + " | ".join(f"{c} right: generated / real" for c in columns)
      + " | MMD^2 generated, held-out | its halves | nearest seen pair: to held-out / to generated | second: the same |")
print("|---|" + "---|" * (len(columns) + 4))
for r in results:
    near = [f"{' x '.join(n['pair'].values())}: {n['to the held-out pair']:.4f} / {n['to the generated cells']:.4f}" for n in r["mmd"]["nearest seen pairs"]]
    print(f"| {' x '.join(r['pair'].values())} ({r['real cells']}) | "
          + " | ".join(f"{r['accuracy'][c]['generated']:.2f} / {r['accuracy'][c]['real']:.2f}" for c in columns)
          + f" | {r['mmd']['generated, held-out pair']:.4f} | {r['mmd']['halves of the held-out pair']:.4f} | {' | '.join(near)} |")
nearer = sum(r["mmd"]["generated, held-out pair"] < r["mmd"]["nearest seen pairs"][0]["to the held-out pair"] for r in results)
own = sum(r["mmd"]["generated, held-out pair"] < min(n["to the generated cells"] for n in r["mmd"]["nearest seen pairs"]) for r in results)
print(f"\nIn {nearer} of {len(results)} the generated cells are nearer to the held-out pair than its nearest seen pair is. "
      f"In {own} of {len(results)} they are nearer to it than to both of its nearest seen pairs.")
