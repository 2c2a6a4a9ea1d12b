# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
PYTEST_ARGS ?=

# rclpy stops where it has no directory for its logs; HOME need not exist.
export ROS_LOG_DIR ?= $(CURDIR)/log/ros

.DEFAULT_GOAL := help
.PHONY: help environment demo test check lint build docs clean

help: ## List the targets.
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

environment: ## Make .venv with every version pinned; nothing to do, nothing done.
	@PYTHON="$(PYTHON)" .ci/environment.sh

demo: environment ## Replay a stereo drive through the node; options in ARGS='…' (ARGS=--help lists them).
	@$(BIN)/ldn demo $(ARGS)

test: lint ## Check style and types, run every test, ask for the coverage; options in PYTEST_ARGS='…'.
	@.ci/tests.sh $(PYTEST_ARGS)

check: lint ## Check style and types and run the fast tests; options in PYTEST_ARGS='…'.
	@.ci/tests.sh --fast $(PYTEST_ARGS)

lint: environment ## Check style, docstrings and types.
	$(BIN)/python -m ruff check --config .ci/ruff.toml .
	$(BIN)/python -m mypy

build: environment ## Build the ROS package into install/ with the Python of .venv.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/colcon build

docs: ## Build the documentation into build/site; a warning is an error.
	@PYTHON="$(PYTHON)" .ci/docs.sh

clean: ## Remove what the other targets made.
	rm -rf .venv .venv-docs build install log .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache *.egg-info
