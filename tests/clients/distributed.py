# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun: `distributed.py MOUNT OUTPUT` reads an epoch of its own rank, and writes the rows of each batch to
OUTPUT/rank_R.json."""
import json
import sys
from pathlib import Path

import torch.distributed

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

import shufflefs  # noqa: E402  (after the path)

if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    loader = shufflefs.loader(shufflefs.Batches(shufflefs.Mount(sys.argv[1])), num_workers=2)
    rows = [batch.rows.tolist() for batch in loader]
    (Path(sys.argv[2]) / f"rank_{torch.distributed.get_rank()}.json").write_text(json.dumps(rows))
    torch.distributed.destroy_process_group()
