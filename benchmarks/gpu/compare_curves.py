# SPDX-License-Identifier: MIT
"""Compares the losses of two runs, logged at the same steps: compare_curves.py CPU/metrics.jsonl GPU/metrics.jsonl [TOLERANCE]

Float32 on two devices differs in the order of sums, and training makes differences grow. So losses must agree to the tolerance (2 per cent) in
the first 50 steps, and the mean of the last five to five times that."""
import json
import sys


def read(path):
    curves = {}
    with open(path) as lines:
        for line in lines:
            entry = json.loads(line)
            if entry.get("loss") is not None:
                curves.setdefault(entry["stage"], []).append((entry["step"], entry["loss"]))
    return curves


def main():
    reference, other = read(sys.argv[1]), read(sys.argv[2])
    tolerance = float(sys.argv[3]) if len(sys.argv) > 3 else 0.02
    failed = sorted(reference) != sorted(other) or not reference
    for stage, curve in sorted(reference.items()):
        theirs = dict(other.get(stage, []))
        if [step for step, _ in curve] != sorted(theirs):
            print(f"{stage}: the runs logged other steps")
            failed = True
            continue
        early = max(abs(theirs[step] - loss) / loss for step, loss in curve if step <= 50)
        end = curve[-5:]
        late = abs(sum(theirs[step] for step, _ in end) / sum(loss for _, loss in end) - 1)
        good = early <= tolerance and late <= 5 * tolerance
        failed = failed or not good
        print(f"{stage}: {'ok' if good else 'DIFFERS'}, off by {early:.2g} in the first 50 steps, {late:.2g} at the end")
    return failed


if __name__ == "__main__":
    sys.exit(main())
