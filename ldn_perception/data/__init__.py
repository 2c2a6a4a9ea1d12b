# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets, bags, image folders and image transforms."""
