# SPDX-License-Identifier: MIT
"""Times `cytoforge prepare` and annbatch's DatasetCollection.add_adatas on the same files, turn about, each from the page cache.

Leaves FOLDER/atlas, FOLDER/collection.zarr and FOLDER/convert.json. Both shuffle all cells; both run on all cores, cytoforge as ranks, annbatch
by its own threads. annbatch's settings are its defaults; X, and of obs the labels, are kept, as its documentation advises.
"""
import argparse
import glob
import json
import os
import resource
import shutil
import subprocess
import sys
import time


def folder_bytes(path):
    return sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(path) for name in names)


def warm(paths):
    for path in paths:
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass


def collection(inputs, output):
    """In a process of its own (below), so that its memory and time are its own."""
    import anndata
    import zarr
    from annbatch import DatasetCollection

    def x_and_labels(path):
        cells = anndata.experimental.read_lazy(path)
        return anndata.AnnData(X=cells.X, obs=cells.obs.to_memory()[["cell_type", "donor"]], var=cells.var.to_memory())

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    DatasetCollection(output).add_adatas(inputs, load_adata=x_and_labels, shuffle=True)


def timed(command, output, inputs):
    shutil.rmtree(output, ignore_errors=True)
    warm(inputs)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=sys.stderr)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu, "bytes": folder_bytes(output)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cytoforge")
    parser.add_argument("--ranks")
    parser.add_argument("--folder")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--collection", nargs="+", help=argparse.SUPPRESS)  # OUTPUT INPUT...
    a = parser.parse_args()
    if a.collection:
        collection(a.collection[1:], a.collection[0])
        return
    inputs = sorted(glob.glob(os.path.join(a.folder, "input", "*.h5ad")))
    atlas, zarr_store = os.path.join(a.folder, "atlas"), os.path.join(a.folder, "collection.zarr")
    prepare = ["mpirun", "-n", a.ranks, a.cytoforge, "prepare", *inputs, "-o", atlas, "--label", "cell_type", "--label", "donor",
               "--min-genes", "0", "--min-cells", "0"]
    results = {"prepare": [], "annbatch": []}
    for _ in range(a.repeats):
        results["prepare"].append(timed(prepare, atlas, inputs))
        results["annbatch"].append(timed([sys.executable, __file__, "--collection", zarr_store, *inputs], zarr_store, inputs))
    results["input_bytes"] = sum(os.path.getsize(path) for path in inputs)
    with open(os.path.join(a.folder, "convert.json"), "w") as file:
        json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
