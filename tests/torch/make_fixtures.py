# SPDX-License-Identifier: MIT
"""Writes checkpoints of random models in every form that is read, and what torch computes from them.

    python make_fixtures.py FOLDER [SEED [SCALE]]

Stored in tests/torch/fixtures with seed 1 and scale 1; `make test` makes fresh ones where torch is to be had."""
import io
import math
import os
import sys
import zipfile

import torch

import sampling
import shapes as shapes_file
from modules import Denoiser, randomize

folder = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
scale = int(sys.argv[3]) if len(sys.argv) > 3 else 1
generator = torch.Generator().manual_seed(seed)
os.makedirs(f"{folder}/scimilarity", exist_ok=True)
shapes = {
    "genes": [50 * scale],
    "hidden": [24 * scale, 20 * scale, 16 * scale],
    "latent": [8 * scale],
    "denoiser": [32 * scale, 24 * scale, 16 * scale, 8 * scale],
    "classifier": [16 * scale, 16 * scale, 12 * scale],
    "classes": [5],
    "cells": [12],
    "sampled": [10],
    "steps": [20],
    "seed": [7],
    "label": [3],
}
shapes_file.write(folder, shapes)
n_genes, n_cells = shapes["genes"][0], shapes["cells"][0]


def path(name):
    return f"{folder}/{name}"


def write_floats(name, values):
    values.detach().to(torch.float32).contiguous().numpy().tofile(path(name))


def save_archive(state, name, **entries):
    """The other layout: the folder is "archive" (as from a file object), with entries that later versions of PyTorch add."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path(name), "w", zipfile.ZIP_STORED) as new:
        assert old.namelist()[0].startswith("archive/")
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        for entry, text in entries.items():
            if "archive/" + entry not in old.namelist():
                new.writestr("archive/" + entry, text)


def cast(state, dtype):
    return type(state)((k, v.to(dtype) if v.is_floating_point() else v) for k, v in state.items())


def strided(state):
    """Every matrix a transposed view, every vector a slice of a storage that they all share."""
    vectors = [k for k, v in state.items() if v.dim() == 1]
    shared = torch.full((sum(state[k].numel() for k in vectors) + 3,), -1e9, dtype=torch.float64)
    out, at = type(state)(), 3
    for k, v in state.items():
        v = v.to(torch.float64) if v.is_floating_point() else v
        if v.dim() == 2:
            v = v.t().contiguous().t()
        elif v.dim() == 1:
            shared[at : at + v.numel()] = v
            v = shared[at : at + v.numel()]
            at += v.numel()
        out[k] = v
    return out


autoencoder, denoiser, classifier = (randomize(m, generator) for m in shapes_file.modules(shapes))
state = autoencoder.state_dict()

# Both layouts of the archive, and every kind of number.
torch.save(state, path("autoencoder.pt"))
save_archive(state, "autoencoder_archive.pt", **{"byteorder": "little", ".data/serialization_id": "0123456789"})
torch.save({"state_dict": cast(state, torch.float16), "epoch": 3, "name": "half", "rate": 1e-4, "best": None, "done": True,
            "history": [1.5, {"loss": 2}]}, path("autoencoder_float16.pt"))
save_archive(cast(state, torch.bfloat16), "autoencoder_bfloat16.pt")
torch.save(strided(state), path("autoencoder_strided.pt"))
torch.save({k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in state.items()}, path("autoencoder_parameters.pt"))
for name, kind in (("float32", torch.float32), ("float16", torch.float16), ("bfloat16", torch.bfloat16)):
    write_floats(f"autoencoder_{name}.bin", torch.cat([v.to(kind).float().reshape(-1) if v.is_floating_point() else v.float().reshape(-1)
                                                      for v in state.values()]))
torch.save(denoiser.state_dict(), path("denoiser.pt"))
save_archive(classifier.state_dict(), "classifier.pt", **{".data/serialization_id": "42", ".format_version": "1", ".storage_alignment": "64"})
torch.save({"state_dict": autoencoder.encoder.state_dict()}, path("scimilarity/encoder.ckpt"))
torch.save({"state_dict": autoencoder.decoder.state_dict()}, path("scimilarity/decoder.ckpt"))

torch.save(randomize(Denoiser(shapes["latent"][0] + 1, [4, 4]), generator).state_dict(), path("denoiser_other.pt"))

diverged = randomize(Denoiser(shapes["latent"][0], [4, 4]), generator).state_dict()
diverged["out2.bias"][0] = math.nan
torch.save(diverged, path("denoiser_diverged.pt"))

# What is refused: the old format, a whole module, something that would run a command.
torch.save({"weight": torch.ones(2)}, path("legacy.pt"), _use_new_zipfile_serialization=False)
torch.save(torch.nn.Linear(2, 2), path("module.pt"))


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


torch.save({"weight": torch.ones(2), "evil": Evil()}, path("evil.pt"))

with open(path("scimilarity/gene_order.tsv"), "w") as file:
    file.writelines(f"GENE{i}\n" for i in range(n_genes))
with open(path("labels.txt"), "w") as file:
    file.writelines(f"type {i}/é\n" for i in range(shapes["classes"][0]))

# What torch computes, in double.
for module in (autoencoder, denoiser, classifier):
    module.double()
counts = torch.poisson(torch.relu(torch.randn(n_cells, n_genes, generator=generator) * 3), generator=generator)
counts[:, 0] += 1
expression = torch.log1p(counts.double() / counts.double().sum(1, keepdim=True) * 1e4)
with torch.no_grad():
    latent = autoencoder.encoder(expression)
    decoded = torch.relu(autoencoder.decoder(latent))
noise = sampling.start_noise(shapes["seed"][0], shapes["sampled"][0], shapes["latent"][0])
plain = sampling.ddim(denoiser, noise, shapes["steps"][0])
guided = sampling.ddim(denoiser, noise, shapes["steps"][0], classifier, shapes["label"][0], 2.0)
assert math.isfinite(plain.abs().max()) and (plain - guided).abs().max() > 1e-2
write_floats("counts.bin", counts)
write_floats("latent.bin", latent)
write_floats("decoded.bin", decoded)
for name, x in (("plain", plain), ("guided", guided)):
    write_floats(f"{name}_latent.bin", x)
    with torch.no_grad():
        write_floats(f"{name}_decoded.bin", torch.relu(autoencoder.decoder(x)))
print(f"fixtures in {folder}: largest sampled latent {plain.abs().max():.3g}, guidance moves it by {(plain - guided).abs().max():.3g}")
