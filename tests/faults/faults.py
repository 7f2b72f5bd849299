#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs cytoforge under faults, and tells in a table what came of them:

    tests/faults/faults.py --minutes 60                  a seeded sample of every kind
    tests/faults/faults.py --full                        every case; what a state file has already is not run again
    tests/faults/faults.py --table                       the table of the state file
    tests/faults/faults.py --only 'call/train/2/read' -v some cases, by a pattern of their ids

Every case is a line of JSON in the state file, build/faults/PROGRAM.jsonl; PROGRAM is a checksum of the program, so that
another build begins anew. Exit code: 1 where a case is wrong, or where none was reached."""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time

import commands
import kinds
import table
from running import Baselines, Bench

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BAD = ("wrong", "signal", "hang")


def arguments():
    build = os.path.join(SOURCE, "build", "release")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="stop after so long, with a share of the time for each kind")
    parser.add_argument("--full", action="store_true", help="every case, going on where a state file ends")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only cases whose id matches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="commands at a time (default 2)")
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a command hangs (default 120)")
    parser.add_argument("--program", default=os.environ.get("CYTOFORGE_BINARY") or os.path.join(build, "cytoforge"))
    parser.add_argument("--shim", default=os.environ.get("CYTOFORGE_FAULTS") or os.path.join(build, "tests", "libcyf_faults.so"))
    parser.add_argument("--state", help="the state file (default: build/faults/PROGRAM.jsonl)")
    parser.add_argument("--fresh", action="store_true", help="forget the state file")
    parser.add_argument("--again", action="store_true", help="forget what went wrong, and run that again")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line a case")
    given = parser.parse_args()
    given.program, given.shim = os.path.abspath(given.program), os.path.abspath(given.shim)
    if not (given.minutes or given.full or given.only or given.table):
        parser.error("one of --minutes, --full, --only and --table")
    return given


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def read_state(path):
    done = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):  # the last may have been cut
                    row = json.loads(line)
                    done[row["id"]] = row
    return done


def spread(cases, seed):
    """An order by chance in which every command of a kind comes once before one comes again."""
    draw, turns, places = random.Random(seed), {}, {}
    draw.shuffle(cases)
    for one in cases:
        key = (one["command"], one["ranks"])
        places[one["id"]] = turns[key] = turns.get(key, 0) + 1
    return sorted(cases, key=lambda one: places[one["id"]])


class Batch:
    """The cases that are left, handed out to workers so that each kind gets its share of the time."""

    def __init__(self, given, done, state):
        self.given, self.done, self.state = given, done, state
        self.began = time.monotonic()
        self.lock = threading.Lock()
        self.baselines = Baselines()
        self.failure = None
        self.left, self.used, self.begun = {}, {}, set()
        for kind, (lister, _, number, _) in kinds.KINDS.items():
            cases = [one for one in lister(number) if re.search(given.only, one["id"]) and one["id"] not in done]
            self.left[kind], self.used[kind] = spread(cases, given.seed)[::-1], 0.0

    def take(self):
        with self.lock:
            if self.failure:
                return None
            # However short the time is, every kind is begun.
            is_late = self.given.minutes and time.monotonic() - self.began > 60 * self.given.minutes
            open_kinds = [kind for kind in self.left if self.left[kind] and not (is_late and kind in self.begun)]
            if not open_kinds:
                return None
            kind = min(open_kinds, key=lambda kind: self.used[kind] / kinds.KINDS[kind][3])
            self.used[kind] += 0.2  # until it is known
            self.begun.add(kind)
            return self.left[kind].pop()

    def put(self, one, hit, outcome, note, seconds):
        row = {**one, "reached": hit > 0, "outcome": outcome, "note": note, "seconds": round(seconds, 2)}
        with self.lock:
            self.used[one["kind"]] += seconds - 0.2
            self.done[one["id"]] = row
            self.state.write(json.dumps(row) + "\n")
            self.state.flush()
            if outcome in BAD or self.given.verbose:
                print(f"{outcome}: {one['id']}: {note}", flush=True)

    def work(self, bench):
        try:
            while (one := self.take()) is not None:
                began = time.monotonic()
                hit, outcome, note = kinds.KINDS[one["kind"]][1](bench, self.baselines, one, self.given.seed)
                self.put(one, hit, outcome, note, time.monotonic() - began)
                if outcome in BAD:
                    self.keep(bench, one)
        except BaseException as reason:  # pylint: disable=broad-except
            self.failure = reason

    def keep(self, bench, one):
        """The folder of a case that went wrong, with the command's last output."""
        target = os.path.join(os.path.dirname(self.state.name), "wrong", one["id"].replace("/", "-").replace(" ", "_"))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(bench.folder, target, symlinks=True)
        if os.path.exists(os.path.join(bench.scratch, "log")):
            shutil.copy(os.path.join(bench.scratch, "log"), os.path.join(target, "LOG"))

    def run(self, scratch):
        fixture = os.path.join(scratch, "fixture")
        # A build in the meantime changes nothing.
        program = shutil.copy(self.given.program, os.path.join(scratch, "cytoforge"))
        shim = shutil.copy(self.given.shim, os.path.join(scratch, "libcyf_faults.so"))
        commands.make_fixture(program, shim, fixture)
        workers = []
        for i in range(self.given.jobs):
            bench = Bench(program, shim, os.path.join(scratch, str(i)), fixture, self.given.limit)
            workers.append(threading.Thread(target=self.work, args=(bench,)))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self.failure:
            raise self.failure


def main():
    given = arguments()
    path = given.state or os.path.join(SOURCE, "build", "faults", checksum(given.program) + ".jsonl")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    if given.fresh and os.path.exists(path):
        os.remove(path)
    done = {key: row for key, row in read_state(path).items() if not (given.again and row["outcome"] in BAD)}
    if not given.table:
        with tempfile.TemporaryDirectory(prefix="cytoforge-faults-") as scratch, open(path, "a", encoding="utf-8") as state:
            Batch(given, done, state).run(scratch)
    rows = [row for row in done.values() if re.search(given.only, row["id"])]
    print(table.of(rows))
    bad = [row for row in rows if row["outcome"] in BAD]
    reached = sum(row["reached"] for row in rows)
    if bad or not reached:
        print(f"faults: {len(bad)} wrong of {reached} reached", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
