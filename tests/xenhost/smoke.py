#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The emulated host itself: guests of each kind run, save, restore and reboot."""

from xenhost import (HARDWARE_GUESTS, KINDS, Guest, assert_records_agree, main, make_disk,
                     qemu_img_check, sh, test, verify_save_file,
                     workdir)


def two_disks():
    return [(make_disk(workdir("a.qcow2"), "qcow2"), "qcow2", "xvda"),
            (make_disk(workdir("b.raw"), "raw"), "raw", "xvdb")]


def counts_saves_restores_and_reboots(kind):
    guest = Guest(kind, disks=two_disks()).create()
    assert_records_agree(guest)
    guest.cmd("set swordfish")
    state = guest.cmd("state")
    assert state["secret"] == "swordfish" and state["bad"] == 0, state
    assert guest.wait_tick(state["n"] + 4) >= state["n"] + 4

    guest.cmd("gap")
    image = workdir("memory")
    sh(["xl", "save", "-c", guest.name, image], timeout=120)
    guest.wait_tick()
    verify_save_file(image)
    gap = guest.cmd("gap off")["us"]
    print(f"# {kind}: xl save -c stopped the guest for {gap / 1000:.0f} ms")
    assert gap > 20000, f"a save takes longer than {gap} us"

    sh(["xl", "save", guest.name, image], timeout=120)
    assert not guest.running()
    sh(["xl", "restore", image], timeout=120)
    guest.wait_tick()
    restored = guest.cmd("state")
    assert restored["secret"] == "swordfish", restored
    assert restored["id"] == state["id"] and restored["n"] > state["n"], (state, restored)
    assert restored["bad"] == 0 and guest.cmd("verify")["ok"], guest.bad_lines()

    before = guest.cmd("stop")["n"]
    mark = guest.mark()
    guest.send("reboot")
    boot = guest.wait_boot(mark)
    assert boot["id"] != state["id"] and boot["disks"] == [before, before], (before, boot)
    guest.wait_tick(before + 2)
    assert guest.cmd("verify")["ok"], guest.bad_lines()

    guest.destroy()
    qemu_img_check(workdir("a.qcow2"))


for kind in KINDS:
    if kind == "pv" or HARDWARE_GUESTS:
        test(lambda kind=kind: counts_saves_restores_and_reboots(kind), timeout=420,
             name=f"{kind} guest counts, saves, restores and reboots")

main()
