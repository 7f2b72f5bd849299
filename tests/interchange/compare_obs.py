#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the obs columns of COPY are those of SOURCE, with their kinds. Every warning on reading COPY is an error.

    compare_obs.py SOURCE COPY

Integers come back as int64 (uint64 where one is above 2^63 - 1) and reals as float32 or float64. Strings of which some are missing come back as a
categorical, and the categories of a categorical as text. An HDF5 enumeration comes back by its members' names. All else is equal.
"""

import sys
import warnings

import anndata
import numpy as np
import pandas as pd

from dump_h5ad import label_text, read_obs


def expected(column):
    """What a copied column should be."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return column.cat.rename_categories([label_text(c) for c in column.cat.categories])
    if isinstance(kind, pd.StringDtype) or kind == object:
        return pd.Series(pd.Categorical(column.astype(object))) if column.isna().any() else column.astype(object)
    if isinstance(kind, pd.BooleanDtype):
        return column
    if pd.api.types.is_extension_array_dtype(kind):
        return column.astype("Int64" if column.max() < 2**63 else "UInt64")
    if kind.kind in "iu":
        return column.astype(np.int64 if len(column) == 0 or column.max() < 2**63 else np.uint64)
    return column.astype(np.float32 if kind.itemsize < 8 else np.float64) if kind.kind == "f" else column


def main():
    warnings.simplefilter("ignore")  # the source may be of an old format
    source = read_obs(sys.argv[1])
    warnings.simplefilter("error")
    copy = anndata.read_h5ad(sys.argv[2]).obs
    assert list(source.columns) == list(copy.columns), (source.columns, copy.columns)
    assert list(source.index) == list(copy.index)
    for name in source.columns:
        wanted, got = expected(source[name]).reset_index(drop=True), copy[name].reset_index(drop=True)
        if wanted.dtype == object:
            got = got.astype(object)
        pd.testing.assert_series_equal(got, wanted, check_names=False, obj=name)
        if isinstance(wanted.dtype, pd.CategoricalDtype):
            assert got.cat.ordered == wanted.cat.ordered, name
    print(f"{len(source.columns)} columns of {len(source)} cells as they were")


main()
