# SPDX-License-Identifier: LGPL-2.1-only
"""
A host that has booted, kept under <suite>/image, so that each run only goes on
from there:

  booted.qcow2   its disk, over dom0.ext4
  booted.ram     the rest of the machine, as QEMU's migration writes it

and booted-2-cpus.… for one with two CPUs, booted-dom0-all.… for one whose dom0
has all memory.

It waits, with no shared folder mounted yet, for the word that harness/host.py
says to dom0/init.
"""

import json
import os
import re
import select
import subprocess
import time

from . import emulator, image
from .common import (XENHOST, HarnessError, hash_of, image_dir, locked, note, stamp_matches,
                     write_stamp)

BOOT_SECONDS = 300
SAVE_SECONDS = 120
TRIES = 3

PANIC = re.compile(rb"Kernel panic|Panic on CPU|Xen BUG|dom0 could not start|"
                   rb"Hardware Dom0 (crashed|shutdown)|Domain 0 (crashed|shutdown)")

NAME = ("booted" + (f"-{emulator.CPUS}-cpus" if emulator.CPUS != 1 else "") +
        (f"-dom0-{emulator.DOM0_MEMORY}" if emulator.DOM0_MEMORY != "1280M" else ""))
DRIVE = f"file={NAME}.qcow2,format=qcow2"
INCOMING = f"file:{NAME}.ram"


def ensure(suite):
    image.ensure("trixie")
    image.ensure(suite)
    with locked(f"booted-{suite}", f"another boot of the {suite} host"):
        qemu, _ = emulator.binary()
        wanted = hash_of(*("@" + path for path in (
            os.path.join(image_dir(suite), "recipe"), __file__, emulator.__file__,
            os.path.join(XENHOST, "dom0", "early-init"),
            os.path.join(XENHOST, "dom0", "init"))), str(os.stat(qemu).st_mtime_ns))
        stamp = os.path.join(image_dir(suite), f"{NAME}.recipe")
        if stamp_matches(stamp, wanted):
            return
        started = time.monotonic()
        note(f"booting the {suite} host, once")
        for _ in range(TRIES):
            why = _boot(suite)
            if not why:
                write_stamp(stamp, wanted)
                note(f"the {suite} host booted in {time.monotonic() - started:.0f} s")
                return
            note(f"the {suite} host: {why}")
        raise HarnessError(f"the {suite} host does not boot")


def _boot(suite):
    """Boots it and keeps it; why not, if so."""
    directory = image_dir(suite)
    logs = os.path.join(directory, "booted.logs")
    os.makedirs(logs, exist_ok=True)
    for name in (f"{NAME}.qcow2", f"{NAME}.ram"):
        if os.path.exists(os.path.join(directory, name)):
            os.unlink(os.path.join(directory, name))
    image.write_dom0_initramfs(suite)
    _make_overlay(suite)
    host = emulator.Emulator(suite, logs, DRIVE, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL)
    try:
        return _wait_booted(host, logs) or _keep(host)
    finally:
        host.kill()


def _make_overlay(suite):
    qemu, (argv, _) = emulator.binary()
    qemu_img = [word.replace(qemu, os.path.join(os.path.dirname(qemu), "qemu-img"))
                for word in argv[:argv.index(qemu) + 1]]
    subprocess.run([*qemu_img, "create", "-q", "-f", "qcow2", "-b", "dom0.ext4", "-F", "raw",
                    f"{NAME}.qcow2"], cwd=image_dir(suite), check=True)


def _wait_booted(host, logs):
    deadline = time.monotonic() + BOOT_SECONDS
    received = b""
    while time.monotonic() < deadline:
        if select.select([host.control], [], [], 1)[0]:
            data = host.control.recv(4096)
            if not data:
                return "the emulator ended"
            received += data
            if b"BOOTED\n" in received:
                return None
            if b"FAILED" in received:
                return received.decode(errors="replace").strip()
        if panicked(logs):
            return "Xen or dom0 crashed"
    return f"dom0 was not up after {BOOT_SECONDS} s"


def _keep(host):
    host.monitor.settimeout(SAVE_SECONDS)
    monitor = host.monitor.makefile("rw")
    json.loads(monitor.readline())

    def command(name, **arguments):
        monitor.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        monitor.flush()
        while True:
            reply = json.loads(monitor.readline())
            if "error" in reply:
                raise HarnessError(f"{name}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]

    command("qmp_capabilities")
    command("migrate-set-parameters", **{"max-bandwidth": 1 << 32})
    command("migrate", uri=INCOMING)
    deadline = time.monotonic() + SAVE_SECONDS
    while time.monotonic() < deadline:
        status = command("query-migrate").get("status")
        if status == "completed":
            # The disk as well: its file is complete only when QEMU ends well.
            command("quit")
            host.process.wait(SAVE_SECONDS)
            return None
        if status == "failed":
            return "the machine could not be kept"
        time.sleep(0.1)
    return "keeping the machine takes too long"


def panicked(logs):
    try:
        with open(os.path.join(logs, "console.log"), "rb") as f:
            return bool(PANIC.search(f.read()))
    except FileNotFoundError:
        return False
