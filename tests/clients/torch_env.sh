#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints a Python that can run the clients' tests, with torch: the system's with the system's torch; where there is no such
# package, a virtual environment in build/torch with pip's build for CPUs; where that cannot be had either, the system's
# without, and the tests that need torch are skipped.
set -eu
cd "$(dirname "$0")/../.."
python=/usr/bin/python3
wheels=${PIP_INDEX_URL:-https://download.pytorch.org/whl/cpu}

has_torch() { "$1" -c 'import torch' 2>/dev/null; }

make_environment() {
    sh mount-helpers/install-deps.sh venv && $python -m venv --system-site-packages build/torch &&
        build/torch/bin/pip install --quiet --index-url "$wheels" torch==2.8.0
} >&2

if has_torch $python || { sh mount-helpers/install-deps.sh torch >&2 && has_torch $python; }; then
    echo $python
elif has_torch build/torch/bin/python || make_environment; then
    echo build/torch/bin/python
else
    echo "torch_env.sh: no torch, neither the package python3-torch nor from $wheels: its tests are skipped" >&2
    echo $python
fi
