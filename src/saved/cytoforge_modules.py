# SPDX-License-Identifier: MIT
"""Loads what `cytoforge export` wrote and runs it with PyTorch, which is all that this file needs.

    from cytoforge_modules import load
    model = load("weights")                        # the folder, of either format
    latents = model.encode(log_normalise(counts))  # float tensors [cells, genes], genes in the order of model.genes
    cells = model.decode(latents)                  # log-normalised
    noise = model.denoise(x_t, t, {"cell_type": ["B cell", None]})
    logits = model.classify("cell_type", x_t, t)

Modules have the tensor names of the published scDiffusion and SCimilarity state dicts. Models of counts have more, and so
have denoisers with conditions. Everything runs as in evaluation: batch norms use their running statistics.
"""

import json
import math
import os
import struct

import torch
from torch import nn
from torch.nn import functional

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
NORMALISED_TOTAL = 1e4
_VERSION = 1


def read_safetensors(path):
    """Tensors by name, and the texts under __metadata__."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    texts = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        kind = _TYPES[entry["dtype"]]
        if first == last:
            tensors[name] = torch.empty(entry["shape"], dtype=kind)
        else:
            tensors[name] = torch.frombuffer(data[first:last], dtype=kind).reshape(entry["shape"])
    return tensors, texts


def log_normalise(counts, totals=None):
    """log1p(count / total * 10^4); totals [cells] are the sums over these genes unless they are given."""
    totals = counts.sum(dim=1) if totals is None else totals
    return torch.log1p(counts / totals.clamp(min=1e-30)[:, None] * NORMALISED_TOTAL)


class Encoder(nn.Module):
    """Blocks of Linear, BatchNorm1d, PReLU, then a Linear; the output has unit length."""

    def __init__(self, n_genes, hidden, latent):
        super().__init__()
        blocks = [
            nn.Sequential(nn.Dropout(0.0), nn.Linear(before, width), nn.BatchNorm1d(width), nn.PReLU())
            for before, width in zip([n_genes] + hidden[:-1], hidden)
        ]
        self.network = nn.ModuleList(blocks + [nn.Linear(hidden[-1], latent)])

    def forward(self, x):
        for layer in self.network:
            x = layer(x)
        return functional.normalize(x, dim=1)


class Decoder(nn.Module):
    """The encoder's mirror image; its first block has no dropout in front."""

    def __init__(self, n_genes, hidden, latent):
        super().__init__()
        widths = hidden[::-1]
        self.network = nn.ModuleList()
        for i, (before, width) in enumerate(zip([latent] + widths[:-1], widths)):
            layers = [nn.Linear(before, width), nn.BatchNorm1d(width), nn.PReLU()]
            self.network.append(nn.Sequential(*(layers if i == 0 else [nn.Dropout(0.0)] + layers)))
        self.network.append(nn.Linear(widths[-1], n_genes))

    def hidden(self, x):
        """The last hidden layer."""
        for layer in self.network[:-1]:
            x = layer(x)
        return x

    def forward(self, x):
        return self.network[-1](self.hidden(x))


class Dispersion(nn.Module):
    """log_theta: the logarithm of each gene's inverse dispersion."""

    def __init__(self, n_genes):
        super().__init__()
        self.log_theta = nn.Parameter(torch.zeros(n_genes))


class Autoencoder(nn.Module):
    """counts: a model of counts, whose decoder gives the logarithms of shares, up to a constant."""

    def __init__(self, n_genes, hidden, latent, counts=False):
        super().__init__()
        self.counts = counts
        self.encoder = Encoder(n_genes, hidden, latent)
        self.decoder = Decoder(n_genes, hidden, latent)
        if counts:
            self.library = nn.Linear(hidden[0], 2)
            self.dispersion = Dispersion(n_genes)

    def encode(self, x):
        """[cells, genes], log-normalised, to latents of unit length."""
        return self.encoder(x)

    def decode(self, latents):
        """Log-normalised expression; of a model of counts that of the expected counts."""
        y = self.decoder(latents)
        return torch.log1p(NORMALISED_TOTAL * torch.softmax(y, dim=1)) if self.counts else torch.relu(y)

    def count_parameters(self, latents):
        """Of a model of counts: each gene's share [cells, genes], its inverse dispersion [genes], and mean and
        deviation [cells] of the logarithm of a cell's total."""
        hidden = self.decoder.hidden(latents)
        shares = torch.softmax(self.decoder.network[-1](hidden), dim=1)
        library = self.library(hidden)
        return shares, self.dispersion.log_theta.exp(), library[:, 0], library[:, 1].exp()


def timestep_embedding(t, width):
    """Cosines, then sines, of the timesteps; computed in float64."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float64, device=t.device) / half)
    angles = t[:, None].double() * frequencies
    embedding = torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)
    return functional.pad(embedding, (0, width - 2 * half))


def _time_layers(width):
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))


class TimeEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.time_embed = _time_layers(width)

    def forward(self, t):
        return self.time_embed(timestep_embedding(t, self.width).to(self.time_embed[0].weight.dtype))


class Block(nn.Module):
    """Linear(x) + Linear(SiLU(time)) + a row of a table for each condition, LayerNorm, SiLU."""

    def __init__(self, before, width, time_width, n_classes):
        super().__init__()
        self.fc = nn.Linear(before, width)
        self.norm = nn.LayerNorm(width)
        self.emb_layer = nn.Sequential(nn.SiLU(), nn.Linear(time_width, width))
        if n_classes:
            self.label_layer = nn.ModuleList(nn.Embedding(n + 1, width) for n in n_classes)

    def forward(self, x, time, rows):
        z = self.fc(x) + self.emb_layer(time)
        for k in range(rows.shape[0]):
            z = z + self.label_layer[k](rows[k])
        return functional.silu(self.norm(z))


class Denoiser(nn.Module):
    """The noise in x_t. n_classes: classes of each condition."""

    def __init__(self, latent, hidden, n_classes=()):
        super().__init__()
        self.n_classes = list(n_classes)
        self.time_embedding = TimeEmbedding(hidden[0])
        self.layers = nn.ModuleList(
            Block(before, width, hidden[0], n_classes) for before, width in zip([latent] + hidden[:-1], hidden)
        )
        up = hidden[::-1]
        self.reverse_layers = nn.ModuleList(
            Block(before, width, hidden[0], n_classes) for before, width in zip(up[:-1], up[1:])
        )
        self.out1 = nn.Linear(hidden[0], 2 * hidden[1])
        self.norm_out = nn.LayerNorm(2 * hidden[1])
        self.out2 = nn.Linear(2 * hidden[1], latent)

    def forward(self, x, t, labels=None):
        """x [cells, latent], t [cells], labels [conditions, cells]: codes, -1 for a cell that has none."""
        none = torch.tensor(self.n_classes, dtype=torch.int64, device=x.device)[:, None].expand(-1, x.shape[0])
        rows = none if labels is None else torch.where(labels < 0, none, labels)
        time = self.time_embedding(t)
        skips = []
        for layer in self.layers:
            x = layer(x, time, rows)
            skips.append(x)
        skips.pop()
        for layer in self.reverse_layers:
            x = layer(x, time, rows) + skips.pop()
        return self.out2(functional.silu(self.norm_out(self.out1(x))))


class Classifier(nn.Module):
    """Logits of noisy latents. emb_layers3 is kept for the names' sake; nothing uses it."""

    def __init__(self, latent, hidden, n_classes):
        super().__init__()
        self.width = hidden[0]
        self.time_embed = _time_layers(hidden[0])
        for i, (before, width) in enumerate(zip([latent] + hidden[:-1], hidden)):
            setattr(self, f"fc{i + 1}", nn.Linear(before, width))
            setattr(self, f"emb_layers{i + 1}", nn.Sequential(nn.SiLU(), nn.Linear(hidden[0], width)))
            setattr(self, f"norm{i + 1}", nn.BatchNorm1d(width))
        self.out = nn.Linear(hidden[-1], n_classes)

    def forward(self, x, t):
        time = self.time_embed(timestep_embedding(t, self.width).to(x.dtype))
        x = functional.silu(self.norm1(self.fc1(x) + self.emb_layers1(time)))
        x = functional.silu(self.norm2(self.fc2(x) + self.emb_layers2(time)))
        x = functional.silu(self.norm3(self.fc3(x)))
        return self.out(x)


def _widths(tensors, name):
    """Rows of NAME with 0, 1, 2, ... in it, as long as there are such tensors."""
    widths = []
    while name.format(len(widths)) in tensors:
        widths.append(tensors[name.format(len(widths))].shape[0])
    return widths


def make_autoencoder(tensors):
    hidden = _widths(tensors, "encoder.network.{}.1.weight")
    n_genes = tensors["encoder.network.0.1.weight"].shape[1]
    latent = tensors[f"encoder.network.{len(hidden)}.weight"].shape[0]
    return _filled(Autoencoder(n_genes, hidden, latent, "dispersion.log_theta" in tensors), tensors)


def make_denoiser(tensors):
    hidden = _widths(tensors, "layers.{}.fc.weight")
    n_classes = [rows - 1 for rows in _widths(tensors, "layers.0.label_layer.{}.weight")]
    return _filled(Denoiser(tensors["layers.0.fc.weight"].shape[1], hidden, n_classes), tensors)


def make_classifier(tensors):
    hidden = [tensors[f"fc{i}.weight"].shape[0] for i in (1, 2, 3)]
    latent = tensors["fc1.weight"].shape[1]
    return _filled(Classifier(latent, hidden, tensors["out.weight"].shape[0]), tensors)


def _filled(module, tensors):
    module.load_state_dict(tensors, strict=True)
    return module.eval().requires_grad_(False)


class Model(nn.Module):
    """A whole model. facts: what the export says of it; classifiers: by the attribute's place, as text."""

    def __init__(self, facts, autoencoder, denoiser, classifiers):
        super().__init__()
        self.facts = facts
        self.genes = facts["genes"]
        self.labels = {attribute["name"]: attribute["categories"] for attribute in facts["attributes"]}
        self.latent_scale = float(facts["latent_scale"])  # latents are multiplied by it before noise is added
        self.autoencoder = autoencoder
        self.denoiser = denoiser
        self.classifiers = nn.ModuleDict(classifiers)

    def encode(self, x):
        """[cells, genes], log-normalised (log_normalise does that to counts), to latents of unit length."""
        return self.autoencoder.encode(x)

    def decode(self, latents):
        """Latents, not scaled, to log-normalised expression."""
        return self.autoencoder.decode(latents)

    def denoise(self, x_t, t, labels=None):
        """The noise in scaled, noisy latents x_t at timesteps t [cells]. labels: for a condition's name a list of
        labels, None for a cell that has none; conditions that are left out are unknown for every cell."""
        given = dict(labels or {})
        codes = []
        for name in self.facts["conditions"]:
            known = {label: code for code, label in enumerate(self.labels[name])}
            known[None] = -1
            codes.append([known[label] for label in given.pop(name, [None] * x_t.shape[0])])
        if given:
            raise KeyError(f"not told to the denoiser: {', '.join(given)}")
        rows = torch.tensor(codes, dtype=torch.int64, device=x_t.device).reshape(len(codes), x_t.shape[0])
        return self.denoiser(x_t, t, rows)

    def classify(self, attribute, x_t, t):
        """Logits over labels[attribute] of scaled, noisy latents."""
        return self.classifiers[str(list(self.labels).index(attribute))](x_t, t)


def _module_tensors(folder, stem, prefix):
    """One module's tensors and its file's texts, from a file of its own or from the one of all."""
    whole = os.path.join(folder, "model.safetensors")
    if not os.path.exists(whole):
        return read_safetensors(os.path.join(folder, f"{stem}.safetensors"))
    tensors, texts = read_safetensors(whole)
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}, texts


def load(folder):
    """The model of an export's folder."""
    tensors, texts = _module_tensors(folder, "autoencoder", "autoencoder.")
    facts = json.loads(texts["cytoforge"])
    if facts["version"] != _VERSION:
        raise ValueError(f"{folder}: version {facts['version']} of an export; this file reads {_VERSION}")
    autoencoder = make_autoencoder(tensors)
    denoiser = None
    if facts["denoiser"]:
        denoiser = make_denoiser(_module_tensors(folder, "denoiser", "denoiser.")[0])
    classifiers = {
        str(i): make_classifier(_module_tensors(folder, f"classifier_{i}", f"classifiers.{i}.")[0])
        for i, attribute in enumerate(facts["attributes"])
        if attribute["classifier"]
    }
    return Model(facts, autoencoder, denoiser, classifiers)
