#!/usr/bin/env bash
# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the site of the documentation into build/site; warnings are errors.
#
#   PYTHON   interpreter to build on, 3.11.5 or newer; default python3
#
# The environment .venv-docs is separate from .venv: the API reference is made from the sources, so
# neither torch nor ROS 2 is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
VENV=.venv-docs
REQUIREMENTS=.ci/requirements/docs.txt

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || {
    printf 'docs: %s must be Python 3.11.5 or newer, got %s: set PYTHON to another one\n' \
        "$PYTHON" "$("$PYTHON" -V)" >&2
    exit 1
}
fingerprint=$({
    cat constraints.txt "$REQUIREMENTS"
    "$PYTHON" -c 'import sys; print(sys.version, sys.base_prefix)'
} | sha256sum | cut -d' ' -f1)
if [ "$(cat "$VENV/.fingerprint" 2>/dev/null)" != "$fingerprint" ]; then
    printf 'docs: making %s on %s\n' "$VENV" "$("$PYTHON" -V)"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
        -c constraints.txt -r "$REQUIREMENTS"
    printf '%s\n' "$fingerprint" > "$VENV/.fingerprint"
fi

# The theme prints an advertisement otherwise.
NO_MKDOCS_2_WARNING=1 \
    "$VENV/bin/python" -m mkdocs build --strict --config-file .ci/mkdocs.yml
printf 'docs: build/site/index.html\n'
