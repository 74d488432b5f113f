#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests need, builds, and runs all of them: the core's unit tests, the documents' tests, those over
# real mounts and those of the clients with the daemon under ASan and UBSan; then readers in parallel under TSan. What needs
# the release build runs beside these, as much of it keeps one processor busy for minutes; it is shown at the end, and kept
# in build/large.log. Extra arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."

sh mount-helpers/install-deps.sh test
for preset in release asan tsan; do
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" -- --quiet
done
# The other compiler: warnings are errors there too.
CC=clang cmake -S . -B build/clang -G Ninja -DCMAKE_BUILD_TYPE=Debug -DSHUFFLEFS_WERROR=ON >/dev/null
cmake --build build/clang -- --quiet

torch_python=$(sh tests/clients/torch_env.sh)
pytest="-m pytest -q -p no:cacheprovider -n auto"
ctest --test-dir build/asan --output-on-failure -j "$(nproc)"
ctest --test-dir build/tsan --output-on-failure -L threads # the others have one
export SHUFFLEFS_RELEASE_BUILD=build/release
SHUFFLEFS_BUILD=build/release /usr/bin/python3 $pytest --dist loadfile tests/mount -m large "$@" >build/large.log 2>&1 &
large=$!
trap wait EXIT # it leaves nothing mounted
SHUFFLEFS_BUILD=build/asan /usr/bin/python3 $pytest tests/docs tests/unit tests/mount -m "not large" "$@"
SHUFFLEFS_BUILD=build/asan $torch_python $pytest tests/clients -m "not large" "$@"
SHUFFLEFS_BUILD=build/tsan /usr/bin/python3 $pytest tests/mount/test_concurrency.py tests/mount/test_read_ahead.py -m "not large" \
    -k "not refused and not block" "$@"
failed=0
wait $large || failed=$?
cat build/large.log
exit $failed
