# SPDX-License-Identifier: LGPL-2.1-only
"""What the tests of snapshots share: the commands, and what must always hold."""

import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from xenhost import (Guest, assert_records_agree, domains, make_disk, qemu_img_check, qmp,
                     sh, sha256, workdir)

STORE = "/var/lib/xen/snapshots"
DISTRIBUTION_XL = "/usr/sbin/xl"
XL_SNAPSHOT = "/usr/local/sbin/xl-snapshot"     # without xl before it, to be killed
DISK_MB = 32
KILLAT = "/usr/local/bin/killat.so"


def from_arguments(name, default):
    """What NAME=VALUE among the script's words says, which is none of main's then."""
    for word in sys.argv[1:]:
        if word.startswith(f"{name}="):
            sys.argv.remove(word)
            return type(default)(word.partition("=")[2])
    return default


def xl(*words, check=True, timeout=240):
    return sh(["xl", *words], check=check, timeout=timeout)


def fails(*words, says, code=1):
    """The command fails with CODE and a message that contains all of SAYS."""
    result = xl(*words, check=False)
    assert result.returncode == code, (
        f"{words} exited with {result.returncode}, not {code}\n{result.stdout}{result.stderr}")
    for text in [says] if isinstance(says, str) else says:
        assert text in result.stderr, f"{words}: {text!r} is not in:\n{result.stderr}"
    return result.stderr


def start(kind, name=None, formats=("qcow2", "raw"), **config):
    """A counting guest whose store is empty."""
    name = name or kind
    shutil.rmtree(os.path.join(STORE, name), ignore_errors=True)
    disks = []
    for i, disk_format in enumerate(formats):
        letter = chr(ord("a") + i)
        path = make_disk(workdir(f"{name}-{letter}.{disk_format}"), disk_format, DISK_MB)
        disks.append((path, disk_format, f"xvd{letter}"))
    return Guest(kind, name, disks, **config).create()


def names(guest):
    return sorted(s["name"] for s in json.loads(xl("snapshot-list", guest.name, "--json").stdout))


def info(guest, snapshot):
    return json.loads(xl("snapshot-info", guest.name, snapshot, "--json").stdout)


def current(guest):
    return json.loads(xl("snapshot-current", guest.name, "--json").stdout)["current"]


def content(path, disk_format):
    """A digest of what a guest would read from the layer and what is below it."""
    raw = workdir("content")
    sh(["qemu-img", "convert", "-U", "-f", disk_format, "-O", "raw", path, raw])
    try:
        with open(raw, "rb") as f:
            return hashlib.file_digest(f, "blake2b").hexdigest()
    finally:
        os.unlink(raw)


def is_immutable(path):
    return "i" in sh(["lsattr", "-d", path]).stdout.split()[0]


class Kept:
    """What snapshots hold, to compare with later."""

    def __init__(self, guest):
        self.guest, self.contents = guest, {}

    def layers(self, snapshot):
        return [(d["vdev"], d["layer_path"], d["layer_format"])
                for d in info(self.guest, snapshot)["disks"]]

    def remember(self, snapshot):
        layers = self.layers(snapshot)
        assert len(layers) == len(self.guest.disks), layers
        self.contents[snapshot] = {vdev: content(path, f) for vdev, path, f in layers}

    def forget(self, snapshot):
        del self.contents[snapshot]

    def check(self):
        """Every remaining snapshot holds its own state, in clean images, frozen."""
        assert names(self.guest) == sorted(self.contents), (names(self.guest), self.contents)
        for snapshot, digests in self.contents.items():
            for vdev, path, disk_format in self.layers(snapshot):
                assert content(path, disk_format) == digests[vdev], (
                    f"{snapshot}: {vdev}: {path} holds another state now")
                assert is_immutable(path), f"{path} is not protected"
                if disk_format == "qcow2":
                    sh(["qemu-img", "check", "-U", path])


def healthy(guest):
    """It counts on, has read nothing wrong, and all records agree."""
    n = guest.cmd("state")["n"]
    guest.wait_tick(n + 2)
    state = guest.cmd("state")
    assert state["bad"] == 0, guest.bad_lines()
    assert guest.cmd("verify")["ok"], guest.bad_lines()
    return assert_records_agree(guest)


def create(guest, snapshot, *options):
    """Takes a snapshot with a secret of its own in RAM; returns the range of n it may hold."""
    guest.cmd(f"set {snapshot}")
    before = guest.cmd("state")["n"]
    xl("snapshot-create", guest.name, snapshot, *options)
    return before, guest.cmd("state")["n"]


def revert(guest, snapshot, span, *options):
    """
    Reverts, and the guest is where it was: it counts on from an n of that
    time, with the secret of that time, and finds its disks to agree.
    """
    if guest.running():
        guest.cmd("stop")   # so that every tick from here on is the new guest's
    mark = guest.mark()
    xl("snapshot-revert", guest.name, snapshot, *options)
    if "--paused" in options:
        assert "p" in state_of(guest), state_of(guest)
        sh(["xl", "unpause", guest.name])
    guest.wait_tick(mark=mark)
    first = first_tick_after(guest, mark)
    assert span[0] < first <= span[1] + 2, (first, span)
    assert guest.cmd("state")["secret"] == snapshot
    assert current(guest) == snapshot
    healthy(guest)


def reboot(guest):
    """The guest reboots, and comes up on disks that hold what it last wrote."""
    last = guest.cmd("stop")["n"]
    mark = guest.mark()
    guest.send("reboot")
    boot = guest.wait_boot(mark)
    assert boot["disks"] == [last] * len(guest.disks), (last, boot)
    guest.wait_tick(last + 1)
    healthy(guest)


def power_off(guest):
    """Through the guest's own shutdown; returns the last n on its disks."""
    last = guest.cmd("stop")["n"]
    guest.send("poweroff")
    for _ in range(300):
        if guest.name not in domains():
            return last
        time.sleep(0.2)
    raise AssertionError(f"{guest.name} does not power off")


def external(vdev, path, keep_path):
    """A disk for the library's calls; PATH is in the work directory."""
    return {"disk": {"vdev": vdev}, "method": "external", "external_path": workdir(path),
            "keep_path": keep_path}


def both():
    """The two disks of a guest, each in the way that suits its format."""
    return [external("xvda", "a.frozen", True), external("xvdb", "b.over", False)]


def write_args(**args):
    """The file of arguments for apictl, to be removed by the test."""
    with open(workdir("args.json"), "w") as f:
        json.dump(args, f)
    return workdir("args.json")


def state_of(guest):
    """The State column of xl list, such as "r-----"."""
    return sh(["xl", "list", guest.name]).stdout.split()[-2]


def files_beside(guest):
    """All files in the directory of the guest's disks and in its store, but
    for the two that the store of a domain without snapshots consists of."""
    found = glob.glob(workdir("*")) + glob.glob(f"{STORE}/{guest.name}/*")
    return sorted(f for f in found if os.path.basename(f) not in ("domain.json", "lock"))


def stray_start_is_refused(guest, command, frozen):
    """
    A start on frozen layers: QEMU refuses to open them. libxl does not wait
    for that, so the domain may be there, but without these disks it does not
    come to run; and not a byte changes. A memory image may have been made
    between the end of a write and the line that tells of it, so one such line
    may come from a restored guest, and no second one.
    """
    sums = [sha256(path) for path in frozen]
    mark = guest.mark()
    result = sh(command, check=False, timeout=120)
    time.sleep(10)
    if guest.running():
        opened = [block["inserted"]["file"] for block in qmp(guest.domid(), "query-block")
                  if "inserted" in block]
        assert not set(opened) & set(frozen), (opened, frozen)
        lines = guest.since(mark)
        assert not [line for line in lines if line.startswith("BOOT")], lines
        ticks = [line for line in lines if line.startswith("TICK")]
        assert len(ticks) <= 1, ticks
        guest.destroy()
    else:
        assert result.returncode != 0, result
    assert [sha256(path) for path in frozen] == sums, "a frozen layer changed"


def plain_xl_restores(guest, snapshot, memory, span):
    """
    The distribution's xl restores MEMORY, of the snapshot's moment, but not
    as long as the frozen layers that belong to it are protected. The guest
    has written to its disks since, and is destroyed for it; the snapshot is
    given up.
    """
    frozen = [d["layer_path"] for d in info(guest, snapshot)["disks"]]
    guest.wait_tick(guest.n() + 2)
    guest.destroy()
    # The frozen layers belong to this memory, and nobody may start on them …
    stray_start_is_refused(guest, [DISTRIBUTION_XL, "restore", memory], frozen)
    # … who does not give the snapshot up.
    for path in frozen:
        assert is_immutable(path)
        sh(["chattr", "-i", path])
    sh([DISTRIBUTION_XL, "restore", memory], timeout=120)
    guest.wait_tick()
    state = guest.cmd("state")
    assert state["secret"] == snapshot and span[0] <= state["n"] and state["bad"] == 0, state
    assert guest.cmd("verify")["ok"], guest.bad_lines()


def first_tick_after(guest, mark):
    return int(re.match(r"TICK n=(\d+)", next(
        line for line in guest.since(mark) if line.startswith("TICK")))[1])


def disk_path(guest, vdev):
    return next(path for path, _, v in guest.disks if v == vdev)


def killed_after(n, *words, allow=0):
    """
    Runs the command until its nth change; whether it came to that. ALLOW: an
    exit code besides 0.
    """
    env = {**os.environ, "LD_PRELOAD": KILLAT, "KILLAT": str(n)}
    with open(workdir("output"), "w") as out:
        code = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                              timeout=240).returncode
    with open(workdir("output")) as out:
        text = out.read()
    os.unlink(workdir("output"))
    assert code in (0, allow, -signal.SIGKILL), f"{words} exited with {code}\n{text}"
    return code == -signal.SIGKILL


__all__ = ["DISTRIBUTION_XL", "Kept", "STORE", "XL_SNAPSHOT", "both", "content", "create", "current",
           "disk_path", "external", "fails", "files_beside", "first_tick_after",
           "from_arguments", "healthy", "info", "is_immutable", "killed_after", "names",
           "plain_xl_restores", "power_off", "qemu_img_check", "reboot", "revert", "sha256",
           "start", "state_of", "stray_start_is_refused", "write_args", "xl"]
