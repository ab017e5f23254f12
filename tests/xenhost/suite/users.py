#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Files that other domains use, and the identity of disks and of domains."""

import os

from snapshots import (create, fails, healthy, is_immutable, names, sha256, start,
                       xl)
from xenhost import Guest, main, make_disk, sh, test, workdir

MB = 32


def clone(golden, name):
    path = workdir(name)
    sh(["qemu-img", "create", "-q", "-f", "qcow2", "-b", golden, "-F", "qcow2", path])
    return path


def a_revert_does_not_take_a_file_that_another_domain_got():
    web1 = start("pv", "web1", formats=("qcow2", "qcow2"))
    create(web1, "s1", "--disk-only")
    a, b = (path for path, _, _ in web1.disks)
    web1.destroy()
    # An overlay of the other domain's on the file counts like the file.
    for other in (b, clone(b, "over.qcow2")):
        web2 = Guest("pv", "web2", [(other, "qcow2", "xvda")]).create()
        inode = os.stat(b).st_ino
        web1.disks = [(a, "qcow2", "xvda")]
        web1.create()
        fails("snapshot-revert", "web1", "s1", says=[b, "web2", "xl block-detach"])
        healthy(web1)
        web1.destroy()
        # Nor while it is off.
        fails("snapshot-revert", "web1", "s1", says=[b, "web2"])
        assert os.stat(b).st_ino == inode
        healthy(web2)
        web2.destroy()
    assert names(web1) == ["s1"]


def a_golden_image_is_not_written_by_a_clone():
    golden = make_disk(workdir("golden.qcow2"), "qcow2", MB)
    web1 = Guest("pv", "web1", [(clone(golden, "one.qcow2"), "qcow2", "xvda")]).create()
    web2 = Guest("pv", "web2", [(clone(golden, "two.qcow2"), "qcow2", "xvda")]).create()
    sh(["chattr", "+i", golden])
    before = sha256(golden)
    fails("disk-commit", "web1", "xvda", says=[golden, f"--base={golden} --force"])
    fails("disk-commit", "web1", "xvda", "--force", says="--base")
    fails("disk-commit", "web1", "xvda", f"--base={golden}", "--force", says=[golden, "protected"])
    sh(["chattr", "-i", golden])
    fails("disk-commit", "web1", "xvda", f"--base={golden}", "--force", says="in use by domain")
    sh(["chattr", "+i", golden])
    create(web1, "s1", "--disk-only")
    xl("snapshot-undo", "web1")
    assert sha256(golden) == before and is_immutable(golden)
    healthy(web1)
    healthy(web2)
    web2.destroy()
    sh(["chattr", "-i", golden])
    xl("disk-commit", "web1", "xvda", f"--base={golden}", "--force")
    healthy(web1)


test(a_revert_does_not_take_a_file_that_another_domain_got)
test(a_golden_image_is_not_written_by_a_clone)

main()
