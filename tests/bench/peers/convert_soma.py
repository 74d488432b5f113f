# SPDX-License-Identifier: Apache-2.0
"""Makes a TileDB-SOMA experiment: convert_soma.py H5AD EXPERIMENT."""
import sys

import tiledbsoma.io

tiledbsoma.io.from_h5ad(sys.argv[2], sys.argv[1], measurement_name="RNA")
