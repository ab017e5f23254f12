#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A domain is started while, or after, something was at work on its disks."""

import os
import subprocess
import time

from snapshots import (DISTRIBUTION_XL, XL_SNAPSHOT, Kept, create, disk_path, fails, healthy,
                       killed_after, names, power_off, revert, start, xl)
from xenhost import assert_records_agree, main, sh, test, workdir

# One process, which ends with the command that started it.
SLOW = """#!/usr/bin/python3
import os, sys, time
if sys.argv[1] in ("commit", "rebase"):
    open({mark!r}, "w").close()
    time.sleep({seconds})
os.execv("/usr/bin/qemu-img", ["qemu-img", *sys.argv[1:]])
"""


def deleting_slowly(guest, snapshot, seconds, *options):
    """A snapshot-delete whose qemu-img takes SECONDS longer; returns once that has begun."""
    directory, mark = workdir("slow"), workdir("began")
    os.makedirs(directory, exist_ok=True)
    wrapper = os.path.join(directory, "qemu-img")
    with open(wrapper, "w") as f:
        f.write(SLOW.format(mark=mark, seconds=seconds))
    os.chmod(wrapper, 0o755)
    environment = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
    process = subprocess.Popen(["xl", "snapshot-delete", guest.name, snapshot, *options],
                               env=environment)
    for _ in range(300):
        if os.path.exists(mark):
            os.unlink(mark)
            return process
        assert process.poll() is None, "nothing was merged"
        time.sleep(0.1)
    raise AssertionError("qemu-img does not begin")


def merging(name):
    """
    A guest that is off, with snapshots s1, which is being deleted, and s2; and when s2 was
    taken, what the guest counted to, and the process.
    """
    guest = start("pv", name, formats=("qcow2", "raw"))
    kept = Kept(guest)
    for snapshot in ("s1", "s2"):
        span = create(guest, snapshot)
        kept.remember(snapshot)
        guest.wait_tick(guest.n() + 2)
    last = power_off(guest)
    kept.forget("s1")
    return guest, kept, span, last, deleting_slowly(guest, "s1", 6)


def a_start_waits_for_a_merge_of_the_disks_layers():
    guest, kept, span, last, process = merging("merged")
    mark = guest.mark()
    started = xl("create", guest.config_path)
    assert "busy" in started.stderr and "waiting" in started.stderr, started.stderr
    assert process.wait(timeout=240) == 0, process.returncode
    assert guest.wait_boot(mark)["disks"] == [last, last]
    guest.wait_tick(last + 1)
    healthy(guest)
    kept.check()
    # The lock is free again.
    revert(guest, "s2", span)


def a_start_past_this_xl_finds_no_disk_that_is_being_written():
    guest, kept, span, last, process = merging("past")
    sh([DISTRIBUTION_XL, "create", guest.config_path], check=False, timeout=60)
    if guest.running():
        mark = guest.mark()
        time.sleep(4)
        assert not [line for line in guest.since(mark) if line.startswith("BOOT")]
        guest.destroy()
    # It stops where a domain has appeared on a file that it would change.
    process.wait(timeout=240)
    mark = guest.mark()
    xl("create", guest.config_path)
    assert guest.wait_boot(mark)["disks"] == [last, last]
    guest.wait_tick(last + 1)
    healthy(guest)
    xl("snapshot-delete", guest.name, "s1", check=False)
    kept.check()
    revert(guest, "s2", span)


def a_killed_merge_is_put_in_order_by_the_start():
    guest = start("pv", "halfmerged", formats=("qcow2",))
    kept = Kept(guest)
    create(guest, "s1", "--disk-only")
    create(guest, "s2", "--disk-only")
    kept.remember("s2")
    guest.wait_tick(guest.n() + 2)
    for options in (["--merge=forward"], ["--merge=backward"]):
        last = power_off(guest)
        process = deleting_slowly(guest, "s1", 60, *options)
        process.kill()
        process.wait()
        time.sleep(1)
        mark = guest.mark()
        xl("create", guest.config_path)
        assert guest.wait_boot(mark)["disks"] == [last]
        guest.wait_tick(last + 1)
        healthy(guest)
    xl("snapshot-delete", guest.name, "s1", check=False)
    assert names(guest) == ["s2"]
    kept.check()
    healthy(guest)


def a_configuration_from_a_pipe_is_looked_at_too():
    guest = start("pv", "piped", formats=("raw",))
    create(guest, "s1", "--disk-only")
    guest.wait_tick(guest.n() + 2)
    last, mark = power_off(guest), guest.mark()
    sh(f"cat {guest.config_path} | xl create /dev/stdin")
    assert guest.wait_boot(mark)["disks"] == [last]
    healthy(guest)


def after_a_killed_create_a_start_has_all_that_the_guest_wrote():
    guest = start("pv", "killed", formats=("raw", "qcow2"))
    overlays = 0
    for n in range(24, 120, 8):
        killed = killed_after(n, XL_SNAPSHOT, "snapshot-create", guest.name, f"k{n}", "--disk-only")
        sh(["xl", "unpause", guest.name], check=False)
        guest.wait_tick(guest.n() + 2)
        last = power_off(guest)
        mark = guest.mark()
        started = xl("create", guest.config_path)
        assert guest.wait_boot(mark)["disks"] == [last, last], (n, started.stderr)
        guest.wait_tick(last + 1)
        healthy(guest)
        overlays += f"k{n}" in names(guest)
        for name in names(guest):
            xl("snapshot-delete", guest.name, name)
        if not killed:
            break
    print(f"# {overlays} snapshots were complete")
    assert overlays


def a_disk_that_was_replaced_is_its_own_matter():
    guest = start("pv", "replaced", formats=("qcow2", "qcow2"))
    create(guest, "s1", "--disk-only")
    guest.cmd("stop")
    other = workdir("other.qcow2")
    sh(["qemu-img", "create", "-q", "-f", "qcow2", other, "32M"])
    sh(["xl", "block-detach", guest.name, "xvdb"])
    sh(["xl", "block-attach", guest.name, f"format=qcow2,vdev=xvdb,access=rw,target={other}"])
    fails("snapshot-create", guest.name, "s2", "--disk-only", says=["xvdb", other, "method=none"])
    # The other disk goes on.
    told = xl("snapshot-create", guest.name, "s2", "--disk-only", "--disk=xvdb,method=none").stderr
    assert other in told, told
    assert names(guest) == ["s1", "s2"]
    fails("snapshot-revert", guest.name, "s1", says=["xvdb", other, "--force"])
    xl("snapshot-delete", guest.name, "s1")
    xl("snapshot-delete", guest.name, "s2")
    assert names(guest) == []
    assert os.path.exists(disk_path(guest, "xvdb"))


test(a_start_waits_for_a_merge_of_the_disks_layers, timeout=600)
test(a_start_past_this_xl_finds_no_disk_that_is_being_written, timeout=600)
test(a_killed_merge_is_put_in_order_by_the_start, timeout=600)
test(a_configuration_from_a_pipe_is_looked_at_too, timeout=300)
test(after_a_killed_create_a_start_has_all_that_the_guest_wrote, timeout=900)
test(a_disk_that_was_replaced_is_its_own_matter, timeout=300)

main()
