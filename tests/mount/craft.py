# SPDX-License-Identifier: Apache-2.0
"""Changes collections and gives them the checksums that they must have, so that nothing but their contents is wrong."""
import json

import numpy as np
import xxhash

import model


def describe(collection, change):
    """Applies change to collection.json, and gives it the checksum that it must have."""
    path = collection / "collection.json"
    root = json.loads(path.read_text())
    del root["checksum"]
    change(root)
    body = json.dumps(root, indent=1)[:-2] + ",\n"
    path.write_text(body + f'"checksum": "{xxhash.xxh3_64_hexdigest(body.encode())}"\n}}\n')


def sum_again(collection, name):
    """Gives every page of a file the sum that it must have by now."""
    root = json.loads((collection / "collection.json").read_text())
    entry, blob = root["files"][name], (collection / name).read_bytes()
    sums = np.lib.format.open_memmap(collection / entry["sums"], "r+")
    for page in range(0, len(blob), 4096):
        sums[entry["first_sum"] + page // 4096] = xxhash.xxh3_64_intdigest(blob[page:page + 4096]) & 0xFFFFFFFF


class Records:
    """The records of a matrix of codec packed in one shard, to be changed and written back."""

    def __init__(self, collection, name="X"):
        self.collection, self.name = collection, name
        self.shard = self.find(json.loads((collection / "collection.json").read_text()))
        bases, deltas, data = (np.load(collection / self.shard[key]) for key in ("record_bases", "record_deltas", "data"))
        begins = [*(bases[np.arange(len(deltas)) // 64] + deltas).tolist(), len(data)]
        self.nnz = np.load(collection / self.shard["nnz"])
        self.records = [data[a:b].tobytes() for a, b in zip(begins, begins[1:])]

    def find(self, root):
        shard, = next(matrix for matrix in root["matrices"] if matrix["name"] == self.name)["shards"]
        return shard

    def write(self):
        lengths = [len(record) for record in self.records]
        begins = np.cumsum([0, *lengths])[:-1].astype("<u8")
        checks = [xxhash.xxh3_64_intdigest(record) & 0xFFFFFFFF if nnz else 0 for record, nnz in zip(self.records, self.nnz)]
        data = model.npy(np.frombuffer(b"".join(self.records), "u1"))
        (self.collection / self.shard["data"]).write_bytes(data)
        describe(self.collection, lambda root: root["files"][self.shard["data"]].update(bytes=len(data)))
        self.write_array("record_bases", begins[::64])
        self.write_array("record_deltas", (begins - np.repeat(begins[::64], 64)[:len(begins)]).astype("<u4"))
        self.write_array("checks", np.array(checks, "<u4"))

    def write_array(self, role, array):
        """Another array of the same length, covered by page sums."""
        (self.collection / self.shard[role]).write_bytes(model.npy(array))
        sum_again(self.collection, self.shard[role])
