# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Names and shapes of the tensors of torchvision's networks, described without torchvision.

Each tensor made of them holds one value everywhere that no other has. It needs the memory of that
value alone, so the networks can have their true size.
"""

import torch


def conv(name, outputs, inputs, kernel):
    return {f'{name}.weight': (outputs, inputs, kernel, kernel)}


def norm(name, maps):
    names = ('weight', 'bias', 'running_mean', 'running_var')
    return {**{f'{name}.{part}': (maps,) for part in names}, f'{name}.num_batches_tracked': ()}


def linear(name, outputs, inputs):
    return {f'{name}.weight': (outputs, inputs), f'{name}.bias': (outputs,)}


def densenet_layout(blocks, growth=32, width=64):
    """Names and shapes, in the order in which the network computes."""
    layout = conv('features.conv0', width, 3, 7) | norm('features.norm0', width)
    for block, size in enumerate(blocks, 1):
        for layer in range(1, size + 1):
            name = f'features.denseblock{block}.denselayer{layer}'
            layout |= norm(f'{name}.norm1', width)
            layout |= conv(f'{name}.conv1', 4 * growth, width, 1)
            layout |= norm(f'{name}.norm2', 4 * growth)
            layout |= conv(f'{name}.conv2', growth, 4 * growth, 3)
            width += growth
        if block < len(blocks):
            layout |= norm(f'features.transition{block}.norm', width)
            layout |= conv(f'features.transition{block}.conv', width // 2, width, 1)
            width //= 2
    return layout | norm('features.norm5', width) | linear('classifier', 1000, width)


def resnet_layout(stages, kernels, expansion):
    layout = conv('conv1', 64, 3, 7) | norm('bn1', 64)
    inputs = 64
    for stage, size in enumerate(stages):
        width = 64 * 2 ** stage
        for block in range(size):
            name, maps = f'layer{stage + 1}.{block}', inputs
            for index, kernel in enumerate(kernels, 1):
                outputs = expansion * width if index == len(kernels) else width
                layout |= conv(f'{name}.conv{index}', outputs, maps, kernel)
                layout |= norm(f'{name}.bn{index}', outputs)
                maps = outputs
            if inputs != outputs:
                layout |= conv(f'{name}.downsample.0', outputs, inputs, 1)
                layout |= norm(f'{name}.downsample.1', outputs)
            inputs = outputs
    return layout | linear('fc', 1000, inputs)


def vgg_layout():
    layout, index, inputs = {}, 0, 3
    for width in (64, 64, 'M', 128, 128, 'M', *(256,) * 3, 'M', *(512,) * 3, 'M', *(512,) * 3):
        if width == 'M':
            index += 1
            continue
        layout |= conv(f'features.{index}', width, inputs, 3)
        layout |= {f'features.{index}.bias': (width,)}
        index, inputs = index + 2, width
    for name, outputs, inputs in (
        ('classifier.0', 4096, 512 * 7 * 7), ('classifier.3', 4096, 4096),
        ('classifier.6', 1000, 4096),
    ):
        layout |= linear(name, outputs, inputs)
    return layout


LAYOUTS = {
    'densenet121': densenet_layout((6, 12, 24, 16)),
    'densenet161': densenet_layout((6, 12, 36, 24), growth=48, width=96),
    'densenet169': densenet_layout((6, 12, 32, 32)),
    'resnet18': resnet_layout((2, 2, 2, 2), (3, 3), 1),
    'resnet50': resnet_layout((3, 4, 6, 3), (1, 3, 1), 4),
    'resnet101': resnet_layout((3, 4, 23, 3), (1, 3, 1), 4),
    'vgg16': vgg_layout(),
}
PUBLISHED_PARAMETERS = {
    'densenet121': 7_978_856, 'densenet161': 28_681_000, 'densenet169': 14_149_480,
    'resnet18': 11_689_512, 'resnet50': 25_557_032, 'resnet101': 44_549_160,
    'vgg16': 138_357_544,
}


def distinct_tensors(layout):
    """A tensor for every name, the same value everywhere in it: its place in the layout."""
    return {
        name: torch.tensor(
            index, dtype=torch.int64 if 'num_batches' in name else torch.float32
        ).expand(shape)
        for index, (name, shape) in enumerate(layout.items(), 1)
    }
