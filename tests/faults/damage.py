# SPDX-License-Identifier: MIT
"""Damaged h5ad files, made from whole ones by chance."""
import os
import shutil

SOURCES = ("cells.h5ad", "atlas/heldout.h5ad", "atlas_gzip/heldout.h5ad", "latents.h5ad")
SIGNATURES = (b"TREE", b"SNOD", b"HEAP", b"OHDR", b"GCOL", b"FRHP", b"BTHD", b"OCHK", b"FSHD", b"FHDB", b"FHIB", b"BTLF")


def _flip(draw, data, at):
    data[at] ^= draw.randint(1, 255)


def _structures(data):
    """Places of HDF5's own structures in a file."""
    places = [0]
    for signature in SIGNATURES:
        at = data.find(signature)
        while at >= 0:
            places.append(at)
            at = data.find(signature, at + 4)
    return places


def make(draw, fixture, target):
    """Writes a damaged file; returns in words what was done."""
    source = draw.choice(SOURCES)
    shutil.copy(os.path.join(fixture, source), target)
    with open(target, "rb") as file:
        data = bytearray(file.read())
    how = draw.choice(("structure", "structure", "structure", "bytes", "zeros", "copy", "end"))
    if how == "structure":
        start = draw.choice(_structures(bytes(data)))
        for _ in range(draw.randint(1, 4)):
            _flip(draw, data, min(start + draw.randrange(256), len(data) - 1))
    elif how == "bytes":
        for _ in range(draw.randint(1, 64)):
            _flip(draw, data, draw.randrange(len(data)))
    elif how == "end":
        del data[draw.randrange(len(data)):]
    else:
        length = draw.choice((8, 64, 512, 4096))
        at = draw.randrange(max(1, len(data) - length))
        other = draw.randrange(max(1, len(data) - length))
        data[at:at + length] = bytes(length) if how == "zeros" else data[other:other + length]
    with open(target, "wb") as file:
        file.write(data)
    return f"{source}, {how}"
