#!/usr/bin/env bash
# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs every test and requires a coverage of all parts together, started processes included. With
# --fast it runs the tests of `make check`. Other arguments go to pytest; with --fast or arguments
# no coverage is required.
#
#   TEST_WORKERS     processes that share the tests; default 2, each with one thread
#
# A file stays on one worker, which keeps what its fixtures made; the slow files come first. The
# tests with ROS come after the others: their nodes are processes and threads of their own, and
# every worker has a ROS domain of its own. Ray takes over signals and children of its process, so
# its tests have one of their own.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TEST_WORKERS=${TEST_WORKERS:-2}
NO_TESTS=5
status=0

pytest() {
    .venv/bin/python -m pytest "$@"
    local code=$?
    if [ $code -ne 0 ] && [ $code -ne $NO_TESTS ]; then status=$code; fi
}

measured() { pytest --cov --cov-config=setup.cfg --cov-report= --cov-fail-under=0 "$@"; }

export OMP_NUM_THREADS=1
shared=(-n "$TEST_WORKERS" --dist loadfile --no-loadscope-reorder)
if [ "${1:-}" = --fast ]; then
    pytest -m 'not ros and not ray and not slow' "${shared[@]}" -q "${@:2}"
    exit $status
fi
measured -m 'not ros and not ray' "${shared[@]}" "$@"
measured -m ray --cov-append "$@"
measured -m ros "${shared[@]}" --cov-append "$@"

# Requires a coverage; arguments select the files.
cover() {
    .venv/bin/python -m coverage report --rcfile=setup.cfg "$@" || status=1
}

if [ $# -eq 0 ]; then
    cover --omit='ldn_perception/ros/nodes/*' --fail-under=90
    cover --include='ldn_perception/ros/nodes/*' --fail-under=85
fi
exit $status
