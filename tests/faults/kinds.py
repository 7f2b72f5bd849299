# SPDX-License-Identifier: MIT
"""The kinds of faults: for each the list of its cases, and how one case is run.

A case is a dictionary: id, kind, command, ranks, and what is done. What it chooses by chance follows from the seed and
its id alone, so that a run that goes on has the same cases."""
import os
import random
import time

import damage
import values
from commands import BY_NAME, COMMANDS, MODEL, ONE, Command
from running import CODES, judge, refused

ERRORS = {
    "read": ("EIO", "EINTR", "short", "eof"),
    "write": ("EIO", "ENOSPC", "EDQUOT", "EINTR", "short", "full"),
    "open": ("EIO", "EMFILE", "EINTR", "EACCES"),
    "close": ("EIO", "ENOSPC", "EINTR"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "rename": ("EIO", "EACCES"),
    "stat": ("EIO",),
    "list": ("EIO",),
}  # yapf: disable


def case(kind, command, ranks, what, number):
    return {"id": f"{kind}/{command}/{ranks}/{what}/{number}", "kind": kind, "command": command, "ranks": ranks, "what": what}


def chance(one, seed):
    return random.Random(f"{seed} {one['id']}")


# ---- calls that fail ----


def list_calls(per_point):
    return [
        case("call", command.name, ranks, f"{call} {error}", n)
        for command in COMMANDS for ranks in (1, 2) for call, errors in ERRORS.items() for error in errors for n in range(per_point)
    ]  # yapf: disable


def run_call(bench, baselines, one, seed):
    draw, command = chance(one, seed), BY_NAME[one["command"]]
    call, error = one["what"].split()
    wanted, _, counts = baselines.of(bench, command, one["ranks"])
    reached_by = [rank for rank in range(one["ranks"]) if counts[rank][call] > 0]
    if not reached_by:
        return 0, "none", "the command has no such call"
    rank = draw.choice(reached_by)
    at = draw.randint(1, counts[rank][call])
    fault = {"call": call, "kind": "ENOSPC" if error == "full" else error, "at": at, "times": 0 if error == "full" else 1}
    if one["ranks"] > 1:
        fault["rank"] = rank
    bench.lay_out(command.inputs)
    ended = bench.run(command.words, one["ranks"], fault)
    must_tell = ended.hit > 0 and call == "fsync" and error != "EINTR"
    outcome, note = judge(bench, command, wanted, ended, must_tell)
    return ended.hit, outcome, f"call {at} of rank {rank}; {note}"


# ---- kills ----


def list_kills(per_command):
    return [
        case("kill", command.name, ranks, how, n)
        for command in COMMANDS if not command.told for ranks in (1, 2) for how in ("time", "call") for n in range(per_command)
    ]  # yapf: disable


def run_kill(bench, baselines, one, seed):
    """Kills a rank, at a time or at a call; then the command that goes on must come to the result of a run that was not killed."""
    draw, command, ranks = chance(one, seed), BY_NAME[one["command"]], one["ranks"]
    wanted, seconds, counts = baselines.of(bench, command, ranks)
    bench.lay_out(command.inputs)
    if one["what"] == "time":
        after = draw.uniform(0.02, seconds)
        ended = bench.run(command.words, ranks, kill_after=after, kill_rank=draw.randrange(ranks))
        where = f"after {after:.2f} s"
    else:
        points = [(rank, call) for rank in range(ranks) for call in ("write", "rename", "open", "fsync") if counts[rank][call] > 0]
        rank, call = draw.choice(points)
        fault = {"call": call, "kind": "kill", "at": draw.randint(1, counts[rank][call])}
        if ranks > 1:
            fault["rank"] = rank
        ended = bench.run(command.words, ranks, fault)
        where = f"at {call} {fault['at']} of rank {rank}"
    if ended.hit == 0:
        return 0, "none", "it had ended"
    if ended.code is None and ranks > 1 and bench.is_left_alone:
        # Of any program: where a rank is killed while it connects to mpirun, in MPI_Init.
        return 0, "none", f"{where}: mpirun of Open MPI stands still, and its ranks are gone"
    if ended.code is None:
        return 1, "hang", where
    for path in command.published:
        if os.path.lexists(os.path.join(bench.folder, path)):
            unlike = values.difference(bench.result(command, ended), wanted)
            if unlike:
                return 1, "wrong", f"{where}: {path} was left with another result: {unlike}"
    again = bench.run(command.resume or command.words, ranks)
    if command.resume and again.code in CODES:
        again = bench.run(command.words, ranks)
    if again.code is None:
        return 1, "hang", f"{where}, going on"
    unlike = values.difference(bench.result(command, again), wanted)
    if unlike:
        return 1, "wrong", f"{where}, going on: exit {again.code}: {unlike}: {again.text[-300:]}"
    if again.code != 0 and refused(again):
        return 1, "wrong", f"{where}, going on: {refused(again)}"
    return 1, "same", where


# ---- bytes that have changed ----

KILLED = {"atlas": "atlas", "out": "run_killed"}
RESUME = Command("train_resume", ["train", "--data", "atlas", "--out", "out", *ONE, "--resume", "auto"], KILLED, ("out",))
FLIPPED = {
    "model.h5": (["model.h5"], [BY_NAME["sample"], BY_NAME["encode_file"], BY_NAME["export"]]),
    "checkpoint": (["out/checkpoints/autoencoder-final.h5", "out/checkpoints/denoiser-00000002.h5"], [RESUME]),
    "latents part": (["out/latents/latents-00000.h5ad", "out/latents/latents-00001.h5ad"], [RESUME, BY_NAME["train_denoiser"]]),
    "plain shard": (["atlas/shard-00000.h5ad", "atlas/shard-00001.h5ad"], [BY_NAME["train_autoencoder"], BY_NAME["encode_atlas"]]),
    "compressed shard": (["atlas/shard-00000.h5ad", "atlas/shard-00001.h5ad"], [BY_NAME["encode_gzip"]]),
    "manifest.yaml": (["atlas/manifest.yaml"], [BY_NAME["train_autoencoder"], BY_NAME["encode_atlas"]]),
    "genes.tsv": (["atlas/genes.tsv"], [BY_NAME["train_autoencoder"], BY_NAME["encode_atlas"]]),
    "heldout.h5ad": (["heldout.h5ad", "train.h5ad"], [BY_NAME["evaluate"]]),
    "checksums": (["atlas/shard-00000.sums", "atlas/shard-00001.sums"], [BY_NAME["train_autoencoder"], BY_NAME["encode_atlas"]]),
    "safetensors": (["weights/model.safetensors"], [BY_NAME["import"]]),
    "config.yaml": (["out/config.yaml"], [RESUME]),
}  # yapf: disable


def list_flips(per_file):
    return [case("flip", name, 1, "byte", n) for name in FLIPPED for n in range(per_file)]


def run_flip(bench, baselines, one, seed):
    draw = chance(one, seed)
    files, readers = FLIPPED[one["command"]]
    command, file = draw.choice(readers), draw.choice(files)
    wanted, _, _ = baselines.of(bench, command, 1)
    bench.lay_out(command.inputs)
    path = os.path.join(bench.folder, file)
    with open(path, "rb") as stream:
        data = bytearray(stream.read())
    at, change = draw.randrange(len(data)), draw.randint(1, 255)
    while draw.random() < 0.8 and data[at] == 0:  # small files are mostly padding
        at = draw.randrange(len(data))
    data[at] ^= change
    with open(path, "wb") as stream:
        stream.write(data)
    ended = bench.run(command.words, 1)
    outcome, note = judge(bench, command, wanted, ended, but=file)
    return 1, outcome, f"byte {at} of {file} xor {change}, {command.name}; {note}"


# ---- damaged h5ad files ----

READERS = {
    "info": Command("info", ["info", "in.h5ad"]),
    "prepare": Command("prepare", ["prepare", "in.h5ad", "-o", "out", "--label", "cell_type", "--min-genes", "1"]),
    "encode": Command("encode", ["encode", "-m", "model.h5", "in.h5ad", "-o", "out.h5ad", *ONE], MODEL),
}  # yapf: disable


def list_damaged(number):
    return [case("damaged", list(READERS)[n % len(READERS)], 1, "h5ad", n) for n in range(number)]


def run_damaged(bench, _, one, seed):
    """A file that another program has left damaged may be read as whatever it says: but no signal ends the command, and it ends."""
    draw, command = chance(one, seed), READERS[one["command"]]
    bench.lay_out(command.inputs)
    how = damage.make(draw, bench.fixture, os.path.join(bench.folder, "in.h5ad"))
    ended = bench.run(command.words, 1)
    if ended.code == 0:
        return 1, "same", how
    outcome, note = judge(bench, command, {}, ended)
    return 1, outcome, f"{how}; {note}"


# ---- two at once ----


def list_two(per_command):
    return [case("two", command.name, 1, "at once", n) for command in COMMANDS if command.other for n in range(per_command)]


def run_two(bench, baselines, one, seed):
    """Two lines with one output: what is left is one's result whole; who was refused said so."""
    draw, command = chance(one, seed), BY_NAME[one["command"]]
    wanted = [baselines.of(bench, command, 1, words) for words in (command.words, command.other)]
    bench.lay_out(command.inputs)
    between = draw.uniform(0, wanted[0][1])
    logs = [os.path.join(bench.scratch, f"log{i}") for i in range(2)]
    processes = []
    for log, words in zip(logs, (command.words, command.other)):
        with open(log, "wb") as stream:
            processes.append(bench.start(words, 1, stream))
        time.sleep(between if len(processes) == 1 else 0)
    codes = [bench.wait(process) for process in processes]
    if None in codes:
        return 1, "hang", f"{between:.2f} s apart"
    if min(codes) < 0 or max(codes) >= 128:
        return 1, "signal", f"{between:.2f} s apart: {codes}"
    done = [i for i in range(2) if codes[i] == 0]
    made = values.of_tree(bench.folder, command.outputs)
    note = f"{between:.2f} s apart, exit {codes[0]} and {codes[1]}"
    for code, log in zip(codes, logs):
        with open(log, encoding="utf-8", errors="replace") as stream:
            if code != 0 and (code not in CODES or "cytoforge: " not in stream.read()):
                return 1, "wrong", note
    if not done:
        return 1, "wrong", f"{note}: neither is done"
    unlike = [values.difference(made, wanted[i][0]) for i in done]
    return (1, "wrong", f"{note}: {unlike[0]}") if all(unlike) else (1, "same" if len(done) == 2 else "refused", note)


KINDS = {  # name: (lister, runner, number of cases for each of its points in a whole run, share of the time of a sample)
    "call": (list_calls, run_call, 2, 0.30),
    "kill": (list_kills, run_kill, 5, 0.20),
    "flip": (list_flips, run_flip, 200, 0.20),
    "damaged": (list_damaged, run_damaged, 2000, 0.25),
    "two": (list_two, run_two, 15, 0.05),
}  # yapf: disable
