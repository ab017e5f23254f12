# SPDX-License-Identifier: LGPL-2.1-only
"""Writes the archives that Linux takes as an initramfs (cpio, newc)."""

import stat


class Archive:
    def __init__(self):
        self._data = bytearray()
        self._inode = 0

    def directory(self, path):
        self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, path, data, mode=0o644):
        self._entry(path, stat.S_IFREG | mode, data)

    def symlink(self, path, target):
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def _entry(self, path, mode, data):
        self._inode += 1
        name = path.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        self._data += b"070701" + b"".join(b"%08x" % f for f in fields) + name
        self._pad()
        self._data += data
        self._pad()

    def _pad(self):
        self._data += bytes(-len(self._data) % 4)

    def write(self, path):
        self._entry("TRAILER!!!", 0, b"")
        with open(path, "wb") as f:
            f.write(self._data)
