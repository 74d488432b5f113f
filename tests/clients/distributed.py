# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun: reads an epoch of its own rank, and writes [rank, rows of each batch] as a line of JSON."""
import json
import sys
from pathlib import Path

import torch.distributed

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

import shufflefs  # noqa: E402  (after the path)

if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    loader = shufflefs.loader(shufflefs.Batches(shufflefs.Mount(sys.argv[1])), num_workers=int(sys.argv[2]))
    rows = [batch.rows.tolist() for batch in loader]
    total = torch.tensor([sum(map(len, rows))])
    torch.distributed.all_reduce(total)
    assert total.item() == 1030, f"the ranks have {total.item()} rows together"
    sys.stdout.write(json.dumps([torch.distributed.get_rank(), rows]) + "\n")
    sys.stdout.flush()
    torch.distributed.destroy_process_group()
