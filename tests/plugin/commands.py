#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The snapshot commands as an admin uses them, on an emulated host:
xenhost run SUITE -- ../plugin/commands.py [test name part...]"""

import json
import os

from xenhost import (KINDS, XEN_VERSION, Guest, assert_records_agree, main, make_disk,
                     qemu_img_check, sh, test, workdir)


def xl(*words, check=True):
    result = sh(["xl", *words], timeout=240, check=False)
    print("$ xl " + " ".join(words))
    for line in (result.stdout + result.stderr).splitlines():
        print("    " + line)
    assert not check or result.returncode == 0, f"xl {words[0]}: {result.returncode}"
    return result


def names(guest):
    return [s["name"] for s in json.loads(xl("snapshot-list", guest.name, "--json").stdout)]


def in_order(guest, tops):
    """Ticks, sees its own data on both disks, and all records agree."""
    guest.wait_tick()
    assert guest.cmd("verify")["ok"], guest.bad_lines()
    assert_records_agree(guest)
    found = {d["vdev"]: d["top_path"] for d in json.load(open(
        f"/var/lib/xen/snapshots/{guest.name}/domain.json"))["disks"]}
    assert found == tops, (found, tops)


def snapshots_from_creation_to_deletion(kind):
    a, b = workdir("a.qcow2"), workdir("b.raw")
    guest = Guest(kind, disks=[(make_disk(a, "qcow2"), "qcow2", "xvda"),
                               (make_disk(b, "raw"), "raw", "xvdb")]).create()
    tops = {"xvda": a, "xvdb": b + ".active.qcow2"}

    guest.cmd("set first")
    xl("snapshot-create", guest.name, "s1", "--description", "the first")
    in_order(guest, tops)
    guest.cmd("set second")
    xl("snapshot-create", guest.name, "s2")
    in_order(guest, tops)
    xl("snapshot-create", guest.name, "s3", "--disk-only")
    in_order(guest, tops)
    assert names(guest) == ["s1", "s2", "s3"]
    assert xl("snapshot-create", guest.name, "s3", check=False).returncode == 1
    assert xl("snapshot-create", guest.name, "../s", check=False).returncode == 2
    mode = os.stat(f"/var/lib/xen/snapshots/{guest.name}/s1.mem").st_mode & 0o777
    assert mode == 0o600, oct(mode)

    xl("snapshot-revert", guest.name, "s1")
    assert guest.cmd("state")["secret"] == "first"
    in_order(guest, tops)
    assert xl("snapshot-current", guest.name).stdout == "s1\n"
    xl("snapshot-create", guest.name, "s4")
    xl("snapshot-list", guest.name, "--tree")
    in_order(guest, tops)

    # Restarted by the supervisor.
    before, mark = guest.cmd("stop")["n"], guest.mark()
    guest.send("reboot")
    boot = guest.wait_boot(mark)
    assert boot["disks"] == [before, before], (before, boot)
    in_order(guest, tops)

    # Off, and on again from the config file as it was.
    guest.cmd("stop")
    guest.destroy()
    xl("snapshot-list", guest.name)
    mark = guest.mark()
    xl("create", guest.config_path)
    guest.wait_boot(mark)
    in_order(guest, tops)

    xl("snapshot-delete", guest.name, "s1")
    in_order(guest, tops)
    xl("snapshot-delete", guest.name, "s3")
    in_order(guest, tops)
    xl("snapshot-revert", guest.name, "s2")
    assert guest.cmd("state")["secret"] == "second"
    in_order(guest, tops)

    # A domain that does not run.
    guest.destroy()
    xl("snapshot-delete", guest.name, "s4")
    xl("snapshot-revert", guest.name, "s2")
    in_order(guest, tops)
    xl("snapshot-delete", guest.name, "s2", "--children")
    assert names(guest) == []
    in_order(guest, {"xvda": a, "xvdb": b})
    left = sorted(f for f in os.listdir(os.path.dirname(a)) if f.startswith(("a.", "b.")))
    assert left == ["a.qcow2", "b.raw"], left
    guest.destroy()
    qemu_img_check(a)


for kind in KINDS:
    if kind == "pv" or XEN_VERSION >= (4, 20):
        test(lambda kind=kind: snapshots_from_creation_to_deletion(kind), timeout=900,
             name=f"{kind}: snapshots from creation to deletion")

main()
