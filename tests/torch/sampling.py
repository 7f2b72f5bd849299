# SPDX-License-Identifier: MIT
"""Deterministic DDIM (Song et al. 2021, eta 0) in torch, in double, from cytoforge's own start noise (src/base/rng.h)."""
import math

import numpy as np
import torch

MASK = 0xFFFFFFFF
PURPOSE_START = 8


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., SC11)."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k0, b & MASK, (a >> 32) ^ c[3] ^ k1, a & MASK]
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c


def start_noise(seed, n_cells, latent):
    key = philox((PURPOSE_START, 0, 0, 0), (seed & MASK, seed >> 32))[:2]
    x = np.empty((n_cells, (latent + 3) // 4 * 4))
    for cell in range(n_cells):
        for block in range((latent + 3) // 4):
            words = philox((block, 0, cell & MASK, cell >> 32), key)
            for pair in (0, 2):
                u, v = ((word + 0.5) / 2**32 for word in words[pair : pair + 2])
                radius = math.sqrt(-2 * math.log(u))
                x[cell, 4 * block + pair] = radius * math.cos(2 * math.pi * v)
                x[cell, 4 * block + pair + 1] = radius * math.sin(2 * math.pi * v)
    return torch.from_numpy(x[:, :latent].astype(np.float32).astype(np.float64))


def ddim(denoiser, x, n_steps, classifier=None, label=0, weight=0.0, guide_below=500, n_train=1000):
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, n_train, dtype=torch.float64), 0)
    stride = (n_train - 1) / (n_steps - 1)
    times = [round(i * stride) for i in range(n_steps)]
    n = x.shape[0]
    for i in reversed(range(n_steps)):
        t = torch.full((n,), times[i])
        now = alpha_bar[times[i]]
        before = alpha_bar[times[i - 1]] if i > 0 else torch.tensor(1.0, dtype=torch.float64)
        with torch.no_grad():
            eps = denoiser(x, t)
        if classifier is not None and times[i] < guide_below:
            at = x.detach().requires_grad_(True)
            log_p = torch.log_softmax(classifier(at, t), 1)[:, label].sum()
            eps = eps - torch.sqrt(1 - now) * weight * torch.autograd.grad(log_p, at)[0]
        x0 = (x - torch.sqrt(1 - now) * eps) / torch.sqrt(now)
        x = torch.sqrt(before) * x0 + torch.sqrt(1 - before) * eps
    return x
