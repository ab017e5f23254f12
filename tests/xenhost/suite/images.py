#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Memory files by plain Xen tools; every method and both kinds of snapshot."""

import json
import os

from snapshots import (STORE, create, fails, healthy, info, names, plain_xl_restores, revert,
                       start, state_of, xl)
from xenhost import XEN_VERSION, domains, main, sh, test, verify_save_file

KIND = "pvh" if XEN_VERSION >= (4, 20) else "pv"


def one_that_ends_too_early_costs_nothing(guest, memory):
    """That is found out before anything is done."""
    whole, domid = memory + ".whole", guest.domid()
    os.rename(memory, whole)
    with open(whole, "rb") as f, open(memory, "wb") as half:
        half.write(f.read(os.path.getsize(whole) // 2))
    said = fails("snapshot-revert", guest.name, "s1", says=(memory, "it runs on as it was"))
    assert "destroy" not in said.lower(), said
    assert domains() == {guest.name: domid}, domains()
    healthy(guest)
    os.replace(whole, memory)


def raw_memory_file_is_what_plain_xl_restores():
    guest = start(KIND, "plain")
    span = create(guest, "s1", "--memory-format", "raw")
    memory = info(guest, "s1")["memory_path"]
    assert memory == f"{STORE}/{guest.name}/s1.mem"
    assert os.stat(memory).st_mode & 0o777 == 0o600
    verify_save_file(memory)
    one_that_ends_too_early_costs_nothing(guest, memory)
    plain_xl_restores(guest, "s1", memory, span)


def disks_alone_and_inside_the_image():
    guest = start(KIND, "methods", formats=("qcow2", "qcow2", "raw"))
    last = guest.cmd("stop")["n"]
    xl("snapshot-create", guest.name, "disks", "--disk-only", "--description", "disks only")
    guest.cmd("go")
    healthy(guest)
    shown = info(guest, "disks")
    assert not shown["memory"] and shown["description"] == "disks only"
    xl("snapshot-create", guest.name, "inside", "--disk", "xvda,method=internal",
       "--disk", "xvdb,method=internal", "--disk", "xvdc,method=none", "--disk-only")
    healthy(guest)
    assert names(guest) == ["disks", "inside"]
    fails("snapshot-create", guest.name, "inside", says=("inside", "already"))
    fails("snapshot-create", guest.name, "raw", "--disk", "xvdc,method=caller", says="caller",
          code=2)
    xl("snapshot-delete", guest.name, "inside")
    healthy(guest)

    mark = guest.mark()
    xl("snapshot-revert", guest.name, "disks")
    boot = guest.wait_boot(mark)
    assert boot["disks"] == [last, last, last], (last, boot)
    guest.wait_tick(last + 1)
    healthy(guest)
    xl("snapshot-delete", guest.name, "disks")
    healthy(guest)


def reverted_ones_are_paused_or_destroyed_first_as_asked():
    guest = start(KIND, "revert")
    guest.cmd("set s1")
    n = guest.n()
    xl("snapshot-create", guest.name, "s1", "--paused")
    span = n, n + 40
    assert "p" in state_of(guest), state_of(guest)
    sh(["xl", "unpause", guest.name])
    healthy(guest)
    revert(guest, "s1", span, "--paused")
    revert(guest, "s1", span, "--destroy-first")

    # A damaged image costs nothing: the running domain is untouched.
    memory = info(guest, "s1")["memory_path"]
    domid = guest.domid()
    with open(memory, "r+b") as f:
        f.write(b"no image")
    fails("snapshot-revert", guest.name, "s1", says=memory)
    assert guest.domid() == domid
    healthy(guest)
    fails("snapshot-revert", guest.name, "nope", says="nope")
    assert json.loads(xl("snapshot-list", guest.name, "--json").stdout)


test(raw_memory_file_is_what_plain_xl_restores)
test(disks_alone_and_inside_the_image, timeout=400)
test(reverted_ones_are_paused_or_destroyed_first_as_asked, timeout=400)

main()
