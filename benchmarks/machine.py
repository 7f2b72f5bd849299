# SPDX-License-Identifier: MIT
"""What a benchmark ran on, for its JSON: python3 machine.py FOLDER (whose file system is described)."""
import json
import os
import subprocess
import sys
import time


def first_line(path, key):
    with open(path) as lines:
        for line in lines:
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    return ""


def write_rate(folder, size=1 << 28):
    """Bytes a second of a plain file written and synced; the page cache does not count as written."""
    path = os.path.join(folder, "write-rate.tmp")
    block = os.urandom(1 << 22)
    start = time.monotonic()
    with open(path, "wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.monotonic() - start
    os.remove(path)
    return size / seconds


def describe(folder):
    kind = subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True).stdout.split("\n")
    return {
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(first_line("/proc/meminfo", "MemTotal").split()[0]) * 1024 / 1e9, 1),
        "kernel": os.uname().release,
        "file_system": kind[1].strip() if len(kind) > 1 else "",
        "write_and_sync_bytes_per_s": round(write_rate(folder)),
        "load_average": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1] if len(sys.argv) > 1 else "."), indent=2))
