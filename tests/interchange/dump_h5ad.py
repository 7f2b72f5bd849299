#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what anndata reads from a .h5ad file as plain text, for the tests of cytoforge's own reader to compare with.

    dump_h5ad.py FILE MATRIX PREFIX        MATRIX: X, raw/X or layers/NAME

PREFIX.cells.tsv    a line a cell: name, sum and number of its non-zero values
PREFIX.genes.tsv    a line a gene: name after var_names_make_unique, sum and number of its non-zero values
PREFIX.labels.tsv   a block an obs column: "column", name, number of categories; a line a category; a line of the codes
Labels follow cytoforge's rules: categoricals keep their order, strings and numbers become categories in sorted order.
An HDF5 enumeration is what its members' names say, where anndata gives its bare numbers (read_obs).
"""

import sys

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp


def number_text(value):
    """As short as it reads back; integers without a point."""
    text = str(value)
    if isinstance(value, np.float16) and abs(value) >= 1e-4:  # NumPy writes 2.048e+03
        text = np.format_float_positional(value, unique=True)
    return text[: text.index(".")] if text.endswith((".0", ".")) else text


def label_text(value):
    if isinstance(value, (bool, np.bool_)):
        return "True" if value else "False"
    if isinstance(value, (float, np.floating)):
        return number_text(value)
    return str(value)


def named_members(dtype, values):
    """A column of an enumeration: Boolean for FALSE and TRUE (NA is missing), else categories in the order of their values."""
    members = sorted(h5py.check_enum_dtype(dtype).items(), key=lambda member: member[1])
    name_of = {value: name for name, value in members}
    names = [name_of[int(value)] for value in values]
    folded = {name.upper() for name, _ in members}
    if folded in ({"FALSE", "TRUE"}, {"FALSE", "TRUE", "NA"}):
        booleans = [None if name.upper() == "NA" else name.upper() == "TRUE" for name in names]
        return np.array(booleans, dtype=bool) if "NA" not in folded else pd.array(booleans, dtype="boolean")
    return pd.Categorical(names, [name for name, _ in members])


def read_obs(path):
    """obs as anndata reads it, but for enumerations."""
    obs = anndata.read_h5ad(path).obs
    with h5py.File(path) as file:
        table = file["obs"]
        for name in obs.columns:
            if isinstance(table, h5py.Dataset):  # before anndata 0.7: one compound
                dtype, values = table.dtype[name], table[:][name]
            elif isinstance(table[name], h5py.Dataset):
                dtype, values = table[name].dtype, table[name]
            else:
                continue
            if h5py.check_enum_dtype(dtype):
                obs[name] = named_members(dtype, values[:])
    return obs


def as_labels(column):
    """Categories as text, and codes with -1 for missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [label_text(c) for c in column.cat.categories], column.cat.codes.to_numpy()
    present = column[column.notna()]
    plain = column.dtype.kind == "f" and column.dtype.itemsize != 8  # whose own digits name it
    values = sorted(set(present.to_numpy()) if plain else set(present.to_list()))
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
    values = values.tocsr() if sp.issparse(values) else sp.csr_matrix(np.asarray(values, dtype=np.float64))
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
        obs = read_obs(path)
        for name in obs.columns:
            categories, codes = as_labels(obs[name])
            out.write(f"column\t{name}\t{len(categories)}\n")
            out.writelines(f"{category}\n" for category in categories)
            out.write(" ".join(map(str, codes)) + "\n")
    return adata.n_obs, len(var), values.nnz


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    print(*dump(*sys.argv[1:]))
