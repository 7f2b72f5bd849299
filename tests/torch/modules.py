# SPDX-License-Identifier: MIT
"""The published architecture as torch modules, written for these tests: SCimilarity's autoencoder, scDiffusion's denoiser and classifier.
Tensor names are those of the published state dicts."""
import math

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, n_genes, hidden, latent):
        super().__init__()
        self.network = nn.ModuleList()
        for before, width in zip([n_genes] + hidden[:-1], hidden):
            self.network.append(nn.Sequential(nn.Dropout(0.0), nn.Linear(before, width), nn.BatchNorm1d(width), nn.PReLU()))
        self.network.append(nn.Linear(hidden[-1], latent))

    def forward(self, x):
        for layer in self.network:
            x = layer(x)
        return nn.functional.normalize(x, p=2, dim=1)


class Decoder(nn.Module):
    def __init__(self, n_genes, hidden, latent):
        super().__init__()
        widths = hidden[::-1]
        self.network = nn.ModuleList()
        for i, (before, width) in enumerate(zip([latent] + widths[:-1], widths)):
            block = [nn.Linear(before, width), nn.BatchNorm1d(width), nn.PReLU()]
            self.network.append(nn.Sequential(*block) if i == 0 else nn.Sequential(nn.Dropout(0.0), *block))
        self.network.append(nn.Linear(widths[-1], n_genes))

    def forward(self, x):
        for layer in self.network:
            x = layer(x)
        return x


class Autoencoder(nn.Module):
    def __init__(self, n_genes, hidden, latent):
        super().__init__()
        self.encoder = Encoder(n_genes, hidden, latent)
        self.decoder = Decoder(n_genes, hidden, latent)


def sinusoid(t, width):
    half = width // 2
    angles = t[:, None].double() * torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float64) / half)
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)


class TimeEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t):
        return self.time_embed(sinusoid(t, self.width).to(self.time_embed[0].weight.dtype))


class Block(nn.Module):
    def __init__(self, before, width, time_width):
        super().__init__()
        self.fc = nn.Linear(before, width)
        self.norm = nn.LayerNorm(width)
        self.emb_layer = nn.Sequential(nn.SiLU(), nn.Linear(time_width, width))

    def forward(self, x, time):
        return nn.functional.silu(self.norm(self.fc(x) + self.emb_layer(time)))


class Denoiser(nn.Module):
    def __init__(self, latent, hidden):
        super().__init__()
        self.time_embedding = TimeEmbedding(hidden[0])
        self.layers = nn.ModuleList(Block(a, b, hidden[0]) for a, b in zip([latent] + hidden[:-1], hidden))
        up = hidden[::-1]
        self.reverse_layers = nn.ModuleList(Block(a, b, hidden[0]) for a, b in zip(up[:-1], up[1:]))
        self.out1 = nn.Linear(hidden[0], 2 * hidden[1])
        self.norm_out = nn.LayerNorm(2 * hidden[1])
        self.out2 = nn.Linear(2 * hidden[1], latent)

    def forward(self, x, t):
        time = self.time_embedding(t)
        skips = []
        for layer in self.layers:
            x = layer(x, time)
            skips.append(x)
        skips.pop()
        for layer in self.reverse_layers:
            x = layer(x, time) + skips.pop()
        return self.out2(nn.functional.silu(self.norm_out(self.out1(x))))


class Classifier(nn.Module):
    def __init__(self, latent, hidden, n_classes):
        super().__init__()
        self.width = hidden[0]
        self.time_embed = nn.Sequential(nn.Linear(hidden[0], hidden[0]), nn.SiLU(), nn.Linear(hidden[0], hidden[0]))
        for i, (before, width) in enumerate(zip([latent] + hidden[:-1], hidden)):
            setattr(self, f"fc{i + 1}", nn.Linear(before, width))
            setattr(self, f"emb_layers{i + 1}", nn.Sequential(nn.SiLU(), nn.Linear(hidden[0], width)))
            setattr(self, f"norm{i + 1}", nn.BatchNorm1d(width))
        self.out = nn.Linear(hidden[-1], n_classes)

    def forward(self, x, t):
        time = self.time_embed(sinusoid(t, self.width).to(x.dtype))
        x = nn.functional.silu(self.norm1(self.fc1(x) + self.emb_layers1(time)))
        x = nn.functional.silu(self.norm2(self.fc2(x) + self.emb_layers2(time)))
        x = nn.functional.silu(self.norm3(self.fc3(x)))
        return self.out(x)


class Whole(nn.Module):
    """All modules in one, as `export --format safetensors` names them."""

    def __init__(self, autoencoder, denoiser, classifiers):
        super().__init__()
        self.autoencoder = autoencoder
        self.denoiser = denoiser
        self.classifiers = nn.ModuleList(classifiers)


def randomize(module, generator):
    """Random weights of every tensor, also those that PyTorch starts at 0 or 1, and statistics as after a training run."""
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(int(torch.randint(1, 200000, (1,), generator=generator)))
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.dim() == 2:
            tensor.copy_(noise * 1.4 / math.sqrt(tensor.shape[1]))
        elif name.endswith("bias") or name.endswith("running_mean"):
            tensor.copy_(0.3 * noise)
        else:  # scales of norms, slopes of PReLU
            tensor.copy_((1 if tensor.numel() > 1 else 0.25) + 0.2 * noise)
    return module.eval()
