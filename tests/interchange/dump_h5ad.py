#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what anndata reads from a .h5ad file as plain text, for the tests of cytoforge's own reader to compare with.

    dump_h5ad.py FILE MATRIX PREFIX        MATRIX: X, raw/X or layers/NAME

PREFIX.cells.tsv    a line a cell: name, sum and number of its non-zero values
PREFIX.genes.tsv    a line a gene: name after var_names_make_unique, sum and number of its non-zero values
PREFIX.labels.tsv   a block an obs column: "column", name, number of categories; a line a category; a line of the codes
Labels follow cytoforge's rules: categoricals keep their order, strings and numbers become categories in sorted order.
"""

import sys

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp


def number_text(value):
    """As short as it reads back; integers without a point."""
    text = str(value)
    return text[:-2] if text.endswith(".0") else text


def label_text(value):
    if isinstance(value, (bool, np.bool_)):
        return "True" if value else "False"
    if isinstance(value, (float, np.floating)):
        return number_text(value)
    return str(value)


def as_labels(column):
    """Categories as text, and codes with -1 for missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [label_text(c) for c in column.cat.categories], column.cat.codes.to_numpy()
    present = column[column.notna()]
    values = sorted(set(present.to_list()) if column.dtype != np.float32 else set(present.to_numpy()))
    place = {value: i for i, value in enumerate(values)}
    codes = [-1 if missing else place[value] for value, missing in zip(column, column.isna())]
    return [label_text(v) for v in values], np.array(codes, dtype=int)


def matrix_of(adata, matrix):
    if matrix == "X":
        return adata.X, adata.var
    if matrix == "raw/X":
        return adata.raw.X, adata.raw.var
    return adata.layers[matrix.removeprefix("layers/")], adata.var


def dump(path, matrix, prefix):
    adata = anndata.read_h5ad(path)
    values, var = matrix_of(adata, matrix)
    values = sp.csr_matrix(values)
    parts = (values.data.astype(np.float64), values.indices.astype(np.int64), values.indptr.astype(np.int64))
    values = sp.csr_matrix(parts, shape=values.shape)
    values.sum_duplicates()
    values.eliminate_zeros()
    genes = anndata.AnnData(var=pd.DataFrame(index=var.index))
    genes.var_names_make_unique()
    sides = {"cells": (adata.obs_names, values), "genes": (genes.var_names, values.T.tocsr())}
    for side, (names, rows) in sides.items():
        with open(f"{prefix}.{side}.tsv", "w", encoding="utf-8") as out:
            sums = np.asarray(rows.sum(axis=1)).ravel()
            for name, total, nnz in zip(names, sums, np.diff(rows.indptr)):
                out.write(f"{name}\t{total:.12g}\t{nnz}\n")
    with open(f"{prefix}.labels.tsv", "w", encoding="utf-8") as out:
        for name in adata.obs.columns:
            categories, codes = as_labels(adata.obs[name])
            out.write(f"column\t{name}\t{len(categories)}\n")
            out.writelines(f"{category}\n" for category in categories)
            out.write(" ".join(map(str, codes)) + "\n")
    return adata.n_obs, len(var), values.nnz


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    print(*dump(*sys.argv[1:]))
