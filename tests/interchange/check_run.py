#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads what a small run wrote with stock anndata and scanpy, every warning an error:

    check_run.py FOLDER    holding cells.h5ad, atlas/, compressed/, run/, sampled.h5ad, encoded.h5ad, decoded.h5ad, encoded_shard.h5ad

A shard's raw counts and labels equal the input's, by cell and gene name, and the shards of the compressed atlas equal those of the plain one.
Slicing by row, by gene name and by mask, sums, and scanpy's normalisation work on every file. Sampled cells carry the label asked for. Exits 0 and
prints what it checked.
"""

import importlib.metadata
import pathlib
import sys
import warnings

import anndata
import numpy as np
import pandas as pd
import scanpy
import scipy.sparse

warnings.simplefilter("error")


def dense(matrix):
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)


def use(adata, is_counts):
    """What users do first with a file."""
    n_cells, n_genes = adata.shape
    matrix = dense(adata.X)
    names = list(adata.var_names[[0, n_genes // 2, n_genes - 1]])
    assert np.array_equal(dense(adata[:, names].X), matrix[:, [0, n_genes // 2, n_genes - 1]])
    assert np.array_equal(dense(adata[3:7].X), matrix[3:7])
    mask = np.arange(n_cells) % 3 == 0
    assert np.array_equal(dense(adata[mask, names].X), matrix[mask][:, [0, n_genes // 2, n_genes - 1]])
    by_name = adata[list(adata.obs_names[:5])]
    assert by_name.shape == (5, n_genes)
    assert np.allclose(np.asarray(adata.X.sum(axis=0)).ravel(), matrix.sum(axis=0), rtol=1e-5)
    if is_counts:
        working = adata.copy()
        working.X = working.X.astype(np.float32)
        scanpy.pp.normalize_total(working, target_sum=1e4)
        scanpy.pp.log1p(working)
        totals = matrix.sum(axis=1, keepdims=True)
        expected = np.log1p(matrix / np.where(totals > 0, totals, 1) * 1e4)
        assert np.allclose(dense(working.X), expected, atol=1e-4)
    else:
        scanpy.pp.pca(adata.copy(), n_comps=5)


def same_cells(part, whole):
    """Cells of `part` are the same cells of `whole`: counts over its genes, and labels."""
    source = whole[part.obs_names][:, part.var_names]
    assert np.array_equal(dense(part.X), dense(source.X))
    for column in ("cell_type", "donor"):
        assert list(part.obs[column].astype(str)) == list(source.obs[column].astype(str))


def main(folder):
    folder = pathlib.Path(folder)
    whole = anndata.read_h5ad(folder / "cells.h5ad")
    use(whole, True)
    shards = [anndata.read_h5ad(path) for path in sorted((folder / "atlas").glob("shard-*.h5ad"))]
    assert len(shards) > 1
    for shard in shards:
        assert shard.X.dtype == np.int32 and shard.X.indices.dtype == np.int32
        use(shard, True)
        same_cells(shard, whole)
    heldout = anndata.read_h5ad(folder / "atlas/heldout.h5ad")
    train = anndata.read_h5ad(folder / "atlas/train.h5ad")
    for part in (heldout, train):
        use(part, True)
        same_cells(part, whole)
    for path in sorted((folder / "atlas").glob("*.h5ad")):
        compressed = folder / "compressed" / path.name
        assert compressed.stat().st_size < path.stat().st_size
        plain, squeezed = anndata.read_h5ad(path), anndata.read_h5ad(compressed)
        use(squeezed, True)
        assert squeezed.X.dtype == np.int32 and np.array_equal(dense(squeezed.X), dense(plain.X))
        pd.testing.assert_frame_equal(squeezed.obs, plain.obs)
        pd.testing.assert_frame_equal(squeezed.var, plain.var)
        backed = anndata.read_h5ad(compressed, backed="r")
        assert np.array_equal(dense(backed[3:7].to_memory().X), dense(plain.X)[3:7])
        backed.file.close()
    names = [name for shard in shards for name in shard.obs_names]
    assert sorted(names) == sorted(train.obs_names)
    assert sorted(names + list(heldout.obs_names)) == sorted(whole.obs_names)

    sampled = anndata.read_h5ad(folder / "sampled.h5ad")
    use(sampled, False)
    assert sampled.n_obs == 300 and list(sampled.var_names) == list(shards[0].var_names)
    assert set(sampled.obs["cell_type"]) == {"type_1"}
    assert list(sampled.obs["cell_type"].cat.categories) == list(shards[0].obs["cell_type"].cat.categories)
    assert np.allclose(np.linalg.norm(sampled.obsm["X_latent"], axis=1), 1, atol=1e-5)
    assert sampled.uns["cytoforge"]["seed"] == 0 and "sample" in sampled.uns["cytoforge"]["command_line"]

    encoded = anndata.read_h5ad(folder / "encoded.h5ad")
    decoded = anndata.read_h5ad(folder / "decoded.h5ad")
    for result in (encoded, decoded):
        use(result, False)
        assert list(result.obs_names) == list(heldout.obs_names)
        assert list(result.obs["cell_type"]) == list(heldout.obs["cell_type"])
    assert np.array_equal(encoded.obsm["X_latent"], decoded.obsm["X_latent"])
    normalised = heldout.copy()
    normalised.X = normalised.X.astype(np.float32)
    scanpy.pp.normalize_total(normalised, target_sum=1e4)
    scanpy.pp.log1p(normalised)
    assert np.allclose(dense(encoded.X), dense(normalised.X), atol=1e-4)

    parts = [anndata.read_h5ad(path) for path in sorted((folder / "run/latents").glob("latents-*.h5ad"))]
    latents = anndata.concat(parts)
    assert len(parts) > 1 and latents.obsm["X_latent"].dtype == np.float16
    assert list(latents.obs_names) == [str(i) for i in range(train.n_obs)]
    for column in ("cell_type", "donor"):
        labels = [label for shard in shards for label in shard.obs[column].astype(str)]
        assert list(latents.obs[column].astype(str)) == labels
    shard = anndata.read_h5ad(folder / "encoded_shard.h5ad")
    assert np.allclose(latents.obsm["X_latent"][: shard.n_obs], shard.obsm["X_latent"], rtol=1e-3, atol=1e-6)
    sampled.write_h5ad(folder / "rewritten.h5ad")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("anndata", "scanpy"))
    print(f"interchange: {len(shards)} shards, the same compressed, {len(parts)} parts of latents, hold-out, sampled, encoded and decoded cells read with {versions}")


if __name__ == "__main__":
    main(sys.argv[1])
