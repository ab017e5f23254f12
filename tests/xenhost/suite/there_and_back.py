#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Snapshots are taken and deleted again, with QEMU restarted in between and
without: both ways to merge."""

from snapshots import (DISTRIBUTION_XL, disk_path, fails, files_beside, healthy, names, reboot,
                       start, xl)
from xenhost import main, sh, test


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


def layers_merge_one_after_the_other_after_a_reboot():
    """QEMU has opened them by itself then, and each has more in it than the one below."""
    guest = start("pv", "frozen", formats=("qcow2",))
    for number in (1, 2, 3):
        guest.cmd(f"fill {2 * number}", timeout=120)
        xl("snapshot-create", guest.name, f"s{number}", "--disk-only")
    reboot(guest)
    for number in (1, 2, 3):
        xl("snapshot-delete", guest.name, f"s{number}")
        healthy(guest)
    assert files_beside(guest) == sorted(path for path, _, _ in guest.disks), files_beside(guest)
    reboot(guest)


def started_on_the_frozen_layer(name, protected):
    """
    As by any toolstack that goes by the configuration file and does not look further.
    Returns the guest, its two layers and what it had counted to on the upper one.
    """
    guest = start("pv", name, formats=("raw",))
    raw = disk_path(guest, "xvda")
    xl("snapshot-create", guest.name, "s", "--disk-only")
    n = guest.wait_tick(guest.n() + 4)
    guest.destroy()
    if not protected:
        sh(["chattr", "-i", raw])
    sh([DISTRIBUTION_XL, "create", guest.config_path], timeout=120)
    return guest, raw, f"{raw}.active.qcow2", n


def layers_are_spared_when_the_domain_was_started_on_a_frozen_one():
    guest, raw, overlay, n = started_on_the_frozen_layer("past", True)
    for words in (["create", guest.name, "t", "--disk-only"], ["delete", guest.name, "s"],
                  ["undo", guest.name], ["revert", guest.name, "s"]):
        fails(f"snapshot-{words[0]}", *words[1:],
              says=[f"started on {raw}, which is frozen for snapshot s", f"that is {overlay}, of",
                    f"'xl destroy {guest.name}'"])
    guest.destroy()
    guest.create()
    assert guest.n() >= n, (guest.n(), n)
    healthy(guest)
    xl("snapshot-delete", guest.name, "s")
    healthy(guest)
    reboot(guest)
    assert guest.n() >= n, (guest.n(), n)


def layers_are_spared_when_the_protection_of_a_frozen_one_was_lifted():
    guest, raw, overlay, n = started_on_the_frozen_layer("lifted", False)
    guest.wait_tick()
    assert guest.n() < n, (guest.n(), n)
    said = xl("snapshot-delete", guest.name, "s").stderr
    assert f"{overlay} stays: it was disk xvda of lifted, which was started on {raw} s" in said
    assert names(guest) == []
    assert files_beside(guest) == sorted([raw, overlay]), files_beside(guest)
    healthy(guest)
    xl("snapshot-create", guest.name, "t", "--disk-only")
    xl("snapshot-delete", guest.name, "t")
    healthy(guest)


test(lambda: back_to_where_it_was(8, 0), name="data before: the active layer goes down")
test(lambda: back_to_where_it_was(0, 8), name="data after: the frozen layer goes up")
test(layers_merge_one_after_the_other_after_a_reboot)
test(layers_are_spared_when_the_domain_was_started_on_a_frozen_one)
test(layers_are_spared_when_the_protection_of_a_frozen_one_was_lifted)

main()
