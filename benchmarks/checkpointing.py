# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Memory and speed of training with each gradient checkpointing plan: Table 4.11.

For each plan, a separate process runs training steps (forward, cross-entropy at the resolution of
the logits or of the image, backward) on random images. The peak is the memory a step adds to the
process at rest, which includes weights and gradients: resident memory on the CPU, with large
blocks returned to the kernel at once; torch.cuda.max_memory_allocated on the GPU. The table also
shows the bytes that autograd keeps between the forward and backward pass of the network, each
block counted once. Another process measures the speed without returning memory. In the last row
the loss is checkpointed too, one segment per image.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import subprocess
import sys
import time

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.hardware import keep_freed_memory
from ldn_perception.models.checkpointing import CHECKPOINT_PLANS, checkpoint_model, sum_over_images
from ldn_perception.models.registry import MODELS, build_model

THESIS_MB = {
    'none': 11265, '3x3': 10107, 'cat_1x1': 6620, 'cat_1x1_and_3x3': 5552,
    'block_stem_td_up': 3902, 'cat_1x1_3x3': 3620, 'cat_1x1_3x3_stem_td_up': 2106,
}
THESIS_FPS = {
    'none': 11.3, '3x3': 10.5, 'cat_1x1': 10.4, 'cat_1x1_and_3x3': 9.7,
    'block_stem_td_up': 8.4, 'cat_1x1_3x3': 10.1, 'cat_1x1_3x3_stem_td_up': 9.2,
}
_NUM_CLASSES = 19
_SMALLEST = 'cat_1x1_3x3_stem_td_up'
_WITH_LOSS = f'{_SMALLEST}_loss'
_ROWS = (*CHECKPOINT_PLANS, _WITH_LOSS)


def main() -> None:
    """Measure every plan, or a single one in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default='ldn121_32_4', choices=MODELS, metavar='NAME')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--crop', type=int, default=256, help='side of the images [px]')
    parser.add_argument('--steps', type=int, default=2, help='steps timed, the fastest counts')
    parser.add_argument('--loss', choices=('logits', 'image'), default='logits',
                        help='resolution of the cross-entropy')
    parser.add_argument('--rows', nargs='+', choices=_ROWS, default=_ROWS, metavar='ROW',
                        help='measure some of the table only; the first is the base')
    parser.add_argument('--plan', choices=_ROWS, help='measure this one, print JSON')
    parser.add_argument('--quantity', choices=('memory', 'speed'), default='memory')
    options = parser.parse_args()
    if options.plan:
        print(json.dumps(measure(options)))
        return
    results = {
        plan: {**measure_in_child(plan, 'memory'), **measure_in_child(plan, 'speed')}
        for plan in options.rows
    }
    print_table(options, results)
    folder = Path('build/benchmarks')
    folder.mkdir(parents=True, exist_ok=True)
    figures = {'options': vars(options), 'plans': results}
    (folder / 'checkpointing.json').write_text(json.dumps(figures, indent=2) + '\n')


def measure_in_child(plan: str, quantity: str) -> dict[str, float]:
    """Measure one plan in a separate process."""
    environment = dict(os.environ)
    if quantity == 'memory':
        # Every tensor of at least 64 kB is returned to the kernel when it is freed.
        environment |= {'MALLOC_MMAP_THRESHOLD_': '65536', 'MALLOC_TOP_PAD_': '0'}
    command = [sys.executable, *sys.argv, '--plan', plan, '--quantity', quantity]
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(finished.stdout)
    return figures


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Measure memory [MB] or speed [images/s] of one plan in this process."""
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if options.quantity == 'speed':
        keep_freed_memory()
    model = build_model(options.model, _NUM_CLASSES).to(device).train()
    checkpoint_model(model, _SMALLEST if options.plan == _WITH_LOSS else options.plan)
    torch.manual_seed(0)
    image = torch.randn(options.batch, 3, options.crop, options.crop, device=device)

    def train() -> float:
        started = time.perf_counter()
        step(model, image, options.loss == 'image', options.plan == _WITH_LOSS)
        return time.perf_counter() - started

    train()  # allocates the gradients and other one-time buffers
    if options.quantity == 'speed':
        return {'images_per_s': options.batch / min(train() for _ in range(options.steps))}
    saved_mb = saved_bytes(model, image) / 1e6
    peak = Peak(device)
    train()
    return {'rest_mb': peak.rest_mb, 'peak_mb': peak.above_rest_mb(), 'saved_mb': saved_mb}


def step(model: nn.Module, image: Tensor, full_size: bool, by_image: bool) -> None:
    """Run one forward and backward pass; gradients accumulate."""
    logits = model(image).logits
    height, width = image.shape[-2:] if full_size else logits.shape[-2:]
    labels = torch.zeros(len(image), height, width, dtype=torch.long, device=image.device)
    if by_image:
        loss = sum_over_images(cross_entropy, logits, labels)
    else:
        loss = cross_entropy(logits, labels)
    (loss / labels.numel()).backward()
    if image.is_cuda:
        torch.cuda.synchronize()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the cross-entropy over all pixels of labels (N, H, W), with upsampled logits."""
    size = (labels.shape[-2], labels.shape[-1])
    if logits.shape[-2:] != size:
        logits = F.interpolate(logits, size, mode='bilinear', align_corners=False)
    return F.cross_entropy(logits, labels, reduction='sum')


def saved_bytes(model: nn.Module, image: Tensor) -> int:
    """Bytes kept by autograd after a forward pass, without weights and image."""
    own = {tensor.data_ptr() for tensor in (*model.parameters(), *model.buffers(), image)}
    blocks: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            blocks[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the tensor itself would keep its own graph node alive

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(image)  # keeps the blocks alive, so that no address is reused
    del output
    return sum(blocks.values())


class Peak:
    """Peak memory since construction, relative to the memory at construction.

    Args:
        device: Device of the memory.

    Attributes:
        rest_mb: Memory at construction [MB].
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == 'cuda'
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
            self.rest_mb = torch.cuda.memory_allocated() / 1e6
        else:
            Path('/proc/self/clear_refs').write_text('5')  # resets the peak to the present value
            self.rest_mb = status_mb('VmRSS')

    def above_rest_mb(self) -> float:
        """Peak memory minus memory at rest [MB]."""
        peak = torch.cuda.max_memory_allocated() / 1e6 if self._on_gpu else status_mb('VmHWM')
        return peak - self.rest_mb


def status_mb(field: str) -> float:
    """Memory of this process from a kernel field: VmRSS for now, VmHWM for the peak [MB]."""
    status = Path('/proc/self/status').read_text()
    return int(status.split(f'{field}:')[1].split()[0]) * 1024 / 1e6


def print_table(options: argparse.Namespace, results: dict[str, dict[str, float]]) -> None:
    """Print one line per plan, with ratios to the first plan and those of the thesis."""
    base = next(iter(results.values()))
    print(f'{options.model}, batch {options.batch}, {options.crop} x {options.crop}, loss at the '
          f'{options.loss}, {"GPU" if torch.cuda.is_available() else "CPU"}')
    print(f'{"plan":28}{"peak MB":>9}{"ratio":>7}{"thesis":>8}{"held MB":>9}{"ratio":>7}'
          f'{"images/s":>10}{"ratio":>7}{"thesis":>8}')
    for plan, figures in results.items():
        print(f'{plan:28}{figures["peak_mb"]:9.0f}{base["peak_mb"] / figures["peak_mb"]:7.2f}'
              f'{_ratio(THESIS_MB["none"], THESIS_MB.get(plan)):>8}{figures["saved_mb"]:9.0f}'
              f'{base["saved_mb"] / figures["saved_mb"]:7.2f}{figures["images_per_s"]:10.2f}'
              f'{figures["images_per_s"] / base["images_per_s"]:7.2f}'
              f'{_ratio(THESIS_FPS.get(plan), THESIS_FPS["none"]):>8}')
    best = min(results, key=lambda plan: results[plan]['peak_mb'])
    print(f'least memory: {best}, {base["peak_mb"] / results[best]["peak_mb"]:.2f} x less than '
          f'without (thesis 5.35); at rest {base["rest_mb"]:.0f} MB')


def _ratio(numerator: float | None, denominator: float | None) -> str:
    return '' if numerator is None or denominator is None else f'{numerator / denominator:.2f}'


if __name__ == '__main__':
    main()
