#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What can be done with a snapshot's files: verify, export, import."""

import glob
import json
import os
import signal
import struct
import subprocess
import time

from snapshots import (DISTRIBUTION_XL, STORE, create, fails, files_beside, healthy, info, names,
                       plain_xl_restores, revert, sha256, start, xl)
from xenhost import XEN_VERSION, main, sh, test, verify_save_file, workdir

KIND = "pvh" if XEN_VERSION >= (4, 20) else "pv"
SKELETON = 2


def memory_of(guest, snapshot):
    return f"{STORE}/{guest.name}/{snapshot}.mem"


def layer_of(guest, snapshot, vdev):
    return next(d["layer_path"] for d in info(guest, snapshot)["disks"] if d["vdev"] == vdev)


def flip(path, at):
    """One bit of a byte; immutable or not. The same again takes it back."""
    frozen = "i" in sh(["lsattr", "-d", path]).stdout.split()[0]
    if frozen:
        sh(["chattr", "-i", path])
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))
    if frozen:
        sh(["chattr", "+i", path])


def block(path, wanted):
    """Where in an image the first block of a type is (memimage/format.h)."""
    with open(path, "rb") as f:
        f.seek(-64, os.SEEK_END)
        table, blocks = struct.unpack("<QI", f.read(12))
        f.seek(table)
        entries = [struct.unpack("<IIBBHIQ", f.read(24)) for _ in range(blocks)]
    at = table - sum(entry[0] for entry in entries)
    for stored, _, kind, *_ in entries:
        if kind == wanted:
            return at
        at += stored
    raise AssertionError(f"{path} has no block of type {wanted}")


def is_sound(guest, *snapshots):
    """These are all that there are."""
    result = xl("snapshot-verify", guest.name)
    assert result.stdout.splitlines() == [f"{s}: ok" for s in snapshots], result


def is_damaged(guest, file, bad, good=()):
    """FILE has a fault, which the BAD ones are concerned by, and the GOOD are not."""
    result = xl("snapshot-verify", guest.name, check=False)
    assert result.returncode == 1, result
    lines = result.stdout.splitlines()
    faults = [line for line in lines if line.startswith(file + ": ")]
    assert faults and faults[0].endswith("; needed by " + ", ".join(bad)), (lines, bad)
    assert sorted(line for line in lines if line.endswith(": ok")) == [
        f"{s}: ok" for s in sorted(good)], lines
    # Of an image that is missing, the way out is said.
    moved = not os.path.exists(file) and not file.endswith(".mem")
    assert ("snapshot-relocate" if moved else "") in result.stderr, result.stderr
    assert moved or not result.stderr, result.stderr
    print(f"# {faults[0]}")

    result = xl("snapshot-verify", guest.name, "--json", check=False)
    assert result.returncode == 1, result
    told = json.loads(result.stdout)
    assert not told["ok"], told
    for snapshot in told["snapshots"]:
        assert snapshot["ok"] == (snapshot["name"] in good) == (not snapshot["faults"]), told
        if snapshot["name"] in bad:
            assert file in [fault["file"] for fault in snapshot["faults"]], told


def revert_is_refused(guest, snapshot, says):
    domid = guest.domid()
    fails("snapshot-revert", guest.name, snapshot, says=says)
    assert guest.domid() == domid
    healthy(guest)


def exported_file_is_what_plain_xl_restores():
    guest = start(KIND, "plain")
    span = create(guest, "s1")
    is_sound(guest, "s1")
    assert json.loads(xl("snapshot-verify", guest.name, "--json").stdout) == {
        "ok": True, "snapshots": [{"name": "s1", "ok": True, "faults": []}]}
    shown = info(guest, "s1")
    assert shown["memory_format"] == "image" and shown["memory_chain"] == 1, shown
    assert shown["memory_stored"] == os.path.getsize(shown["memory_path"]), shown
    pages = shown["memory_pages"]
    assert pages["all"] == sum(pages[k] for k in ("zero", "stored", "repeated", "parent")), pages
    assert "memory_parent" not in shown, shown

    # A name without a directory is in the current one.
    made = json.loads(sh(f"cd {workdir()} && xl snapshot-export {guest.name} s1 s1.save --json",
                         timeout=240).stdout)
    exported = workdir("s1.save")
    assert made == {"file": exported, "bytes": os.path.getsize(exported)}, made
    assert made["bytes"] == shown["memory_content"], (made, shown)
    assert os.stat(exported).st_mode & 0o777 == 0o600
    verify_save_file(exported)
    plain_xl_restores(guest, "s1", exported, span)


def damaged_memory_is_found_and_imported_anew():
    guest = start(KIND, "memory")
    first = create(guest, "s1")
    second = create(guest, "s2")
    shown = info(guest, "s2")
    assert shown["memory_chain"] == 2, shown
    assert shown["memory_parent"] == memory_of(guest, "s1"), shown
    assert shown["memory_parent_snapshot"] == "s1", shown
    text = xl("snapshot-info", guest.name, "s2").stdout
    assert f"based on:   {memory_of(guest, 's1')} (snapshot s1)\n" in text, text
    is_sound(guest, "s1", "s2")
    saved = {s: workdir(f"{s}.save") for s in ("s1", "s2")}
    for snapshot, file in saved.items():
        xl("snapshot-export", guest.name, snapshot, file)
    before = files_beside(guest)
    fails("snapshot-import", guest.name, "s1", saved["s1"], says=("sound", "nothing to import"))

    # What s1 alone needs: s2 does not suffer, neither before nor from the import.
    memory = memory_of(guest, "s1")
    flip(memory, block(memory, SKELETON) + 5)
    is_damaged(guest, memory, ("s1",), ("s2",))
    assert xl("snapshot-verify", guest.name, "s1", check=False).returncode == 1
    assert xl("snapshot-verify", guest.name, "s2").stdout == "s2: ok\n"
    revert_is_refused(guest, "s1", says=memory)
    fails("snapshot-export", guest.name, "s1", workdir("again"), says=(memory, "is damaged"))
    assert xl("snapshot-import", guest.name, "s1", saved["s1"]).stdout.startswith(
        "Memory of snapshot s1 of memory imported, ")
    is_sound(guest, "s1", "s2")
    assert info(guest, "s2")["memory_chain"] == 1
    assert files_beside(guest) == before
    revert(guest, "s1", first)
    revert(guest, "s2", second)

    # An index that is damaged, and a file that is gone.
    flip(memory_of(guest, "s2"), os.path.getsize(memory_of(guest, "s2")) - 20)
    is_damaged(guest, memory_of(guest, "s2"), ("s2",), ("s1",))
    text = xl("snapshot-info", guest.name, "s2").stdout
    assert f"{memory_of(guest, 's2')} (the memory image " in text, text
    assert "memory_fault" in info(guest, "s2")
    os.unlink(memory)
    is_damaged(guest, memory, ("s1",), ())
    assert f"{memory} (missing)" in xl("snapshot-info", guest.name, "s1").stdout
    for snapshot, file in saved.items():
        xl("snapshot-import", guest.name, snapshot, file)
        xl("snapshot-export", guest.name, snapshot, workdir("again"))
        assert sha256(workdir("again")) == sha256(file)
        os.unlink(workdir("again"))
    is_sound(guest, "s1", "s2")
    revert(guest, "s1", first)


def memory_based_on_what_is_replaced_is_given_up_by_force_only():
    guest = start(KIND, "based")
    create(guest, "s1")
    create(guest, "s2")
    saved = workdir("s1.save")
    xl("snapshot-export", guest.name, "s1", saved)
    memory = memory_of(guest, "s1")
    flip(memory, os.path.getsize(memory) // 2)
    is_damaged(guest, memory, ("s1", "s2"))
    fails("snapshot-import", guest.name, "s1", saved, says=("s2", "--force"))
    flip(memory, os.path.getsize(memory) // 2)
    is_sound(guest, "s1", "s2")
    flip(memory, os.path.getsize(memory) // 2)
    xl("snapshot-import", guest.name, "s1", saved, "--force")
    is_damaged(guest, memory_of(guest, "s2"), ("s2",), ("s1",))
    xl("snapshot-delete", guest.name, "s2")
    is_sound(guest, "s1")


def plain_memory_is_converted_in_place():
    guest = start(KIND, "convert")
    span = create(guest, "s1", "--memory-format", "raw")
    memory = memory_of(guest, "s1")
    before = sha256(memory)
    shown = info(guest, "s1")
    assert shown["memory_format"] == "raw" and "memory_pages" not in shown, shown
    is_sound(guest, "s1")
    result = json.loads(xl("snapshot-import", guest.name, "s1", memory, "--json").stdout)
    assert result["memory_path"] == memory, result
    assert result["memory_stored"] == os.path.getsize(memory) < result["memory_content"], result
    assert info(guest, "s1")["memory_format"] == "image"
    assert os.stat(memory).st_mode & 0o777 == 0o600
    xl("snapshot-export", guest.name, "s1", workdir("again"))
    assert sha256(workdir("again")) == before
    revert(guest, "s1", span)

    # A domain that does not run.
    guest.destroy()
    flip(memory, os.path.getsize(memory) // 2)
    is_damaged(guest, memory, ("s1",))
    xl("snapshot-import", guest.name, "s1", workdir("again"))
    is_sound(guest, "s1")
    revert(guest, "s1", span)


def damaged_layers_are_found():
    guest = start(KIND, "layers")
    first = create(guest, "s1")
    create(guest, "s2")
    xl("snapshot-create", guest.name, "s3", "--disk-only", "--disk=xvda,method=internal",
       "--disk=xvdb,method=none")
    is_sound(guest, "s1", "s2", "s3")
    base = layer_of(guest, "s1", "xvda")

    flip(base, 3)                           # the magic number
    is_damaged(guest, base, ("s1", "s2", "s3"))
    revert_is_refused(guest, "s1", says=base)
    flip(base, 3)
    # The refcount of the first cluster; cluster 2 has these.
    second = layer_of(guest, "s2", "xvda")
    flip(second, 2 * 65536 + 1)
    is_damaged(guest, second, ("s2", "s3"), ("s1",))
    flip(second, 2 * 65536 + 1)
    raw = layer_of(guest, "s1", "xvdb")
    sh(["chattr", "-i", raw])
    os.rename(raw, workdir("elsewhere"))
    is_damaged(guest, raw, ("s1", "s2"), ("s3",))
    revert_is_refused(guest, "s1", says=raw)
    os.rename(workdir("elsewhere"), raw)
    sh(["chattr", "+i", raw])

    # Of a deleted snapshot that others need, and is not named.
    is_sound(guest, "s1", "s2", "s3")
    sh(["qemu-img", "snapshot", "-U", "-l", guest.disks[0][0]])
    revert(guest, "s1", first)
    create(guest, "s4")
    xl("snapshot-delete", guest.name, "s1")
    is_sound(guest, "s2", "s3", "s4")
    healthy(guest)


def interrupted(signal_number, half, *words):
    """The command gets the signal when there is a file like HALF; its exit code and stderr."""
    with subprocess.Popen(["xl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not glob.glob(half):
            assert process.poll() is None and time.monotonic() < deadline, words
            time.sleep(0.01)
        process.send_signal(signal_number)
        stderr = process.communicate(timeout=120)[1]
    return process.returncode, stderr


def interrupted_ones_leave_nothing():
    guest = start(KIND, "ended")
    span = create(guest, "s1", "--memory-format", "raw")
    memory = memory_of(guest, "s1")
    before, digest = files_beside(guest), sha256(memory)
    code, stderr = interrupted(signal.SIGTERM, workdir("saved.*"), "snapshot-export", guest.name,
                               "s1", workdir("saved"))
    assert code == 1 and "cancelled" in stderr, (code, stderr)
    assert files_beside(guest) == before, files_beside(guest)

    half = f"{STORE}/{guest.name}/.s1.mem.new.*"
    code, stderr = interrupted(signal.SIGKILL, half, "snapshot-import", guest.name, "s1", memory)
    assert code == -signal.SIGKILL, (code, stderr)
    assert glob.glob(half) and sha256(memory) == digest
    xl("snapshot-import", guest.name, "s1", memory)
    assert not glob.glob(half) and files_beside(guest) == before, files_beside(guest)
    is_sound(guest, "s1")
    revert(guest, "s1", span)


def what_makes_no_sense_is_refused():
    guest = start(KIND, "misuse")
    create(guest, "s1")
    xl("snapshot-create", guest.name, "disks", "--disk-only")
    saved = workdir("saved")
    xl("snapshot-export", guest.name, "s1", saved)
    before = {path: sha256(path) for path in files_beside(guest) if path.endswith(".mem")}

    fails("snapshot-verify", says="which domain", code=2)
    fails("snapshot-verify", guest.name, "nope", says="nope")
    fails("snapshot-verify", "no-such-domain", says="no-such-domain")
    fails("snapshot-export", guest.name, "s1", says="a file are needed", code=2)
    fails("snapshot-export", guest.name, "s1", saved, says=(saved, "exists"))
    fails("snapshot-export", guest.name, "nope", workdir("x"), says="nope")
    fails("snapshot-export", guest.name, "disks", workdir("x"), says=("disks", "no memory"))
    fails("snapshot-export", guest.name, "s1", "/no/such/dir/x", says="/no/such/dir/x")

    fails("snapshot-import", guest.name, "disks", saved, says=("disks alone", "xvda"))
    fails("snapshot-import", guest.name, "disks", saved, "--force", says="disks alone")
    fails("snapshot-import", guest.name, "s1", "/no/such/file", says="/no/such/file")
    fails("snapshot-import", guest.name, "s1", memory_of(guest, "s1"), says="snapshot-export")
    os.truncate(saved, os.path.getsize(saved) - 1)
    fails("snapshot-import", guest.name, "s1", saved, says=(saved, "truncated"))
    os.truncate(saved, 40)
    fails("snapshot-import", guest.name, "s1", saved, says=saved)
    os.unlink(saved)

    # Memory of the same guest at another moment; both files are named.
    sh([DISTRIBUTION_XL, "save", "-c", guest.name, saved], timeout=120)
    guest.wait_tick()
    flip(memory_of(guest, "s1"), os.path.getsize(memory_of(guest, "s1")) // 2)
    fails("snapshot-import", guest.name, "s1", saved,
          says=("xvda", guest.disks[0][0] + " by", layer_of(guest, "s1", "xvda"), "--force"))
    flip(memory_of(guest, "s1"), os.path.getsize(memory_of(guest, "s1")) // 2)
    assert before == {path: sha256(path) for path in files_beside(guest)
                      if path.endswith(".mem")}
    assert names(guest) == ["disks", "s1"]
    healthy(guest)


test(exported_file_is_what_plain_xl_restores)
test(damaged_memory_is_found_and_imported_anew, timeout=600)
test(memory_based_on_what_is_replaced_is_given_up_by_force_only, timeout=400)
test(plain_memory_is_converted_in_place, timeout=400)
test(damaged_layers_are_found, timeout=600)
test(interrupted_ones_leave_nothing, timeout=400)
test(what_makes_no_sense_is_refused, timeout=400)

main()
