#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The whole life of snapshots, on each kind of guest: a tree of four, made,
reverted to, branched, and deleted one by one, while the guest writes."""

from snapshots import (Kept, create, current, disk_path, files_beside, healthy, names,
                       qemu_img_check, reboot, revert, sha256, start, xl)
from xenhost import KINDS, XEN_VERSION, main, test, workdir


def snapshots_live_their_life(kind):
    guest = start(kind)
    spans, kept = {}, Kept(guest)
    for name in ("s1", "s2", "s3"):
        spans[name] = create(guest, name)
        healthy(guest)
        kept.remember(name)
        assert current(guest) == name
    frozen = {path: sha256(path) for s in kept.contents for _, path, _ in kept.layers(s)}
    guest.wait_tick(guest.n() + 3)
    kept.check()

    # A reboot comes up on the current layer.
    reboot(guest)

    revert(guest, "s2", spans["s2"])
    spans["s4"] = create(guest, "s4")
    kept.remember("s4")
    healthy(guest)
    kept.check()
    changed = [path for path, digest in frozen.items() if sha256(path) != digest]
    assert not changed, f"frozen layers changed: {changed}"

    reboot(guest)
    for name in ("s1", "s3", "s2"):
        xl("snapshot-delete", guest.name, name)
        kept.forget(name)
        healthy(guest)
        kept.check()
    revert(guest, "s4", spans["s4"])
    xl("snapshot-delete", guest.name, "s4")
    healthy(guest)
    assert names(guest) == []

    # Nothing is left but the guest's own disks, under their own names.
    assert files_beside(guest) == sorted(path for path, _, _ in guest.disks), files_beside(guest)
    reboot(guest)
    guest.destroy()
    qemu_img_check(disk_path(guest, "xvda"))


def save_and_restore_after_a_snapshot():
    guest = start("pvh", "saved")
    create(guest, "s1")
    state = guest.cmd("state")
    xl("save", guest.name, workdir("saved.img"))
    xl("restore", workdir("saved.img"))
    guest.wait_tick()
    after = guest.cmd("state")
    assert after["id"] == state["id"] and after["n"] >= state["n"], (state, after)
    healthy(guest)


for kind in KINDS:
    if kind == "pv" or XEN_VERSION >= (4, 20):
        test(lambda kind=kind: snapshots_live_their_life(kind), timeout=900,
             name=f"{kind}: snapshots are made, reverted to, branched and deleted")
if XEN_VERSION >= (4, 20):
    test(save_and_restore_after_a_snapshot, timeout=300)

main()
