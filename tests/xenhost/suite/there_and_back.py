#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A snapshot is taken and deleted again without the guest's QEMU restarting in
between, with as much on the disk before it as after it: both ways to fold."""

from snapshots import files_beside, healthy, names, reboot, start, xl
from xenhost import main, test


def back_to_where_it_was(mb_before, mb_after):
    guest = start("pv", "back", formats=("qcow2", "raw"))
    if mb_before:
        guest.cmd(f"fill {mb_before}", timeout=120)
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    if mb_after:
        guest.cmd(f"fill {mb_after}", timeout=120)
    xl("snapshot-create", guest.name, "s2", "--disk-only")
    healthy(guest)
    for name in ("s2", "s1"):
        xl("snapshot-delete", guest.name, name)
        healthy(guest)
    assert names(guest) == []
    assert files_beside(guest) == sorted(path for path, _, _ in guest.disks), files_beside(guest)
    reboot(guest)


test(lambda: back_to_where_it_was(8, 0), name="data before: the active layer goes down")
test(lambda: back_to_where_it_was(0, 8), name="data after: the frozen layer goes up")

main()
