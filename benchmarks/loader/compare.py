# SPDX-License-Identifier: MIT
"""Runs every loader turn about and writes the medians: see run.sh."""
import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import machine

BATCHES = (64, 4096)
PUBLISHED_COLLECTION_RATE = 100e6 / (5.7 * 3600)  # annbatch: 100 million cells in 5.7 hours

ENDS_AS = {
    "cytoforge": "CSR float32, log1p(count / total x 1e4), with labels",
    "cytoforge, past the page cache": "the same, read from the disk",
    "annbatch": "CSR of counts, with labels",
    "scdataset": "CSR of counts",
    "anndata-backed": "CSR of counts",
}


def run_json(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def cytoforge(a, batch, io):
    """One rank with all cores, after filling its windows once."""
    return run_json([a.cytoforge, "bench", "loader", "--data", os.path.join(a.folder, "atlas"), "--batch", str(batch), "--block", "64", "--io", io,
                     "--seconds", str(a.seconds), "--json"])


def python_loader(a, name, data, batch):
    here = os.path.dirname(os.path.abspath(__file__))
    return run_json([sys.executable, os.path.join(here, "measure.py"), name, "--data", os.path.join(a.folder, data), "--batch", str(batch),
                     "--seconds", str(a.seconds)])


def summary(runs):
    rates = [r["cells_per_s"] for r in runs]
    per_core = [r["n_cells"] / r["cpu_seconds"] for r in runs]
    return {
        "cells_per_s": statistics.median(rates),
        "cells_per_s_least": min(rates),
        "cells_per_s_most": max(rates),
        "cells_per_core_s": statistics.median(per_core),
        "values_per_cell": statistics.median(r["values_per_cell"] for r in runs),
        "peak_memory_bytes": max(r["peak_memory_bytes"] for r in runs),
        "runs": runs,
    }


def measure(a):
    kinds = {
        "cytoforge": lambda batch: cytoforge(a, batch, "posix"),
        "cytoforge, past the page cache": lambda batch: cytoforge(a, batch, "direct"),
        "annbatch": lambda batch: python_loader(a, "annbatch", "collection.zarr", batch),
        "scdataset": lambda batch: python_loader(a, "scdataset", "one.h5ad", batch),
        "anndata-backed": lambda batch: python_loader(a, "anndata-backed", "one.h5ad", batch),
    }
    runs = {name: {batch: [] for batch in BATCHES} for name in kinds}
    for repeat in range(a.repeats):
        for batch in BATCHES:
            for name, run in kinds.items():
                result = run(batch)
                runs[name][batch].append(result)
                print(f"{repeat + 1}/{a.repeats} {name}, batch {batch}: {result['cells_per_s']:.0f} cells/s", flush=True)
    return {name: {str(batch): summary(of_batch) for batch, of_batch in by_batch.items()} for name, by_batch in runs.items()}


def conversions(a, n_cells):
    with open(os.path.join(a.folder, "convert.json")) as file:
        raw = json.load(file)
    result = {"input_bytes_per_cell": raw["input_bytes"] / n_cells, "annbatch_published_cells_per_s": PUBLISHED_COLLECTION_RATE}
    for name in ("prepare", "annbatch"):
        rates = [n_cells / r["seconds"] for r in raw[name]]
        result[name] = {
            "cells_per_s": statistics.median(rates),
            "cells_per_s_least": min(rates),
            "cells_per_s_most": max(rates),
            "cells_per_core_s": statistics.median(n_cells / r["cpu_seconds"] for r in raw[name]),
            "bytes_per_cell": raw[name][-1]["bytes"] / n_cells,
            "runs": raw[name],
        }
    return result


def table(r):
    m, c = r["machine"], r["conversion"]
    packages = ", ".join(f"{name} {version}" for name, version in r["packages"].items())
    lines = [
        f"Made by `benchmarks/loader/run.sh` on {m['date']}: {m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB, {m['file_system']}, load average "
        f"{m['load_average']:.1f} at the start. Packages: {packages}. {r['n_cells']} cells x {r['n_genes']} genes, {r['values_per_cell']:.0f} values a cell. "
        f"Files in the page cache (but for the rows past it), one process, {r['repeats']} runs of {r['seconds']:g} s turn about: median (least to most). A core: cells a CPU second.",
        "",
        "| loader | ends as | batch | cells/s | cells/s a core | memory | cytoforge a core over it, through and past the page cache |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, by_batch in r["loaders"].items():
        for batch, s in by_batch.items():
            ratio = [r["loaders"][of][batch]["cells_per_core_s"] / s["cells_per_core_s"] for of in ("cytoforge", "cytoforge, past the page cache")]
            lines.append(
                f"| {name} | {ENDS_AS[name]} | {batch} | {s['cells_per_s']:,.0f} ({s['cells_per_s_least']:,.0f} to {s['cells_per_s_most']:,.0f}) | "
                f"{s['cells_per_core_s']:,.0f} | {s['peak_memory_bytes'] / 1e9:.2f} GB | {'' if name.startswith('cytoforge') else f'{ratio[0]:.1f}x, {ratio[1]:.1f}x'} |")
    lines += [
        "",
        f"The same {c['input_bytes_per_cell'] / 1e3:.1f} kB a cell of h5ad files (uncompressed) made into what the loader reads, all cells shuffled:",
        "",
        "| | cells/s | cells/s a core | stored a cell |",
        "|---|---|---|---|",
    ]
    for name, title in (("prepare", "cytoforge prepare"), ("annbatch", "annbatch's collection")):
        s = c[name]
        lines.append(f"| {title} | {s['cells_per_s']:,.0f} ({s['cells_per_s_least']:,.0f} to {s['cells_per_s_most']:,.0f}) | "
                     f"{s['cells_per_core_s']:,.0f} | {s['bytes_per_cell'] / 1e3:.2f} kB |")
    lines.append(f"| annbatch's collection, as published (100 million cells in 5.7 h) | {c['annbatch_published_cells_per_s']:,.0f} | | |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    for option in ("cytoforge", "folder", "json", "table"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    a = parser.parse_args()
    described = machine.describe(a.folder)
    loaders = measure(a)
    first = loaders["cytoforge"]["4096"]["runs"][0]
    result = {
        "machine": described,
        "packages": {name: importlib.metadata.version(name) for name in ("annbatch", "scdataset", "anndata", "zarr", "h5py", "numpy", "scipy")},
        "n_cells": first["atlas_cells"],
        "n_genes": first["n_genes"],
        "values_per_cell": first["values_per_cell"],
        "seconds": a.seconds,
        "repeats": a.repeats,
        "loaders": loaders,
        "conversion": conversions(a, first["atlas_cells"]),
    }
    for run in (run for by_batch in loaders.values() for s in by_batch.values() for run in s["runs"]):
        run.pop("atlas", None)  # a path of this machine
    with open(a.json, "w") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    text = table(result)
    with open(a.table, "w") as file:
        file.write("# Loaders\n\n" + text)
    print("\n" + text)


if __name__ == "__main__":
    main()
