#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Memory images: increments, what becomes of them, and how long they take beside plain xl."""

import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import time

from snapshots import (DISTRIBUTION_XL, STORE, create, current, fails, from_arguments, healthy,
                       info, names, revert, start, xl)
from xenhost import XEN_VERSION, main, sha256, sh, test, workdir

KIND = from_arguments("kind", "pvh" if XEN_VERSION >= (4, 20) else "pv")
LONGEST = 8     # memory_chain by default
ROUNDS = 3


SEED = from_arguments("seed", 1)
CHAIN = from_arguments("chain", 2)
MEMORY = from_arguments("memory", 128)       # MiB, of the guest that is timed


def memory_of(guest, snapshot):
    return f"{STORE}/{guest.name}/{snapshot}.mem"


def exported(guest, snapshot):
    """A digest of what `xl restore` would read."""
    path = workdir("exported")
    xl("snapshot-export", guest.name, snapshot, path)
    digest = sha256(path)
    os.unlink(path)
    return digest


def a_second_image_is_small_and_a_chain_merges_in_any_order():
    print(f"# seed={SEED}")
    draw = random.Random(SEED)
    guest = start(KIND, "chain")
    spans, contents = {}, {}
    for i in range(1, CHAIN + 2):
        name = f"s{i}"
        spans[name] = create(guest, name)
        contents[name] = exported(guest, name)
        assert info(guest, name)["memory_chain"] == (i - 1) % LONGEST + 1, info(guest, name)
        if i == 1:
            guest.wait_tick(guest.n() + 10)
    first, second = (os.path.getsize(memory_of(guest, s)) for s in ("s1", "s2"))
    print(f"# s1: {first} bytes, s2: {second}, {second / first:.3f} of it")
    assert second <= 0.15 * first, (first, second)

    order = list(contents)
    draw.shuffle(order)
    left = order.pop()
    for name in order:
        print(f"# delete {name}")
        xl("snapshot-delete", guest.name, name)
        assert not os.path.exists(memory_of(guest, name))
        del contents[name]
        for other in draw.sample(sorted(contents), min(2, len(contents))):
            assert exported(guest, other) == contents[other], f"{other} has another memory now"
        xl("snapshot-verify", guest.name)
    healthy(guest)
    assert names(guest) == sorted(contents)
    assert info(guest, left)["memory_chain"] == 1
    revert(guest, left, spans[left])
    # What is taken after a revert is based on what was reverted to.
    create(guest, "again")
    assert info(guest, "again")["memory_chain"] == 2
    create(guest, "full", "--full")
    assert info(guest, "full")["memory_chain"] == 1


@contextlib.contextmanager
def damaged(path):
    """A byte amid the file is another one meanwhile."""
    def change():
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ 1]))

    change()
    yield
    change()


def a_damaged_parent_costs_neither_the_guest_nor_a_new_snapshot():
    guest = start(KIND, "damaged")
    create(guest, "s1")
    span = create(guest, "s2")
    memory = memory_of(guest, "s1")
    with damaged(memory):
        fails("snapshot-revert", guest.name, "s2", says=(memory, "damaged"))
        fails("snapshot-delete", guest.name, "s1", says=("delete s2 first",))
        healthy(guest)
    # As it was: nothing was lost by trying.
    xl("snapshot-delete", guest.name, "s1")
    revert(guest, "s2", span)

    with open(memory_of(guest, "s2"), "r+b") as f:
        f.write(b"no image")
    create(guest, "s3")
    assert info(guest, "s3")["memory_chain"] == 1
    assert current(guest) == "s3"


def a_deletion_that_waits_costs_no_later_snapshot():
    """The memory of a deleted snapshot that is still there is needed by what is based on it."""
    guest = start(KIND, "waits")
    spans = [create(guest, name) for name in ("s1", "s2", "s3")]
    memory = memory_of(guest, "s1")
    with damaged(memory):
        fails("snapshot-delete", guest.name, "s1", says="delete s2 first")
    assert os.path.exists(memory)
    # As if the host's clock had gone back: deletion takes the youngest first.
    record = f"{STORE}/{guest.name}/s2.snapshot.json"
    with open(record) as f:
        changed = json.load(f) | {"created": 1}
    with open(record, "w") as f:
        json.dump(changed, f)
    xl("snapshot-delete", guest.name, "s2")
    assert names(guest) == ["s3"] and info(guest, "s3")["memory_chain"] == 1
    assert not os.path.exists(memory) and not os.path.exists(memory_of(guest, "s2"))
    revert(guest, "s3", spans[2])


def ticks_seen(mark, samples):
    """(seconds, n) of each tick after MARK; the samples say how long the logs were when."""
    for path, length in samples[-1][1].items():
        with open(path, "rb") as log:
            end = log.seek(mark.get(path, 0))
            for line in log.read(length - end).splitlines(keepends=True):
                end += len(line)
                tick = re.match(rb"\r?TICK n=(\d+).*\n", line)
                if tick:
                    yield next(seconds for seconds, lengths in samples
                               if lengths.get(path, 0) >= end), int(tick[1])


def watch(guest, *words):
    """
    Runs the command, during which the guest goes back in time. Returns the seconds that
    it took, those until the guest's first tick after that, and those from its last one
    before to that. Until all is over only the growth of the console's logs is looked at:
    on one CPU, whoever looks closer makes the command slower.
    """
    mark, samples, began = guest.mark(), [], time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        samples.append((time.monotonic() - began, guest.mark()))
        assert samples[-1][0] < 240, words
        time.sleep(0.05)
    ended = time.monotonic() - began
    assert process.returncode == 0, words
    guest.wait_tick()
    samples.append((time.monotonic() - began, guest.mark()))
    ticks = sorted(ticks_seen(mark, samples), key=lambda tick: tick[0])
    last, first = next((a, b) for a, b in zip(ticks, ticks[1:]) if b[1] < a[1])
    return ended, first[0], first[0] - last[0]


def as_fast_as_plain_xl():
    """Create beside `xl save -c`, and revert beside `xl restore`, in turn."""
    guest = start(KIND, "fast", memory=MEMORY)
    save, ours, again, restore, back, whole, down = [], [], [], [], [], [], []

    def timed(times, *words):
        began = time.monotonic()
        sh(words, timeout=240)
        times.append(time.monotonic() - began)

    plain = workdir("plain")
    for _ in range(ROUNDS):
        guest.wait_tick()
        timed(save, DISTRIBUTION_XL, "save", "-c", guest.name, plain)
        os.unlink(plain)
        guest.wait_tick()
        timed(ours, "xl", "snapshot-create", guest.name, "s", "--full")
        guest.wait_tick()
        timed(again, "xl", "snapshot-create", guest.name, "t")
        xl("snapshot-delete", guest.name, "t")
        guest.wait_tick()
        sh([DISTRIBUTION_XL, "save", guest.name, plain], timeout=240)
        mark, began = guest.mark(), time.monotonic()
        sh([DISTRIBUTION_XL, "restore", plain], timeout=240)
        guest.wait_tick(mark=mark)
        restore.append(time.monotonic() - began)
        os.unlink(plain)
        guest.wait_tick()
        for times, seconds in zip((whole, back, down),
                                  watch(guest, "xl", "snapshot-revert", guest.name, "s")):
            times.append(seconds)
        xl("snapshot-delete", guest.name, "s")
        print("# this round:", " ".join(f"{times[-1]:.2f}" for times in
                                        (save, ours, again, restore, back, down)), flush=True)
    for what, times in (("xl save -c", save), ("snapshot-create", ours),
                        ("snapshot-create, an increment", again),
                        ("xl restore to the first tick", restore),
                        ("snapshot-revert to the first tick", back),
                        ("snapshot-revert, old domain destroyed", whole),
                        ("no tick in revert", down)):
        print(f"# {what}: {' '.join(f'{t:.2f}' for t in times)} s, median "
              f"{statistics.median(times):.2f}")
    print(f"# create {statistics.median(ours) / statistics.median(save):.2f} of xl save -c, "
          f"revert {statistics.median(back) / statistics.median(restore):.2f} of xl restore")


test(a_second_image_is_small_and_a_chain_merges_in_any_order, timeout=1200)
test(a_damaged_parent_costs_neither_the_guest_nor_a_new_snapshot, timeout=400)
test(a_deletion_that_waits_costs_no_later_snapshot, timeout=400)
test(as_fast_as_plain_xl, timeout=900)

main()
