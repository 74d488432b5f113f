# SPDX-License-Identifier: Apache-2.0
"""Who races, converted how and read in which settings.

A setting's order is "random", where every row of an epoch may come at any place, or (block, window): blocks of so many
neighbours are shuffled, and rows within windows of so many rows. Only settings of the same order are compared.
"""
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
WARM_UP = 8192                                          # rows, at least, before warm figures count
FETCH = 16384                                           # rows that a peer without another default fetches together
RANDOM = "random"
BLOCKS = [(512, FETCH), (256, FETCH), (64, FETCH), (32, 8192), (64, 65536)]


@dataclass
class Setting:
    name: str
    order: object
    options: dict = field(default_factory=dict)         # for the reader
    readers: int = 1                                    # processes, each with its share of the batches

    fetch: int = 0                                      # rows that are fetched together, where that is not a batch

    def case(self, batch_size, skip):
        """Only whole windows, of rows fetched together, are timed."""
        window = self.fetch or batch_size
        return {"batch_size": batch_size, "window": window, "skip": max(window, WARM_UP) if skip else 0, **self.options}


@dataclass
class Contestant:
    name: str
    title: str
    script: str                                         # of read_SCRIPT.py, convert_SCRIPT.py and the environment
    store: str                                          # file or folder
    settings: list
    codec: str = ""                                     # of mkshufflefs
    common: dict = field(default_factory=dict)          # in all cases

    def conversion(self, python, build, h5ad, store):
        """The command, or None where the .h5ad itself is read."""
        if self.codec:
            return [build / "mkshufflefs", h5ad, "-o", store, "--quiet", "--codec", self.codec]
        script = HERE / f"convert_{self.script}.py"
        return [python, script, h5ad, store] if script.exists() else None

    def mount_options(self, setting, batch_size):
        options = f"batch_size={batch_size},seed=1"
        if setting.order != RANDOM:
            options += ",order=block,block_size={},window={}".format(*setting.order)
        return options


def shufflefs(codec):
    """Whole files with numpy, and the Python client where there is one, without and with reading ahead."""
    settings = [Setting("file", RANDOM), Setting("file, 2 readers", RANDOM, readers=2)]
    if (HERE.parents[2] / "clients" / "python" / "shufflefs.py").exists():
        settings += [Setting("client", RANDOM, {"ahead": 0}), Setting("client, 2 readers", RANDOM, {"ahead": 0}, 2),
                     Setting("client, 2 ahead", RANDOM, {"ahead": 2})]
    settings += [Setting(settings[-1].name if len(settings) > 2 else "file", order, settings[-1].options)
                 for order in BLOCKS]
    return Contestant(f"shufflefs-{codec}", f"shufflefs, {codec}", "shufflefs", f"{codec}.sfs", settings, codec)


def scdl():
    """DataLoader(shuffle=True), the only order it has."""
    settings = [Setting(f"{workers} workers", RANDOM, {"workers": workers}) for workers in (0, 1, 2)]
    return Contestant("scdl", "BioNeMo-SCDL", "scdl", "scdl", settings, common={"ragged": True})


def annbatch():
    """512 x 32 is the default, 256 x 64 and 32 x 256 are its authors' choices. One row a chunk is true random, for which
    larger windows are slower still."""
    settings = [Setting(f"chunk {chunk} x {preload}", RANDOM if chunk == 1 else (chunk, chunk * preload),
                        {"chunk": chunk, "preload": preload}, fetch=chunk * preload)
                for chunk, preload in ((1, 4096), (512, 32), (256, 64), (64, 256), (32, 256))]
    return Contestant("annbatch", "annbatch", "annbatch", "annbatch.zarr", settings)


def scdataset():
    settings = [Setting("block 1", RANDOM, {"block": 1}, fetch=FETCH),
                Setting("block 64", (64, FETCH), {"block": 64}, fetch=FETCH)]
    return Contestant("scdataset", "scDataset on .h5ad", "scdataset", "", settings)


def soma():
    """Blocks of 64 in windows of 65536 are the default; it says itself that windows be smaller in little memory."""
    settings = [Setting(f"chunk {chunk} x {window // chunk}", RANDOM if chunk == 1 else (chunk, window),
                        {"chunk": chunk}, fetch=window)
                for chunk, window in ((1, FETCH), (64, FETCH), (64, 65536))]
    return Contestant("soma", "TileDB-SOMA-ML", "soma", "soma", settings)


def contestants():
    return [shufflefs("packed"), shufflefs("raw"), scdl(), annbatch(), scdataset(), soma()]
