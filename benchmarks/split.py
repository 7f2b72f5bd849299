# SPDX-License-Identifier: MIT
"""Splits an h5ad in two by obs columns, for benchmarks that hold out classes.

split.py IN.h5ad SEEN.h5ad HELD.h5ad CONDITION...   each "donor=d101,cell_type=B cells" or "embryo_time_min=400..500" (the upper
end not included); a cell is held out when one of the conditions holds for it in full.
"""
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
import anndata  # noqa: E402


def holds(obs, condition):
    keep = np.ones(len(obs), bool)
    for part in condition.split(","):
        column, value = part.split("=", 1)
        values = obs[column]
        if ".." in value:
            low, high = map(float, value.split(".."))
            keep &= ((values.astype(float) >= low) & (values.astype(float) < high)).values
        elif values.dtype.kind in "if":
            keep &= (values == float(value)).values
        else:
            keep &= (values.astype(str) == value).values
    return keep


cells = anndata.read_h5ad(sys.argv[1])
cells.uns = {}
held = np.zeros(cells.n_obs, bool)
for condition in sys.argv[4:]:
    met = holds(cells.obs, condition)
    print(f"{condition}: {met.sum()} cells held out")
    held |= met
cells[~held].copy().write_h5ad(sys.argv[2])
cells[held].copy().write_h5ad(sys.argv[3])
