# SPDX-License-Identifier: MIT
"""Runs a command as a rank and notes what it used: mpirun -n N python3 rank.py FOLDER COMMAND... writes FOLDER/rank-R.json."""
import json
import os
import resource
import subprocess
import sys


def main():
    folder, command = sys.argv[1], sys.argv[2:]
    code = subprocess.run(command).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    note = {
        "peak_memory_bytes": used.ru_maxrss * 1024,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "disk_read_bytes": used.ru_inblock * 512,
        "disk_written_bytes": used.ru_oublock * 512,
    }
    with open(os.path.join(folder, f"rank-{os.environ.get('OMPI_COMM_WORLD_RANK', '0')}.json"), "w") as file:
        json.dump(note, file)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
