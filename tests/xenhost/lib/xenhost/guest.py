# SPDX-License-Identifier: LGPL-2.1-only
"""A guest whose init counts on its disks (guest/init.c)."""

import glob
import itertools
import os
import re
import termios
import time

from .host import sh
from .xenstore import domid_of, xs_read

KINDS = ("pv", "pvh", "hvm")

BOOT_SECONDS = {"pv": 60, "pvh": 60, "hvm": 150}
# What takes the guests' kernel long under emulation and is of no use to them:
# initcalls; protecting its data, which ends in a walk through all page tables;
# and, where there is no PIT and no PCI, looking for one a hundred thousand times.
SKIPPED = ["load_system_certificate_list", "jent_mod_init", "bpf_tcp_ca_kfunc_init",
           "bpf_dummy_struct_ops_init", "bpf_prog_test_run_init", "init_kprobe_trace",
           "slab_sysfs_init", "crypto_algapi_init", "audit_init", "trace_eval_init",
           "trace_eval_sync", "init_evm"]
COMMON_CMDLINE = ("console=hvc0 quiet mitigations=off panic=-1 rodata=off initcall_blacklist=" +
                  ",".join(SKIPPED))
CMDLINE = COMMON_CMDLINE + " clearcpuid=tsc lpj=4000000 pci=off"
HVM_CMDLINE = (COMMON_CMDLINE + " clocksource=xen tsc=reliable no_timer_check 8250.nr_uarts=0 "
               "i8042.noaux i8042.nokbd hpet=disable")
# Devices that cost an emulated host time and a test nothing.
HVM_CONFIG = {"vga": "none", "vnc": 0, "sdl": 0, "usb": 0, "vkb_device": 0, "hpet": 0}

_sequence = itertools.count(1)


class Guest:
    def __init__(self, kind="pv", name=None, disks=(), memory=128, cmdline="", vifs=(),
                 drives=(), **config):
        """
        DISKS: (path, format, vdev) each, or with the backendtype ("phy") as
        a fourth.  VIFS: (address, options) each, such as ("10.9.0.2", "bridge=xenbr0").
        DRIVES: further entries of disk=, as text, that it does not count on,
        such as a CD drive.  CONFIG: further lines of the xl.cfg, such as
        on_reboot="destroy".
        """
        self.kind, self.name, self.disks = kind, name or kind, list(disks)
        self.vifs, self.drives = list(vifs), list(drives)
        self.memory, self.cmdline, self.config = memory, cmdline, config
        self.config_path = f"/etc/xen/{self.name}.cfg"
        self._boot_mark = {}

    def __str__(self):
        return self.name

    def write_config(self):
        cmdline = HVM_CMDLINE if self.kind == "hvm" else CMDLINE
        vdevs = ",".join(_name_inside(disk[2]) for disk in self.disks)
        config = {
            "name": self.name, "type": self.kind, "memory": self.memory, "vcpus": 1,
            "kernel": _only("/boot/vmlinuz-*") if self.kind == "hvm" else "/boot/guest-vmlinux",
            "ramdisk": "/boot/guest-initramfs",
            "cmdline": f"{cmdline} disks={vdevs} {self._addresses()} {self.cmdline}",
            "disk": [_disk_spec(*disk) for disk in self.disks] + self.drives,
            **({"vif": [options for _, options in self.vifs]} if self.vifs else {}),
            **(HVM_CONFIG if self.kind == "hvm" else {}), **self.config}
        with open(self.config_path, "w") as f:
            f.writelines(f"{key} = {value!r}\n" for key, value in config.items())
        return self.config_path

    def _addresses(self):
        return "addresses=" + ",".join(a for a, _ in self.vifs) if self.vifs else ""

    def create(self, wait=True):
        """Starts it with xl, whose daemon goes on supervising it."""
        self.write_config()
        self._boot_mark = self.mark()
        sh(["xl", "create", self.config_path], timeout=120)
        if wait:
            self.wait_boot()
            self.wait_tick()
        return self

    def destroy(self):
        sh(["xl", "destroy", self.name])

    def domid(self):
        domid = domid_of(self.name)
        assert domid is not None, f"no domain is named {self.name}"
        return domid

    def running(self):
        return domid_of(self.name) is not None

    # Console

    def _logs(self):
        # A restored guest's log keeps the name it was restored under.
        return [f"/var/log/xen/console/guest-{name}.log"
                for name in (self.name, self.name + "--incoming")]

    def mark(self):
        """A place in the console log, for since() and the waiting functions."""
        return {path: os.path.getsize(path) for path in self._logs() if os.path.exists(path)}

    def since(self, mark):
        """Whole lines that came after MARK."""
        text = ""
        for path in self._logs():
            try:
                with open(path, errors="replace") as f:
                    f.seek(mark.get(path, 0))
                    text += f.read().rpartition("\n")[0] + "\n"
            except FileNotFoundError:
                pass
        return [line.strip("\r") for line in text.split("\n") if line]

    def wait_line(self, pattern, mark, timeout, step=0.05):
        """The match of the first line after MARK that matches PATTERN, looked for each STEP s."""
        deadline = time.monotonic() + timeout
        while True:
            for line in self.since(mark):
                match = re.match(pattern, line)
                if match:
                    return match
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: no {pattern!r} on its console "
                                     f"within {timeout} s")
            time.sleep(step)

    def wait_boot(self, mark=None, timeout=None):
        """What the guest's BOOT line after MARK (default: create()) says."""
        match = self.wait_line(r"BOOT .*", self._boot_mark if mark is None else mark,
                               timeout or BOOT_SECONDS[self.kind], step=0.2)
        return _fields(match[0])

    def wait_tick(self, n=None, mark=None, timeout=30):
        """Waits for a tick, of N or later if given; returns its n."""
        mark = self.mark() if mark is None else mark
        deadline = time.monotonic() + timeout
        while True:
            for line in self.since(mark):
                match = re.match(r"TICK n=(\d+)", line)
                if match and (n is None or int(match[1]) >= n):
                    return int(match[1])
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: no tick"
                                     f"{'' if n is None else f' {n}'} within {timeout} s")
            time.sleep(0.1)

    def bad_lines(self, mark=None):
        return [line for line in self.since(mark or {}) if line.startswith("BAD ")]

    def wait_ping(self, address=None, timeout=30):
        """Waits until ADDRESS (default: its first vif's) answers dom0."""
        address = address or self.vifs[0][0]
        deadline = time.monotonic() + timeout
        while sh(["busybox", "ping", "-c", "1", "-W", "1", address], check=False).returncode:
            assert time.monotonic() < deadline, f"{self.name}: no answer from {address}"

    # Commands

    def send(self, command):
        """Types a command; returns the tag its answer will begin with, and a mark."""
        tag, mark = f"#{next(_sequence)}", self.mark()
        tty = xs_read(f"/local/domain/{self.domid()}/console/tty")
        fd = os.open(tty, os.O_RDWR | os.O_NOCTTY)
        try:
            raw = termios.tcgetattr(fd)
            raw[0] = raw[1] = raw[3] = 0
            termios.tcsetattr(fd, termios.TCSANOW, raw)
            os.write(fd, f"{tag} {command}\n".encode())
        finally:
            os.close(fd)
        return tag, mark

    def cmd(self, command, timeout=30):
        """The answer's fields, numbers as int; its first word as "answer"."""
        tag, mark = self.send(command)
        answer = self.wait_line(re.escape(tag) + " (.*)", mark, timeout)[1]
        assert not answer.startswith(("UNKNOWN", "FILL failed")), answer
        return _fields(answer)

    def n(self):
        return self.cmd("state")["n"]


def _name_inside(vdev):
    """What Linux calls it: both hda and sda are its xvda."""
    return "xvd" + vdev[2:] if vdev.startswith(("hd", "sd")) else vdev


def _disk_spec(path, format, vdev, backend="qdisk"):
    return f"format={format},vdev={vdev},access=rw,backendtype={backend},target={path}"


def _fields(line):
    words = line.split()
    result = {"answer": words[0]}
    if words[0] == "VERIFY":
        result["ok"] = words[1] == "ok"
    for word in words[1:]:
        key, separator, value = word.partition("=")
        if separator:
            is_number = key not in ("id", "secret") and value.isdigit()
            result[key] = int(value) if is_number else value
    if "disks" in result:
        result["disks"] = [int(n) for n in str(result["disks"]).split(",")]
    return result


def _only(pattern):
    found = glob.glob(pattern)
    assert len(found) == 1, f"expected one {pattern}, found {found}"
    return found[0]
