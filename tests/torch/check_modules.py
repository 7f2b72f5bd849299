# SPDX-License-Identifier: MIT
"""Loads exported models through the cytoforge_modules.py beside them and compares with what cytoforge computed (tests/saved/test_export.c).

    python check_modules.py FOLDER_OF_EXPORTS"""
import importlib.util
import os
import sys

import numpy
import torch

TOLERANCE = 1e-5  # of the largest value
N_CELLS = 12


def numbers(folder, name, *shape):
    values = numpy.fromfile(os.path.join(folder, name), dtype=numpy.float32)
    return torch.from_numpy(values.copy()).reshape(N_CELLS, -1) if not shape else torch.from_numpy(values.copy()).reshape(shape)


def compare(what, got, wanted):
    assert got.shape == wanted.shape, what
    assert torch.isfinite(got).all() and wanted.abs().max() > 0, what
    difference = float((got - wanted).abs().max() / wanted.abs().max())
    assert difference <= TOLERANCE, f"{what}: differs by {difference:.2g} of the largest value"
    return difference


def check(folder):
    spec = importlib.util.spec_from_file_location("cytoforge_modules", os.path.join(folder, "cytoforge_modules.py"))
    modules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(modules)
    model = modules.load(folder)
    latents = numbers(folder, "latents.bin")
    differences = [
        compare(f"{folder}: encode", model.encode(numbers(folder, "x.bin")), latents),
        compare(f"{folder}: decode", model.decode(latents), numbers(folder, "decoded.bin")),
    ]
    assert (model.denoiser is None) == (not os.path.exists(os.path.join(folder, "noise.bin")))
    if model.denoiser is None:
        return max(differences)
    x_t, t = numbers(folder, "x_t.bin"), numbers(folder, "t.bin", N_CELLS).long()
    conditions = model.facts["conditions"]
    codes = numbers(folder, "labels.bin", len(conditions), N_CELLS).long()
    labels = {name: [None if code < 0 else model.labels[name][code] for code in row] for name, row in zip(conditions, codes.tolist())}
    differences.append(compare(f"{folder}: denoise", model.denoise(x_t, t, labels), numbers(folder, "noise.bin")))
    for i, name in enumerate(model.labels):
        if os.path.exists(os.path.join(folder, f"logits_{i}.bin")):
            differences.append(compare(f"{folder}: classify {name}", model.classify(name, x_t, t), numbers(folder, f"logits_{i}.bin")))
    assert len(differences) == 3 + len(model.classifiers)
    return max(differences)


folders = sorted(entry.path for entry in os.scandir(sys.argv[1]))
assert len(folders) == 14, folders
worst = max(check(folder) for folder in folders)
print(f"{len(folders)} exports in PyTorch {torch.__version__}: differ by at most {worst:.2g} of the largest value (tolerance {TOLERANCE:g})")
