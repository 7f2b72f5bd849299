# SPDX-License-Identifier: MIT
"""Compares HDF5 files of two folders, as same_results.sh does: same_results.py A B FILES...

One line a file; at the first that differs its differences, and exit status 1.
"""
import sys

import h5py
import numpy

# Where results come from, in these groups alone.
ORIGIN_GROUPS = ("provenance/", "uns/cytoforge/")
ORIGIN_NAMES = ("created", "model_created", "version")


def is_origin(name):
    return any(name == group + end for group in ORIGIN_GROUPS for end in ORIGIN_NAMES)


def content(value):
    """Bytes of an array; texts and references, which are not arrays of bytes, as they print."""
    array = numpy.asarray(value)
    if array.dtype.hasobject:
        return repr([bytes(v) if isinstance(v, numpy.void) else v for v in array.ravel().tolist()]).encode()
    return array.tobytes()


def description(item):
    """Type, shape and storage of a data set or attribute."""
    type_ = item.get_type() if isinstance(item, h5py.h5a.AttrID) else item.id.get_type()
    return type_.encode()


def attributes(object_):
    found = {}
    for name in object_.attrs:
        attribute = h5py.h5a.open(object_.id, name.encode())
        found[name] = (description(attribute), attribute.shape, content(object_.attrs[name]))
    return found


def storage(dataset):
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(i) for i in range(plan.get_nfilters())]
    return (dataset.shape, dataset.maxshape, dataset.chunks, plan.get_layout(), filters)


def read(path):
    """Of each object by its path: what it is, its attributes and, of a data set, type, storage and content."""
    found = {}

    def visit(name, object_):
        if is_origin(name):
            found[name] = ("origin",)
            return
        entry = {"kind": type(object_).__name__, "attributes": attributes(object_)}
        if isinstance(object_, h5py.Dataset):
            entry.update(type=description(object_), storage=storage(object_), bytes=content(object_[()]))
        found[name] = entry

    with h5py.File(path, "r") as file:
        visit("/", file)
        file.visititems(visit)
    return found


def differences(old, new):
    for name in sorted(set(old) | set(new)):
        if name not in old or name not in new:
            yield f"  {name}: only in {'the old file' if name in old else 'the new file'}"
            continue
        a, b = old[name], new[name]
        if a == b:
            continue
        for key in sorted(set(a) | set(b)):
            if a.get(key) == b.get(key):
                continue
            if key == "bytes":
                n = sum(x != y for x, y in zip(a[key], b[key])) + abs(len(a[key]) - len(b[key]))
                yield f"  {name}: {n} of {len(a[key])} bytes differ"
            elif key == "attributes":
                names = sorted(k for k in set(a[key]) | set(b[key]) if a[key].get(k) != b[key].get(k))
                yield f"  {name}: attributes differ: {', '.join(names)}"
            else:
                yield f"  {name}: {key} differs"


def main(old_folder, new_folder, files):
    total = 0
    for file in files:
        old, new = read(f"{old_folder}/{file}"), read(f"{new_folder}/{file}")
        found = list(differences(old, new))
        if found:
            print(f"{file}: differs")
            print("\n".join(found[:40]))
            return 1
        n = sum("bytes" in entry for entry in old.values())
        print(f"{file}: {n} data sets are the same")
        total += n
    print(f"total {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
