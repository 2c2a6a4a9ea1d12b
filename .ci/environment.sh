#!/usr/bin/env bash
# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes .venv with everything the package, its demo and its tests need, every version pinned.
#
#   PYTHON           interpreter to build on; default python3
#   TORCH_CPU_INDEX  where CPU builds of torch come from if the configured index has none
#
# A ROS 2 that is sourced is used and keeps its numpy; without one, ROS 2 comes from wheels.
# torch is a CPU build unless nvidia-smi finds a GPU. A second run changes nothing, and a run
# after a change of the pins, the interpreter, ROS 2 or the GPU makes the environment anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}
TORCH_VERSION=2.13.0
TORCH_CPU_INDEX=${TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}
VENV=.venv
REQUIREMENTS=.ci/requirements

say() { printf 'environment: %s\n' "$*"; }
fail() { printf 'environment: %s\n' "$*" >&2; exit 1; }

has() { "$PYTHON" -c "import $1" 2>/dev/null; }

check_python() {
    command -v "$PYTHON" >/dev/null || fail "$PYTHON must be a Python interpreter: install python3"
    "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' ||
        fail "$PYTHON must be Python 3.10 to 3.14, got $("$PYTHON" -V): set PYTHON to another one"
    has ensurepip || has pip ||
        fail "$PYTHON must be able to make environments: install python3-venv"
}

# Sets ros, numpy_major, opencv and gpu: what this machine brings.
look_around() {
    ros=wheels
    numpy_major=2
    opencv=opencv-python-headless
    if [ -n "${ROS_DISTRO:-}" ] && has rclpy; then
        ros=$ROS_DISTRO
        numpy_major=$("$PYTHON" -c 'import numpy; print(numpy.__version__.split(".")[0])')
        if has cv2; then opencv=''; fi
    elif [ "$(uname -sm)" != 'Linux x86_64' ]; then
        fail "ROS 2 wheels exist for x86-64 Linux, got $(uname -sm): source a ROS 2 installation"
    fi
    gpu=none
    if nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then gpu=nvidia; fi
}

fingerprint() {
    {
        cat constraints*.txt "$REQUIREMENTS"/*.txt setup.py setup.cfg .ci/environment.sh
        "$PYTHON" -c 'import sys; print(sys.version, sys.base_prefix)'
        printf '%s\n' "$PWD" "$ros" "$numpy_major" "$opencv" "$gpu"
    } | sha256sum | cut -d' ' -f1
}

pip_install() {
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check "$@"
}

constrained() {
    pip_install -c constraints.txt -c "constraints-numpy$numpy_major.txt" "$@"
}

make_venv() {
    local system_packages=()
    if [ "$ros" != wheels ]; then system_packages=(--system-site-packages); fi
    rm -rf "$VENV"
    "$PYTHON" -m venv "${system_packages[@]}" "$VENV" ||
        fail "$PYTHON must be able to make environments: install python3-venv"
}

install_packages() {
    local requirements=(-r "$REQUIREMENTS/runtime.txt" -r "$REQUIREMENTS/test.txt")
    if [ "$ros" = wheels ]; then requirements+=(-r "$REQUIREMENTS/ros.txt"); fi
    constrained "${requirements[@]}" ${opencv:+"$opencv"}
}

install_torch() {
    if [ "$gpu" = nvidia ]; then
        constrained "torch==$TORCH_VERSION" torchvision
        return
    fi
    # The configured index has torchvision for CUDA: the CPU build of torch must stay.
    constrained --no-deps torchvision
    local cpu_build="torch==$TORCH_VERSION+cpu"
    if pip_install --no-deps "$cpu_build" 2>/dev/null; then return; fi
    say "the configured index has no $cpu_build; taking it from $TORCH_CPU_INDEX"
    pip_install --no-deps --index-url "$TORCH_CPU_INDEX" "$cpu_build" ||
        fail "$cpu_build must be at $TORCH_CPU_INDEX: set TORCH_CPU_INDEX to an index that has it"
}

main() {
    check_python
    look_around
    local wanted
    wanted=$(fingerprint)
    if [ "$(cat "$VENV/.fingerprint" 2>/dev/null)" = "$wanted" ]; then return; fi

    say "making $VENV on $("$PYTHON" -V), ROS 2 from $ros, numpy $numpy_major, GPU: $gpu"
    make_venv
    say 'installing packages (some minutes on the first run)'
    if [ "$ros" != wheels ]; then
        say 'pip may list conflicts of packages outside .venv: those keep their own versions'
    fi
    install_packages
    say "installing torch $TORCH_VERSION and torchvision"
    install_torch
    # PEP 517 keeps `ldn` in .venv/bin: setup.cfg's script directories are for colcon.
    pip_install --no-deps --no-build-isolation --use-pep517 --editable .
    printf '%s\n' "$wanted" > "$VENV/.fingerprint"
    say "done: $(du -sh "$VENV" | cut -f1) in $VENV"
}

main
