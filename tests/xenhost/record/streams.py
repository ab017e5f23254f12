#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
Records what the distribution's own `xl save` writes, for tests that need no
host: streams.py DIRECTORY [RECORDING…].  Each recording is of a guest that
counts on its disks and has some of dom0's programs in its page cache.
"""

import os
import struct
import sys
import time

from xenhost import (HARDWARE_GUESTS, Guest, main, make_disk, sh, test, verify_save_file,
                     workdir)

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness.cpio import Archive  # noqa: E402

DIRECTORY = sys.argv.pop(1)
os.environ["PATH"] = "/usr/sbin:" + os.environ["PATH"]  # the distribution's xl
GUEST_INITRAMFS = "/boot/guest-initramfs"
RUN_SECONDS = 10
SAVE_SECONDS = 300

# xen/tools/libs: guest/xg_sr_stream_format.h, light/libxl_sr_stream_format.h
XL_HEADER = struct.Struct("<32s4I")
LIBXL_HEADER_BYTES = 16
LIBXC_CONTEXT = 1
LIBXC_HEADERS_BYTES = 24 + 16
PAGE_DATA, LIBXC_END = 1, 0
PFN_MASK, TYPE_SHIFT, FIRST_TYPE_WITHOUT_DATA = (1 << 52) - 1, 60, 13


def initramfs(megabytes):
    """The guests' own and, as an initramfs stays in the page cache, programs and libraries."""
    archive, left = Archive(), megabytes << 20
    archive.directory("programs")
    for directory in ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/sbin"):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path) and \
               os.path.getsize(path) <= min(left, 2 << 20):
                with open(path, "rb") as f:
                    archive.file("programs/" + name, f.read(), 0o755)
                left -= os.path.getsize(path)
    path = workdir("initramfs")
    archive.write(path)
    with open(path, "ab") as out, open(GUEST_INITRAMFS, "rb") as own:
        out.write(own.read())
    return path


def start(kind, memory, programs):
    disks = [(make_disk(workdir(f"{f}.img"), f, 32), f, vdev)
             for f, vdev in (("qcow2", "xvda"), ("raw", "xvdb"))]
    return Guest(kind, memory=memory, disks=disks, cmdline="blocks=1",
                 ramdisk=initramfs(programs)).create()


def save(guest, name, preload=None):
    """The guest goes on afterwards."""
    path = workdir(name)
    before = guest.cmd("state")
    assert before["bad"] == 0, guest.bad_lines()
    sh([*(["env", f"LD_PRELOAD={preload}"] if preload else []),
        "xl", "save", "-c", guest.name, path], timeout=SAVE_SECONDS)
    guest.wait_tick(before["n"] + 2)
    return path


def keep(path):
    """Under its name only when all of it is there."""
    verify_save_file(path)
    target = os.path.join(DIRECTORY, os.path.basename(path))
    started = time.monotonic()
    sh(["cp", path, target + ".part"], timeout=SAVE_SECONDS)
    seconds = time.monotonic() - started
    assert os.path.getsize(target + ".part") == os.path.getsize(path)
    os.rename(target + ".part", target)
    pages, different = count_pages(path)
    print(f"# {os.path.basename(path)}: {os.path.getsize(path)} bytes, {pages} pages, "
          f"{pages - different} of them again, copied in {seconds:.0f} s")
    os.unlink(path)


def count_pages(path):
    """How many pages a save file carries, and how many different ones."""
    pages, numbers = 0, set()
    with open(path, "rb") as f:
        *_, config_bytes = XL_HEADER.unpack(f.read(XL_HEADER.size))
        f.seek(config_bytes + LIBXL_HEADER_BYTES, os.SEEK_CUR)
        found = records(f)
        while next(found) != LIBXC_CONTEXT:
            pass
        f.seek(LIBXC_HEADERS_BYTES, os.SEEK_CUR)
        for kind in records(f):
            if kind == LIBXC_END:
                return pages, len(numbers)
            if kind == PAGE_DATA:
                count, _ = struct.unpack("<II", f.read(8))
                carried = [n & PFN_MASK for n in struct.unpack(f"<{count}Q", f.read(8 * count))
                           if n >> TYPE_SHIFT < FIRST_TYPE_WITHOUT_DATA]
                pages += len(carried)
                numbers.update(carried)
    raise AssertionError(f"{path}: the stream has no end")


def records(f):
    """The type of each record, F at its body."""
    while header := f.read(8):
        kind, length = struct.unpack("<II", header)
        body = f.tell()
        yield kind
        f.seek(body + (length + 7) // 8 * 8)


def a_and_b(kind, memory, programs):
    """One guest stopped and saved twice, some seconds apart."""
    guest = start(kind, memory, programs)
    first = save(guest, f"{kind}-{memory}-a.save")
    time.sleep(RUN_SECONDS)
    second = save(guest, f"{kind}-{memory}-b.save")
    keep(first)
    keep(second)


def live(kind, memory, programs):
    """A guest that writes to its memory while it is saved, so that pages come twice."""
    preload = workdir("live.so")
    sh(["gcc", "-shared", "-fPIC", "-o", preload, "/src/tests/xenhost/record/live.c"])
    guest = start(kind, memory, programs)
    guest.cmd("dirty 4")
    path = save(guest, f"{kind}-{memory}-live.save", preload)
    pages, different = count_pages(path)
    assert pages > different, f"none of {pages} pages comes twice: not live"
    keep(path)


if HARDWARE_GUESTS:
    # SeaBIOS loads an initramfs byte by byte.
    RECORDINGS = [(a_and_b, "pvh", 128, 24), (a_and_b, "pvh", 256, 64), (a_and_b, "hvm", 160, 16),
                  (live, "pvh", 128, 24)]
else:
    RECORDINGS = [(a_and_b, "pv", 128, 16)]
for how, *what in RECORDINGS:
    test(lambda how=how, what=what: how(*what), timeout=1500,
         name=f"{what[0]}-{what[1]} {how.__name__.replace('_', ' ')}")

main()
