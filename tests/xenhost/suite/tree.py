#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
Snapshots are deleted anywhere in their tree, of a guest that keeps writing and
verifying, paused or powered off in between: every other snapshot and the
guest's disks stay what they were.

Words seed=N and steps=N are for the random tests.
"""

import glob
import json
import os
import random
import time

from snapshots import (STORE, XL_SNAPSHOT, content, create, current, disk_path, fails,
                       files_beside, from_arguments, healthy, info, is_immutable,
                       killed_after, names, power_off, qemu_img_check, reboot, start,
                       state_of, xl)
from xenhost import XEN_VERSION, main, sh, test, workdir

KIND = "pvh" if XEN_VERSION >= (4, 20) else "pv"
MAX_SNAPSHOTS = 12
SEED = from_arguments("seed", time.time_ns() % 1000000)
STEPS = from_arguments("steps", 200)


def stored(guest):
    """The store's files: domain.json, and all records, also of deleted ones."""
    with open(f"{STORE}/{guest.name}/domain.json") as f:
        domain = json.load(f)
    records = []
    for path in glob.glob(f"{STORE}/{guest.name}/*.snapshot.json"):
        with open(path) as f:
            records.append(json.load(f))
    return domain, records


def no_file_is_left_over(guest):
    """Each one is named by a record, by the domain's, or by its configuration."""
    domain, records = stored(guest)
    needed = {path for path, _, _ in guest.disks}
    for disk in domain["disks"]:
        needed |= {disk["top_path"], disk["config_path"]}
    needed |= {disk["layer_path"] for disk in domain["leftovers"]}
    for record in records:
        needed.add(f"{STORE}/{guest.name}/{record['name']}.snapshot.json")
        needed.add(record["memory_path"])
        needed |= {disk["layer_path"] for disk in record["disks"]}
    left = set(files_beside(guest)) - needed
    assert not left, f"nothing needs {left}"
    assert not domain["writing"] and not domain["merged"]["from"], domain


def inside(path, snapshot):
    """A digest of what an internal snapshot shows."""
    raw = workdir("inside")
    sh(["qemu-img", "convert", "-U", "-f", "qcow2", "-l", f"snapshot.name={snapshot}", "-O",
        "raw", path, raw])
    try:
        return content(raw, "raw")
    finally:
        os.unlink(raw)


class Tree:
    """A guest's snapshots: what each holds, and n on its disks when it was taken."""

    def __init__(self, guest):
        self.guest, self.at, self.digests, self.seen = guest, {}, {}, {}

    def take(self, snapshot, *options):
        last = self.guest.cmd("stop")["n"]
        xl("snapshot-create", self.guest.name, snapshot, "--disk-only", *options)
        self.at[snapshot] = last
        self.digests[snapshot] = {d["vdev"]: self.digest(d)
                                  for d in info(self.guest, snapshot)["disks"]}
        self.guest.cmd("go")
        healthy(self.guest)

    def revert(self, snapshot):
        """It boots from disks that are as they were."""
        mark = self.guest.mark()
        has_inside = any(d["method"] == "internal" for d in info(self.guest, snapshot)["disks"])
        xl("snapshot-revert", self.guest.name, snapshot,
           *(["--destroy-first"] if has_inside else []))
        boot = self.guest.wait_boot(mark)
        assert boot["disks"] == [self.at[snapshot]] * len(self.guest.disks), (boot, snapshot)
        self.guest.wait_tick(self.at[snapshot] + 1, mark=mark)
        healthy(self.guest)

    @staticmethod
    def digest(disk):
        if disk["method"] == "internal":
            return inside(disk["layer_path"], disk["internal_name"])
        return content(disk["layer_path"], disk["layer_format"])

    def forget_deleted(self, *deleted):
        for snapshot in deleted:
            del self.at[snapshot], self.digests[snapshot]

    def stamps(self, disk):
        """All files that the state is read from, as they are."""
        chain = json.loads(sh(["qemu-img", "info", "-U", "--backing-chain", "--output=json", "-f",
                               disk["layer_format"], disk["layer_path"]]).stdout)
        result = []
        for layer in chain:
            st = os.stat(layer["filename"])
            result.append((layer["filename"], st.st_ino, st.st_size, st.st_mtime_ns))
        return result

    def check(self):
        assert names(self.guest) == sorted(self.at), (names(self.guest), sorted(self.at))
        for snapshot, digests in self.digests.items():
            for disk in info(self.guest, snapshot)["disks"]:
                where = f"{snapshot}: {disk['vdev']} in {disk['layer_path']}"
                if disk["method"] == "external":
                    assert is_immutable(disk["layer_path"]), f"{where} is not protected"
                stamps = self.stamps(disk)
                if self.seen.get((snapshot, disk["vdev"])) == stamps:
                    continue
                assert self.digest(disk) == digests[disk["vdev"]], f"{where} holds another state"
                if disk["method"] == "external" and disk["layer_format"] == "qcow2":
                    sh(["qemu-img", "check", "-U", disk["layer_path"]])
                self.seen[(snapshot, disk["vdev"])] = stamps
        no_file_is_left_over(self.guest)


class Running:
    """The guest goes on: it has read nothing wrong after the block."""

    def __init__(self, guest):
        self.guest = guest

    def __enter__(self):
        self.mark = self.guest.mark()

    def __exit__(self, kind, *_):
        if kind:
            return
        assert not [line for line in self.guest.since(self.mark) if line.startswith("BOOT")]
        healthy(self.guest)


class Paused(Running):
    def __enter__(self):
        super().__enter__()
        sh(["xl", "pause", self.guest.name])

    def __exit__(self, kind, *_):
        if not kind:
            assert "p" in state_of(self.guest), state_of(self.guest)
        sh(["xl", "unpause", self.guest.name])
        super().__exit__(kind, *_)


class Off:
    """The guest is powered off, and comes up from what it last wrote after the block."""

    def __init__(self, guest):
        self.guest = guest

    def tops(self):
        return {d["vdev"]: content(d["top_path"], d["top_format"])
                for d in stored(self.guest)[0]["disks"]}

    def __enter__(self):
        self.last = power_off(self.guest)
        self.before = self.tops()

    def __exit__(self, kind, *_):
        if kind:
            return
        assert self.tops() == self.before, "the active layers hold another state"
        for disk in stored(self.guest)[0]["disks"]:
            if disk["top_format"] == "qcow2":
                qemu_img_check(disk["top_path"])
        mark = self.guest.mark()
        sh(["xl", "create", self.guest.config_path], timeout=120)
        boot = self.guest.wait_boot(mark)
        assert boot["disks"] == [self.last] * len(self.guest.disks), (boot, self.last)
        self.guest.wait_tick(self.last + 1)
        healthy(self.guest)


def random_options(guest, dice):
    """How each disk takes part."""
    options = []
    for _, disk_format, vdev in guest.disks:
        word = f"--disk={vdev}"
        if disk_format == "qcow2" and dice.random() < 0.2:
            word += ",method=internal"
        elif dice.random() < 0.5:
            word += f",on_delete={dice.choice(['forward', 'backward'])}"
        options.append(word)
    return options


def below(guest, snapshot):
    """The names of all snapshots below it."""
    parents = {s["name"]: s.get("parent")
               for s in json.loads(xl("snapshot-list", guest.name, "--json").stdout)}
    found = {snapshot}
    while True:
        more = {name for name, parent in parents.items() if parent in found} - found
        if not more:
            return found - {snapshot}
        found |= more


def delete_at_random(tree, dice, kill):
    guest, snapshot = tree.guest, dice.choice(sorted(tree.at))
    which = dice.choice(["", "", "", "--children", "--children-only"])
    words = ["snapshot-delete", guest.name, snapshot, *([which] if which else [])]
    if dice.random() < 0.5:
        words.append(f"--merge={dice.choice(['forward', 'backward'])}")
    gone = below(guest, snapshot) if which else set()
    if which != "--children-only":
        gone.add(snapshot)
    state = dice.choice([Running, Running, Paused, Off])
    print(f"# {state.__name__.lower()}: {' '.join(words)}", flush=True)
    with state(guest):
        while kill and dice.random() < 0.6:
            killed_after(dice.randint(1, 15), XL_SNAPSHOT, *words, allow=1)
        # What a killed one has deleted is no snapshot any more.
        result = xl(*words, check=False)
        assert result.returncode == 0 or (kill and "has no snapshot" in result.stderr), (
            f"{words}\n{result.stdout}{result.stderr}")
        for left in gone & set(names(guest)):
            xl("snapshot-delete", guest.name, left)
    tree.forget_deleted(*gone)
    tree.check()


def undo_at_random(tree):
    guest, newest = tree.guest, current(tree.guest)
    with Running(guest):
        result = xl("snapshot-undo", guest.name, check=False)
        print(f"# snapshot-undo: {result.returncode} {result.stderr.strip()}", flush=True)
        if result.returncode == 0:
            tree.forget_deleted(newest)
        else:
            assert guest.name in result.stderr or "must stay" in result.stderr, result.stderr
    tree.check()


def a_random_tree(kill):
    print(f"# seed={SEED} steps={STEPS}", flush=True)
    dice = random.Random(SEED)
    guest = start(KIND, "tree", formats=("qcow2", "raw", "qcow2")[:dice.randint(1, 3)])
    tree, number, steps = Tree(guest), 0, 0
    while steps < STEPS:
        guest.wait_tick(guest.n() + 2)
        action = dice.random()
        if not tree.at or (len(tree.at) < MAX_SNAPSHOTS and action < 0.45):
            tree.take(f"s{number}", *random_options(guest, dice))
            number += 1
        elif action < 0.6:
            tree.revert(dice.choice(sorted(tree.at)))
        elif action < 0.65:
            undo_at_random(tree)
            steps += 1
        else:
            delete_at_random(tree, dice, kill)
            steps += 1
    for snapshot in sorted(tree.at):
        xl("snapshot-delete", guest.name, snapshot)
    assert names(guest) == []
    healthy(guest)
    # What had to stay for what QEMU had open of it goes while nothing is.
    with Off(guest):
        for record in stored(guest)[1]:
            # The one before may have taken it along.
            xl("snapshot-delete", guest.name, record["name"], check=False)
    assert not stored(guest)[1], stored(guest)
    no_file_is_left_over(guest)
    reboot(guest)


def undo_takes_the_snapshot_back_and_not_the_writes():
    guest = start(KIND, "undo")
    before = files_beside(guest)
    create(guest, "s1")
    guest.wait_tick(guest.n() + 3)
    n, mark = guest.n(), guest.mark()
    xl("snapshot-undo", guest.name)
    assert names(guest) == [] and files_beside(guest) == before, files_beside(guest)
    state = guest.cmd("state")
    assert state["n"] >= n and state["secret"] == "s1", state
    assert not [line for line in guest.since(mark) if line.startswith("BOOT")]
    layers = healthy(guest)
    assert {vdev: path for vdev, (path, _) in layers.items()} == {
        vdev: path for path, _, vdev in guest.disks}, layers
    reboot(guest)

    # The one of two is taken back, and the other is current again; paused too.
    tree = Tree(guest)
    tree.take("s1")
    tree.take("s2")
    with Paused(guest):
        xl("snapshot-undo", guest.name)
    tree.forget_deleted("s2")
    assert current(guest) == "s1"
    tree.check()
    tree.revert("s1")
    xl("snapshot-delete", guest.name, "s1")
    healthy(guest)


def undo_is_refused_with_the_reason():
    guest = start(KIND, "refused", formats=("qcow2",))
    fails("snapshot-undo", guest.name, says="no current snapshot")
    fails("snapshot-undo", "no-such-domain", says="no-such-domain")
    tree = Tree(guest)
    tree.take("s1")
    tree.take("s2")
    tree.revert("s1")
    with Running(guest):
        fails("snapshot-undo", guest.name, says=("xvda", "other layers"))
    tree.check()
    tree.take("in", "--disk=xvda,method=internal")
    with Running(guest):
        fails("snapshot-undo", guest.name, says=("inside", "in"))
    tree.check()
    with Off(guest):
        fails("snapshot-undo", guest.name, says="no running domain")
    tree.check()
    xl("snapshot-delete", guest.name, "in")
    xl("snapshot-delete", guest.name, "s2")
    tree.forget_deleted("in", "s2")
    tree.check()
    xl("snapshot-undo", guest.name)
    assert names(guest) == []
    healthy(guest)


def layers_go_the_way_that_was_asked_for():
    guest = start(KIND, "ways", formats=("raw",))
    base = disk_path(guest, "xvda")
    tree = Tree(guest)
    tree.take("s1", "--disk=xvda,on_delete=forward")
    assert info(guest, "s1")["disks"][0]["on_delete"] == "forward"
    tree.take("s2")
    frozen = info(guest, "s2")["disks"][0]["layer_path"]
    # Said on the command line it goes before what was recorded.
    xl("snapshot-delete", guest.name, "s1", "--merge=backward")
    tree.forget_deleted("s1")
    assert info(guest, "s2")["disks"][0]["layer_path"] == base, info(guest, "s2")
    assert not os.path.exists(frozen)
    tree.check()
    xl("snapshot-delete", guest.name, "s2", "--merge=forward")
    tree.forget_deleted("s2")
    assert healthy(guest)["xvda"][0] != base
    # Its file is what the configuration names: it may not be started from.
    assert is_immutable(base)
    with Off(guest):
        pass


def a_disk_that_no_snapshot_is_below_is_still_known():
    """A branch goes on while what the disks were based on is deleted, or forgotten."""
    for words in ([], ["--metadata"]):
        guest = start(KIND, "apart")
        tree = Tree(guest)
        tree.take("s1")
        tree.take("s2")
        tree.revert("s1")
        xl("snapshot-delete", guest.name, "s1", *words)
        tree.forget_deleted("s1")
        tree.check() if not words else healthy(guest)
        tree.take("s3")
        tree.revert("s2")
        tree.revert("s3")
        xl("snapshot-delete", guest.name, "s3")
        with Off(guest):
            xl("snapshot-delete", guest.name, "s2")
        healthy(guest)
        guest.destroy()


def metadata_alone_is_forgotten():
    guest = start(KIND, "meta")
    create(guest, "s1")
    tree = Tree(guest)
    tree.take("s2")
    made = info(guest, "s1")
    files = [d["layer_path"] for d in made["disks"]] + [made["memory_path"]]
    with Running(guest):
        told = xl("snapshot-delete", guest.name, "s1", "--metadata").stdout
    for path in files:
        assert os.path.exists(path) and path in told, (path, told)
    os.unlink(made["memory_path"])
    assert names(guest) == ["s2"]
    assert "parent" not in info(guest, "s2")
    tree.revert("s2")
    xl("snapshot-delete", guest.name, "s2")
    healthy(guest)
    reboot(guest)


test(undo_takes_the_snapshot_back_and_not_the_writes, timeout=600)
test(undo_is_refused_with_the_reason, timeout=600)
test(layers_go_the_way_that_was_asked_for, timeout=600)
test(a_disk_that_no_snapshot_is_below_is_still_known, timeout=600)
test(metadata_alone_is_forgotten, timeout=600)
test(lambda: a_random_tree(False), timeout=20 * STEPS + 600,
     name="random: snapshots come and go anywhere")
test(lambda: a_random_tree(True), timeout=30 * STEPS + 600,
     name="random killed: snapshots come and go anywhere")

main()
