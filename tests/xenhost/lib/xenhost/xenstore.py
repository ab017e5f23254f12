# SPDX-License-Identifier: LGPL-2.1-only
"""Reads xenstore over its socket: a test asks it often, and a process for each
question costs an emulated host much."""

import socket
import struct

SOCKET = "/run/xenstored/socket"

# xen/io/xs_wire.h
XS_DIRECTORY, XS_READ, XS_ERROR = 1, 2, 16
HEADER = struct.Struct("=IIII")  # type, request, transaction, length


def _ask(kind, path):
    """The answer's bytes; None where there is no such node."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(SOCKET)
        payload = path.encode() + b"\0"
        s.sendall(HEADER.pack(kind, 0, 0, len(payload)) + payload)
        stream = s.makefile("rb")
        answer, _, _, length = HEADER.unpack(stream.read(HEADER.size))
        data = stream.read(length)
    if answer == XS_ERROR:
        if data == b"ENOENT\0":
            return None
        raise OSError(f"xenstore: {path}: {data.rstrip(bytes(1)).decode()}")
    return data


def xs_read(path):
    """The value of a node; None where there is no such node."""
    data = _ask(XS_READ, path)
    return None if data is None else data.decode()


def xs_list(path):
    data = _ask(XS_DIRECTORY, path)
    return [name.decode() for name in data.split(b"\0")[:-1]] if data else []


def domid_of(name):
    """The id of the domain that has this name; None where there is none."""
    for domid in xs_list("/local/domain"):
        if domid != "0" and xs_read(f"/local/domain/{domid}/name") == name:
            return int(domid)
    return None
