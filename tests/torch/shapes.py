# SPDX-License-Identifier: MIT
"""Reads and makes the shapes file that make_fixtures.py, check_export.py and the C test share: lines of `key number...`."""
from modules import Autoencoder, Classifier, Denoiser


def read(folder):
    with open(f"{folder}/shapes.txt") as file:
        lines = [line.split() for line in file]
    return {words[0]: [int(w) for w in words[1:]] for words in lines}


def write(folder, shapes):
    with open(f"{folder}/shapes.txt", "w") as file:
        for key, numbers in shapes.items():
            print(key, *numbers, file=file)


def modules(shapes):
    latent = shapes["latent"][0]
    return (
        Autoencoder(shapes["genes"][0], shapes["hidden"], latent),
        Denoiser(latent, shapes["denoiser"]),
        Classifier(latent, shapes["classifier"], shapes["classes"][0]),
    )
