#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
Reverts of domains as they are configured in the field: disks that a snapshot
cannot cover, resources that two domains cannot hold at once, files of the
configuration that are gone.
"""

import glob
import json
import os
import shutil
import socket
import subprocess
import threading
import time

from snapshots import (STORE, current, fails, files_beside, from_arguments, healthy, info, names,
                       reboot, sha256, xl)
from xenhost import Guest, domains, main, make_disk, qemu_img_check, sh, test, workdir

KIND = from_arguments("kind", "pv")
QEMU = "/usr/libexec/xen-qemu-system-i386"


def make(name, disks, **config):
    """A counting guest with these disks, whose store is empty."""
    shutil.rmtree(os.path.join(STORE, name), ignore_errors=True)
    return Guest(KIND, name, disks, **config).create()


def qcow2(name, vdev="xvda"):
    return (make_disk(workdir(f"{name}-{vdev}.qcow2"), "qcow2", 32), "qcow2", vdev)


def loop_disk(name, vdev):
    """A disk that the kernel serves: QEMU has no part in it."""
    path = make_disk(workdir(f"{name}-{vdev}.raw"), "raw", 32)
    device = sh(["losetup", "-f", "--show", path]).stdout.strip()
    return (device, "raw", vdev, "phy")


def edit_config(guest, snapshot, change):
    """Changes the configuration in a snapshot's record."""
    path = f"{STORE}/{guest.name}/{snapshot}.json"
    if not os.path.exists(path):
        path = next(p for p in glob.glob(f"{STORE}/{guest.name}/**/*.json", recursive=True)
                    if json.load(open(p)).get("name") == snapshot)
    with open(path) as f:
        record = json.load(f)
    config = json.loads(record["config"])
    change(config)
    record["config"] = json.dumps(config)
    with open(path, "w") as f:
        json.dump(record, f)


class OpenedTwice(threading.Thread):
    """Looks for two QEMUs that have one file open, until stopped."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.most, self.seen, self.on = path, 0, 0, True
        self.start()

    def run(self):
        real = os.path.realpath(self.path)
        while self.on:
            users = 0
            for fds in glob.glob("/proc/[0-9]*/fd"):
                try:
                    if "qemu-system" not in os.readlink(os.path.dirname(fds) + "/exe"):
                        continue
                    users += any(os.readlink(os.path.join(fds, fd)) == real
                                 for fd in os.listdir(fds))
                except OSError:
                    continue
            self.most = max(self.most, users)
            self.seen += 1
            time.sleep(0.02)

    def stop(self):
        self.on = False
        self.join()
        assert self.seen > 5 and self.most >= 1, (self.seen, self.most)
        return self.most


@test
def a_memory_snapshot_covers_every_writable_disk_or_is_refused():
    guest = make("covers", [qcow2("covers"), loop_disk("covers", "xvdb"),
                            loop_disk("covers", "xvdc")])
    before = files_beside(guest)
    fails("snapshot-create", guest.name, "s1",
          says=("xvdb", "xvdc", "in the kernel", "--disk=xvdb,method=none",
                "--disk=xvdc,method=none", "--disk-only"))
    fails("snapshot-create", guest.name, "s1", "--disk=xvdb,method=none",
          says=("xvdc", "--disk=xvdc,method=none"))
    fails("snapshot-create", guest.name, "s1", "--disk=xvdb", says=("xvdb", "in the kernel"))
    assert names(guest) == [] and files_beside(guest) == before, files_beside(guest)
    # The library refuses likewise, and nothing has stopped the guest.
    with open(workdir("args.json"), "w") as f:
        json.dump({"memory": True, "memory_path": workdir("mem"),
                   "disks": [{"disk": {"vdev": "xvda"}, "method": "external",
                              "external_path": workdir("over.qcow2")}]}, f)
    result = sh(["apictl", "create", str(guest.domid()), workdir("args.json")], check=False)
    assert result.returncode == 1 and "disk_unsupported" in result.stderr, result
    assert "xvdb" in result.stderr and "xvdc" in result.stderr, result.stderr
    os.unlink(workdir("args.json"))
    assert files_beside(guest) == before, files_beside(guest)
    guest.wait_tick(guest.n() + 2)

    # Disks alone: the rest is left out, as ever.
    said = xl("snapshot-create", guest.name, "alone", "--disk-only").stderr
    assert "xvdb is left out" in said and "xvdc is left out" in said, said
    assert info(guest, "alone")["left_out"] == ["xvdb", "xvdc"], info(guest, "alone")


@test
def a_disk_left_out_on_purpose_is_named_again_by_a_revert():
    guest = make("onpurpose", [qcow2("onpurpose"), loop_disk("onpurpose", "xvdb")])
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1", "--disk=xvdb,method=none")
    assert info(guest, "s1")["left_out"] == ["xvdb"], info(guest, "s1")
    assert "Left out:     xvdb" in xl("snapshot-info", guest.name, "s1").stdout
    guest.cmd("set later")
    domid = guest.domid()
    fails("snapshot-revert", guest.name, "s1", says=("does not cover disk xvdb", "--force"))
    assert guest.domid() == domid and guest.cmd("state")["secret"] == "later"
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1", "--force").stderr
    assert "xvdb" in said, said
    assert guest.domid() != domid and guest.cmd("state")["secret"] == "s1"


@test
def a_disk_that_is_left_out_is_never_open_twice():
    guest = make("twice", [qcow2("twice"), qcow2("twice", "xvdb")], cmdline="blocks=1")
    xl("snapshot-create", guest.name, "s1", "--disk=xvdb,method=none")
    guest.cmd("scribble 32", timeout=120)
    watch = OpenedTwice(guest.disks[1][0])
    said = xl("snapshot-revert", guest.name, "s1", "--force").stderr
    assert watch.stop() == 1, "two QEMUs had the disk that is left out open"
    assert "xvdb" in said and "put aside" in said, said
    guest.cmd("stop")
    guest.destroy()
    qemu_img_check(guest.disks[1][0])


def brought_back(guest, secret, *words, says=()):
    """The revert fails, and the domain is as it was, with its memory, watched over."""
    guest.cmd(f"set {secret}")
    n, mark, files = guest.n(), guest.mark(), files_beside(guest)
    error = fails("snapshot-revert", guest.name, "s1", *words, says=says)
    guest.wait_tick(n, mark=mark)
    state = guest.cmd("state")
    assert state["secret"] == secret and state["n"] >= n and state["bad"] == 0, state
    assert guest.cmd("verify")["ok"], guest.bad_lines()
    assert list(domains()) == [guest.name], domains()
    assert files_beside(guest) == files, (files, files_beside(guest))
    assert not glob.glob("/var/lib/xen/xlsnapshot/*"), glob.glob("/var/lib/xen/xlsnapshot/*")
    return error


@test
def a_socket_that_two_cannot_hold_has_the_old_one_put_aside():
    path = workdir("channel")
    guest = make("channel", [qcow2("channel")],
                 channel=[f"connection=socket,path={path},name=agent"])
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert path in said and "put aside" in said, said
    assert guest.cmd("state")["secret"] == "s1"
    healthy(guest)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)

    # The new one cannot be built: the old one comes back.
    edit_config(guest, "s1", lambda config: config["b_info"].update(device_model="/bin/false"))
    brought_back(guest, "later", says="is back as it was")
    reboot(guest)


@test
def a_fixed_vnc_display_has_the_old_one_put_aside():
    guest = make("vnc", [qcow2("vnc")],
                 vfb=["type=vnc,vncunused=0,vncdisplay=7,vnclisten=127.0.0.1"])
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert "VNC" in said and "put aside" in said, said
    assert guest.cmd("state")["secret"] == "s1"
    healthy(guest)
    with socket.create_connection(("127.0.0.1", 5907)) as s:
        assert s.recv(3) == b"RFB"


@test
def what_the_configuration_names_is_there_before_anything():
    kernel, ramdisk = workdir("kernel"), workdir("ramdisk")
    shutil.copy("/boot/guest-vmlinux", kernel)
    shutil.copy("/boot/guest-initramfs", ramdisk)
    guest = make("gone", [qcow2("gone")], kernel=kernel, ramdisk=ramdisk)
    xl("snapshot-create", guest.name, "s1")
    domid = guest.domid()
    for path in (kernel, ramdisk):
        os.rename(path, path + ".away")
        for options in ([], ["--destroy-first"]):
            fails("snapshot-revert", guest.name, "s1", *options, says=(path, "--config"))
            assert guest.domid() == domid
        os.rename(path + ".away", path)
    guest.wait_tick(guest.n() + 2)
    xl("snapshot-revert", guest.name, "s1")
    healthy(guest)


@test
def a_raw_memory_file_that_ends_too_early_costs_nothing_even_with_destroy_first():
    guest = make("short", [qcow2("short")])
    xl("snapshot-create", guest.name, "s1", "--memory-format=raw")
    memory = info(guest, "s1")["memory_path"]
    domid = guest.domid()
    os.truncate(memory, os.path.getsize(memory) - 4096)
    for options in ([], ["--destroy-first"]):
        fails("snapshot-revert", guest.name, "s1", *options, says=memory)
        assert guest.domid() == domid
    healthy(guest)


def wrapper(command):
    """A device model that runs COMMAND before it is QEMU."""
    path = workdir("qemu-wrapper")
    real = QEMU if os.path.exists(QEMU) else shutil.which("qemu-system-i386")
    with open(path, "w") as f:
        f.write(f'#!/bin/sh\n{command}\nexec {real} "$@"\n')
    os.chmod(path, 0o755)
    return path


@test
def a_domain_of_the_same_name_that_comes_meanwhile_keeps_its_disk():
    guest = make("same", [qcow2("same")])
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    guest.wait_tick(guest.n() + 3)
    guest.destroy()
    # It is started from its configuration file while the revert builds.
    path = wrapper(f"mkdir {workdir('once')} && /usr/sbin/xl create {guest.config_path} "
                   f">{workdir('log')} 2>&1")
    edit_config(guest, "s1", lambda config: config["b_info"].update(device_model=path))
    mark = guest.mark()
    disk = os.stat(guest.disks[0][0])
    fails("snapshot-revert", guest.name, "s1", says=guest.name)
    assert list(domains()) == [guest.name], domains()
    now = os.stat(guest.disks[0][0])
    assert (now.st_dev, now.st_ino) == (disk.st_dev, disk.st_ino), "the disk was replaced"
    guest.wait_tick(mark=mark)
    healthy(guest)


def vm_tree(uuid):
    return sh(["xenstore-ls", "-p", f"/vm/{uuid}"]).stdout


@test
def what_xenstore_has_of_the_virtual_machine_stays():
    guest = make("vmtree", [qcow2("vmtree")])
    uuid = sh(["xl", "domid", guest.name]) and sh(
        ["xenstore-read", f"/local/domain/{guest.domid()}/vm"]).stdout.strip().split("/")[-1]
    xl("snapshot-create", guest.name, "s1")
    before = vm_tree(uuid)
    assert 'name = "vmtree"' in before and "start_time" in before, before
    xl("snapshot-revert", guest.name, "s1")
    after = vm_tree(uuid)
    assert 'name = "vmtree"' in after and "start_time" in after, after
    assert f"r{guest.domid()}" in after, after
    # Nor does a revert that fails take it away.
    edit_config(guest, "s1", lambda config: config["b_info"].update(device_model="/bin/false"))
    before = vm_tree(uuid)
    fails("snapshot-revert", guest.name, "s1", says="untouched")
    assert vm_tree(uuid) == before, vm_tree(uuid)
    healthy(guest)


main()
