# SPDX-License-Identifier: MIT
"""Loads what `cytoforge export` wrote into the torch modules with strict=True and compares every tensor bit for bit with the checkpoints it came
from.

    python check_export.py FIXTURES EXPORTED"""
import json
import struct
import sys

import torch

import shapes as shapes_file
from modules import Whole

fixtures, exported = sys.argv[1:]
KINDS = {"F32": torch.float32, "I64": torch.int64}


def load_file(path):
    """What safetensors.torch.load_file does, so that the test needs torch alone."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    assert header.pop("__metadata__")["format"] == "pt"
    end = 0
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        assert first == end, "the numbers must lie without gaps"
        end = last
        tensors[name] = torch.frombuffer(data[first:last], dtype=KINDS[entry["dtype"]]).reshape(entry["shape"])
    assert end == len(data)
    return tensors


def same(module, checkpoint):
    wanted = torch.load(f"{fixtures}/{checkpoint}")
    got = module.state_dict()
    assert list(got) == list(wanted)
    for name, value in wanted.items():
        assert got[name].dtype == value.dtype and torch.equal(got[name], value), name


checkpoints = ("autoencoder.pt", "denoiser.pt", "classifier.pt")
each = shapes_file.modules(shapes_file.read(fixtures))
for module, stem, checkpoint in zip(each, ("autoencoder", "denoiser", "classifier_0"), checkpoints):
    module.load_state_dict(load_file(f"{exported}/names/{stem}.safetensors"), strict=True)
    same(module, checkpoint)
autoencoder, denoiser, classifier = shapes_file.modules(shapes_file.read(fixtures))
Whole(autoencoder, denoiser, [classifier]).load_state_dict(load_file(f"{exported}/one/model.safetensors"), strict=True)
for module, checkpoint in zip((autoencoder, denoiser, classifier), checkpoints):
    same(module, checkpoint)
try:
    from safetensors.torch import load_file as stock
except ImportError:
    print("note: no safetensors package; its own reader was not tried")
else:
    assert set(stock(f"{exported}/one/model.safetensors")) == set(load_file(f"{exported}/one/model.safetensors"))
print("exported files load with strict=True, bit for bit")
