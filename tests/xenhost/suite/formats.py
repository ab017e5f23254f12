#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What images and files may be like: snapshots of others inside them, memory in
a place of the user's choice."""

import os

from snapshots import DISK_MB, create, fails, healthy, info, names, revert, start, xl
from xenhost import Guest, main, make_disk, sh, test, workdir


def an_internal_snapshot_named_like_the_id_of_another_one_is_reverted_to():
    path = make_disk(workdir("inside.qcow2"), "qcow2", DISK_MB)
    for name in ("theirs", "3"):
        sh(["qemu-img", "snapshot", "-c", name, path])
    guest = Guest("pv", "inside", [(path, "qcow2", "xvda")]).create()

    # Its ID is 3, and 2 is that of "3".
    span = create(guest, "2", "--disk=xvda,method=internal")
    assert info(guest, "2")["disks"][0]["internal_name"] == "2"
    fails("snapshot-create", guest.name, "3", "--disk=xvda,method=internal",
          says=["\"3\" already", "another name"])
    assert names(guest) == ["2"]
    guest.wait_tick(guest.n() + 2)
    revert(guest, "2", span, "--destroy-first")
    healthy(guest)

    said = xl("snapshot-create", guest.name, "layer", "--disk-only").stderr
    assert "(theirs, 3)" in said, said
    # The layer has to stay, and the name is free all the same.
    said = xl("snapshot-delete", guest.name, "layer").stderr
    assert "it holds internal snapshots" in said, said
    assert names(guest) == ["2"]
    xl("snapshot-create", guest.name, "layer", "--disk-only")
    assert names(guest) == ["2", "layer"]
    assert info(guest, "layer")["disks"][0]["layer_path"] == path + ".layer.1"
    healthy(guest)


def memory_is_kept_where_it_is_wanted():
    guest = start("pv", "place", ("qcow2",))
    path = workdir("elsewhere/the.memory")
    fails("snapshot-create", guest.name, "s1", f"--memory-path={path}", says="no directory")
    os.mkdir(os.path.dirname(path), 0o700)
    span = create(guest, "s1", f"--memory-path={path}")
    assert info(guest, "s1")["memory_path"] == path
    assert os.stat(path).st_mode & 0o777 == 0o600
    fails("snapshot-create", guest.name, "s2", f"--memory-path={path}", says="exists already")
    create(guest, "s2")
    assert not info(guest, "s2").get("memory_parent")
    xl("snapshot-verify", guest.name)
    revert(guest, "s1", span)
    healthy(guest)
    xl("snapshot-delete", guest.name, "s1")
    assert not os.path.exists(path)
    assert os.listdir(os.path.dirname(path)) == []
    healthy(guest)


test(an_internal_snapshot_named_like_the_id_of_another_one_is_reverted_to)
test(memory_is_kept_where_it_is_wanted)

main()
