# SPDX-License-Identifier: MIT
"""Running a command under a fault, and the judgement of what came of it."""
import dataclasses
import os
import re
import signal
import struct
import subprocess
import threading
import time

import commands
import values

CALLS = ("read", "write", "open", "close", "fsync", "rename", "stat", "list", "lock")  # in the order of shim.c's counter
CODES = {2, 3, 4, 5, 6, 7, 8, 9, 75}  # that a refusal may have; 1 is a fault of cytoforge
SIGNAL = re.compile(r"exited on signal|\*\*\* Process received signal|terminated by signal|AddressSanitizer")


@dataclasses.dataclass
class Ended:
    code: int  # None: it hung
    text: str  # both its outputs
    seconds: float
    hit: int = 0
    counts: list = None  # calls that matched, by rank and call


def descendants(root):
    """Ids of a process' living descendants, the nearest first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found, todo = [], [root]
    while todo:
        todo += children.get(todo[0], [])
        found.append(todo.pop(0))
    return found[1:]


def is_living(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_all(process):
    for pid in [process.pid, *descendants(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Bench:
    """Where one worker runs commands: a folder `w` for a command, and what stands beside it unseen by the faults."""

    def __init__(self, program, shim, scratch, fixture, limit):
        self.program, self.shim, self.fixture, self.limit = program, shim, fixture, limit
        self.scratch = scratch
        self.folder = os.path.join(scratch, "w")
        os.makedirs(scratch, exist_ok=True)
        self.is_left_alone = False  # of the last command that hung: its children had all ended

    def lay_out(self, inputs):
        commands.lay_out(inputs, self.fixture, self.folder)

    def start(self, words, ranks, log, fault=None):
        counter = os.path.join(self.scratch, "counter")
        extra = {}
        if fault:
            if os.path.exists(counter):
                os.remove(counter)
            extra = {"LD_PRELOAD": self.shim, "CYF_FAULT_COUNTER": counter, "CYF_FAULT_PATH": self.folder + "/*",
                     **{f"CYF_FAULT_{key.upper()}": str(value) for key, value in fault.items()}}  # yapf: disable
        # The ranks alone are under the fault, not the launcher.
        given = [f"{key}={value}" for key, value in extra.items()]
        launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
        line = launcher + (["env", *given] if given else []) + [self.program, *words]
        return subprocess.Popen(line, cwd=self.folder, env=commands.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def run(self, words, ranks=1, fault=None, kill_after=None, kill_rank=0):
        """Runs a line to its end, or to the limit. With kill_after one of its ranks is killed so many seconds after the start."""
        path = os.path.join(self.scratch, "log")
        began = time.monotonic()
        hit = 0
        with open(path, "wb") as log:
            process = self.start(words, ranks, log, fault)
            if kill_after is not None:
                hit = self._kill_later(process, ranks, kill_after, kill_rank)
            code = self.wait(process)
        with open(path, encoding="utf-8", errors="replace") as log:
            ended = Ended(code, log.read(), time.monotonic() - began, hit)
        if fault:
            self._read_counter(ended)
        return ended

    def wait(self, process):
        try:
            return process.wait(self.limit)
        except subprocess.TimeoutExpired:
            self.is_left_alone = not any(is_living(pid) for pid in descendants(process.pid))
            kill_all(process)
            process.wait()
            return None

    @staticmethod
    def _kill_later(process, ranks, seconds, rank):
        try:
            process.wait(seconds)
            return 0
        except subprocess.TimeoutExpired:
            pass
        victims = [process.pid] if ranks == 1 else descendants(process.pid)[:ranks]
        if len(victims) < ranks:
            victims = victims or [process.pid]  # the launcher, before it has started its ranks
        try:
            os.kill(victims[rank % len(victims)], signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1

    def _read_counter(self, ended):
        try:
            with open(os.path.join(self.scratch, "counter"), "rb") as file:
                numbers = struct.unpack("<74q", file.read(74 * 8))
        except (OSError, struct.error):
            return
        ended.hit = numbers[1]
        ended.counts = [dict(zip(CALLS, numbers[2 + len(CALLS) * rank:2 + len(CALLS) * (rank + 1)])) for rank in range(2)]

    def result(self, command, ended, but=None):
        """What the command has made; without the file `but`."""
        made = values.of_tree(self.folder, command.outputs)
        made.pop(but, None)
        if command.told:
            made["standard output"] = "\n".join(line for line in ended.text.splitlines() if not values.VOLATILE_LINE.search(line))
        return made


class Baselines:
    """What each command makes without a fault, how long it takes and how often it calls; found out once, shared by workers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.known = {}

    def of(self, bench, command, ranks, words=None):
        key = (command.name, ranks, tuple(words or command.words))
        with self.lock:
            if key not in self.known:
                self.known[key] = self._find(bench, command, ranks, words or command.words)
            return self.known[key]

    @staticmethod
    def _find(bench, command, ranks, words):
        bench.lay_out(command.inputs)
        plain = bench.run(words, ranks)
        wanted = bench.result(command, plain)
        bench.lay_out(command.inputs)
        counted = bench.run(words, ranks, {"call": "all"})
        if plain.code != 0 or counted.code != 0 or not wanted:
            raise SystemExit(f"faults: without a fault, on {ranks}: {' '.join(words)}: exit {plain.code}, {counted.code}\n{plain.text}")
        unlike = values.difference(bench.result(command, counted), wanted)
        if unlike:
            raise SystemExit(f"faults: without a fault, on {ranks}: {' '.join(words)}: two runs differ: {unlike}")
        return wanted, plain.seconds, counted.counts


def refused(ended):
    """Whether it ended with a code and a line; else what is wrong, in words."""
    if ended.code not in CODES:
        return f"exit {ended.code}"
    # Not at a line's beginning: what was told before may still be in the other stream.
    return None if re.search(r"cytoforge: (error|stopped)", ended.text) else f"exit {ended.code} without a line"


def judge(bench, command, wanted, ended, must_tell=False, but=None):
    """(outcome, note): same, refused, wrong, signal or hang. must_tell: a result does not do, since nobody knows whether it lasts.
    but: a file that is not compared, since the fault is in it."""
    if ended.code is None:
        return "hang", f"no end after {bench.limit} s"
    if ended.code < 0 or ended.code >= 128 or SIGNAL.search(ended.text):
        return "signal", f"exit {ended.code}"
    wanted = {name: value for name, value in wanted.items() if name != but}
    unlike = values.difference(bench.result(command, ended, but), wanted)
    if ended.code == 0:
        if unlike:
            return "wrong", f"exit 0 with another result: {unlike}"
        return ("wrong", "exit 0, and what was not flushed to disk was not told") if must_tell else ("same", "")
    complaint = refused(ended)
    if complaint:
        return "wrong", complaint
    for path in command.published:
        if os.path.lexists(os.path.join(bench.folder, path)) and unlike:
            return "wrong", f"exit {ended.code}, and {path} has another result: {unlike}"
    last = [line for line in ended.text.splitlines() if "error" in line.lower()]
    return "refused", f"exit {ended.code}: {last[0][:160] if last else ''}"
