#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the small inputs of tests/scripts/inputs_run.sh: make_inputs.py FOLDER"""

import gzip
import os
import shutil
import sys
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.io
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


def texts(values):
    return np.array(values, "S")


def write_10x():
    """Counts as Cell Ranger leaves them: genes x cells in CSC, as HDF5 of version 3 and 2, and as a folder."""
    matrix = sp.csc_matrix(rng.poisson(1.5, (N_GENES, N_CELLS)).astype("i4"))
    ids, symbols = [f"ENSG{i:011d}" for i in range(N_GENES)], [f"G{i}" for i in range(N_GENES)]
    barcodes = [f"c{i}-1" for i in range(N_CELLS)]

    def add(group):
        group.update({"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape, "i4")})
        group["barcodes"] = texts(barcodes)

    with h5py.File("tenx_v3.h5", "w") as file:
        add_to = file.create_group("matrix")
        add(add_to)
        features = {"id": ids, "name": symbols, "feature_type": ["Gene Expression"] * N_GENES, "genome": ["GRCh38"] * N_GENES}
        for name, values in features.items():
            add_to[f"features/{name}"] = texts(values)
    with h5py.File("tenx_v2.h5", "w") as file:
        group = file.create_group("GRCh38")
        add(group)
        group["genes"], group["gene_names"] = texts(ids), texts(symbols)
    with h5py.File("tenx_two.h5", "w") as file:  # of two genomes
        for genome in ("hg19", "mm10"):
            group = file.create_group(genome)
            add(group)
            group["genes"], group["gene_names"] = texts(ids), texts(symbols)
    for folder, prefix in (("mtx", ""), ("geo", "GSM1_")):
        os.makedirs(folder)
        for name, lines in (
            ("barcodes.tsv.gz", barcodes),
            ("features.tsv.gz", [f"{i}\t{s}\tGene Expression" for i, s in zip(ids, symbols)]),
        ):
            with gzip.open(f"{folder}/{prefix}{name}", "wt") as out:
                out.write("\n".join(lines) + "\n")
        with gzip.open(f"{folder}/{prefix}matrix.mtx.gz", "wb") as out:
            scipy.io.mmwrite(out, matrix)


def write_others():
    with h5py.File("x.loom", "w") as file:
        file["matrix"] = np.ones((N_GENES, N_CELLS))
        file["layers/spliced"] = np.ones((N_GENES, N_CELLS))
        file["row_attrs/Gene"] = texts([f"G{i}" for i in range(N_GENES)])
        file["col_attrs/CellID"] = texts([f"c{i}" for i in range(N_CELLS)])
    with h5py.File("x.h5mu", "w") as file:
        for modality in ("atac", "rna"):
            file.create_group(f"mod/{modality}/X")
    with h5py.File("x.h5seurat", "w") as file:
        file["cell.names"] = texts(["c0"])
        file.create_group("assays/RNA")
    cells(kind=["a", "b"]).write_h5ad("no_matrix.h5ad")
    with h5py.File("no_matrix.h5ad", "r+") as file:
        del file["X"]
    with h5py.File("other.h5", "w") as file:
        file["images"] = np.ones(3)
    for version in (2, 3):
        anndata.settings.zarr_write_format = version
        cells(kind=["a", "b"]).write_zarr(f"v{version}.zarr")
    pd.DataFrame(np.ones((2, 2))).to_csv("table.csv")
    os.makedirs("empty")
    shutil.copy("x.loom", "loom.h5ad")
    shutil.copytree("v2.zarr", "zarr.h5ad")
    for name, magic in (("packed.h5ad.bz2", b"BZh9"), ("packed.h5ad.xz", b"\xfd7zXZ\0"), ("packed.h5ad.zst", b"\x28\xb5\x2f\xfd"), ("packed.tgz", b"\x1f\x8b\x08\0")):
        with open(name, "wb") as out:
            out.write(magic + bytes(40))
    cells().write_h5ad("plain.h5ad")
    with open("plain.h5ad", "rb") as plain, gzip.open("packed.h5ad.gz", "wb") as out:
        out.write(plain.read())


def write_compressed():
    """Chunks of zstd in X and in obs, without zstd, and a damaged chunk of LZF."""

    def replace(file, name, filter_id, values, stored):
        data = file[name][()]
        attributes = dict(file[name].attrs)
        del file[name]
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk(data.shape)
        creation.set_filter(filter_id, h5py.h5z.FLAG_OPTIONAL, values)
        space = h5py.h5s.create_simple(data.shape)
        created = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(data.dtype), space, creation)
        created.write_direct_chunk((0,) * data.ndim, stored, filter_mask=0)
        file[name].attrs.update(attributes)

    for name, part, filter_id, values in (
        ("zstd.h5ad", "X/data", 32015, ()),
        ("blosc.h5ad", "X/data", 32001, ()),
        ("zstd_obs.h5ad", "obs/kind/codes", 32015, ()),
        ("lzf_damaged.h5ad", "X/data", 32000, (4, 261, 4)),
        ("lzf_huge.h5ad", "X/data", 32000, (4, 261, 2**32 - 1)),
    ):
        cells(kind=["a", "b"]).write_h5ad(name)
        with h5py.File(name, "r+") as file:
            replace(file, part, filter_id, values, b"\xff\xff\xff\xff")


def write_genes():
    """Inputs that differ in their genes: in many, and in few cells; and a list of the genes that two of them have."""
    for name, n_cells, first, end in (("g1", 60, 0, 40), ("g2", 60, 10, 50), ("g3", 2, 0, 38)):
        cells(name, genes=[f"G{i}" for i in range(first, end)], n_cells=n_cells, kind=["a", "b"]).write_h5ad(f"{name}.h5ad")
    for name, first, end in (("common.txt", 10, 40), ("all.txt", 0, 50)):
        with open(name, "w", encoding="utf-8") as out:
            out.writelines(f"G{i}\n" for i in range(first, end))


def write_oddities():
    """Names that name nothing, rows with repeated entries, labels that teach little."""
    cells(kind=["a", "b", "c"]).write_h5ad("sound.h5ad")
    odd = cells(kind=["a", "b"])
    odd.var_names = ["", " ", "nan", "NA", "NA", "N/A"] + [f"G{i}" for i in range(6, N_GENES)]
    odd.write_h5ad("odd_genes.h5ad")
    odd = cells(kind=["a", "b"])
    odd.obs_names = ["c0", "c1", "", "\t", "NaN", "None"] + [f"c{i}" for i in range(6, N_CELLS)]
    odd.obs["barcode"] = [f"b{i}" for i in range(N_CELLS)]
    odd.write_h5ad("odd_ids.h5ad")
    labels = {
        "nothing": ["", "nan", "a", "b", "unknown"],
        "one": "same",
        "few": ["x"] * 3 + ["y"] * 19 + ["z"] * 38,
        "day": [0, 2, 7],
        "hours": [0.5, 1.5],
        "clusters": ["0", "1"],
        "none_at_all": [np.nan],
    }
    odd = cells(**labels)
    odd.obs["none_at_all"] = pd.Categorical([None] * N_CELLS, ["a"])
    odd.write_h5ad("odd_labels.h5ad")
    with open("map.csv", "w", encoding="utf-8") as out:
        out.write("attribute,from,to\nnothing,,\nnothing,nan,\nnothing,unknown,\nday,0,start\n")
    for name, kind in (("repeated_csr", sp.csr_matrix), ("repeated_csc", sp.csc_matrix)):
        odd = cells(kind=["a", "b"])
        odd.X = kind(odd.X)
        odd.write_h5ad(f"{name}.h5ad")
        with h5py.File(f"{name}.h5ad", "r+") as file:
            indices = file["X/indices"]
            values = indices[()]
            values[1] = values[0]  # of the first row, or of the first gene
            indices[...] = values


def write_newer():
    """Parts of a later format than this HDF5 knows: the version of one message of an object's header is raised."""
    datatype, layout = 3, 8  # messages; a datatype has its version above its class, in one byte

    def raise_version(path, name, message):
        with h5py.File(path, "r") as file:
            at = h5py.h5o.get_info(file[name].id).addr
        with open(path, "r+b") as file:
            stored = file.read()
            assert stored[at] == 1  # a header without checksum, as the earliest format has it
            place = at + 16
            while int.from_bytes(stored[place : place + 2], "little") != message:
                place += 8 + int.from_bytes(stored[place + 2 : place + 4], "little")
            file.seek(place + 8)
            file.write(bytes([stored[place + 8] & 15 | 15 << 4 if message == datatype else 15]))

    for name, part, message in (
        ("data", "X/data", layout),
        ("indices", "X/indices", datatype),
        ("codes", "obs/kind/codes", layout),
        ("categories", "obs/kind/categories", layout),
        ("cells", "obs/_index", layout),
        ("genes", "var/_index", datatype),
        ("number", "obs/number", layout),
    ):
        newer = cells(kind=["a", "b"], number=[1, 2])
        newer.write_h5ad(f"newer_{name}.h5ad")
        raise_version(f"newer_{name}.h5ad", part, message)
    cells().write_h5ad("newer_file.h5ad")
    with open("newer_file.h5ad", "r+b") as file:
        file.seek(8)  # the version of the superblock, behind the signature
        file.write(bytes([15]))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # anndata warns of repeated names and of text that it turns into categories: both are meant
    os.makedirs(sys.argv[1], exist_ok=True)
    os.chdir(sys.argv[1])
    write_booleans()
    write_10x()
    write_others()
    write_compressed()
    write_genes()
    write_oddities()
    write_newer()


if __name__ == "__main__":
    main()
