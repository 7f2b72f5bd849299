# SPDX-License-Identifier: MIT
"""What commands have made, by values: data sets and attributes, numbers and texts, but no times, rates or command lines."""
import hashlib
import json
import os
import re
import struct

import h5py
import numpy

# What two right runs may differ in, by the name of a data set, an attribute or a setting.
VOLATILE = re.compile(r"(^|/)(provenance|created|made|command|command_line|time|history|origin)(/|$)")
VOLATILE_LINE = re.compile(r"^\s*(command|created|made|time)\b|\"(command|command_line|created|time)\":|made (by|20)|\bin [0-9.]+ ?m?s\b")
PASSING = re.compile(r"(^|/)(lock|.*\.lock|.*\.partial.*)$")


def _of_array(value):
    """A data set's or an attribute's type, shape and values, as bytes."""
    array = numpy.asarray(value)
    if array.dtype.kind == "O":
        body = repr([item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in array.ravel()]).encode()
        return b"text" + repr(array.shape).encode() + body
    return str(array.dtype).encode() + repr(array.shape).encode() + array.tobytes()


def of_hdf5(path):
    """A table of name: digest, over data sets and attributes."""
    values = {}

    def visit(name, item):
        if VOLATILE.search(name):
            return
        for key, value in item.attrs.items():
            # Checksums stand beside what they are of; they change where a time changes.
            if "checksum" not in key and not VOLATILE.search(key):
                values[f"{name}@{key}"] = hashlib.md5(_of_array(value)).hexdigest()
        if isinstance(item, h5py.Dataset):
            values[name] = hashlib.md5(_of_array(item[()])).hexdigest()
        else:
            values[name] = "group"

    with h5py.File(path, "r", locking=False) as file:
        visit("", file)
        file.visititems(visit)
    return values


def of_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        body = file.read()
    values = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            tensor = {key: value for key, value in tensor.items() if not VOLATILE.search(key) and "checksum" not in key}
            values[name] = _without_volatile_lines(json.dumps(tensor, sort_keys=True, indent=1))
        else:
            first, end = tensor["data_offsets"]
            values[name] = hashlib.md5(body[first:end]).hexdigest() + json.dumps([tensor["dtype"], tensor["shape"]])
    return values


def of_metrics(path):
    """Losses by stage and step: a run that went on may have told a step twice."""
    values = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if "step" in row:
                values[f"{row['stage']} {row['step']}"] = {k: v for k, v in row.items() if k not in ("time", "cells_per_s")}
    return values


def _without_volatile_lines(text):
    return "\n".join(line for line in text.splitlines() if not VOLATILE_LINE.search(line))


def of_file(path):
    name = os.path.basename(path)
    if name.endswith((".h5", ".h5ad")):
        return of_hdf5(path)
    if name.endswith(".safetensors"):
        return of_safetensors(path)
    if name == "metrics.jsonl":
        return of_metrics(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        return _without_volatile_lines(file.read())


def of_tree(folder, paths):
    """The values of files and folders below `folder`: a table of relative path to values. What is absent is left out; what
    cannot be read has the reason."""
    values = {}
    for path in paths:
        whole = os.path.join(folder, path)
        files = [whole] if os.path.isfile(whole) else []
        for parent, _, names in os.walk(whole):
            files += [os.path.join(parent, name) for name in names]
        for file in sorted(files):
            name = os.path.relpath(file, folder)
            if PASSING.search(name):
                continue
            try:
                values[name] = of_file(file)
            except Exception as reason:  # of whatever kind: the file is not what it should be
                values[name] = f"cannot be read: {reason}"
    return values


def difference(got, wanted):
    """The first thing in which two tables differ, in words; None: they are the same."""
    for name in sorted(set(got) | set(wanted)):
        if name not in got or name not in wanted:
            return f"{name} is {'absent' if name not in got else 'there'}"
        if got[name] != wanted[name]:
            if isinstance(got[name], dict) and isinstance(wanted[name], dict):
                return f"{name}: {difference(got[name], wanted[name])}"
            return f"{name}: {str(got[name])[:80]!r} for {str(wanted[name])[:80]!r}"
    return None
