# SPDX-License-Identifier: LGPL-2.1-only
"""QMP to a domain's QEMU, taking turns with libxl as libxl's own users do."""

import contextlib
import fcntl
import json
import os
import socket

from .xenstore import xs_read


class QmpError(Exception):
    def __init__(self, command, error):
        super().__init__(f"{command}: {error['class']}: {error['desc']}")
        self.error_class, self.desc = error["class"], error["desc"]


@contextlib.contextmanager
def _turn(domid):
    uuid = xs_read(f"/local/domain/{domid}/vm").removeprefix("/vm/")
    path = f"/var/lib/xen/userdata-l.{domid}.{uuid}.qmp-socket-lock"
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            # The holder before us may have removed the file.
            try:
                current = os.stat(path).st_ino == os.fstat(fd).st_ino
            except FileNotFoundError:
                current = False
            if current:
                yield
                return
        finally:
            os.close(fd)


@contextlib.contextmanager
def monitor(domid, timeout=30):
    """
    A function that runs a command with its arguments and returns its return
    value, or raises QmpError.
    """
    with _turn(domid), socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(f"/run/xen/qmp-libxl-{domid}")
        stream = s.makefile("rw")
        json.loads(stream.readline())
        _call(stream, "qmp_capabilities", None)
        yield lambda command, arguments=None: _call(stream, command, arguments)


def qmp(domid, command, arguments=None, timeout=30):
    """One command."""
    with monitor(domid, timeout) as call:
        return call(command, arguments)


def _call(stream, command, arguments):
    request = {"execute": command}
    if arguments is not None:
        request["arguments"] = arguments
    stream.write(json.dumps(request) + "\n")
    stream.flush()
    for line in stream:
        reply = json.loads(line)
        if "return" in reply:
            return reply["return"]
        if "error" in reply:
            raise QmpError(command, reply["error"])
    raise ConnectionError(f"QEMU closed its monitor during {command}")
