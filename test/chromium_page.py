# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A page in headless Chromium, where there is one, over its DevTools pipe."""

import base64
import json
import os
from pathlib import Path
import shutil
import subprocess
import tempfile

NAMES = ('chromium', 'chromium-browser', 'chromium-headless-shell', 'google-chrome')


def find_chromium():
    """Path of the browser that CHROMIUM names, or of an installed one; None without any."""
    return os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, NAMES)), None)


class ChromiumPage:
    """A local page that is open while the block runs.

    Attributes:
        requests: Addresses that were asked for, data: ones left out.
        complaints: What the browser has written to its console.
    """

    def __init__(self, program: str, path: Path, width_px: int, height_px: int) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read_end, self._to_browser = os.pipe()
        self._from_browser, write_end = os.pipe()
        self._buffer, self._number, self._events = b'', 0, []

        def connect():
            # DevTools commands come on descriptor 3, answers go to 4.
            ends = os.dup(read_end), os.dup(write_end)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
             '--no-proxy-server', '--remote-debugging-pipe',
             f'--user-data-dir={self._profile.name}', 'about:blank'],
            preexec_fn=connect, close_fds=False, stderr=subprocess.DEVNULL)
        os.close(read_end)
        os.close(write_end)
        target = self._call('Target.createTarget', url='about:blank')['targetId']
        self._session = self._call(
            'Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Network', 'Log', 'Runtime'):
            self._call(f'{domain}.enable')
        self._call('Emulation.setDeviceMetricsOverride', width=width_px, height=height_px,
                   deviceScaleFactor=1, mobile=False)
        self._call('Page.navigate', url=path.resolve().as_uri())
        while not self._named('Page.loadEventFired'):
            self._events.append(self._receive())

    @property
    def requests(self):
        sent = self._named('Network.requestWillBeSent')
        addresses = [event['params']['request']['url'] for event in sent]
        return [address for address in addresses if not address.startswith('data:')]

    @property
    def complaints(self):
        return [*self._named('Log.entryAdded'), *self._named('Runtime.exceptionThrown')]

    def evaluate(self, script: str):
        """Value of a JavaScript expression."""
        answer = self._call('Runtime.evaluate', expression=script, returnByValue=True)
        return answer['result']['value']

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        size = self._call('Page.getLayoutMetrics')['cssContentSize']
        answer = self._call(
            'Page.captureScreenshot', captureBeyondViewport=True, clip={**size, 'scale': 1})
        return base64.b64decode(answer['data'])

    def _named(self, method):
        return [event for event in self._events if event.get('method') == method]

    def _call(self, method, **parameters):
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': parameters}
        if not method.startswith('Target.'):
            message['sessionId'] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._receive()
            if answer.get('id') == self._number:
                assert 'error' not in answer, answer
                return answer['result']
            self._events.append(answer)

    def _receive(self):
        while b'\0' not in self._buffer:
            part = os.read(self._from_browser, 1 << 20)
            assert part, 'the browser has ended'
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(message)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(30)
        os.close(self._to_browser)
        os.close(self._from_browser)
        self._profile.cleanup()
