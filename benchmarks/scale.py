# SPDX-License-Identifier: MIT
"""The phases of scale.sh, and its tables."""
import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import machine

GENES = 28231
ATLAS_CELLS = 22_700_000
CELLS_A_FILE = 100_000
# Bytes a cell while prepare runs, at 1,500 expressed genes: input (4 bytes a value), what is on the way to the shards, the shards; later the latents.
NEED_A_CELL = 3 * 6100 + 600
TRAIN_STEPS, TRAIN_BATCH = 4, 256
SETTINGS = ["data.validation=0", f"autoencoder.steps={TRAIN_STEPS}", f"autoencoder.batch_cells={TRAIN_BATCH}", "latents.type=float16"]


def folder_bytes(path):
    return sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(path) for name in names)


class Run:
    def __init__(self, a, n_cells):
        self.a, self.n_cells, self.folder = a, n_cells, os.path.join(a.folder, str(n_cells))
        self.phases = {}

    def at(self, name):
        return os.path.join(self.folder, name)

    def phase(self, name, arguments, made=None, cells=None):
        """One command on all ranks; returns what it printed."""
        notes = self.at("notes")
        shutil.rmtree(notes, ignore_errors=True)
        os.makedirs(notes)
        here = os.path.dirname(os.path.abspath(__file__))
        command = ["mpirun", "-n", str(self.a.ranks), sys.executable, os.path.join(here, "rank.py"), notes, self.a.cytoforge, *arguments]
        print(f"== {self.n_cells} cells: {name}", flush=True)
        start = time.monotonic()
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds = time.monotonic() - start
        ranks = []
        for path in glob.glob(os.path.join(notes, "rank-*.json")):
            with open(path) as file:
                ranks.append(json.load(file))
        self.phases[name] = {
            "seconds": seconds,
            "cells_per_s": (cells or self.n_cells) / seconds,
            "cores_busy": sum(r["cpu_seconds"] for r in ranks) / seconds,
            "disk_read_bytes": sum(r["disk_read_bytes"] for r in ranks),
            "disk_written_bytes": sum(r["disk_written_bytes"] for r in ranks),
            "made_bytes": folder_bytes(made) if made else 0,
            "peak_memory_bytes": max(r["peak_memory_bytes"] for r in ranks),
        }
        return output

    def stream(self, name, options):
        """An epoch of the loader; its own clock counts, since the command also reads the files plainly to compare."""
        result = json.loads(self.phase(name, ["bench", "loader", "--data", self.at("atlas"), "--batch", "4096", "--epochs", "1", "--json", *options]))
        result.pop("atlas", None)  # a path of this machine
        if result["n_cells"] != self.n_cells:
            sys.exit(f"scale: an epoch streamed {result['n_cells']} of {self.n_cells} cells")
        self.phases[name].update(seconds=result["seconds"], cells_per_s=result["cells_per_s"], loader=result)
        self.phases[name].pop("cores_busy")

    def all(self):
        os.makedirs(self.folder)
        files = max(self.a.ranks, -(-self.n_cells // CELLS_A_FILE))
        shape = ["--cells", str(self.n_cells), "--genes", str(GENES), "--types", "30", "--donors", "20", "--counts", "3000", "--expressed", "0.053"]
        self.phase("simulate", ["synth", "-o", self.at("input"), "--files", str(files), "--compact", *shape], self.at("input"))
        inputs = sorted(glob.glob(os.path.join(self.at("input"), "*.h5ad")))
        self.phase("prepare", ["prepare", *inputs, "-o", self.at("atlas"), "--label", "cell_type", "--label", "donor", "--min-genes", "0",
                               "--min-cells", "0", *self.a.prepare_options.split()], self.at("atlas"))
        shutil.rmtree(self.at("input"))
        self.stream("stream an epoch, cold", ["--cold"])
        self.stream("stream an epoch, warm", [])
        train = ["train", "--data", self.at("atlas"), "--out", self.at("run"), *(word for key in SETTINGS for word in ("--set", key))]
        self.phase(f"train {TRAIN_STEPS} steps", [*train, "--stage", "autoencoder"], cells=TRAIN_STEPS * TRAIN_BATCH)
        self.phase("encode", [*train, "--stage", "encode"], self.at("run/latents"))
        shutil.rmtree(self.folder)
        return {"n_cells": self.n_cells, "files": files, "phases": self.phases}


def bound(phase, m):
    """What a phase waits for, from how busy the cores and the disk were."""
    if "loader" in phase:
        loader = phase["loader"]
        if loader["of_plain_read"] >= 0.7:
            return f"reading ({loader['of_plain_read']:.2f} of a plain read of the files)"
        return f"decoding on {m['cores']} cores ({loader['of_plain_read']:.2f} of a plain read)"
    written = phase["disk_written_bytes"] / phase["seconds"] / m["write_and_sync_bytes_per_s"]
    busy = phase["cores_busy"] / m["cores"]
    most = "disk writes" if written > max(0.6, busy) else "the cores" if busy >= 0.7 else "neither alone"
    return f"{most} (cores {100 * busy:.0f} % busy, writing at {written:.2f} of write-and-sync)"


def extrapolate(small, large, m):
    """Bytes and time in proportion to cells; memory along the line through both sizes."""
    rows = {}
    for name, p in large["phases"].items():
        q, scale = small["phases"][name], ATLAS_CELLS / large["n_cells"]
        slope = (p["peak_memory_bytes"] - q["peak_memory_bytes"]) / (large["n_cells"] - small["n_cells"])
        trained = name.startswith("train")
        rows[name] = {
            "seconds": None if trained else p["seconds"] * scale,
            "made_bytes": p["made_bytes"] * (1 if trained else scale),
            "peak_memory_bytes": p["peak_memory_bytes"] + max(0, slope) * (ATLAS_CELLS - large["n_cells"]),
            "memory_ratio": p["peak_memory_bytes"] / q["peak_memory_bytes"],
            "bound_by": bound(p, m),
        }
    return rows


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tables(result):
    m, large = result["machine"], result["sizes"][-1]
    lines = [
        "# Proof at size",
        "",
        f"Made by `benchmarks/scale.sh` on {m['date']}: {m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB, {m['file_system']} that takes "
        f"{m['write_and_sync_bytes_per_s'] / 1e6:.0f} MB/s written and synced, load average {m['load_average']:.1f} at the start. {result['ranks']} ranks, "
        f"{GENES} genes, {('prepare ' + result['prepare_options']).strip()}, batches of 4,096 cells.",
        "",
        "| phase | cells | seconds | cells/s | kB a cell made | peak memory a rank |",
        "|---|---|---|---|---|---|",
    ]
    for name in large["phases"]:
        for size in result["sizes"]:
            p = size["phases"][name]
            made = f"{p['made_bytes'] / size['n_cells'] / 1e3:.2f}" if p["made_bytes"] else ""
            lines.append(f"| {name} | {size['n_cells']:,} | {p['seconds']:.1f} | {p['cells_per_s']:,.0f} | {made} | {p['peak_memory_bytes'] / 1e9:.3f} GB |")
    lines += [
        "",
        f"{ATLAS_CELLS / 1e6:.1f} million cells on this machine, in proportion to cells (memory: along the line through both sizes):",
        "",
        "| phase | time | made | memory a rank | memory, large over small | bound by |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["extrapolated"].items():
        time_text = "as long" if row["seconds"] is None else duration(row["seconds"])
        made = f"{row['made_bytes'] / 1e9:.1f} GB" if row["made_bytes"] else ""
        lines.append(f"| {name} | {time_text} | {made} | {row['peak_memory_bytes'] / 1e9:.2f} GB | {row['memory_ratio']:.2f} | {row['bound_by']} |")
    return "\n".join(lines) + "\n"


def sizes_that_fit(a):
    """The two sizes, the larger cut to nine tenths of what is free."""
    small, large = a.cells
    free = shutil.disk_usage(a.folder).free
    print(f"scale: {large} cells need {large * NEED_A_CELL / 1e9:.1f} GB in {a.folder}, {free / 1e9:.1f} GB are free", flush=True)
    if large * NEED_A_CELL > 0.9 * free:
        large = int(0.9 * free / NEED_A_CELL) // 10000 * 10000
        if large <= small:
            sys.exit(f"scale: not enough room for more than {small} cells")
    print(f"scale: sizes taken: {small} and {large} cells", flush=True)
    return small, large


def main():
    parser = argparse.ArgumentParser()
    for option in ("cytoforge", "folder", "prepare-options", "json", "table"):
        parser.add_argument("--" + option, required=True)
    parser.add_argument("--cells", type=int, nargs=2, required=True)
    parser.add_argument("--ranks", type=int, required=True)
    a = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the folder is removed
    parent = a.folder
    os.makedirs(parent, exist_ok=True)
    a.folder = os.path.join(parent, "cytoforge-scale")
    if os.path.exists(a.folder):
        sys.exit(f"scale: {a.folder} is there already; an earlier run was killed? Remove it first")
    os.makedirs(a.folder)
    try:
        sizes = sizes_that_fit(a)
        result = {"machine": machine.describe(a.folder), "ranks": a.ranks, "genes": GENES, "prepare_options": a.prepare_options,
                  "sizes": [Run(a, n).all() for n in sizes]}
    finally:
        shutil.rmtree(a.folder, ignore_errors=True)
    result["extrapolated"] = extrapolate(*result["sizes"], result["machine"])
    with open(a.json, "w") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    with open(a.table, "w") as file:
        file.write(tables(result))
    print("\n" + tables(result))


if __name__ == "__main__":
    main()
