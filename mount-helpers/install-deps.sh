#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs Debian's or Ubuntu's packages, where one is missing: `install-deps.sh build` what is needed to build and run,
# `install-deps.sh test` also what the tests need; `install-deps.sh torch` and `install-deps.sh venv` torch for them, or what
# pip needs to get it.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libfuse3-dev fuse3 libhdf5-dev libjansson-dev libzstd-dev libxxhash-dev libdeflate-dev liblzf-dev python3 python3-numpy"
test="clang clang-format python3-scipy python3-pandas python3-anndata python3-h5py python3-pytest python3-pytest-xdist python3-hypothesis python3-xxhash python3-zstandard binutils man-db procps r-base-core r-cran-matrix"

case "${1:-}" in
build) wanted=$build ;;
test) wanted="$build $test" ;;
torch) wanted=python3-torch ;;
venv) wanted=python3-venv ;;
*) echo "usage: install-deps.sh build|test|torch|venv" >&2; exit 1 ;;
esac

missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps.sh: needs root or sudo to install:$missing" >&2; exit 1; }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null
# shellcheck disable=SC2086
$as_root apt-get install -q -y --no-install-recommends $missing >/dev/null
