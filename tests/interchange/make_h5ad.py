#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes small .h5ad files in every form that cytoforge's reader understands, and what anndata reads from them.

    make_h5ad.py FOLDER

FOLDER/variants.tsv lists them: name, matrix, layout, kind of values, cells, genes, non-zeros; FOLDER/NAME.h5ad are the
files, and dump_h5ad.py's text lies beside them. The tests find the folder through CYTOFORGE_H5AD_VARIANTS.
"""

import os
import sys
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from dump_h5ad import dump

N_CELLS, N_GENES = 37, 23
UTF8_GENES = ["HLA-A/B", "gène", "遺伝子", "γδ T", "🧬", "a\\b", "", "x y  z", "'q'", '"', "a,b", "%s%n"]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


def counts(seed=0, n_cells=N_CELLS, n_genes=N_GENES):
    """Sparse counts up to 120, some cells and genes empty."""
    rng = np.random.default_rng(seed)
    dense = rng.poisson(2.0, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < 0.3)
    if n_cells > 5:
        dense[::5] = 0
        dense[1, 1] = 120
    dense[:, 3::7] = 0
    return dense.astype(np.float32)


def names(prefix, n):
    return pd.Index([f"{prefix}{i}" for i in range(n)])


def adata_of(matrix, **more):
    n_cells, n_genes = matrix.shape
    obs = more.pop("obs", pd.DataFrame(index=names("cell", n_cells)))
    var = more.pop("var", pd.DataFrame(index=names("gene", n_genes)))
    return anndata.AnnData(matrix, obs=obs, var=var, **more)


def label_frame(n):
    rng = np.random.default_rng(1)
    missing = rng.random(n) < 0.2
    text = np.array(["CD8/T", "Ωmega", "B cell", "🦠 x"])[rng.integers(0, 4, n)]
    ordered = pd.Categorical(rng.choice(["late", "early", "mid"], n), ["early", "mid", "late", "never"], ordered=True)
    frame = pd.DataFrame(index=names("cell", n))
    frame["category"] = pd.Categorical(np.where(missing, None, text), ["🦠 x", "CD8/T", "Ωmega", "B cell"])
    frame["ordered"] = ordered
    frame["many"] = pd.Categorical.from_codes(rng.integers(-1, 300, n), [f"c{i}" for i in range(300)])
    frame["category_int"] = pd.Categorical(rng.integers(0, 3, n) * 10)
    frame["category_real"] = pd.Categorical(rng.integers(0, 3, n) / 4)
    frame["category_bool"] = pd.Categorical(rng.random(n) < 0.5)
    frame["text"] = text.astype(object)
    frame["bool"] = rng.random(n) < 0.5
    frame["only_true"] = True
    for kind in INTEGERS:
        frame[kind] = rng.integers(0, 100, n).astype(kind)
    frame["negative"] = rng.integers(-5, 5, n)
    frame["float32"] = (rng.integers(0, 9, n) / 10).astype(np.float32)
    frame["float64"] = np.where(missing, np.nan, rng.integers(-4, 5, n) / 3)
    frame["large"] = rng.choice([1e15, 1.5e16, 1e22, 123456789.0, 1e-4, 1.5e-5, 0.1], n)
    frame["nullable_int"] = pd.array(np.where(missing, 0, rng.integers(0, 9, n)), dtype="Int32")
    frame.loc[missing, "nullable_int"] = pd.NA
    frame["nullable_bool"] = pd.array(rng.random(n) < 0.5, dtype="boolean")
    frame.loc[missing, "nullable_bool"] = pd.NA
    frame["nullable_text"] = pd.array(np.where(missing, None, text), dtype="string")
    return frame


class Folder:
    """Collects the variants."""

    def __init__(self, path):
        os.makedirs(path, exist_ok=True)
        self.path, self.lines = path, []

    def file(self, name):
        return os.path.join(self.path, f"{name}.h5ad")

    def add(self, name, layout, kind="counts", matrix="X"):
        sizes = dump(self.file(name), matrix, os.path.join(self.path, name))
        self.lines.append("\t".join(map(str, (name, matrix, layout, kind, *sizes))))

    def write(self, name, adata, layout, kind="counts", matrix="X", **how):
        adata.write_h5ad(self.file(name), **how)
        self.add(name, layout, kind, matrix)

    def finish(self):
        with open(os.path.join(self.path, "variants.tsv"), "w", encoding="utf-8") as out:
            out.write("\n".join(self.lines) + "\n")


def write_layouts(folder):
    dense = counts()
    csr = sp.csr_matrix(dense)
    folder.write("csr", adata_of(csr), "csr")
    folder.write("csr_gzip", adata_of(csr), "csr", compression="gzip")
    folder.write("csr_gzip9", adata_of(csr), "csr", compression="gzip", compression_opts=9)
    folder.write("csc", adata_of(sp.csc_matrix(dense)), "csc")
    folder.write("csc_gzip", adata_of(sp.csc_matrix(dense)), "csc", compression="gzip")
    folder.write("dense", adata_of(dense), "dense")
    folder.write("dense_gzip", adata_of(dense), "dense", compression="gzip")
    folder.write("dense_float64", adata_of(dense.astype(np.float64)), "dense")
    folder.write("csr_float64", adata_of(csr.astype(np.float64)), "csr")
    for kind in INTEGERS:
        folder.write(f"csr_{kind}", adata_of(csr.astype(kind)), "csr")
    folder.write("dense_int64", adata_of(dense.astype(np.int64)), "dense")
    folder.write("log", adata_of(csr.log1p()), "csr", kind="log-normalised")
    folder.write("linear", adata_of((csr * 10.3).tocsr()), "csr", kind="other")
    folder.write("no_cells", adata_of(sp.csr_matrix((0, N_GENES), dtype=np.float32)), "csr")
    folder.write("no_cells_dense", adata_of(np.zeros((0, N_GENES), dtype=np.float32)), "dense")
    folder.write("all_zero", adata_of(sp.csr_matrix((5, N_GENES), dtype=np.float32)), "csr")
    folder.write("all_zero_csc", adata_of(sp.csc_matrix((5, N_GENES), dtype=np.float32)), "csc")


def write_sparse_oddities(folder):
    """64-bit indices, entries out of order, twice, and zero: what other programs may write."""
    csr = sp.csr_matrix(counts())

    def rewrite(name, source, arrays):
        adata_of(source).write_h5ad(folder.file(name))
        with h5py.File(folder.file(name), "r+") as file:
            for part, values in arrays.items():
                del file["X"][part]
                file["X"][part] = values
        folder.add(name, "csr")

    rewrite("indices64", csr, {part: getattr(csr, part).astype(np.int64) for part in ("indices", "indptr")})
    rewrite("indices_uint16", csr, {"indices": csr.indices.astype(np.uint16)})
    backwards = csr.copy()
    for row in range(csr.shape[0]):
        at = slice(csr.indptr[row], csr.indptr[row + 1])
        backwards.indices[at], backwards.data[at] = csr.indices[at][::-1], csr.data[at][::-1]
    rewrite("unsorted", csr, {"indices": backwards.indices, "data": backwards.data})
    doubled = {"data": np.repeat(csr.data, 2), "indices": np.repeat(csr.indices, 2), "indptr": csr.indptr * 2}
    doubled["data"][::4] = 0
    rewrite("duplicates_zeros", csr, doubled)


def write_places(folder):
    dense = counts()
    wide = counts(2, n_genes=N_GENES + 9)
    adata = adata_of(sp.csr_matrix(dense).log1p(), layers={"counts": sp.csr_matrix(dense), "csc": sp.csc_matrix(dense)})
    adata.raw = adata_of(sp.csr_matrix(wide), var=pd.DataFrame(index=names("wide", wide.shape[1])))
    folder.write("layer", adata, "csr", matrix="layers/counts")
    folder.write("layer_csc", adata, "csc", matrix="layers/csc")
    folder.write("raw", adata, "csr", matrix="raw/X")


def write_names_and_labels(folder):
    dense = counts(3, n_genes=len(UTF8_GENES))
    cells = pd.Index([f"{name}-{i}" for i, name in zip(range(N_CELLS), UTF8_GENES * 4)])
    folder.write("utf8", adata_of(dense, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=UTF8_GENES)), "dense")
    repeated = pd.Index(["A", "B", "A", "A-1", "B", "A", "B-1"])
    folder.write("repeated_genes", adata_of(counts(4, n_genes=7), var=pd.DataFrame(index=repeated)), "dense")
    frame = label_frame(N_CELLS)
    folder.write("labels", adata_of(dense, obs=frame), "dense")
    plain = {"compression": "gzip", "convert_strings_to_categoricals": False}
    folder.write("labels_plain_text", adata_of(dense, obs=frame), "dense", **plain)
    folder.write("no_labels", adata_of(dense), "dense")


def put_typed(group, name, type_id, values):
    """A dataset of any HDF5 type, given the bytes of its elements."""
    values = np.asarray(values)
    space = h5py.h5s.create_simple((len(values),))
    dataset = h5py.h5d.create(group.id, name.encode(), type_id, space)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.frombuffer(values.tobytes(), dtype=np.uint8), mtype=type_id)


def fixed_text(size, padding):
    type_id = h5py.h5t.C_S1.copy()
    type_id.set_size(size)
    type_id.set_strpad(padding)
    type_id.set_cset(h5py.h5t.CSET_UTF8)
    return type_id


def enumeration(members, base):
    return h5py.enum_dtype(members, basetype=base)


def typed_columns(n):
    """Columns for h5py to write: numbers of every width and order, and enumerations over every base."""
    rng = np.random.default_rng(8)
    large = np.array([0, 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1], dtype=np.uint64)
    kinds = {"B cell": 0, "NK cell": 1, "T cell": 2}
    logical = {"FALSE": 0, "TRUE": 1, "NA": 2}
    columns = {f"big_{kind}": rng.integers(0, 9, n).astype(f">{kind}") for kind in ("i2", "i4", "i8", "u2", "u4", "u8")}
    columns.update({f"big_{kind}": (rng.integers(0, 9, n) / 10).astype(f">{kind}") for kind in ("f2", "f4", "f8")})
    columns["half"] = rng.choice([0.1, 1 / 3, 65504, 6e-8, 1e-5, 2048, 0.5, -7.25], n).astype(np.float16)
    columns["wide"] = (rng.integers(0, 9, n) / 8).astype(np.longdouble)
    columns["large_uint64"] = rng.choice(large, n)
    columns["large_big_uint64"] = rng.choice(large, n).astype(">u8")
    columns["factor"] = rng.integers(0, 3, n).astype(enumeration(kinds, "i1"))
    columns["factor_one"] = np.full(n, 5).astype(enumeration({"only": 5}, "i4"))
    columns["factor_apart"] = rng.choice([-3, 7, 1000], n).astype(enumeration({"low": -3, "mid": 7, "high": 1000}, "i2"))
    columns["factor_big"] = rng.integers(0, 3, n).astype(enumeration(kinds, ">i4"))
    columns["factor_uint64"] = rng.choice([2**40, 2**50], n).astype(enumeration({"a": 2**50, "b": 2**40}, "u8"))
    columns["factor_unused"] = rng.integers(0, 2, n).astype(enumeration(kinds, "u1"))
    columns["two"] = rng.integers(0, 2, n).astype(enumeration({"ctrl": 0, "stim": 1}, "i1"))
    columns["logical"] = rng.integers(0, 3, n).astype(enumeration(logical, "u1"))
    columns["boolean"] = rng.random(n) < 0.5
    columns["boolean_words"] = rng.integers(0, 2, n).astype(enumeration({"False": 0, "True": 1}, "i4"))
    columns["boolean_turned"] = rng.integers(0, 2, n).astype(enumeration({"true": 0, "false": 1}, "i1"))
    return columns


def write_types(folder):
    """Every HDF5 type class that can be read, in columns, names and matrices."""
    dense = counts(9)
    adata_of(dense).write_h5ad(folder.file("types"))
    text = ["a", "bb ", "", "γδ", "x y"]
    with h5py.File(folder.file("types"), "r+") as file:
        obs, order = file["obs"], []
        columns = typed_columns(N_CELLS)
        for name, values in columns.items():
            obs.create_dataset(name, data=values, dtype=values.dtype)
        for bits in (8, 16, 32, 64):
            values = (np.arange(N_CELLS) * 7 % 2 ** min(bits, 9)).astype(f"<u{bits // 8}")
            put_typed(obs, f"bits{bits}", getattr(h5py.h5t, f"STD_B{bits}LE"), values)
            columns[f"bits{bits}"] = values
        paddings = {"nulls": (h5py.h5t.STR_NULLPAD, b"\0"), "ended": (h5py.h5t.STR_NULLTERM, b"\0#")}
        for name, (padding, fill) in paddings.items():
            values = [(text[i % 5].encode() + fill + b"\0" * 9)[:9] for i in range(N_CELLS)]
            if name == "ended":  # what stands behind the end of a text is no text
                values = [value[:-1] + b"!" if b"\0" in value[:-1] else value for value in values]
            put_typed(obs, name, fixed_text(9, padding), np.array(values, dtype="V9"))
            columns[name] = values
        values = [text[i % 5].encode().rstrip().ljust(9) for i in range(N_CELLS)]
        put_typed(obs, "spaces", fixed_text(9, h5py.h5t.STR_SPACEPAD), np.array(values, dtype="V9"))
        columns["spaces"] = values
        group = obs.create_group("nullable_uint64")
        group.attrs.update({"encoding-type": "nullable-integer", "encoding-version": "0.1.0"})
        group["values"], group["mask"] = columns["large_uint64"], np.arange(N_CELLS) % 4 == 0
        order = list(columns) + ["nullable_uint64"]
        for name in columns:
            string = name in ("nulls", "ended", "spaces")
            obs[name].attrs.update({"encoding-type": "string-array" if string else "array", "encoding-version": "0.2.0"})
        obs.attrs["column-order"] = np.array(order, dtype=h5py.string_dtype())
        del file["var/_index"]
        file["var/_index"] = np.array([f"gene{i}".encode() for i in range(N_GENES)], dtype="S12")
    folder.add("types", "dense")

    obs = np.zeros(N_CELLS, dtype=[("index", "S8")] + [(name, values.dtype) for name, values in typed_columns(1).items()])
    obs["index"] = [f"cell{i}".encode() for i in range(N_CELLS)]
    for name, values in typed_columns(N_CELLS).items():
        obs[name] = values
    with h5py.File(folder.file("types_compound"), "w") as file:
        file["obs"], file["X"] = obs, dense
        file["var"] = np.array([(f"gene{i}".encode(),) for i in range(N_GENES)], dtype=[("index", "S6")])
    folder.add("types_compound", "dense")

    for kind in (">f4", ">f8", ">i4", ">u8", "f2", ">f2", "g", "?"):
        values = dense.astype(kind) if kind != "?" else dense > 0
        name = "types_" + {"?": "boolean", "g": "long_double"}.get(kind, kind.replace(">", "big_"))
        for layout, matrix in (("dense", values), ("csr", sp.csr_matrix(dense))):
            if layout == "csr" and kind not in ("g", "?"):
                continue  # SciPy has no sparse matrices of it
            adata_of(dense if layout == "dense" else matrix).write_h5ad(folder.file(f"{name}_{layout}"))
            with h5py.File(folder.file(f"{name}_{layout}"), "r+") as file:
                at = "X" if layout == "dense" else "X/data"
                data = values if layout == "dense" else (matrix.data.astype(kind) if kind != "?" else matrix.data > 0)
                attributes = dict(file[at].attrs)
                del file[at]
                file[at] = data
                file[at].attrs.update(attributes)
            folder.add(f"{name}_{layout}", layout)


def write_old(folder):
    """anndata before 0.7, by hand: compound obs and var, h5sparse attributes, raw.X, references to categories."""
    dense = counts(5)
    csr = sp.csr_matrix(dense)
    rng = np.random.default_rng(6)
    codes = rng.integers(-1, 3, N_CELLS).astype(np.int8)
    obs = np.zeros(N_CELLS, dtype=[("index", "S8"), ("kind", "i1"), ("day", "f4"), ("n", "i8"), ("text", "S3"), ("one", "i1")])
    obs["index"] = [f"cell{i}".encode() for i in range(N_CELLS)]
    obs["kind"], obs["day"], obs["n"] = codes, rng.integers(0, 4, N_CELLS) / 4, rng.integers(0, 5, N_CELLS)
    obs["text"] = rng.choice([b"abc", b"x", b""], N_CELLS)
    var = np.array([(f"gene{i}".encode(),) for i in range(N_GENES)], dtype=[("index", "S6")])
    for name, sparse in (("compound_dense", False), ("compound_h5sparse", True)):
        with h5py.File(folder.file(name), "w") as file:
            file["obs"], file["var"] = obs, var
            file["uns/kind_categories"] = np.array([b"first", b"second kind", b"third"])
            file["uns/one_categories"] = "only"
            if not sparse:
                file["X"] = dense
                continue
            group = file.create_group("X")
            group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", dense.shape
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(csr, part)
    folder.add("compound_dense", "dense")
    folder.add("compound_h5sparse", "csr")

    with h5py.File(folder.file("references"), "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": dense.shape})
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(csr, part)
        for frame, size, columns in (("obs", N_CELLS, ["kind"]), ("var", N_GENES, [])):
            group = file.create_group(frame)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "names"})
            group.attrs["column-order"] = np.array(columns, dtype=h5py.string_dtype()) if columns else np.array([])
            group["names"] = np.array([f"{frame}{i}" for i in range(size)], dtype=h5py.string_dtype())
        file["obs/kind"] = codes
        file["obs/__categories/kind"] = np.array(["first", "second kind", "third"], dtype=h5py.string_dtype())
        file["obs/__categories/kind"].attrs["ordered"] = False
        file["obs/kind"].attrs["categories"] = file["obs/__categories/kind"].ref
    folder.add("references", "csr")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")  # anndata warns of repeated names, text it turns into categories, and old formats: all meant
    anndata.settings.allow_write_nullable_strings = True
    folder = Folder(sys.argv[1])
    write_layouts(folder)
    write_sparse_oddities(folder)
    write_places(folder)
    write_names_and_labels(folder)
    write_types(folder)
    write_old(folder)
    folder.finish()
    print(f"{folder.path}: {len(folder.lines)} files")


if __name__ == "__main__":
    main()
