#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
The process is killed right after each of the changes that it makes, one run
for each; the next command puts things in order. The guest's data, the records
and the snapshots are right each time.

"some" kills after every seventh change only.
"""

import json
import os
import signal
import subprocess
import time

from snapshots import (Kept, disk_path, files_beside, healthy, names, reboot, sha256, start,
                       state_of, xl)
from xenhost import XEN_VERSION, assert_records_agree, main, sh, test, workdir

JOURNALS = "/var/lib/xen/xlsnapshot"
KILLAT = "/usr/local/bin/killat.so"
XL_SNAPSHOT = "/usr/local/sbin/xl-snapshot"


def killed_after(n, *words):
    """Runs the command until its nth change; whether it came to that."""
    env = {**os.environ, "LD_PRELOAD": KILLAT, "KILLAT": str(n)}
    with open(workdir("output"), "w") as out:
        code = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                              timeout=120).returncode
    with open(workdir("output")) as out:
        text = out.read()
    os.unlink(workdir("output"))
    assert code in (0, -signal.SIGKILL), f"{words} exited with {code}\n{text}"
    return code != 0


def runs(guest):
    """It is not paused, has read nothing wrong, and all records agree."""
    assert "p" not in state_of(guest), state_of(guest)
    state = guest.cmd("state")
    assert state["bad"] == 0, guest.bad_lines()
    return assert_records_agree(guest)


def a_create_is_killed_after_each_change(step):
    guest = start("pv", "create")
    n, before = 1, files_beside(guest)
    while killed_after(n, XL_SNAPSHOT, "snapshot-create", guest.name, f"k{n}", "--disk-only"):
        # Whatever state that left: the next snapshot is a good one, and of
        # the killed one either all is there or nothing.
        xl("snapshot-create", guest.name, "next", "--disk-only")
        runs(guest)
        found = names(guest)
        assert found in (["next"], sorted([f"k{n}", "next"])), found
        kept = Kept(guest)
        for name in found:
            kept.remember(name)
        kept.check()
        for name in found:
            xl("snapshot-delete", guest.name, name)
        assert files_beside(guest) == before, (n, files_beside(guest))
        assert os.listdir(JOURNALS) == []
        n += step
    print(f"# a create makes {n - step} changes or a few more")
    assert n > 15, n
    xl("snapshot-delete", guest.name, f"k{n}")
    healthy(guest)
    reboot(guest)


def a_delete_is_killed_after_each_change(step, mb_before, mb_after):
    guest = start("pv", "delete")
    before = files_beside(guest)
    if mb_before:
        guest.cmd(f"fill {mb_before}", timeout=120)
    n, killed = 1, True
    while killed:
        xl("snapshot-create", guest.name, "s1", "--disk-only")
        if mb_after:
            guest.cmd(f"fill {mb_after}", timeout=120)
        killed = killed_after(n, XL_SNAPSHOT, "snapshot-delete", guest.name, "s1")
        if killed:
            # The record may have gone already.
            again = xl("snapshot-delete", guest.name, "s1", check=False)
            assert again.returncode == 0 or "no snapshot" in again.stderr, again.stderr
        runs(guest)
        assert names(guest) == []
        assert files_beside(guest) == before, (n, files_beside(guest))
        assert os.listdir(JOURNALS) == []
        n += step
    print(f"# a delete makes {n - 2 * step} changes or a few more")
    assert n > 8, n
    healthy(guest)
    reboot(guest)


def write_args(guest, **args):
    with open(workdir("args.json"), "w") as f:
        json.dump({"disks": [
            {"disk": {"vdev": "xvda"}, "method": "external", "keep_path": True,
             "external_path": workdir("a.frozen")},
            {"disk": {"vdev": "xvdb"}, "method": "external",
             "external_path": workdir("b.over")}], **args}, f)
    return ["apictl", "create", str(guest.domid()), workdir("args.json")]


def a_create_with_memory_is_killed():
    guest = start("pvh" if XEN_VERSION >= (4, 20) else "pv", "memory")
    before = files_beside(guest)
    command = write_args(guest, memory=True, memory_path=workdir("m"))
    for delay in (0.3, 1.5, 4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # libxl's own helper ends with its parent's pipe.
        time.sleep(2)
        sh(["apictl", "recover", str(guest.domid())], timeout=120)
        if os.path.exists(workdir("m")):
            os.unlink(workdir("m"))
        healthy(guest)
        assert runs(guest)["xvda"][0] == disk_path(guest, "xvda")
        assert files_beside(guest) == sorted([*before, workdir("args.json")])


def a_journal_of_an_earlier_life_changes_nothing():
    """
    The host goes down between the switch and the end of a create, and comes up
    with a domain of the same id on the new layers. To undo the create then
    would throw away what the guest has written since.
    """
    guest = start("pv", "stale", formats=("qcow2", "raw", "raw"))
    command = write_args(guest)
    with open(workdir("args.json")) as f:
        args = json.load(f)
    args["disks"].append({"disk": {"vdev": "xvdc"}, "method": "caller"})
    with open(workdir("args.json"), "w") as f:
        json.dump(args, f)
    sh([*command, "--storage", f"cp {JOURNALS}/*.json {workdir('journal')}"])
    reboot(guest)
    layers = runs(guest)
    content = {path: sha256(path) for path in (workdir("a.frozen"), disk_path(guest, "xvdb"))}

    with open(workdir("journal")) as f:
        journal = json.load(f)
    uuid = json.loads(sh(["xl", "list", "-l", guest.name]).stdout)[0]["config"]["c_info"]["uuid"]
    for life in ({"domid": guest.domid(), "boot_id": "of-another-day"},
                 {"domid": journal["domid"]}):
        path = f"{JOURNALS}/{uuid}.{life['domid']}.json"
        with open(path, "w") as f:
            json.dump({**journal, **life}, f)
        sh(["apictl", "recover", str(guest.domid())])
        assert not os.path.exists(path)
        assert runs(guest) == layers
        assert {path: sha256(path) for path in content} == content
    reboot(guest)


test(lambda: a_create_is_killed_after_each_change(7), timeout=900,
     name="some: a create is killed after a change")
test(lambda: a_delete_is_killed_after_each_change(7, 0, 0), timeout=900,
     name="some: a delete is killed after a change")
test(lambda: a_create_is_killed_after_each_change(1), timeout=1800,
     name="each: a create is killed after a change")
test(lambda: a_delete_is_killed_after_each_change(1, 0, 2), timeout=1800,
     name="each: a delete that folds upwards is killed after a change")
test(lambda: a_delete_is_killed_after_each_change(1, 8, 0), timeout=1800,
     name="each: a delete that folds downwards is killed after a change")
test(a_create_with_memory_is_killed, timeout=400)
test(a_journal_of_an_earlier_life_changes_nothing, timeout=400)

main()
