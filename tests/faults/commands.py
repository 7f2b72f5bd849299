# SPDX-License-Identifier: MIT
"""The commands that are run under faults, and the small files that they are run on."""
import dataclasses
import os
import shutil
import subprocess

SETTINGS = [
    "autoencoder.hidden=[8]", "autoencoder.latent=4", "denoiser.hidden=[8,4]", "classifier.hidden=[4,4,4]",
    "data.validation=0", "log.every=1", "autoencoder.steps=4", "denoiser.steps=4", "classifier.steps=4",
    "checkpoint.every=2", "comm.timeout_s=30",
]  # yapf: disable
SET = [word for setting in SETTINGS for word in ("--set", setting)] + ["--threads", "1"]
LABELS = ["--label", "cell_type", "--label", "donor"]
PREPARE = ["prepare", "cells.h5ad", "more.h5ad", "-o", "out", *LABELS, "--min-genes", "1", "--holdout", "0.2", "--shard-cells", "64"]
TRAIN = ["train", "--data", "atlas", "--out", "out", *SET]
ONE = ["--threads", "1"]


@dataclasses.dataclass
class Command:
    """One line of cytoforge, as it is run in a folder of its own."""
    name: str
    words: list
    inputs: dict = dataclasses.field(default_factory=dict)  # name in the folder: name in the fixture
    outputs: tuple = ()  # what is compared
    published: tuple = ()  # what must be right wherever it is there, also after a failure
    resume: list = None  # the line that goes on after a kill, where it is another; what had not begun is begun again by `words`
    other: list = None  # a line with the same output and other values, for two runs at once
    told: bool = False  # its standard output is the result


def _stage(name, stage, before):
    """A stage of training by itself, in a run that has the stages before it."""
    return Command(f"train_{name}", TRAIN + ["--stage", stage, "--resume", "auto"],
                   {"atlas": "atlas", **({"out": before} if before else {})}, ("out",))


def _cells(name, words, inputs, output="out.h5ad", other=None):
    """A command that makes one file."""
    return Command(name, words + ["-o", output], inputs, (output,), (output,), other=words + other + ["-o", output] if other else None)


MODEL = {"model.h5": "model.h5"}
MODEL_CELLS = {**MODEL, "cells.h5ad": "cells.h5ad"}
INPUTS = {"cells.h5ad": "cells.h5ad", "more.h5ad": "more.h5ad"}
EXPORT = ["export", "-m", "model.h5", "--format", "safetensors", "-o", "out"]
SYNTH_FILES = ["synth", "--files", "3", "--cells", "100", "--genes", "30", "--types", "2", "--counts", "300", "-o", "out", *ONE]
ONE_CLASSIFIER = {"model.h5": "model_one.h5", "atlas": "atlas"}
TRAIN_MODEL = ["train", "-m", "model.h5", "--data", "atlas", "--stage", "classifier:donor", *ONE, "--set", "classifier.steps=4",
               "--set", "checkpoint.every=2", "--set", "comm.timeout_s=30"]  # yapf: disable
SAMPLE = ["sample", "-m", "model.h5", "--steps", "3", *ONE]

COMMANDS = [
    Command("prepare", PREPARE, INPUTS, ("out",), ("out",), other=PREPARE + ["--seed", "9"]),
    Command("prepare_gzip", PREPARE + ["--compress", "gzip"], INPUTS, ("out",), ("out",)),
    Command("train", TRAIN, {"atlas": "atlas"}, ("out",), resume=TRAIN + ["--resume", "auto"], other=TRAIN + ["--set", "seed=9"]),
    _stage("autoencoder", "autoencoder", None),
    _stage("encode", "encode", "run_autoencoder"),
    _stage("denoiser", "denoiser", "run_encode"),
    _stage("classifier", "classifier:donor", "run_denoiser"),
    Command("train_model", TRAIN_MODEL, ONE_CLASSIFIER, ("model.h5",), resume=TRAIN_MODEL + ["--resume", "auto"]),
    Command("train_replace", TRAIN_MODEL + ["--force", "--set", "seed=7"], {"model.h5": "model.h5", "atlas": "atlas"}, ("model.h5",),
            resume=TRAIN_MODEL + ["--resume", "auto", "--set", "seed=7"]),
    _cells("encode_file", ["encode", "-m", "model.h5", "cells.h5ad", *ONE], MODEL_CELLS),
    Command("encode_atlas", ["encode", "-m", "model.h5", "atlas", "-o", "out", *ONE], {**MODEL, "atlas": "atlas"}, ("out",)),
    Command("encode_gzip", ["encode", "-m", "model.h5", "atlas", "-o", "out", *ONE], {**MODEL, "atlas": "atlas_gzip"}, ("out",)),
    _cells("decode", ["decode", "-m", "model.h5", "latents.h5ad", *ONE], {**MODEL, "latents.h5ad": "latents.h5ad"}),
    _cells("sample", SAMPLE + ["-n", "12"], MODEL, other=["--seed", "9"]),
    _cells("sample_like", SAMPLE + ["--like", "cells.h5ad", "--by", "cell_type"], MODEL_CELLS),
    _cells("interpolate", ["interpolate", "-m", "model.h5", "--attribute", "cell_type", "--from", "type_1", "--to", "type_2", "--start",
                           "cells.h5ad", "-n", "3", "--points", "3", "--steps", "4", *ONE], MODEL_CELLS),
    _cells("evaluate", ["evaluate", "--real", "heldout.h5ad", "--train", "train.h5ad", "--synthetic", "latents.h5ad", "--label", "cell_type",
                        "--trees", "5", "--components", "5", *ONE],
           {"heldout.h5ad": "atlas/heldout.h5ad", "heldout.sums": "atlas/heldout.sums", "train.h5ad": "atlas/train.h5ad",
            "train.sums": "atlas/train.sums", "latents.h5ad": "latents.h5ad"}, "out.json"),
    Command("export", EXPORT, MODEL, ("out",), resume=EXPORT + ["--force"]),
    _cells("import", ["import", "weights"], {"weights": "weights"}, "out.h5"),
    Command("info", ["info", "model.h5", "atlas", "cells.h5ad"], {**MODEL_CELLS, "atlas": "atlas"}, told=True),
    _cells("synth", ["synth", "--cells", "100", "--genes", "30", "--types", "2", "--counts", "300", *ONE], {}, other=["--seed", "9"]),
    Command("synth_files", SYNTH_FILES, {}, ("out",), resume=SYNTH_FILES + ["--force"]),
]  # yapf: disable
BY_NAME = {command.name: command for command in COMMANDS}


def environment(extra=None):
    """Of every run: what Open MPI needs on one machine, one thread a rank, and no GPU. A command by itself starts no daemon of Open
    MPI beside it, which takes longer than most commands here."""
    return {
        **os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl": "self,vader",
        "OMPI_MCA_oob_tcp_if_include": "lo", "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_ess_singleton_isolated": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
        "ASAN_OPTIONS": "detect_leaks=0", **(extra or {})
    }  # yapf: disable


def lay_out(inputs, fixture, folder):
    """A fresh folder with copies of these files of the fixture."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name, source in inputs.items():
        source, target = os.path.join(fixture, source), os.path.join(folder, name)
        shutil.copytree(source, target) if os.path.isdir(source) else shutil.copy(source, target)


def make_fixture(program, shim, fixture):
    """The files that the commands read."""
    os.makedirs(fixture)

    def run(*words, extra=None, wanted=0):
        ended = subprocess.run([program, *words], cwd=fixture, env=environment(extra), capture_output=True, text=True, timeout=300)
        if ended.returncode != wanted:
            raise SystemExit(f"faults: {' '.join(words)}: exit {ended.returncode}\n{ended.stderr}")

    def keep(*names):
        """A copy of out under each name."""
        for name in names:
            shutil.copytree(f"{fixture}/out", f"{fixture}/{name}")

    synth = ["synth", "--cells", "100", "--genes", "30", "--types", "2", "--donors", "2", "--counts", "300", "--expressed", "0.6"]
    run(*synth, "-o", "cells.h5ad")
    run(*synth, "-o", "more.h5ad", "--seed", "5")
    run(*PREPARE[:4], "atlas", *PREPARE[5:])
    run(*PREPARE[:4], "atlas_gzip", *PREPARE[5:], "--compress", "gzip")
    for stage in ("autoencoder", "encode", "denoiser"):
        run(*TRAIN, "--stage", stage, "--resume", "auto")
        keep(f"run_{stage}")
    run(*TRAIN, "--stage", "classifier:cell_type", "--resume", "auto")
    shutil.copy(f"{fixture}/out/model.h5", f"{fixture}/model_one.h5")
    run(*TRAIN, "--stage", "classifier:donor", "--resume", "auto")
    shutil.copy(f"{fixture}/out/model.h5", f"{fixture}/model.h5")
    shutil.rmtree(f"{fixture}/out")
    # A run that was killed in the middle of its denoiser, after a checkpoint.
    run(*TRAIN, wanted=-9, extra={"LD_PRELOAD": shim, "CYF_FAULT_CALL": "rename", "CYF_FAULT_KIND": "kill", "CYF_FAULT_AT": "1",
                                  "CYF_FAULT_PATH": "*/denoiser-00000004.h5"})  # yapf: disable
    keep("run_killed")
    shutil.rmtree(f"{fixture}/out")
    run("encode", "-m", "model.h5", "cells.h5ad", "-o", "latents.h5ad", *ONE)
    run("export", "-m", "model.h5", "--format", "safetensors", "-o", "weights")
