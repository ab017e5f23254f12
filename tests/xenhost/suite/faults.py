#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Whatever fails, the domain is as before: it runs, on its old chain, by all
records; its snapshots are as they were; no file is left or lost."""

import glob
import os
import subprocess
import threading
import time

from snapshots import (STORE, both, disk_path, external, fails, files_beside, healthy, names,
                       start, state_of, write_args, xl)
from xenhost import XEN_VERSION, domains, main, qmp, sh, test, top_layers, workdir

KIND = "pvh" if XEN_VERSION >= (4, 20) else "pv"


class Small:
    """A loop-mounted file system of a few MiB, for running out of space."""

    def __init__(self, where, mb, options="rw"):
        self.where, self.image = where, workdir(f"small-{os.path.basename(where)}.img")
        self.mb, self.options = mb, options

    def __enter__(self):
        os.makedirs(self.where, exist_ok=True)
        sh(["truncate", "-s", f"{self.mb}M", self.image])
        sh(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", self.image])
        sh(["mount", "-o", f"loop,{self.options}", self.image, self.where])
        return self.where

    def __exit__(self, *_):
        sh(["umount", self.where])
        os.unlink(self.image)


class Unchanged:
    """The domain after the block is, in all senses, the domain before it."""

    def __init__(self, guest):
        self.guest = guest

    def fingerprint(self):
        return (self.guest.domid(), top_layers(self.guest.domid()), files_beside(self.guest),
                names(self.guest))

    def __enter__(self):
        self.before = self.fingerprint()
        self.mark = self.guest.mark()

    def __exit__(self, kind, *_):
        if kind:
            return
        state = state_of(self.guest)
        assert "p" not in state and "s" not in state, f"the guest does not run: {state}"
        healthy(self.guest)
        after = self.fingerprint()
        assert after == self.before, f"before: {self.before}\nafter: {after}"
        boots = [line for line in self.guest.since(self.mark) if line.startswith("BOOT")]
        assert not boots, boots


def three_disks(name, **config):
    return start(KIND, name, formats=("qcow2", "raw", "qcow2"), **config)


def one_disk_of_three_cannot_be_snapshotted():
    guest = three_disks("onedisk")
    exists = workdir("exists.qcow2")
    with open(exists, "w") as f:
        f.write("precious")
    with Unchanged(guest):
        fails("snapshot-create", guest.name, "s1", "--disk", "xvda", "--disk",
              f"xvdb,path={exists}", "--disk", "xvdc", says=(exists, "exists"))
    with open(exists) as f:
        assert f.read() == "precious"
    with Small(workdir("full"), 1) as full:
        sh(f"head -c 2M /dev/zero > {full}/filler", check=False)
        with Unchanged(guest):
            fails("snapshot-create", guest.name, "s1", "--disk-only", "--disk", "xvda",
                  "--disk", f"xvdb,path={full}/overlay", "--disk", "xvdc", says="xvdb")
    with Small(workdir("readonly"), 1, "ro") as readonly:
        with Unchanged(guest):
            fails("snapshot-create", guest.name, "s1", "--disk", "xvda",
                  "--disk", f"xvdb,path={readonly}/overlay", "--disk", "xvdc",
                  says=(f"{readonly}/overlay", "xvdb"))
        with Unchanged(guest):
            fails("snapshot-create", guest.name, "s1", "--disk", "xvda,path=/no/such/dir/x",
                  says="/no/such/dir")
    # After all that, it still works.
    xl("snapshot-create", guest.name, "s1")
    healthy(guest)


def memory_does_not_fit():
    guest = three_disks("memfull")
    where = f"{STORE}/{guest.name}"
    with Small(where, 24):
        os.chmod(where, 0o700)
        with Unchanged(guest):
            fails("snapshot-create", guest.name, "s1",
                  says=(where, "may take up to", "memory_path", "the guest was not stopped"))
            fails("snapshot-create", guest.name, "s1", "--ignore-room",
                  says=(f"{where}/s1.mem", "free some space"))
    healthy(guest)


def api_fails(guest, *options, error, **args):
    result = sh(["apictl", "create", str(guest.domid()), write_args(**args), *options],
                check=False, timeout=240)
    os.unlink(workdir("args.json"))
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    assert f"\n{error}:" in "\n" + result.stderr, (error, result.stderr)
    return result.stderr


def take_name(guest, vdev, name):
    """Another program's internal snapshot, made while memory is saved."""
    deadline = time.monotonic() + 60
    while not any(os.path.getsize(path) for path in glob.glob(workdir("m.*"))):
        assert time.monotonic() < deadline, "no memory file is begun"
        time.sleep(0.02)
    nodes = qmp(guest.domid(), "query-named-block-nodes", {"flat": True})
    node = next(n["node-name"] for n in nodes
                if n["drv"] == "qcow2" and n["file"] == disk_path(guest, vdev))
    qmp(guest.domid(), "blockdev-snapshot-internal-sync", {"device": node, "name": name})


def disks_that_have_changed_over_change_back():
    guest = three_disks("back")
    caller = {"disk": {"vdev": "xvdc"}, "method": "caller"}
    for memory in ({}, {"memory": True, "memory_path": workdir("m")}):
        with Unchanged(guest):
            api_fails(guest, "--storage", "exit 1", error="fail",
                      disks=[*both(), caller], **memory)
    # QEMU refuses the last of three in the transaction: the name has come to exist.
    internal = {"disk": {"vdev": "xvdc"}, "method": "internal", "name": "inside"}
    with Unchanged(guest):
        other = threading.Thread(target=take_name, args=(guest, "xvdc", "inside"))
        other.start()
        stderr = api_fails(guest, error="qemu", disks=[*both(), internal], memory=True,
                           memory_path=workdir("m"))
        other.join()
        assert "inside" in stderr, stderr
    with Unchanged(guest):
        api_fails(guest, error="exists", disks=[*both(), internal])
    # The storage's own snapshot runs while the guest stands still, and counts as done.
    sh(["apictl", "create", str(guest.domid()), write_args(disks=[*both(), caller]),
        "--storage", f"echo $1 $2 >> {workdir('calls')}"])
    with open(workdir("calls")) as f:
        assert f.read() == "0 xvdc\n"
    healthy(guest)


def cancelled_and_impossible_ones_leave_no_trace():
    guest = three_disks("cancel")
    memory = {"memory": True, "memory_path": workdir("m")}
    left_out = {"disk": {"vdev": "xvdc"}, "method": "none"}
    with Unchanged(guest):
        # Before libxl's helper has begun, and in the middle.
        for at in ("1", "20000000"):
            api_fails(guest, "--cancel-at", at, error="aborted", disks=[*both(), left_out], **memory)
    with Unchanged(guest):
        api_fails(guest, error="inval", disks=[])
        api_fails(guest, error="disk_unsupported", disks=[external("xvdz", "z", False)])
        api_fails(guest, error="chain_mismatch", disks=[
            {**external("xvda", "z", True),
             "disk": {"vdev": "xvda", "pdev_path": disk_path(guest, "xvdb")}}])
        api_fails(guest, error="inval", disks=[external("xvdb", "z", True)])
    sh(["xl", "pause", guest.name])
    fails("snapshot-create", guest.name, "s1", says="paused")
    sh(["xl", "unpause", guest.name])
    healthy(guest)
    for name in ("", ".x", "-x", "a/b", "x" * 65, "ä"):
        with Unchanged(guest):
            assert xl("snapshot-create", guest.name, "--", name, check=False).returncode == 2
    fails("snapshot-create", "no-such-domain", "s1", says="no-such-domain")


def guest_that_ignores_suspend_goes_on():
    # Its kernel never looks at what it is asked to do.
    guest = three_disks("deaf", cmdline="initcall_blacklist=xen_setup_shutdown_event")
    with Unchanged(guest):
        fails("snapshot-create", guest.name, "s1", says=("suspend", guest.name))
    xl("snapshot-create", guest.name, "disks", "--disk-only")
    healthy(guest)


def two_at_once_do_not_meet():
    guest = three_disks("twice")
    first = subprocess.Popen(["xl", "snapshot-create", guest.name, "s1"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    result = sh(["apictl", "create", str(guest.domid()), write_args(disks=both())],
                check=False)
    assert first.wait(240) == 0
    assert result.returncode == 0 or "busy" in result.stderr, result.stderr
    healthy(guest)
    assert guest.name in domains()


test(one_disk_of_three_cannot_be_snapshotted, timeout=600)
test(memory_does_not_fit)
test(disks_that_have_changed_over_change_back, timeout=600)
test(cancelled_and_impossible_ones_leave_no_trace, timeout=600)
test(guest_that_ignores_suspend_goes_on, timeout=400)
test(two_at_once_do_not_meet, timeout=400)

main()
