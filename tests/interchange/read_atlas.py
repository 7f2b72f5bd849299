#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A reader of atlases and latents written from docs/atlas-format.md alone, held against anndata:

    read_atlas.py FOLDER...    each an atlas, or a folder of latents

The stored chunks of every file are read as bytes and decoded here, not by HDF5's filters. All values, labels and names must be those that anndata
reads, and every checksum must be the manifest's. Exits 0 and prints which forms it met.
"""

import pathlib
import struct
import sys
import zlib

import anndata
import h5py
import numpy as np
import yaml

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def finalise(x):
    x = (x ^ x >> 32) * 0x243F6A8885A308D3 & MASK
    x = (x ^ x >> 29) * 0x13198A2E03707345 & MASK
    return x ^ x >> 32


def absorb(accumulator, word):
    mixed = accumulator ^ word
    return (mixed << 27 | mixed >> 37) * GOLDEN & MASK


def checksum(seed, data):
    a = [finalise(seed + (i + 1) * GOLDEN & MASK) for i in range(4)]
    whole = len(data) // 8
    words = struct.unpack(f"<{whole}Q", data[: 8 * whole])
    for i, word in enumerate(words):
        a[i % 4] = absorb(a[i % 4], word)
    if len(data) % 8:
        a[3] = absorb(a[3], int.from_bytes(data[8 * whole :], "little"))
    total = len(data) * GOLDEN & MASK
    for accumulator in a:
        total = finalise(total ^ accumulator) * GOLDEN & MASK
    return finalise(total)


def add(total, text):
    return checksum(total, text.encode() + b"\0")


def entries_checksum(cell, gene, value):
    """Sum over arrays of cells, genes (both as int64) and values."""
    bits = np.asarray(value, np.float32).view(np.uint32).astype(np.uint64)
    with np.errstate(over="ignore"):
        key = (np.asarray(gene, np.int64).view(np.uint64) << np.uint64(32)) | bits
        h = (np.asarray(cell, np.int64).view(np.uint64) * np.uint64(GOLDEN)) ^ (key * np.uint64(0xC2B2AE3D27D4EB4F))
        h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(32)
        return int((h & np.uint64((1 << 48) - 1)).sum()) % (1 << 48)


def fletcher32(data):
    if len(data) % 2:
        data += b"\0"
    s1 = s2 = 0
    for word in struct.unpack(f">{len(data) // 2}H", data):
        s1 += word
        s2 += s1
    nonzero = any(data)
    s1, s2 = ((s % 65535) or (65535 if nonzero else 0) for s in (s1, s2))
    return s2 << 16 | s1


def filters_of(dataset):
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(i)[::2] for i in range(plist.get_nfilters())]  # number, parameters


def decode_chunk(dataset, filters, stored, n):
    """Bytes of a stored chunk of one dimension to its n values, and the name of the form."""
    numbers = [number for number, _ in filters]
    if numbers == [5]:
        bits = dataset.id.get_type().get_precision()
        width = {8: 2, 16: 4}[bits]
        assert filters[0][1] == (8, 0, n, 1, width, 0, bits, 0), filters
        assert len(stored) == n * bits // 8 + 1
        return np.frombuffer(stored, ">u2" if bits == 16 else "u1", n).astype(np.int32), f"nbit{bits}"
    if numbers == [2, 1]:
        assert filters[0][1] == (4,)
        planes = np.frombuffer(zlib.decompress(stored), np.uint8).reshape(4, n)
        values = np.ascontiguousarray(planes.T).view(dataset.dtype.newbyteorder("<")).ravel()
        return values, f"gzip {dataset.dtype}"
    assert numbers == []
    return np.frombuffer(stored, dataset.dtype.newbyteorder("<"), n), f"plain {dataset.dtype}"


def read_chunked(dataset, forms):
    n = dataset.chunks[0]
    filters = filters_of(dataset)
    parts = []
    for first in range(0, dataset.shape[0], n):
        mask, stored = dataset.id.read_direct_chunk((first,))
        assert mask == 0
        values, form = decode_chunk(dataset, filters, stored, n)
        valid = min(n, dataset.shape[0] - first)
        assert not np.any(values[valid:])
        forms.add(f"{dataset.name.rsplit('/', 1)[1]} {form}")
        parts.append(values[:valid])
    return np.concatenate(parts) if parts else np.empty(0, dataset.dtype)


def read_plain(dataset):
    """A contiguous dataset by its address in the file."""
    assert dataset.chunks is None
    if dataset.size == 0:
        return np.empty(dataset.shape, dataset.dtype)
    with open(dataset.file.filename, "rb") as file:
        file.seek(dataset.id.get_offset())
        return np.frombuffer(file.read(dataset.size * dataset.dtype.itemsize), dataset.dtype.newbyteorder("<"))


def read_checked(dataset, forms):
    """Rows under Fletcher-32."""
    assert filters_of(dataset) == [(3, ())]
    rows = dataset.chunks[0]
    result = np.empty(dataset.shape, dataset.dtype)
    for first in range(0, dataset.shape[0], rows):
        _, stored = dataset.id.read_direct_chunk((first,) + (0,) * (len(dataset.shape) - 1))
        values, (expected,) = stored[:-4], struct.unpack("<I", stored[-4:])
        assert fletcher32(values) == expected
        values = np.frombuffer(values, dataset.dtype.newbyteorder("<")).reshape(dataset.chunks)
        result[first : first + rows] = values[: dataset.shape[0] - first]
    forms.add(f"fletcher32 {dataset.dtype}")
    return result


def texts(dataset):
    return list(dataset.asstr()[()])


def check_file(path, manifest, genes, forms):
    """Reads a file of cells; returns its rows, genes, values and codes."""
    with h5py.File(path) as file:
        indptr = read_plain(file["X/indptr"]).astype(np.int64)
        indices, data = read_chunked(file["X/indices"], forms), read_chunked(file["X/data"], forms)
        shape = tuple(file["X"].attrs["shape"])
        codes = [read_plain(file[f"obs/{a['name']}/codes"]).astype(np.int64) for a in manifest["attributes"]]
        for attribute in manifest["attributes"]:
            names = [category["name"] for category in attribute["categories"]]
            assert texts(file[f"obs/{attribute['name']}/categories"]) == names
        assert texts(file["var/_index"]) == genes
        assert file["uns/cytoforge/expression"].asstr()[()] == manifest["kind"]
        cell_names = texts(file["obs/_index"])
        assert list(file["obs"].attrs["column-order"]) == [a["name"] for a in manifest["attributes"]]
    row = np.repeat(np.arange(shape[0]), np.diff(indptr))
    assert np.all(np.diff(row * shape[1] + indices) > 0)  # genes ascend within a row

    known = anndata.read_h5ad(path)
    assert shape == known.shape and cell_names == list(known.obs_names)
    matrix = known.X.tocsr()
    assert np.array_equal(indptr, matrix.indptr) and np.array_equal(indices, matrix.indices)
    assert np.array_equal(data, matrix.data) and data.size == matrix.nnz
    for attribute, column in zip(manifest["attributes"], codes):
        assert np.array_equal(column, known.obs[attribute["name"]].cat.codes)
    return row, indices, data, codes


def check_sums(path):
    """The checksums of stored bytes beside a file of cells."""
    sums, data = path.with_suffix(".sums").read_bytes(), path.read_bytes()
    assert sums[:16] == b"cytoforge sums\n\0"
    assert struct.unpack("<Q", sums[-8:])[0] == checksum(0, sums[:-8])
    version, n_bytes, n = struct.unpack("<3Q", sums[16:40])
    assert (version, n_bytes, len(sums)) == (1, len(data), 40 + 24 * n + 8)
    at = n_chunks = 0
    for address, size, stored in struct.iter_unpack("<3Q", sums[40:-8]):
        is_chunk, size = size >> 63, size & MASK >> 1
        assert address == at and (is_chunk or (size <= 65536))
        assert checksum(0, data[at : at + size]) == stored, (path, address)
        at += size
        n_chunks += is_chunk
    assert at == len(data)
    return n_chunks


def check_atlas(folder):
    forms = set()
    data = (folder / "manifest.yaml").read_bytes()
    above, _, digits = data.rpartition(b"# checksum of the lines above: ")
    assert digits.decode() == f"{checksum(0, above):016x}\n"
    manifest = yaml.safe_load(data)
    assert manifest["format"] == "cytoforge-atlas" and manifest["version"] == 1 and manifest["sums"] == 1
    genes = [line.split("\t")[0] for line in (folder / manifest["genes"]).read_text().splitlines()]
    total = 0
    for gene in genes:
        total = add(total, gene)
    assert f"{total:016x}" == manifest["genes_checksum"] and len(genes) == manifest["n_genes"]
    total = add(total, manifest["kind"])
    target = manifest.get("target", 10000)
    if target != 10000:
        total = add(total, f"target: {target if target == 'unknown' else format(target, '.17g')}")
    for attribute in manifest["attributes"]:
        total = add(total, attribute["name"])
        for category in attribute["categories"]:
            total = add(add(total, category["name"]), str(category["n_cells"]))

    first_cell = nnz = n_verified = 0
    counted = [np.zeros(len(a["categories"]), np.int64) for a in manifest["attributes"]]
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        assert path.stat().st_size == shard["bytes"]
        with h5py.File(path) as file:
            n_chunks = sum(file[f"X/{name}"].id.get_num_chunks() for name in ("indices", "data"))
        assert check_sums(path) == n_chunks
        row, indices, data, codes = check_file(path, manifest, genes, forms)
        n_cells = shard["n_cells"]
        assert data.size == shard["nnz"]
        total = add(total, f"{n_cells}:{shard['checksum']}")
        if manifest["totals"]["genes_few_cells"] == 0:
            sums = entries_checksum(first_cell + row, indices, data)
            for a, column in enumerate(codes):
                cells = first_cell + np.arange(n_cells)
                sums += entries_checksum(cells, np.full(n_cells, -1 - a), column)
            assert f"{sums % (1 << 48):016x}" == shard["checksum"], path
            n_verified += 1
        for have, column in zip(counted, codes):
            have += np.bincount(column[column >= 0], minlength=have.size)
        first_cell += n_cells
        nnz += data.size
    assert f"{total:016x}" == manifest["fingerprint"]
    assert (first_cell, nnz) == (manifest["n_cells"], manifest["nnz"])
    for have, attribute in zip(counted, manifest["attributes"]):
        assert list(have) == [category["n_cells"] for category in attribute["categories"]]
    for name in ("heldout.h5ad", "train.h5ad"):
        if (folder / name).exists():
            check_file(folder / name, manifest, genes, forms)
            assert check_sums(folder / name) == 0
    print(f"{folder}: {nnz} values of {first_cell} cells as anndata's; fingerprint and {n_verified} checksums of "
          f"{len(manifest['shards'])} shards; {', '.join(sorted(forms))}")


def check_seal(path):
    """The 512 bytes in front of a file that only cytoforge writes, from docs/checkpoints.md."""
    data = path.read_bytes()
    assert data[:16] == b"\x89CYTOFORGE \r\n\x1a\n\0"
    version, n_bytes, stored = struct.unpack("<QQQ", data[16:40])
    assert (version, n_bytes) == (1, len(data)) and not any(data[40:504])
    assert struct.unpack("<Q", data[504:512])[0] == checksum(0, data[:504])
    total = 0
    for at in range(512, len(data), 1 << 20):
        total = checksum(total, data[at : at + (1 << 20)])
    assert total == stored, path


def check_latents(folder):
    forms, first_cell, fingerprints = set(), 0, set()
    for path in sorted(folder.glob("latents-*.h5ad")):
        check_seal(path)
        with h5py.File(path) as file:
            latent = read_checked(file["obsm/X_latent"], forms)
            labels = [label.decode() for label in file["obs"].attrs["column-order"]]
            codes = {label: read_checked(file[f"obs/{label}/codes"], forms) for label in labels}
            names = texts(file["obs/_index"])
            assert file["uns/cytoforge/latents_version"][()] == 2
            assert file["uns/cytoforge/first_cell"][()] == first_cell
            fingerprints.add(file["uns/cytoforge/atlas_fingerprint"].asstr()[()])
        assert names == [str(first_cell + i) for i in range(len(latent))]
        known = anndata.read_h5ad(path)
        assert np.array_equal(latent, known.obsm["X_latent"]) and latent.dtype == known.obsm["X_latent"].dtype
        for label in labels:
            assert np.array_equal(codes[label], known.obs[label].cat.codes)
        first_cell += len(latent)
    assert first_cell > 0 and len(fingerprints) == 1
    print(f"{folder}: latents of {first_cell} cells as anndata's; {', '.join(sorted(forms))}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        folder = pathlib.Path(name)
        check_atlas(folder) if (folder / "manifest.yaml").exists() else check_latents(folder)
