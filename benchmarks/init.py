# SPDX-License-Identifier: MIT
"""init.sh's cells and its note.

`init.py split IN.h5ad FOLDER SEEDS` writes six.h5ad (six donors), and for each seed thousand_S.h5ad and rest_S.h5ad of the two others.
`init.py note FOLDER SEEDS "NAME A D C"...` prints the note, by budget of autoencoder, denoiser and classifier steps.
"""
import json
import os
import statistics
import sys
import time
import warnings

import numpy

warnings.simplefilter("ignore")

ROWS = [
    ("real-or-synthetic AUC", lambda r: r["scores"]["real_or_synthetic_auc"]),
    ("MMD", lambda r: r["scores"]["mmd"]),
    ("gene means, Spearman", lambda r: r["scores"]["gene_mean_spearman"]),
    ("gene variances, Spearman", lambda r: r["scores"]["gene_variance_spearman"]),
]


def split(source, folder, seeds):
    import anndata

    cells = anndata.read_h5ad(source)
    cells.uns = {}
    donor = cells.obs["donor"].astype(str).values
    new = numpy.isin(donor, sorted(set(donor))[-2:])
    cells[~new].copy().write_h5ad(os.path.join(folder, "six.h5ad"))
    for seed in range(1, int(seeds) + 1):
        order = numpy.random.default_rng(seed).permutation(numpy.flatnonzero(new))
        for name, part in (("thousand", order[:1000]), ("rest", order[1000:])):
            cells[numpy.sort(part)].copy().write_h5ad(os.path.join(folder, f"{name}_{seed}.h5ad"))


def note(folder, seeds, budgets):
    print("# Going on from a model\n")
    print(f"Made by `benchmarks/init.sh` on {time.strftime('%Y-%m-%d')}, settings `benchmarks/counts.yaml` with a narrower denoiser and classifier, {seeds} seeds (of the 1,000 cells, training and sampling).")
    print("A model of six donors of `kang_donors`, then 1,000 cells of the two others: gone on with (`train --init`), or trained from scratch with the same steps.")
    print("Judged on the two donors' other cells: means over seeds, and in brackets in how many seeds `--init` is nearer to the ceiling.")
    for budget in budgets:
        name, *steps = budget.split()
        print(f"\n## {name}: {steps[0]} autoencoder, {steps[1]} denoiser, {steps[2]} classifier steps\n")
        print("| | `--init` | scratch | ceiling |\n|---|---|---|---|")
        runs = {arm: [json.load(open(os.path.join(folder, f"{arm}_{name}_{seed}.json"))) for seed in range(1, int(seeds) + 1)] for arm in ("init", "scratch")}
        for title, of in ROWS:
            value = {arm: [of(run)["value"] for run in runs[arm]] for arm in runs}
            ceiling = [of(run)["ceiling"] for run in runs["init"]]
            better = sum(abs(a - c) < abs(b - c) for a, b, c in zip(value["init"], value["scratch"], ceiling))
            mean = [statistics.mean(x) for x in (value["init"], value["scratch"], ceiling)]
            print(f"| {title} | {mean[0]:.4f} ({better} of {seeds}) | {mean[1]:.4f} | {mean[2]:.4f} |")


if __name__ == "__main__":
    if sys.argv[1] == "split":
        split(*sys.argv[2:5])
    else:
        note(sys.argv[2], sys.argv[3], sys.argv[4:])
