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
import random
import re
import shutil
import socket
import subprocess
import threading
import time

from snapshots import (STORE, XL_SNAPSHOT, fails, files_beside, from_arguments, healthy, info,
                       killed_after, names, reboot, xl)
from xenhost import HARDWARE_GUESTS, Guest, SkipTest, domains, main, make_disk, qemu_img_check, sh, test, workdir

KIND = from_arguments("kind", "pv")
# Of "each": kills at every so many changes, from a random one on.
STEP = from_arguments("step", 1)
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


def edit_record(guest, snapshot, change):
    path = f"{STORE}/{guest.name}/{snapshot}.snapshot.json"
    with open(path) as f:
        record = json.load(f)
    change(record)
    with open(path, "w") as f:
        json.dump(record, f)


def edit_config(guest, snapshot, change):
    """Changes the configuration in a snapshot's record."""
    def change_config(record):
        config = json.loads(record["config"])
        change(config)
        record["config"] = json.dumps(config)
    edit_record(guest, snapshot, change_config)


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


def a_revert_that_puts_aside_is_killed(step):
    """Whenever: the next command finds the old domain with its memory, or the new one."""
    guest = make("killed", [qcow2("killed")],
                 channel=[f"connection=socket,path={workdir('channel')},name=agent"])
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    before, n, outcomes = files_beside(guest), random.randint(1, STEP), set()
    while True:
        guest.cmd("set later")
        count, domid = guest.n(), guest.domid()
        if not killed_after(n, XL_SNAPSHOT, "snapshot-revert", guest.name, "s1"):
            break
        said = xl("snapshot-create", guest.name, "next", "--disk-only").stderr
        assert list(domains()) == [guest.name], (n, domains(), said)
        guest.wait_tick(mark=guest.mark())
        state = guest.cmd("state")
        outcome = {"later": "old", "s1": "new"}[state["secret"]]
        assert outcome == "new" or state["n"] >= count, (n, state, count)
        assert state["bad"] == 0, guest.bad_lines()
        assert "it is complete now" not in said or outcome == "new", (n, said)
        outcomes.add("back" if outcome == "old" and guest.domid() != domid else outcome)
        xl("snapshot-delete", guest.name, "next")
        assert [f for f in files_beside(guest) if not f.endswith("channel")] == [
            f for f in before if not f.endswith("channel")], (n, files_beside(guest))
        assert os.listdir("/var/lib/xen/xlsnapshot") == [], (n, said)
        n += step
    print(f"# a revert that puts the old domain aside makes {n - step} changes or a few more")
    assert n > 20 and outcomes == {"old", "back", "new"}, (n, outcomes)
    assert guest.cmd("state")["secret"] == "s1"
    healthy(guest)
    reboot(guest)


test(lambda: a_revert_that_puts_aside_is_killed(6), timeout=900,
     name="some: a revert that puts the old domain aside is killed")
test(lambda: a_revert_that_puts_aside_is_killed(STEP), timeout=2400,
     name="each: a revert that puts the old domain aside is killed")


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


@test
def internal_snapshots_are_all_there_before_the_domain_is_destroyed():
    guest = make("inside", [qcow2("inside"), qcow2("inside", "xvdb")])
    xl("snapshot-create", guest.name, "s1", "--disk-only", "--disk=xvda,method=internal",
       "--disk=xvdb,method=internal")
    domid = guest.domid()

    def call_second(record, name):
        next(d for d in record["disks"] if d["vdev"] == "xvdb")["internal_name"] = name
    edit_record(guest, "s1", lambda record: call_second(record, "gone"))
    fails("snapshot-revert", guest.name, "s1", "--destroy-first",
          says=("xvdb", "no internal snapshot named gone"))
    assert guest.domid() == domid
    guest.wait_tick(guest.n() + 2)
    edit_record(guest, "s1", lambda record: call_second(record, "s1"))
    mark = guest.mark()
    xl("snapshot-revert", guest.name, "s1", "--destroy-first")
    guest.wait_boot(mark)
    healthy(guest)


FAILS_SECOND = """#!/usr/bin/python3
import os, sys
if "snapshot" in sys.argv and "-a" in sys.argv:
    if os.path.exists({mark!r}):
        sys.exit("no space, it says")
    open({mark!r}, "w").close()
os.execv("/usr/bin/qemu-img", ["qemu-img", *sys.argv[1:]])
"""


@test
def after_the_second_internal_disk_fails_the_next_start_has_both():
    guest = make("halfway", [qcow2("halfway"), qcow2("halfway", "xvdb")])
    guest.cmd("stop")
    xl("snapshot-create", guest.name, "s1", "--disk-only", "--disk=xvda,method=internal",
       "--disk=xvdb,method=internal")
    at = guest.n()
    guest.cmd("go")
    guest.wait_tick(at + 3)
    directory = workdir("failing")
    os.makedirs(directory)
    with open(f"{directory}/qemu-img", "w") as f:
        f.write(FAILS_SECOND.format(mark=workdir("one")))
    os.chmod(f"{directory}/qemu-img", 0o755)
    failed = sh(f"PATH={directory}:$PATH xl snapshot-revert {guest.name} s1 --destroy-first",
                check=False)
    assert failed.returncode == 1 and "'xl create'" in failed.stderr, failed
    assert guest.name not in domains()
    mark = guest.mark()
    said = xl("create", guest.config_path).stderr
    assert "put back into that state" in said, said
    assert guest.wait_boot(mark)["disks"] == [at, at], said
    assert json.loads(xl("snapshot-current", guest.name, "--json").stdout)["current"] == "s1"
    healthy(guest)


@test
def a_disk_that_the_snapshot_does_not_cover_stays_the_one_of_today():
    guest = make("covers", [qcow2("covers")], drives=[
        "format=qcow2,vdev=xvdb,access=rw,backendtype=qdisk,target="
        + make_disk(workdir("former.qcow2"), "qcow2", 8)])
    xl("snapshot-create", guest.name, "s0", "--disk-only", "--disk=xvdb,method=none")
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    new = make_disk(workdir("today.qcow2"), "qcow2", 8)
    sh(["xl", "block-detach", guest.name, "xvdb"])
    sh(["xl", "block-attach", guest.name, f"format=qcow2,vdev=xvdb,access=rw,target={new}"])
    mark = guest.mark()
    xl("snapshot-revert", guest.name, "s0")
    guest.wait_boot(mark)
    shown = json.loads(sh(["xl", "list", "-l", guest.name]).stdout)[0]["config"]["disks"]
    assert [d["pdev_path"] for d in shown if d["vdev"] == "xvdb"] == [new], shown
    healthy(guest)


def wrapper(command):
    """A device model that runs COMMAND before it is QEMU."""
    path = workdir("qemu-wrapper")
    real = QEMU if os.path.exists(QEMU) else shutil.which("qemu-system-i386")
    with open(path, "w") as f:
        f.write(f'#!/bin/sh\n{command}\nexec {real} "$@"\n')
    os.chmod(path, 0o755)
    return path


def a_domain_that_comes_meanwhile_keeps_its_disk(name):
    guest = make("same", [qcow2("same")])
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    guest.wait_tick(guest.n() + 3)
    guest.destroy()
    # The disk's file is given to a domain while the revert builds.
    path = wrapper(f"mkdir {workdir('once')} && /usr/sbin/xl create {guest.config_path} "
                   f"'name=\"{name}\"' "
                   f">{workdir('log')} 2>&1")
    edit_config(guest, "s1", lambda config: config["b_info"].update(device_model=path))
    disk = os.stat(guest.disks[0][0])
    fails("snapshot-revert", guest.name, "s1", says="is in use" if name != "same" else "same")
    assert list(domains()) == [name], domains()
    now = os.stat(guest.disks[0][0])
    assert (now.st_dev, now.st_ino) == (disk.st_dev, disk.st_ino), "the disk was replaced"
    guest.name = name
    guest.wait_tick(mark=guest.mark())
    assert guest.cmd("state")["bad"] == 0 and guest.cmd("verify")["ok"], guest.bad_lines()


test(lambda: a_domain_that_comes_meanwhile_keeps_its_disk("same"),
     name="a domain of the same name that comes meanwhile keeps its disk")
test(lambda: a_domain_that_comes_meanwhile_keeps_its_disk("another"),
     name="a domain of another name that comes meanwhile keeps the disk")


@test
def another_configuration_can_be_given():
    kernel = workdir("kernel")
    shutil.copy("/boot/guest-vmlinux", kernel)
    guest = make("another", [qcow2("another")], kernel=kernel)
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    guest.wait_tick(guest.n() + 2)
    os.unlink(kernel)
    fails("snapshot-revert", guest.name, "s1", says=(kernel, "--config"))
    other = Guest(KIND, guest.name, [("/no/such", "qcow2", "xvda")], on_reboot="preserve")
    other.config_path = workdir("other.cfg")
    other.write_config()
    fails("snapshot-revert", guest.name, "s1", "--config=/nonexistent", says="/nonexistent")
    fails("snapshot-revert", guest.name, "s1", f"--config={workdir('other.txt')}", says="other.txt")
    guest.cmd("stop")
    xl("snapshot-revert", guest.name, "s1", f"--config={other.config_path}")
    assert guest.cmd("state")["secret"] == "s1"
    healthy(guest)
    config = json.loads(sh(["xl", "list", "-l", guest.name]).stdout)[0]["config"]
    assert config["b_info"]["kernel"] == "/boot/guest-vmlinux", config["b_info"]
    assert config["on_reboot"] == "preserve", config


@test
def the_console_log_keeps_its_name():
    guest = make("log", [qcow2("log")])
    xl("snapshot-create", guest.name, "s1")
    log = "/var/log/xen/console/guest-log.log"
    for _ in range(2):
        guest.cmd("stop")
        before = os.path.getsize(log)
        xl("snapshot-revert", guest.name, "s1")
        guest.wait_tick(mark=guest.mark())
        assert os.path.getsize(log) > before, "the guest's console is not in its log"
        assert not os.path.getsize(log.replace("log.log", "log--incoming.log"))


@test
def a_named_interface_stays_up_whether_the_revert_succeeds_or_fails():
    guest = make("named", [qcow2("named")], vifs=[("10.9.0.3", "bridge=xenbr0,vifname=named0")])
    guest.wait_ping()
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert "network interface name named0" in said and "put aside" in said, said
    assert guest.cmd("state")["secret"] == "s1"
    guest.wait_ping()
    edit_config(guest, "s1", lambda config: config["b_info"].update(device_model="/bin/false"))
    brought_back(guest, "later", says="is back as it was")
    guest.wait_ping()


@test
def a_routed_interface_has_the_old_one_put_aside():
    guest = make("routed", [qcow2("routed")], vifs=[
        ("10.9.1.2", "script=vif-route,ip=10.9.1.2,gatewaydev=xenbr0")])
    guest.wait_ping()
    xl("snapshot-create", guest.name, "s1")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert "network interface script" in said and "put aside" in said, said
    guest.wait_ping()
    assert "10.9.1.2" in sh(["ip", "route"]).stdout


@test(timeout=500)
def a_serial_port_and_a_cd_that_is_gone():
    if not HARDWARE_GUESTS:
        raise SkipTest("no HVM guests on this host")
    iso = workdir("a disc.iso")
    with open(iso, "wb") as f:
        f.write(os.urandom(1 << 20))
    shutil.rmtree(os.path.join(STORE, "machine"), ignore_errors=True)
    guest = Guest("hvm", "machine", [qcow2("machine")], vnc=1, vnclisten="127.0.0.1", vncdisplay=8,
                  vncunused=0, serial=["tcp:127.0.0.1:4555,server,nowait"],
                  drives=[f"vdev=hdc,devtype=cdrom,access=ro,target={iso}"]).create()
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    os.unlink(iso)
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert "serial port tcp:127.0.0.1:4555" in said and "VNC display 8" in said, said
    assert "drive hdc of domain machine is empty" in said and "put aside" in said, said
    assert guest.cmd("state")["secret"] == "s1"
    healthy(guest)
    for port in (4555, 5908):
        with socket.create_connection(("127.0.0.1", port)):
            pass


@test
def what_cannot_be_put_aside_says_so():
    guest = make("paused", [qcow2("paused")],
                 channel=[f"connection=socket,path={workdir('channel')},name=agent"])
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    domid = guest.domid()
    sh(["xl", "pause", guest.name])
    fails("snapshot-revert", guest.name, "s1", says=("channel socket", "paused",
                                                     "--destroy-first"))
    assert guest.domid() == domid
    xl("snapshot-revert", guest.name, "s1", "--destroy-first")
    assert guest.cmd("state")["secret"] == "s1"
    healthy(guest)


def memory_of_dom0():
    """In MiB."""
    return int(sh(["xl", "list", "0"]).stdout.splitlines()[1].split()[2])


def free_memory():
    """Of the host, in MiB."""
    return int(re.search(r"free_memory *: (\d+)", sh(["xl", "info"]).stdout)[1])


def dom0_takes_all():
    """Its target is what it can have: ballooning is relative to that."""
    deadline = time.monotonic() + 30
    while free_memory() > 64 and time.monotonic() < deadline:
        sh(["xl", "mem-set", "0", str(memory_of_dom0() + free_memory())], check=False)
        time.sleep(3)
    assert free_memory() <= 128, free_memory()


@test
def dom0_gives_memory_as_for_xl_create():
    if memory_of_dom0() < 3000:
        raise SkipTest("dom0 has fixed memory; XENHOST_DOM0_MEM=all boots one without")
    guest = make("balloon", [qcow2("balloon")], memory=256)
    guest.cmd("set s1")
    xl("snapshot-create", guest.name, "s1")
    dom0_takes_all()
    before = memory_of_dom0()
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert "put aside" not in said and memory_of_dom0() <= before - 100, (
        said, before, memory_of_dom0())
    assert guest.cmd("state")["secret"] == "s1"

    # It may not: the old domain is put aside.
    dom0_takes_all()
    conf = "/etc/xen/xl.conf"
    with open(conf, "a") as f:
        f.write('autoballoon="off"\n')
    guest.cmd("stop")
    said = xl("snapshot-revert", guest.name, "s1").stderr
    assert "memory: the new one needs" in said and "put aside" in said, said
    assert guest.cmd("state")["secret"] == "s1"

    # Nor where the domain is off, and the advice fits.
    guest.destroy()
    time.sleep(3)
    dom0_takes_all()
    said = fails("snapshot-revert", guest.name, "s1", says=("autoballoon", "xl mem-set"))
    assert "destroy" not in said.replace("was destroyed", ""), said
    sh(["sed", "-i", "/^autoballoon=/d", conf])
    xl("snapshot-revert", guest.name, "s1")
    assert guest.cmd("state")["secret"] == "s1"


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
