# SPDX-License-Identifier: MIT
"""Training steps of the same architectures in PyTorch on one GPU: bf16 autocast, fused AdamW, torch.compile where it works; one JSON object a line.

The batch of the autoencoder is dense in the GPU's memory, made there once, as cytoforge's `bench train` makes its sparse one."""
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

GENES, EXPRESSED, LATENT, STEPS, WARM = 28231, 1500, 128, 30, 5


class Coder(nn.Module):
    def __init__(self, widths):
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:]))
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.norm = nn.ModuleList(nn.BatchNorm1d(b) for _, b in pairs[:-1])
        self.slope = nn.ModuleList(nn.PReLU() for _ in pairs[:-1])

    def forward(self, x):
        for linear, norm, slope in zip(self.linear, self.norm, self.slope):
            x = slope(norm(linear(x)))
        return self.linear[-1](x)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [GENES, 1024, 1024, 1024, LATENT]
        self.encoder, self.decoder = Coder(widths), Coder(widths[::-1])

    def loss(self, x):
        return F.mse_loss(self.decoder(F.normalize(self.encoder(x))).float(), x)


class Block(nn.Module):
    def __init__(self, width_in, width_out, width_time):
        super().__init__()
        self.fc, self.time = nn.Linear(width_in, width_out), nn.Linear(width_time, width_out)
        self.norm = nn.LayerNorm(width_out)

    def forward(self, x, time):
        return F.silu(self.norm(self.fc(x) + self.time(F.silu(time))))


def sinusoid(t, width):
    rates = torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(width // 2, device=t.device) / (width // 2))
    angle = t[:, None].float() * rates[None]
    return torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)


class Denoiser(nn.Module):
    def __init__(self, hidden=(512, 512, 256, 128)):
        super().__init__()
        self.width = hidden[0]
        self.time = nn.Sequential(nn.Linear(self.width, self.width), nn.SiLU(), nn.Linear(self.width, self.width))
        down = [LATENT, *hidden]
        up = list(hidden[::-1])
        self.down = nn.ModuleList(Block(a, b, self.width) for a, b in zip(down[:-1], down[1:]))
        self.up = nn.ModuleList(Block(a, b, self.width) for a, b in zip(up[:-1], up[1:]))
        self.wide, self.norm = nn.Linear(hidden[0], 2 * hidden[1]), nn.LayerNorm(2 * hidden[1])
        self.out = nn.Linear(2 * hidden[1], LATENT)

    def loss(self, x, t, noise):
        time, kept = self.time(sinusoid(t, self.width)), []
        for block in self.down:
            x = block(x, time)
            kept.append(x)
        kept.pop()
        for block in self.up:
            x = block(x, time) + kept.pop()
        return F.mse_loss(self.out(F.silu(self.norm(self.wide(x)))).float(), noise)


class Classifier(nn.Module):
    def __init__(self, n_classes=20, hidden=(512, 512, 256)):
        super().__init__()
        self.width = hidden[0]
        widths = [LATENT, *hidden]
        self.time = nn.Sequential(nn.Linear(self.width, self.width), nn.SiLU(), nn.Linear(self.width, self.width))
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:]))
        self.add = nn.ModuleList(nn.Linear(self.width, b) for b in hidden[:2])
        self.norm = nn.ModuleList(nn.BatchNorm1d(b) for b in hidden)
        self.out = nn.Linear(hidden[-1], n_classes)

    def loss(self, x, t, label):
        time = F.silu(self.time(sinusoid(t, self.width)))
        for i, (fc, norm) in enumerate(zip(self.fc, self.norm)):
            x = fc(x) + self.add[i](time) if i < 2 else fc(x)
            x = F.silu(norm(x))
        return F.cross_entropy(self.out(x).float(), label)


def batch_of(stage, n):
    if stage == "autoencoder":
        x = torch.zeros(n, GENES, device="cuda")
        for rows in torch.arange(n, device="cuda").split(512):
            where = torch.rand(len(rows), GENES, device="cuda").topk(EXPRESSED, dim=1).indices
            x[rows[:, None], where] = 0.5 + 3 * torch.rand(len(rows), EXPRESSED, device="cuda")
        return (x,)
    x, t = torch.randn(n, LATENT, device="cuda"), torch.randint(1000, (n,), device="cuda")
    return (x, t, torch.randn_like(x)) if stage == "denoiser" else (x, t, torch.randint(20, (n,), device="cuda"))


def measure(stage, model, n, compiled):
    torch.manual_seed(0)
    model = model.cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    batch, loss_of = batch_of(stage, n), torch.compile(model.loss) if compiled else model.loss
    seconds = []
    for i in range(WARM + STEPS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        torch.cuda.synchronize()
        if i >= WARM:
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    return {"stage": stage, "compiled": compiled, "batch_cells": n, "step_median_s": median, "cells_per_s": n / median, "loss": loss.item(),
            "torch": torch.__version__, "device": torch.cuda.get_device_name()}


def main():
    torch.backends.cuda.matmul.allow_tf32 = True
    stages = (("autoencoder", Autoencoder), ("denoiser", Denoiser), ("classifier", Classifier))
    for compiled in (False, True):  # what needs no compiler first
        for stage, make in stages:
            try:
                print(json.dumps(measure(stage, make(), 8192, compiled)), flush=True)
            except Exception as error:
                if not compiled:
                    raise
                print(json.dumps({"stage": stage, "compiled": True, "error": str(error)[:300]}), flush=True)


if __name__ == "__main__":
    main()
