#!/usr/bin/env bash
# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs every test and asks for the coverage of all parts together; arguments go to pytest.
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

run() {
    .venv/bin/python -m pytest --cov --cov-config=setup.cfg --cov-fail-under=0 "$@"
    local code=$?
    if [ $code -ne 0 ] && [ $code -ne $NO_TESTS ]; then status=$code; fi
}

export OMP_NUM_THREADS=1
shared=(-n "$TEST_WORKERS" --dist loadfile --no-loadscope-reorder)
run -m 'not ros and not ray' "${shared[@]}" --cov-report= "$@"
run -m ray --cov-append --cov-report= "$@"
run -m ros "${shared[@]}" --cov-append --cov-report= "$@"

# Asks for a coverage; arguments select the files.
cover() {
    .venv/bin/python -m coverage report --rcfile=setup.cfg "$@" || status=1
}

if [ $# -eq 0 ]; then
    cover --omit='ldn_perception/ros/nodes/*' --fail-under=90
    cover --include='ldn_perception/ros/nodes/*' --fail-under=85
fi
exit $status
