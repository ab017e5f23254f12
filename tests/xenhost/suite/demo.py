#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""make demo: what an admin would do, and what the guest says meanwhile."""

import sys
import time

from snapshots import first_tick_after, sh, start

began = time.monotonic()


def step(text):
    print(f"\n[{time.monotonic() - began:5.1f} s] {text}", flush=True)


def xl(*words):
    print("    $ xl " + " ".join(words), flush=True)
    result = sh(["xl", *words], check=False, timeout=240)
    for line in (result.stdout + result.stderr).splitlines():
        print("    " + line)
    if result.returncode:
        sys.exit(f"xl {words[0]} failed with exit code {result.returncode}")


def shown(guest):
    state = guest.cmd("state")
    print(f"    guest: counter {state['n']}, a word in its RAM: {state['secret']}; "
          f"reads of its disks that were wrong: {state['bad']}", flush=True)
    if state["bad"]:
        sys.exit("the guest's memory and disks do not agree")
    return state


step("A PVH guest starts; it counts in its RAM and on both of its disks (qcow2, raw).")
sh(["mkdir", "-p", "/guests/work"])
guest = start("pvh", "web1", memory=84)
guest.cmd("set before")
shown(guest)

step("A live snapshot of memory and disks, while it runs:")
guest.cmd("gap")
xl("snapshot-create", "web1", "before-upgrade", "--live", "--description", "all is well")
stopped = guest.cmd("gap off")["us"]
print(f"    guest: I stood still for {stopped / 1000:.0f} ms")
xl("snapshot-list", "web1")

step("The guest counts on, and its RAM changes:")
guest.cmd("set after")
taken = guest.n()
guest.wait_tick(taken + 4)
late = shown(guest)

step("Back to the snapshot:")
guest.cmd("stop")
mark = guest.mark()
xl("snapshot-revert", "web1", "before-upgrade")
guest.wait_tick(mark=mark)
first = first_tick_after(guest, mark)
print(f"    guest: I went on at {first}")
back = shown(guest)
if back["secret"] != "before" or not first <= taken < late["n"]:
    sys.exit("the guest is not where it was")
print("    Memory and disks are those of the snapshot, and agree.")

step("The snapshot is no longer needed:")
xl("snapshot-delete", "web1", "before-upgrade")
xl("snapshot-list", "web1", "--tree")
guest.wait_tick(guest.n() + 2)
shown(guest)
step("Done: the guest runs on, on its own disks.")
