# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Installation of the ament_python package: where colcon and pip put each file."""

from glob import glob

from setuptools import find_packages, setup

PACKAGE = 'ldn_perception'
SHARE = f'share/{PACKAGE}'

# colcon does not look at these: on a robot torch and OpenCV come from elsewhere.
REQUIREMENTS = [
    'numpy>=1.24',
    'opencv-python-headless>=4.8',
    'PyYAML>=6.0',
    'pillow>=9.4',
    'safetensors>=0.4',
    'torch>=2.6',
    'numba>=0.59',
    "openvino>=2025.2 ; platform_machine == 'x86_64'",
    'rosbags>=0.10.9',
    'apsw>=3.46',
    'av>=12.3',
    'rich>=13.0',
    'setuptools',
]
EXTRAS = {
    'report': ['matplotlib>=3.7'],
    'train': ['matplotlib>=3.7', 'tensorboard'],
    'synthetic': ['trimesh>=4.0', 'embreex>=2.17.7'],
    'ray': ['ray>=2.9'],
    'onnx': ['onnxruntime>=1.20', 'onnxscript>=0.5'],
    'int8': ["nncf>=2.17 ; platform_machine == 'x86_64'"],
}

setup(
    name=PACKAGE,
    version='0.1.0',
    description='Labels, out-of-distribution mask and disparity from a stereo pair on ROS 2.',
    license='Apache-2.0',
    author='The ldn_perception authors',
    author_email='ldn-perception@users.noreply.github.com',
    maintainer='The ldn_perception authors',
    maintainer_email='ldn-perception@users.noreply.github.com',
    python_requires='>=3.10',
    packages=find_packages(exclude=['test', 'test.*', 'benchmarks', 'benchmarks.*']),
    package_data={PACKAGE: ['py.typed', 'weights/*.safetensors', 'templates/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', sorted(glob('launch/*.launch.py'))),
        (f'{SHARE}/config', sorted(glob('config/*.*'))),
        (f'{SHARE}/config/training', sorted(glob('config/training/*.yaml'))),
        (f'{SHARE}/config/presets', sorted(glob('config/presets/*.yaml'))),
        (f'{SHARE}/config/rigs', sorted(glob('config/rigs/*.yaml'))),
        (f'{SHARE}/config/systemd', sorted(glob('config/systemd/*.service'))),
    ],
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    zip_safe=True,
    entry_points={
        'console_scripts': [
            f'stereo_seg_node = {PACKAGE}.ros.nodes.stereo_seg_node:main',
            f'bag_player = {PACKAGE}.ros.nodes.bag_player:main',
            f'bag_recorder = {PACKAGE}.ros.nodes.bag_recorder:main',
            f'evaluation_node = {PACKAGE}.ros.nodes.evaluation_node:main',
            f'system_probe = {PACKAGE}.ros.nodes.system_probe:main',
            f'ldn = {PACKAGE}.cli.main:main',
        ],
    },
)
