#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Names of files: snapshots called as temporary files were, and disks that are symlinks."""

import os
import shutil

from snapshots import (DISK_MB, STORE, create, disk_path, fails, healthy, info, is_immutable, names,
                       revert, start, xl)
from xenhost import Guest, main, make_disk, sh, test, workdir

KIND = "pv"
ELSEWHERE = "/mnt/elsewhere"


@test
def a_snapshot_is_called_xls_tmp():
    guest = start(KIND, "named", formats=("qcow2",))
    span = create(guest, "xls-tmp")
    healthy(guest)
    path = disk_path(guest, "xvda")
    assert is_immutable(path + ".xls-tmp")
    assert not [f for f in os.listdir(workdir("")) if "xls-new" in f], os.listdir(workdir(""))
    create(guest, "s2")
    revert(guest, "xls-tmp", span)
    xl("snapshot-delete", guest.name, "s2")
    xl("snapshot-delete", guest.name, "xls-tmp")
    assert names(guest) == []
    healthy(guest)


@test
def an_export_leaves_like_named_files_alone():
    guest = start(KIND, "export", formats=("qcow2",))
    create(guest, "s1")
    theirs, saved = workdir("saved.new"), workdir("saved")
    with open(theirs, "w") as f:
        f.write("theirs")
    xl("snapshot-export", guest.name, "s1", saved)
    assert xl("snapshot-export", guest.name, "s1", saved, check=False).returncode == 1
    with open(theirs) as f:
        assert f.read() == "theirs"


@test
def lost_protection_is_restored_by_the_next_command():
    guest = start(KIND, "flags", formats=("qcow2", "raw"))
    create(guest, "s1", "--disk-only")
    layers = [d["layer_path"] for d in info(guest, "s1")["disks"]]
    for path in layers:
        assert is_immutable(path)
        assert os.getxattr(path, "trusted.xlsnapshot")
    # The flag, as a power cut may lose it; and the mark, which earlier versions did not set.
    sh(["chattr", "-i", layers[0]])
    sh(["chattr", "-i", layers[1]])
    os.removexattr(layers[1], "trusted.xlsnapshot")
    sh(["chattr", "+i", layers[1]])
    create(guest, "s2", "--disk-only")
    for path in layers:
        assert is_immutable(path), path
        assert os.getxattr(path, "trusted.xlsnapshot")
    xl("snapshot-delete", guest.name, "s1")
    healthy(guest)


@test
def a_path_relative_to_where_the_domain_was_started():
    path = make_disk(workdir("relative.qcow2"), "qcow2", DISK_MB)
    os.chdir(workdir(""))
    guest = Guest(KIND, "relative", [(os.path.basename(path), "qcow2", "xvda")]).create()
    os.chdir("/")
    for words in ((), ("--disk-only",)):
        fails("snapshot-create", guest.name, "s1", *words, says=("xvda", "give the absolute one"))
    assert names(guest) == [] and os.listdir(workdir("")) == ["relative.qcow2"]
    guest.wait_tick(guest.n() + 2)
    guest.destroy()


@test
def a_disk_is_a_symlink_into_another_file_system():
    os.makedirs(ELSEWHERE, exist_ok=True)
    sh(f"truncate -s 256M {workdir('fs')} && mkfs.ext4 -q {workdir('fs')}")
    sh(["mount", "-o", "loop", workdir("fs"), ELSEWHERE])
    try:
        shutil.rmtree(f"{STORE}/linked", ignore_errors=True)
        real, path = make_disk(f"{ELSEWHERE}/disk.qcow2", "qcow2", DISK_MB), workdir("linked.qcow2")
        os.symlink(real, path)
        guest = Guest(KIND, "linked", [(path, "qcow2", "xvda")]).create()
        span = create(guest, "s1")
        healthy(guest)
        assert info(guest, "s1")["disks"][0]["layer_path"] == real + ".s1"
        assert os.path.islink(path)
        create(guest, "s2")
        revert(guest, "s1", span)
        assert os.path.islink(path) and os.path.realpath(path) == real
        xl("snapshot-delete", guest.name, "s2")
        xl("snapshot-delete", guest.name, "s1")
        assert os.path.islink(path)
        healthy(guest)
        guest.destroy()
    finally:
        sh(f"chattr -f -i {ELSEWHERE}/* ; umount -l {ELSEWHERE}", check=False)


main()
