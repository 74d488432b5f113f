#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Races shufflefs against other loaders of single-cell training data: `sh tests/bench/peers/race.sh --help`.
set -eu
exec python3 "$(dirname "$0")/race.py" "$@"
