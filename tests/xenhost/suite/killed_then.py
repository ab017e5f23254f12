#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
A command is killed after a change, then an admin does something else to the
domain, and only then comes the next command. Whatever it says: no flushed
write is lost, no file in use is removed or protected, snapshots hold what they
held, and images are clean.

"kill=1,5,9" kills at these changes only, "step=7" at every seventh, from one of
the first seven on that is another one in each run and within the command.
"""

import array
import fcntl
import glob
import json
import os
import random
import re
import struct
import time

from snapshots import (DISTRIBUTION_XL, STORE, XL_SNAPSHOT, content, external, from_arguments, info,
                       killed_after, names, qemu_img_check, start, state_of,
                       write_args, xl)
from xenhost import domains, main, make_disk, qmp, sh, test, workdir, xs_read

KILLS = from_arguments("kill", "")
STEP = from_arguments("step", 1)
MOST = from_arguments("most", 60)

FS_IOC_GETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x10
OLD_DISK, NEW_DISK = b"\x5a", b"\x66"
RECORD = struct.Struct("<QQ")
RECORD_MAGIC = 0x3174656b636974


class Lost(AssertionError):
    pass


def check(true, what):
    if not true:
        raise Lost(what)


class Case:
    """One guest, one killed command, one thing that happens then."""

    def __init__(self, prepare, command, formats):
        self.said, self.snapshots = [], {}
        spare = make_disk(workdir("spare.qcow2"), "qcow2", 8)
        sh(["qemu-io", "-f", "qcow2", "-c", f"write -P {OLD_DISK[0]} 0 64k", spare])
        self.guest = start("pv", "web1", formats, drives=[
            f"format=qcow2,vdev=xvdc,access=rw,backendtype=qdisk,target={spare}"])
        prepare(self)
        for name in names(self.guest):
            self.remember(name)
        self.command = [XL_SNAPSHOT, *(self.guest.name if w == "DOM" else w for w in command)]
        self.guest.wait_tick(self.guest.n() + 2)

    def layers(self, name):
        shown = info(self.guest, name)
        return [(d["layer_path"], d["layer_format"]) for d in shown["disks"]]

    def remember(self, name):
        self.snapshots[name] = sorted(content(*layer) for layer in self.layers(name))

    def last_written(self):
        """The last n that the guest said it had on all disks, and flushed."""
        ticks = [re.match(r"TICK n=(\d+)", line) for line in self.guest.since(self.mark)]
        written = [int(m[1]) for m in ticks if m]
        return max([self.written, *written])

    def kill_after(self, n):
        self.written, self.mark = self.guest.cmd("state")["n"], self.guest.mark()
        return killed_after(n, *self.command, allow=1)

    def next(self, *words):
        """One of our commands, that may refuse but says why."""
        result = xl(*words, check=False)
        self.said.append((words[0], result.returncode, result.stderr.strip()[-300:]))
        check(result.returncode in (0, 1) and (result.returncode == 0 or result.stderr.strip()),
              f"{words} exited with {result.returncode}: {result.stderr}")
        return result.returncode == 0


def qemu_files(guest):
    """(link, path, links, written) of all files of the work directory that its QEMU has open."""
    pid = xs_read(f"/local/domain/{guest.domid()}/image/device-model-pid")
    found = []
    for link in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            path, links = os.readlink(link), os.stat(link).st_nlink
            with open(link.replace("/fd/", "/fdinfo/")) as f:
                flags = int(re.search(r"flags:\s*(\d+)", f.read())[1], 8)
        except FileNotFoundError:
            continue
        if path.startswith(workdir("")):
            found.append((link, path, links, flags & os.O_ACCMODE == os.O_RDWR))
    return found


def is_immutable_by(link):
    """Of the file behind a link to a descriptor."""
    flags = array.array("l", [0])
    with open(link, "rb") as f:
        fcntl.ioctl(f, FS_IOC_GETFLAGS, flags)
    return bool(flags[0] & FS_IMMUTABLE_FL)


def files_in_use_are_there(case, killed=False):
    """killed: the node of a layer that was merged is dropped after the layer has lost its path,
    or was protected; by the next command then."""
    if not case.guest.running():
        return
    files = qemu_files(case.guest)
    active = [block["inserted"]["file"] for block in qmp(case.guest.domid(), "query-block")
              if "inserted" in block]
    opened = {(os.stat(link).st_dev, os.stat(link).st_ino) for link, *_ in files}
    for link, path, links, written in files:
        name = path.removesuffix(" (deleted)")
        if killed and not links and os.path.exists(name):
            check((os.stat(name).st_dev, os.stat(name).st_ino) in opened,
                  f"QEMU has {path} open, which is removed, and not what is there now")
            continue
        # A file that bears another name now is said to be deleted as well.
        check(links > 0, f"QEMU has {path} open, which is removed")
        if written and not (killed and path not in active):
            check(not is_immutable_by(link), f"QEMU writes {path}, which is immutable")


def images():
    return [p for p in glob.glob(workdir("**"), recursive=True) if os.path.isfile(p)
            and os.path.getsize(p) >= 512 and not p.endswith((".mem", ".json"))]


def format_of(path):
    with open(path, "rb") as f:
        return "qcow2" if f.read(4) == b"QFI\xfb" else "raw"


def first_bytes(path, count=512):
    """Of what a guest would read from the image; nothing when it does not open."""
    out = workdir("first")
    result = sh(["qemu-img", "dd", "-U", "-f", format_of(path), "-O", "raw", f"bs={count}",
                 "count=1", f"if={path}", f"of={out}"], check=False)
    if result.returncode:
        return b""
    with open(out, "rb") as f:
        data = f.read()
    os.unlink(out)
    return data


def n_is_in_some_file(n):
    """As many files as the guest has disks hold its n, or a later one."""
    found = {}
    for path in images():
        data = first_bytes(path)
        if len(data) >= RECORD.size:
            magic, value = RECORD.unpack_from(data)
            if magic == RECORD_MAGIC:
                found[path] = value
    return len([v for v in found.values() if v >= n]) >= 2, found


def old_spare_disk_is_there():
    check(any(first_bytes(path)[:1] == OLD_DISK for path in images()),
          "the disk that was detached is lost")


def counts_on(case, written, since):
    """Ticks go on, from at least TOLD."""
    guest = case.guest
    n = guest.wait_tick(mark=since, timeout=60)
    check(n > written or case.reverts, f"the guest counts from {n}, it had written {written}")
    state = guest.cmd("state")
    check(state["bad"] == 0, f"{state} {guest.bad_lines()[:4]}")
    check(guest.cmd("verify")["ok"], "verify fails")


# What happens after the kill.

def then_unpause(case):
    sh(["xl", "unpause", case.guest.name], check=False)
    time.sleep(3)


def then_power(case, starter):
    """Off, and on from the configuration; both may be refused to run on frozen disks."""
    guest = case.guest
    if guest.running():
        sh(["xl", "destroy", guest.name])
    for name in domains():
        sh(["xl", "destroy", name], check=False)
    case.written = case.last_written()
    case.power = True
    mark = guest.mark()
    started = sh([starter, "create", guest.config_path], check=False, timeout=120)
    case.said.append((starter, started.returncode, started.stderr.strip()[-300:]))
    if started.returncode and not guest.running():
        return
    try:
        boot = guest.wait_boot(mark, timeout=30)
    except AssertionError:
        # QEMU was refused a disk.
        sh(["xl", "destroy", guest.name], check=False)
        return
    case.boot(boot)


def then_swap(case):
    guest = case.guest
    new = make_disk(workdir("new.qcow2"), "qcow2", 8)
    sh(["qemu-io", "-f", "qcow2", "-c", f"write -P {NEW_DISK[0]} 0 64k", new])
    result = sh([DISTRIBUTION_XL, "block-detach", guest.name, "xvdc"], check=False)
    result2 = sh([DISTRIBUTION_XL, "block-attach", guest.name,
                  f"format=qcow2,vdev=xvdc,access=rw,backendtype=qdisk,target={new}"], check=False)
    case.said.append(("swap", result.returncode or result2.returncode,
                      (result.stderr + result2.stderr)[-300:]))


def then_rename(case):
    sh(["xl", "rename", case.guest.name, "web9"], check=False)
    # Its console's log keeps the name.
    case.renamed = "web9" in domains()


def boot_of(case, boot):
    n = case.written
    check(max(boot["disks"]) - min(boot["disks"]) <= 1,
          f"the disks are of different moments: {boot}")
    if not (case.reverts and min(boot["disks"]) >= case.reverts):
        check(min(boot["disks"]) >= n, f"it had written {n}, its disks have {boot['disks']}")


Case.boot = boot_of


THEN = {
    "unpause": then_unpause,
    "power by our xl": lambda case: then_power(case, "xl"),
    "power by the distribution": lambda case: then_power(case, DISTRIBUTION_XL),
    "swap": then_swap,
    "rename": then_rename,
}


# The commands that are killed, and what there is before.

def snapshot(case, name="s1", *options):
    xl("snapshot-create", case.guest.name, name, "--disk-only", *options)


def before_delete_up(case):
    snapshot(case)
    case.guest.cmd("fill 2", timeout=120)


def before_delete_down(case):
    case.guest.cmd("fill 8", timeout=120)
    snapshot(case)


def before_revert(case):
    case.reverts = case.guest.n()
    snapshot(case)


def before_commit(case):
    args = write_args(disks=[external("xvda", "web1.below", True)])
    sh(["apictl", "create", str(case.guest.domid()), args])
    os.unlink(args)


KILLED = {
    "create": (lambda case: None, ["snapshot-create", "DOM", "k", "--disk-only"]),
    "create with memory": (lambda case: None, ["snapshot-create", "DOM", "k"]),
    "second create": (snapshot, ["snapshot-create", "DOM", "k", "--disk-only"]),
    "delete up": (before_delete_up, ["snapshot-delete", "DOM", "s1"]),
    "delete down": (before_delete_down, ["snapshot-delete", "DOM", "s1"]),
    "revert": (before_revert, ["snapshot-revert", "DOM", "s1"]),
    "undo": (snapshot, ["snapshot-undo", "DOM"]),
    "commit": (before_commit, ["disk-commit", "DOM", "xvda"]),
    "pull": (snapshot, ["disk-pull", "DOM", "xvda"]),
}


def next_commands(case):
    name = case.guest.name
    if case.guest.running() and not case.power and "p" in state_of(case.guest):
        # Is it left so? The next command puts that right.
        case.said.append(("paused", 0, state_of(case.guest)))
    case.next("snapshot-create", name, "next", "--disk-only")
    files_in_use_are_there(case)
    listed = names(case.guest) if case.next("snapshot-list", name) else []
    for snapshot, before in case.snapshots.items():
        if snapshot in case.deleted or snapshot not in listed:
            continue
        check(sorted(content(*layer) for layer in case.layers(snapshot)) == before,
              f"snapshot {snapshot} holds another state")
    for snapshot in ("next", "k", "s1"):
        case.next("snapshot-delete", name, snapshot)
        files_in_use_are_there(case)


def ends_well(case):
    guest = case.guest
    written = case.last_written()
    if guest.running() and "p" in state_of(guest):
        raise Lost("the guest is left paused")
    if not guest.running():
        # Refused; our xl may know how, else all data must be in some file.
        mark = guest.mark()
        started = xl("create", guest.config_path, check=False)
        case.said.append(("xl create", started.returncode, started.stderr.strip()[-300:]))
        try:
            case.boot(guest.wait_boot(mark, timeout=30))
        except AssertionError as error:
            if isinstance(error, Lost):
                raise
            there, found = n_is_in_some_file(case.written)
            check(there or case.reverts, f"n={case.written} is in no file: {found}")
            case.said.append(("refused, all data is there", 0, ""))
            return
    counts_on(case, written, guest.mark())
    last = guest.cmd("stop")["n"]
    guest.send("poweroff")
    for _ in range(150):
        if not guest.running():
            break
        time.sleep(0.2)
    else:
        guest.destroy()
    for path in images():
        if format_of(path) == "qcow2":
            # By itself: what an overlay that never came to use is on may be gone.
            qemu_img_check("json:" + json.dumps({"driver": "qcow2", "backing": None, "file": {
                "driver": "file", "filename": path}}))
    there, found = n_is_in_some_file(last)
    check(there, f"n={last} is in no file: {found}")


def case_of(killed, then, n):
    """Whether the command came to its nth change; a Lost where data is."""
    for name in ("web1", "web9"):
        sh(["rm", "-rf", os.path.join(STORE, name)])
    sh(["rm", "-rf", "/var/lib/xen/xlsnapshot"])
    prepare, command = KILLED[killed]
    Case.reverts, Case.power, Case.renamed = 0, False, False
    Case.deleted = ["s1"] if killed in ("delete up", "delete down", "undo") else []
    # The distribution's xl refuses a domain with a raw disk that has an overlay.
    formats = ("qcow2", "qcow2" if "distribution" in then else "raw")
    case = Case(prepare, command, formats)
    if not case.kill_after(n):
        return False
    try:
        THEN[then](case)
        if case.renamed:
            # Its console's log keeps the old name.
            sh(["ln", "-sf", "guest-web1.log", "/var/log/xen/console/guest-web9.log"])
            case.guest.name = "web9"
            case.mark = {path.replace("guest-web1", "guest-web9"): at
                         for path, at in case.mark.items()}
        files_in_use_are_there(case, killed=True)
        next_commands(case)
        ends_well(case)
        old_spare_disk_is_there()
    except Exception as error:
        raise Lost(f"{killed}, killed at {n}, then {then}: {error}\n        " + "\n        ".join(
            map(str, case.said))) from error
    return True


def clean():
    for name in domains():
        sh(["xl", "destroy", name], check=False)
    while domains():
        time.sleep(0.1)
    sh(f"chattr -f -i {workdir('*')}; rm -rf {workdir('*')} /var/log/xen/console/guest-web9*",
       check=False)


def points():
    """Where to kill: each time told whether the command came so far."""
    if KILLS:
        for k in KILLS.split(","):
            if not (yield int(k)):
                return
        return
    first = random.randint(1, STEP)
    while not (yield first) and first > 1:
        first = random.randint(1, first - 1)
    for n in range(first + STEP, MOST, STEP):
        if not (yield n):
            return


def each(killed, then):
    lost, tried = [], 0
    at = points()
    n = next(at)
    while True:
        started = time.monotonic()
        try:
            going = case_of(killed, then, n)
            print(f"# {killed}, killed at {n}, then {then}: "
                  f"{'fine' if going else 'not killed'} ({time.monotonic() - started:.0f} s)")
        except Lost as error:
            going = True
            lost.append(str(error))
            print(f"# LOST {error}")
        clean()
        tried += going
        try:
            n = at.send(going)
        except StopIteration:
            break
    assert tried, f"a {killed} was never killed"
    assert not lost, f"{len(lost)} of {tried}: " + "; ".join(lost)


for killed_command in KILLED:
    for follow_up in THEN:
        test(lambda k=killed_command, t=follow_up: each(k, t), timeout=7200,
             name=f"each: {killed_command}, then {follow_up}")

main()
