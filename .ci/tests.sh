#!/usr/bin/env bash
# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs every test and asks for the coverage of both parts together; arguments go to pytest.
#
#   TEST_WORKERS     processes that share the tests without ROS; default 2, each with one thread
#
# The tests with ROS or Ray wait for real processes and have the machine to themselves; Ray takes
# over signals and children of its process, so its tests have one of their own.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TEST_WORKERS=${TEST_WORKERS:-2}
NO_TESTS=5
status=0

run() {
    .venv/bin/python -m pytest --cov --cov-config=setup.cfg "$@"
    local code=$?
    if [ $code -ne 0 ] && [ $code -ne $NO_TESTS ]; then status=$code; fi
}

OMP_NUM_THREADS=1 run -m 'not ros and not ray' -n "$TEST_WORKERS" --dist loadfile \
    --cov-report= --cov-fail-under=0 "$@"
run -m ray --cov-append --cov-report= --cov-fail-under=0 "$@"
run -m ros --cov-append --cov-report=term "$@"
exit $status
