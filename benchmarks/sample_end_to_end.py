# SPDX-License-Identifier: MIT
"""The note of sample_end_to_end.sh: python3 sample_end_to_end.py FOLDER CELLS. Fails where the two programs' cells differ."""
import json
import os
import statistics
import sys

import h5py
import numpy

import machine

# A sample is of the first of these phases that has a function on its stack.
PHASES = [
    ("drawing of counts", ("cyf_cpu_nb_draw", "draw_genes")),
    ("softmax over the genes", ("cyf_cpu_softmax_rows",)),
    ("product with the decoder's last layer", ("cyf_autoencoder_decode_counts",)),
    ("compaction to sparse rows", ("cyf_decode_rows",)),
    ("guidance", ("cyf_classifier_guidance_rows",)),
    ("denoiser", ("cyf_sampler_run", "cyf_generator_reverse")),
    ("compression (deflate)", ("cyf_deflate",)),
    ("HDF5 write, indices and values", ("cyf_cells_out_append", "cyf_h5ad_matrix_append_csr")),
    ("labels, latents, checksums, end of the file", ("cyf_cells_out_describe", "cyf_cells_out_commit", "write_labels", "finish")),
    ("model load", ("cyf_model_load", "cyf_generator_load")),
]


def phases(path):
    """Samples by phase, of the program alone, not its launcher."""
    counts = {}
    with open(path, errors="replace") as file:
        for block in file.read().split("\n\n"):
            lines = block.strip("\n").split("\n")
            if not lines[0].strip().startswith("cytoforge"):
                continue
            stack = {line.split(maxsplit=1)[1].split("+")[0] for line in lines[1:] if len(line.split()) > 1}
            name = next((name for name, functions in PHASES if stack & set(functions)), "start, MPI and the rest")
            counts[name] = counts.get(name, 0) + 1
    return counts


def arrays(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in ("X/data", "X/indices", "X/indptr", "obsm/X_latent")}


def file_genes(folder):
    with h5py.File(os.path.join(folder, "after.h5ad")) as file:
        return int(file["X"].attrs["shape"][1])


def main(folder, cells):
    times = {"before": [], "after": []}
    processor = {"before": [], "after": []}
    for line in open(os.path.join(folder, "times.csv")):
        name, end, start, user, system = line.split()
        times[name].append(float(end) - float(start))
        processor[name].append(float(user) + float(system))
    before, after = (arrays(os.path.join(folder, f"{name}.h5ad")) for name in ("before", "after"))
    same = all(numpy.array_equal(before[name], after[name]) for name in before)
    if not same:
        sys.exit("the two programs' cells differ")
    about = machine.describe(folder)
    n_values = len(after["X/data"])
    print("# Sampling from end to end\n")
    print(f"Made by `benchmarks/sample_end_to_end.sh` on {about['date']}: {about['cpu']}, {about['cores']} cores, load {about['load_average']:.1f}.")
    print(f"{cells} cells, counts, 15 steps of dpm++, guided by a classifier with weight 2, one file, 1 rank x 2 threads; {n_values:,} counts above zero.")
    print("Both programs gave the same cells: X and latents are equal bit for bit. They ran in turns.\n")
    print("| | before | after | ratio |\n|---|---|---|---|")
    for title, of in (("seconds by the clock", times), ("processor seconds", processor)):
        b, a = statistics.median(of["before"]), statistics.median(of["after"])
        print(f"| {title}, median of {len(of['before'])} | {b:.1f} | {a:.1f} | {a / b:.2f} |")
    ratios = [a / b for a, b in zip(processor["after"], processor["before"])]
    print(f"\nRatios of processor seconds, turn by turn: {', '.join(f'{r:.2f}' for r in ratios)}.\n")
    files = {name: os.path.join(folder, f"{name}.phases") for name in times}
    if not all(os.path.exists(path) for path in files.values()):
        return
    found = {name: phases(path) for name, path in files.items()}
    print("Processor seconds by phase: shares of the samples that `perf` took in a further run, times the medians above.\n")
    print("| phase | before | after |\n|---|---|---|")
    seconds = {}
    for name in [name for name, _ in PHASES] + ["start, MPI and the rest"]:
        row = [statistics.median(processor[of]) * found[of].get(name, 0) / sum(found[of].values()) for of in times]
        seconds[name] = row
        print(f"| {name} | {row[0]:.2f} | {row[1]:.2f} |")
    bench = json.load(open(os.path.join(folder, "bench.json")))
    n_genes, width = file_genes(folder), 256
    reverse, decode = int(cells) * bench["flops_per_cell"], 2.0 * int(cells) * n_genes * width
    rate = decode / seconds["product with the decoder's last layer"][1]
    print("\nFloors:\n")
    print(f"- Products: the decoder's last layer, one large product of {decode / 1e12:.2f} TFLOP, ran at {rate / 1e9:.0f} GFLOP/s a core. At that rate denoiser and guidance,")
    print(f"  {reverse / 1e12:.2f} TFLOP, take {reverse / rate:.1f} processor seconds.")
    draws = [x / (int(cells) * n_genes) * 1e9 for x in seconds["drawing of counts"]]
    print(f"- Drawing: {draws[0]:.1f} ns a value before, {draws[1]:.1f} after, of {int(cells) * n_genes:,} values.")
    print("- Deflate: `sample` does not compress, so there is no deflate to run in parallel; the writing of its file is a share too small to overlap.")
    products = sum(seconds[name][0] for name in ("denoiser", "guidance", "product with the decoder's last layer"))
    total = statistics.median(processor["before"])
    print(f"- Denoiser, guidance and last layer were {products / total:.2f} of the processor seconds before. The same cells need the same products, so no change of the other")
    print("  phases can halve the whole at these settings.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
