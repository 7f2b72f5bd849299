#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the small inputs of tests/scripts/inputs_run.sh: make_inputs.py FOLDER"""

import os
import sys
import warnings

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp

N_CELLS, N_GENES = 60, 40
rng = np.random.default_rng(11)


def cells(prefix="c", genes=None, n_cells=N_CELLS, **obs):
    """Counts in CSR; a scalar of `obs` stands for all cells, a list is repeated."""
    genes = [f"G{i}" for i in range(N_GENES)] if genes is None else genes
    columns = {name: (value * n_cells)[:n_cells] if isinstance(value, list) else [value] * n_cells for name, value in obs.items()}
    frame = pd.DataFrame(columns, index=[f"{prefix}{i}" for i in range(n_cells)])
    matrix = sp.csr_matrix(rng.poisson(1.5, (n_cells, len(genes))).astype("f4"))
    return anndata.AnnData(matrix, obs=frame, var=pd.DataFrame(index=genes))


def write_booleans():
    """The same Boolean as several writers hold it, and columns that only look like one."""
    types = ["a", "b"]
    cells("p", kind=types, primary=True).write_h5ad("bool.h5ad")
    cells("q", kind=types, primary=1).write_h5ad("ones.h5ad")
    cells("r", kind=types, primary=1.0).write_h5ad("reals.h5ad")
    cells("s", kind=types, primary="TRUE").write_h5ad("upper.h5ad")
    cells("t", kind=types, primary=["true", "false"]).write_h5ad("lower.h5ad")
    cells("u", kind=["c", "d"], primary=["1", "2"]).write_h5ad("clusters.h5ad")
    cells("v", kind=types).write_h5ad("without.h5ad")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # anndata warns of repeated names and of text that it turns into categories: both are meant
    os.makedirs(sys.argv[1], exist_ok=True)
    os.chdir(sys.argv[1])
    write_booleans()


if __name__ == "__main__":
    main()
