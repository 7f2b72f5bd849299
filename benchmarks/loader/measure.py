# SPDX-License-Identifier: MIT
"""One measurement of one Python loader: measure.py LOADER --data PATH --batch B --seconds S prints a JSON object.

Every loader reads the whole of its files once before (page cache), takes some batches to warm up, starts over, and is timed until S seconds are
over. Batches end as CSR in host memory, of raw counts. Blocks of 64 consecutive cells come in random order. Loaders that shuffle within a buffer
fetch BUFFER cells at a time, by the option that they recommend for it (annbatch: preload_nchunks; scDataset: fetch_factor).
"""
import argparse
import json
import os
import resource
import time

import numpy as np

BLOCK = 64
BUFFER = 16384


def warm(path):
    files = [path] if os.path.isfile(path) else [os.path.join(root, name) for root, _, names in os.walk(path) for name in names]
    for name in files:
        with open(name, "rb") as file:
            while file.read(1 << 24):
                pass


def annbatch_batches(path, batch):
    """annbatch.Loader over its own collection, with the zarrs codecs that its documentation asks for on local disks."""
    import anndata
    import zarr
    from annbatch import DatasetCollection, Loader

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})

    def x_and_labels(group):
        return anndata.AnnData(X=anndata.io.sparse_dataset(group["X"]), obs=anndata.io.read_elem(group["obs"])[["cell_type", "donor"]])

    loader = Loader(batch_size=batch, chunk_size=BLOCK, preload_nchunks=BUFFER // BLOCK, shuffle=True, preload_to_gpu=False)
    loader.use_collection(DatasetCollection(path), load_adata=x_and_labels)
    return lambda: (b["X"] for b in loader)


def scdataset_batches(path, batch):
    """scDataset with block shuffling over a backed AnnData; X alone is fetched, and stays sparse."""
    import anndata
    from scdataset import BlockShuffling, scDataset

    x = anndata.read_h5ad(path, backed="r").X
    dataset = scDataset(BackedRows(x), BlockShuffling(block_size=BLOCK), batch_size=batch, fetch_factor=max(1, BUFFER // batch))
    return lambda: iter(dataset)


class BackedRows:
    """A backed sparse matrix with a length, which is what scDataset asks of a collection."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, rows):
        return self.x[np.asarray(rows)]


def backed_batches(path, batch):
    """Plain anndata backed mode: the rows of BATCH / 64 random blocks (one slice at batch 64), no shuffling among batches."""
    import anndata

    x = anndata.read_h5ad(path, backed="r").X
    rng = np.random.default_rng(0)

    def epoch():
        blocks, per_batch = rng.permutation(x.shape[0] // BLOCK) * BLOCK, max(1, batch // BLOCK)
        for at in range(0, len(blocks) - per_batch + 1, per_batch):
            first = np.sort(blocks[at : at + per_batch])
            yield x[first[0] : first[0] + batch] if per_batch == 1 else x[(first[:, None] + np.arange(BLOCK)).ravel()]

    return epoch


def take(epoch, seconds):
    cells = values = batches = 0
    start = time.monotonic()
    while True:
        for x in epoch():
            cells += x.shape[0]
            values += x.nnz
            batches += 1
            if time.monotonic() - start >= seconds:
                return cells, values, batches, time.monotonic() - start


def main():
    loaders = {"annbatch": annbatch_batches, "scdataset": scdataset_batches, "anndata-backed": backed_batches}
    parser = argparse.ArgumentParser()
    parser.add_argument("loader", choices=loaders)
    parser.add_argument("--data")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float)
    a = parser.parse_args()
    warm(a.data)
    epoch = loaders[a.loader](a.data, a.batch)
    take(epoch, min(2.0, a.seconds))
    before = resource.getrusage(resource.RUSAGE_SELF)
    cells, values, batches, seconds = take(epoch, a.seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "loader": a.loader,
        "batch_cells": a.batch,
        "n_cells": cells,
        "n_batches": batches,
        "values_per_cell": values / cells,
        "seconds": seconds,
        "cells_per_s": cells / seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_memory_bytes": after.ru_maxrss * 1024,
    }))


if __name__ == "__main__":
    main()
