#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
The process is killed right after each of the changes that it makes, one run
for each; the next command puts things in order. The guest's data, the records
and the snapshots are right each time.

"some" kills after every few changes only. "each" kills after each, or, with
"step=N", after every N-th from one of the first N on that is another one in each
run; "from=N" begins at the N-th.
"""

import json
import os
import random
import signal
import subprocess
import time

from snapshots import (XL_SNAPSHOT, Kept, both, current, disk_path, files_beside,
                       from_arguments, healthy, killed_after, names, reboot, sha256, start,
                       state_of, write_args, xl)
from xenhost import XEN_VERSION, assert_records_agree, domains, main, sh, test, workdir

STEP = from_arguments("step", 1)
FIRST = from_arguments("from", random.randint(1, STEP))

JOURNALS = "/var/lib/xen/xlsnapshot"

CALLER = {"disk": {"vdev": "xvdc"}, "method": "caller"}
KIND = "pvh" if XEN_VERSION >= (4, 20) else "pv"
# Seconds at which memory is being saved. libxl looks at all frames below 4 GiB
# of a PVH guest, for which an emulated host takes 4 s.
SAVING = {"pvh": (0.3, 1.5, 4), "pv": (0.3, 0.8, 1.5)}[KIND]


def creating(guest, **args):
    """The command that has the library take a snapshot."""
    return ["apictl", "create", str(guest.domid()), write_args(**args)]


def runs(guest):
    """It is not paused, has read nothing wrong, and all records agree."""
    assert "p" not in state_of(guest), state_of(guest)
    state = guest.cmd("state")
    assert state["bad"] == 0, guest.bad_lines()
    return assert_records_agree(guest)


def a_create_is_killed_after_each_change(step):
    guest = start("pv", "create")
    n, before = FIRST, files_beside(guest)
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


def the_undoing_is_killed_too(step):
    guest = start("pv", "twice", formats=("qcow2", "raw", "raw"))
    before, n, killed = files_beside(guest), FIRST, True
    while killed:
        # Right after QEMU's switch.
        command = creating(guest, disks=[*both(), CALLER])
        result = sh([*command, "--storage", "kill -9 $PPID"], check=False)
        assert result.returncode == -signal.SIGKILL, result
        killed = killed_after(n, "apictl", "recover", str(guest.domid()))
        sh(["apictl", "recover", str(guest.domid())], timeout=120)
        os.unlink(workdir("args.json"))
        layers = runs(guest)
        assert [layers[v][0] for v in ("xvda", "xvdb")] == [
            disk_path(guest, v) for v in ("xvda", "xvdb")], layers
        assert files_beside(guest) == before, (n, files_beside(guest))
        assert os.listdir(JOURNALS) == []
        n += step
    print(f"# undoing makes {n - 2 * step} changes or a few more")
    assert n > 12, n
    healthy(guest)
    reboot(guest)


def a_delete_is_killed_after_each_change(step, mb_before, mb_after):
    guest = start("pv", "delete")
    before = files_beside(guest)
    if mb_before:
        guest.cmd(f"fill {mb_before}", timeout=120)
    n, killed = FIRST, True
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


def a_revert_is_killed_after_each_change(step, *how):
    guest = start("pv", "revert")
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    kept = Kept(guest)
    kept.remember("s1")
    before, n, outcomes, watched = files_beside(guest), FIRST, set(), False
    while True:
        guest.wait_tick(guest.n() + 1)
        domid, mark = guest.domid(), guest.mark()
        if not killed_after(n, XL_SNAPSHOT, "snapshot-revert", guest.name, "s1", *how):
            break
        # The next command finds either domain, running, or says that there is none.
        result = xl("snapshot-create", guest.name, "next", "--disk-only", check=False)
        assert set(domains()) <= {guest.name}, (n, domains())
        if not domains():
            assert "--destroy-first" in how and "no running domain" in result.stderr, result
            xl("snapshot-revert", guest.name, "s1")
            outcomes.add("none")
        else:
            assert result.returncode == 0, (n, result.stderr)
            xl("snapshot-delete", guest.name, "next")
            outcomes.add("old" if guest.domid() == domid else "new")
        if guest.domid() != domid:
            guest.wait_boot(mark)
            assert current(guest) == "s1", current(guest)
            if not watched:
                reboot(guest)
            watched = True
        runs(guest)
        kept.check()
        assert files_beside(guest) == before, (n, files_beside(guest))
        assert os.listdir(JOURNALS) == []
        n += step
    print(f"# a revert makes {n - step} changes or a few more")
    assert n > 12, n
    assert {"old", "new"} <= outcomes, outcomes
    guest.wait_boot(mark)
    healthy(guest)
    assert set(domains()) == {guest.name}
    reboot(guest)


def a_create_with_memory_is_killed():
    guest = start(KIND, "memory")
    before = files_beside(guest)
    command = creating(guest, disks=both(), memory=True, memory_path=workdir("m"))
    for delay in SAVING:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"it was over within {delay} s"
        # libxl's own helper ends with its parent's pipe.
        time.sleep(2)
        sh(["apictl", "recover", str(guest.domid())], timeout=120)
        if os.path.exists(workdir("m")):
            os.unlink(workdir("m"))
        healthy(guest)
        assert runs(guest)["xvda"][0] == disk_path(guest, "xvda")
        left = files_beside(guest)
        assert left == sorted([*before, workdir("args.json")]), left


def a_guest_is_watched_after_a_killed_create_with_memory():
    """Whoever watched over it may have ended with the suspension."""
    guest = start(KIND, "memory-watched")
    process = subprocess.Popen([XL_SNAPSHOT, "snapshot-create", guest.name, "killed"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(SAVING[-1])
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(2)
    xl("snapshot-create", guest.name, "next", "--disk-only")
    assert "next" in names(guest), names(guest)
    healthy(guest)
    reboot(guest)


def a_journal_of_an_earlier_life_changes_nothing():
    """
    The host goes down between the switch and the end of a create, and comes up
    with a domain of the same id on the new layers. To undo the create then
    would throw away what the guest has written since.
    """
    guest = start("pv", "stale", formats=("qcow2", "raw", "raw"))
    command = creating(guest, disks=[*both(), CALLER])
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


test(lambda: a_create_is_killed_after_each_change(17), timeout=900,
     name="some: a create is killed after a change")
test(lambda: a_delete_is_killed_after_each_change(17, 0, 0), timeout=900,
     name="some: a delete is killed after a change")
test(lambda: a_revert_is_killed_after_each_change(13), timeout=900,
     name="some: a revert is killed after a change")
test(lambda: the_undoing_is_killed_too(17), timeout=900,
     name="some: the undoing of a killed create is killed too")
test(lambda: a_create_is_killed_after_each_change(STEP), timeout=3000,
     name="each: a create is killed after a change")
test(lambda: a_delete_is_killed_after_each_change(STEP, 0, 2), timeout=3000,
     name="each: a delete that merges upwards is killed after a change")
test(lambda: a_delete_is_killed_after_each_change(STEP, 8, 0), timeout=3000,
     name="each: a delete that merges downwards is killed after a change")
test(lambda: a_revert_is_killed_after_each_change(STEP), timeout=3000,
     name="each: a revert is killed after a change")
test(lambda: a_revert_is_killed_after_each_change(STEP, "--destroy-first"), timeout=3000,
     name="each: a revert that destroys first is killed after a change")
test(lambda: the_undoing_is_killed_too(STEP), timeout=3000,
     name="each: the undoing of a killed create is killed too")
test(a_create_with_memory_is_killed, timeout=400)
test(a_guest_is_watched_after_a_killed_create_with_memory, timeout=400)
test(a_journal_of_an_earlier_life_changes_nothing, timeout=400)

main()
