#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that a .h5ad file written by cytoforge is what AnnData and scanpy expect. Every warning is an error.

    check_h5ad.py FILE [--rows ROWS.tsv] [--no-scanpy]

ROWS.tsv, one line a cell: name, sum of its values, label of the first categorical column ("" when it has none).
Exits 0 and prints one line when all holds; otherwise the failed check's traceback.
"""

import argparse
import os
import sys
import tempfile
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

ENCODINGS = {
    "/": ("anndata", "0.1.0"),
    "obs": ("dataframe", "0.2.0"),
    "var": ("dataframe", "0.2.0"),
    "layers": ("dict", "0.1.0"),
    "obsm": ("dict", "0.1.0"),
    "obsp": ("dict", "0.1.0"),
    "uns": ("dict", "0.1.0"),
    "uns/cytoforge": ("dict", "0.1.0"),
    "varm": ("dict", "0.1.0"),
    "varp": ("dict", "0.1.0"),
}
DATASET_VERSIONS = {"array": "0.2.0", "string-array": "0.2.0", "string": "0.2.0", "numeric-scalar": "0.2.0"}


def encoding(item):
    return item.attrs["encoding-type"], item.attrs["encoding-version"]


def check_layout(path):
    """The file against the AnnData on-disk specification, by h5py alone."""
    with h5py.File(path) as file:
        for name, expected in ENCODINGS.items():
            assert encoding(file[name]) == expected, (name, encoding(file[name]))
        in_sparse = set()
        if isinstance(file["X"], h5py.Group):
            assert encoding(file["X"]) == ("csr_matrix", "0.1.0")
            check_sparse(file["X"])
            in_sparse = {f"X/{part}" for part in ("data", "indices", "indptr")}
        else:
            assert encoding(file["X"]) == ("array", "0.2.0") and file["X"].ndim == 2

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and name not in in_sparse:
                kind, version = encoding(item)
                assert DATASET_VERSIONS[kind] == version, name
                if kind in ("string", "string-array"):
                    info = h5py.check_string_dtype(item.dtype)
                    assert info.encoding == "utf-8" and info.length is None, name

        file.visititems(visit)
        for frame in ("obs", "var"):
            check_frame(file[frame])


def check_sparse(group):
    n_cells, n_genes = group.attrs["shape"]
    indptr, indices, data = (group[name][:] for name in ("indptr", "indices", "data"))
    assert indptr.shape == (n_cells + 1,) and indptr[0] == 0 and indptr[-1] == len(data) == len(indices)
    assert np.all(np.diff(indptr) >= 0)
    assert indices.dtype == np.int32 and data.dtype in (np.int16, np.int32, np.float32)
    assert indptr.dtype == (np.int32 if len(data) < 2**31 else np.int64)
    assert len(indices) == 0 or (indices.min() >= 0 and indices.max() < n_genes)
    starts = np.zeros(len(indices), dtype=bool)
    starts[indptr[:-1][np.diff(indptr) > 0]] = True
    assert np.all((np.diff(indices) > 0) | starts[1:]), "indices ascend within a row"
    assert np.all(data > 0), "no stored zeros"


def check_frame(group):
    assert group.attrs["_index"] == "_index"
    order = list(group.attrs["column-order"])
    n_rows = len(group["_index"])
    for name in order:
        column = group[name]
        if isinstance(column, h5py.Dataset):
            assert column.shape == (n_rows,)
            continue
        assert encoding(column) == ("categorical", "0.2.0")
        assert not bool(column.attrs["ordered"])
        codes, categories = column["codes"], column["categories"]
        smallest = pd.Categorical.from_codes([], pd.Index(np.arange(len(categories)))).codes.dtype
        assert codes.dtype == smallest, (name, codes.dtype, smallest)
        assert len(set(categories[:])) == len(categories)


def same(a, b):
    a, b = (x.toarray() if sp.issparse(x) else np.asarray(x) for x in (a, b))
    assert a.shape == b.shape and np.array_equal(a, b), "values differ"


def check_slicing(adata, dense, rng):
    """Rows, columns, names and masks; `dense` is the truth."""
    n_cells, n_genes = dense.shape
    some = dense.sum(axis=0) > np.median(dense.sum(axis=0))
    rows = rng.permutation(n_cells)[: n_cells // 2]
    columns = rng.permutation(n_genes)[: n_genes // 2]
    same(adata[: n_cells // 2].X, dense[: n_cells // 2])
    same(adata[::3].X, dense[::3])
    same(adata[::-1].X, dense[::-1])
    same(adata[:, ::2].X, dense[:, ::2])
    same(adata[rows].X, dense[rows])
    same(adata[:, columns].X, dense[:, columns])
    same(adata[rows][:, columns].X, dense[rows][:, columns])
    same(adata[:, some].X, dense[:, some])
    same(adata[dense.sum(axis=1) > 0].X, dense[dense.sum(axis=1) > 0])
    if n_genes:
        same(adata[:, adata.var_names[-1]].X, dense[:, -1:])
        same(adata[:, list(adata.var_names[[0, -1]])].X, dense[:, [0, -1]])
    if n_cells:
        same(adata[adata.obs_names[-1]].X, dense[-1:])
    assert np.allclose(np.asarray(adata.X.sum(axis=0)).ravel(), dense.sum(axis=0))
    assert np.allclose(np.asarray(adata.X.sum(axis=1)).ravel(), dense.sum(axis=1))
    for name in adata.obs.columns:
        if isinstance(adata.obs[name].dtype, pd.CategoricalDtype):
            for category in adata.obs[name].cat.categories[:3]:
                chosen = (adata.obs[name] == category).to_numpy()
                same(adata[adata.obs[name] == category].X, dense[chosen])


def check_round_trip(adata, folder):
    """anndata writes it back and reads the same again; two of them concatenate."""
    for compression in (None, "gzip"):
        again_path = os.path.join(folder, "again.h5ad")
        adata.write_h5ad(again_path, compression=compression)
        again = anndata.read_h5ad(again_path)
        same(again.X, adata.X)
        pd.testing.assert_frame_equal(again.obs, adata.obs)
        pd.testing.assert_frame_equal(again.var, adata.var)
        assert again.uns.keys() == adata.uns.keys()
    both = anndata.concat([adata, adata], index_unique="-", keys=["a", "b"])
    assert both.n_obs == 2 * adata.n_obs


def check_scanpy(adata, dense):
    """Normalisation, quality measures and filters, on the cells with any count (scanpy warns of others)."""
    import scanpy as sc

    some = dense.sum(axis=1) > 0
    adata, dense = adata[some].copy(), dense[some]
    if adata.n_obs == 0:
        return
    total = dense.sum(axis=1, keepdims=True, dtype=np.float64)
    expected = np.log1p(dense / total * 1e4)
    copy = adata.copy()
    sc.pp.normalize_total(copy, target_sum=1e4)
    sc.pp.log1p(copy)
    values = copy.X.toarray() if sp.issparse(copy.X) else copy.X
    assert np.allclose(values, expected, rtol=1e-5, atol=1e-6)
    counted = adata.copy()
    sc.pp.calculate_qc_metrics(counted, percent_top=None, inplace=True)
    assert np.array_equal(counted.obs["n_genes_by_counts"].to_numpy(), (dense > 0).sum(axis=1))
    sc.pp.filter_genes(counted, min_cells=1)
    assert counted.n_vars == ((dense > 0).sum(axis=0) >= 1).sum()


def check_rows(adata, rows_path):
    """The file against what its writer says it wrote."""
    with open(rows_path, encoding="utf-8") as lines:
        expected = [line.rstrip("\n").split("\t") for line in lines]
    assert len(expected) == adata.n_obs
    sums = np.asarray(adata.X.sum(axis=1)).ravel()
    labels = [name for name in adata.obs.columns if isinstance(adata.obs[name].dtype, pd.CategoricalDtype)]
    for i, (name, row_sum, label) in enumerate(expected):
        assert adata.obs_names[i] == name, (i, adata.obs_names[i], name)
        assert abs(sums[i] - float(row_sum)) <= 1e-4 * max(1.0, float(row_sum)), (i, sums[i], row_sum)
        found = adata.obs[labels[0]].iloc[i] if labels else ""
        assert ("" if pd.isna(found) else found) == label, (i, found, label)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--rows")
    parser.add_argument("--no-scanpy", action="store_true", help="where scanpy is not installed")
    arguments = parser.parse_args()
    if not arguments.no_scanpy:
        import scanpy  # noqa: F401  its import may warn about its own dependencies
    warnings.simplefilter("error")

    check_layout(arguments.file)
    adata = anndata.read_h5ad(arguments.file)
    with h5py.File(arguments.file) as file:
        if isinstance(file["X"], h5py.Group):
            parts = [file["X"][name][:] for name in ("data", "indices", "indptr")]
            dense = sp.csr_matrix(tuple(parts), shape=tuple(file["X"].attrs["shape"])).toarray()
        else:
            dense = file["X"][:]
    same(adata.X, dense)
    assert adata.obs_names.is_unique and adata.var_names.is_unique
    check_slicing(adata, dense, np.random.default_rng(0))
    backed = anndata.read_h5ad(arguments.file, backed="r")
    assert backed.shape == adata.shape
    if adata.n_obs > 1:
        same(backed[1 : adata.n_obs].to_memory().X, dense[1:])
    backed.file.close()
    with tempfile.TemporaryDirectory() as folder:
        check_round_trip(adata, folder)
    if not arguments.no_scanpy:
        check_scanpy(adata, dense)
    if arguments.rows:
        check_rows(adata, arguments.rows)
    print(f"{arguments.file}: {adata.n_obs} cells x {adata.n_vars} genes, all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
