# SPDX-License-Identifier: Apache-2.0
"""Reads a TileDB-SOMA experiment through TileDB-SOMA-ML into scipy's CSR (which it does without workers only)."""
import tiledbsoma
from tiledbsoma_ml import ExperimentDataset, experiment_dataloader

import reading


def open_experiment(case):
    experiment = tiledbsoma.Experiment.open(case["store"])
    query = experiment.axis_query(measurement_name="RNA")
    dataset = ExperimentDataset(query, layer_name="data", batch_size=case["batch_size"], io_batch_size=case["window"],
                                shuffle_chunk_size=case["chunk"], seed=0, return_sparse_X=True)
    loader = experiment_dataloader(dataset)
    return lambda epoch: (X for X, _ in loader)


if __name__ == "__main__":
    reading.serve(open_experiment)
