#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Files that other domains use, and the identity of disks and of domains."""

import json
import os
import shutil

from snapshots import (DISTRIBUTION_XL, STORE, create, fails, healthy, info, is_immutable, names,
                       power_off, revert, sha256, start, xl)
from xenhost import Guest, main, make_disk, make_volume, sh, test, workdir

MB = 32


def started(name, disks):
    shutil.rmtree(os.path.join(STORE, name), ignore_errors=True)
    return Guest("pv", name, disks).create()


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
    one, two = (started(name, [(clone(golden, f"{name}.qcow2"), "qcow2", "xvda")])
                for name in ("one", "two"))
    sh(["chattr", "+i", golden])
    before = sha256(golden)
    fails("disk-commit", "one", "xvda", says=[golden, f"--base={golden} --force"])
    fails("disk-commit", "one", "xvda", "--force", says="--base")
    fails("disk-commit", "one", "xvda", f"--base={golden}", "--force", says=[golden, "protected"])
    sh(["chattr", "-i", golden])
    fails("disk-commit", "one", "xvda", f"--base={golden}", "--force", says="in use by domain")
    sh(["chattr", "+i", golden])
    create(one, "s1", "--disk-only")
    xl("snapshot-undo", "one")
    assert sha256(golden) == before and is_immutable(golden)
    healthy(one)
    healthy(two)
    two.destroy()
    sh(["chattr", "-i", golden])
    xl("disk-commit", "one", "xvda", f"--base={golden}", "--force")
    healthy(one)


def a_volume_goes_by_its_own_name():
    volume, other = (make_volume(name, MB) for name in ("web1", "web2"))
    guest = started("volume", [(volume, "raw", "xvda")])
    create(guest, "s1", "--disk-only", f"--disk=xvda,path={workdir('over.qcow2')}")
    layers = info(guest, "s1")["disks"]
    assert [d["layer_path"] for d in layers] == [volume], layers
    backing = json.loads(sh(["qemu-img", "info", "-U", "--output=json",
                             workdir("over.qcow2")]).stdout)["full-backing-filename"]
    assert backing == volume, backing
    xl("disk-chain", guest.name, "--validate")
    healthy(guest)
    # The path leads to another volume, as /dev/dm-0 does after another order of activation.
    node = os.readlink(volume)
    sh(["ln", "-sfn", other, volume])
    assert "another block device" in xl("disk-chain", guest.name, "--validate", check=False).stdout
    fails("snapshot-create", guest.name, "s2", "--disk-only", says=[volume, "device-mapper"])
    assert xl("snapshot-verify", guest.name, check=False).returncode == 1
    last = power_off(guest)
    fails("create", guest.config_path, says=[volume, "device-mapper"])
    sh(["ln", "-sfn", node, volume])
    xl("snapshot-verify", guest.name)
    mark = guest.mark()
    xl("create", guest.config_path)
    assert guest.wait_boot(mark)["disks"] == [last]
    xl("snapshot-delete", guest.name, "s1")
    assert names(guest) == []
    healthy(guest)


def images_that_were_moved_are_found_again():
    guest = start("pv", "moved")
    span = create(guest, "s1")
    fails("snapshot-relocate", guest.name, workdir(""), workdir("new"), says="new")
    os.mkdir(workdir("new"))
    guest.wait_tick(guest.n() + 1)
    last = power_off(guest)
    for path in os.listdir(workdir("")):
        if path.startswith("moved-"):
            sh(["chattr", "-i", workdir(path)], check=False)
            os.rename(workdir(path), workdir(f"new/{path}"))
    fails("snapshot-create", guest.name, says="no running domain")
    assert "snapshot-relocate moved" in xl("snapshot-verify", guest.name, check=False).stderr
    said = xl("snapshot-relocate", guest.name, workdir(""), workdir("new"))
    guest.disks = [(workdir(f"new/{os.path.basename(path)}"), kind, vdev)
                   for path, kind, vdev in guest.disks]
    for path, _, _ in guest.disks:
        assert path in said.stderr, said
    guest.write_config()
    mark = guest.mark()
    xl("create", guest.config_path)
    assert guest.wait_boot(mark)["disks"] == [last, last]
    healthy(guest)
    fails("snapshot-relocate", guest.name, workdir("new"), workdir("newer"), says="newer")
    fails("snapshot-relocate", guest.name, workdir("new"), workdir(""), says="missing")
    revert(guest, "s1", span)
    xl("snapshot-delete", guest.name, "s1")
    healthy(guest)


def snapshots_follow_a_rename():
    guest = start("pv", "before")
    span = create(guest, "s1")
    # By this package's xl, to a name with a blank.
    xl("rename", "before", "in between")
    assert not os.path.exists(f"{STORE}/before")
    guest.name = "in between"
    assert names(guest) == ["s1"]
    # By the distribution's.
    sh([DISTRIBUTION_XL, "rename", "in between", "after"])
    guest.name = "after"
    said = xl("snapshot-list", "after")
    assert "in between" in said.stderr and "s1" in said.stdout, said
    xl("snapshot-delete", "after", "none", check=False)
    assert names(guest) == ["s1"]
    # Not onto another's snapshots.
    other = start("pv", "other", formats=("qcow2",))
    create(other, "s1", "--disk-only")
    other.destroy()
    fails("rename", "after", "other", says="other")
    assert guest.running()
    guest.destroy()
    xl("snapshot-revert", "after", "s1")
    assert info(guest, "s1")["disks"] and span


test(a_revert_does_not_take_a_file_that_another_domain_got)
test(a_golden_image_is_not_written_by_a_clone)
test(a_volume_goes_by_its_own_name)
test(images_that_were_moved_are_found_again)
test(snapshots_follow_a_rename)

main()
