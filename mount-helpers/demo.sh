#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Shows all of shufflefs once: installs what is missing, builds, converts (the .h5ad given, or synthetic data), mounts,
# lists, trains a small classifier on two ranks reading in parallel, unmounts and cleans up.
set -eu
if [ "$#" -gt 1 ] || { [ "$#" -eq 1 ] && [ ! -f "$1" ]; }; then
    echo "usage: sh mount-helpers/demo.sh [DATA.h5ad]" >&2
    exit 1
fi
input=synthetic:rows=25382,vars=34455,density=0.031,seed=0
[ "$#" -eq 0 ] || input=$(realpath "$1")
cd "$(dirname "$0")/.."

sh mount-helpers/install-deps.sh build
cmake --preset release >/dev/null
cmake --build --preset release -- --quiet
bin=$PWD/build/release

work=$(mktemp -d)
clean_up() {
    if mountpoint -q "$work/mnt"; then
        fusermount3 -u "$work/mnt" || umount -l "$work/mnt"
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP
mkdir "$work/mnt"

say() { printf '\n$ %s\n' "$*"; }

say mkshufflefs "$input" -o data.sfs
"$bin/mkshufflefs" "$input" -o "$work/data.sfs"
options=batch_size=256,world_size=2,seed=7,epochs=2
say shufflefs data.sfs mnt -o "$options"
"$bin/shufflefs" "$work/data.sfs" "$work/mnt" -o "$options"
say ls mnt mnt/obs mnt/epoch_0
(cd "$work" && ls mnt mnt/obs mnt/epoch_0)
say "ls -l mnt/epoch_0/rank_1 | head -5"
ls -l "$work/mnt/epoch_0/rank_1" | head -5
say python3 mount-helpers/demo_train.py mnt
/usr/bin/python3 mount-helpers/demo_train.py "$work/mnt"
say fusermount3 -u mnt
