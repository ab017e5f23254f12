# SPDX-License-Identifier: LGPL-2.1-only
"""Runs one command in the dom0 of an emulated Xen host."""

import ctypes
import fcntl
import glob
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time

from . import image
from .common import REPO, STATE, XENHOST, HarnessError, image_dir, note, share_dir

HOST_FAILED = 75     # the host did not boot, panicked or hung: worth another try
GUEST_FAULTED = 76   # the command failed and Xen reported a guest's triple fault
TIMED_OUT = 124      # the host was alive but the command took too long

BOOT_SECONDS = 240
BEAT_SECONDS = 120

MEMORY = "4096"
CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+rdrand,+npt,-smap,-rdtscp"
XEN_OPTIONS = ("console=com1 dom0_mem=1280M,max:1280M noreboot bootscrub=0 "
               "spec-ctrl=no")
DOM0_OPTIONS = "console=hvc0 quiet panic=1 mitigations=off init_on_alloc=0 audit=0"

PANIC = re.compile(rb"Kernel panic|Panic on CPU|Xen BUG|dom0 could not start|"
                   rb"Hardware Dom0 (crashed|shutdown)|Domain 0 (crashed|shutdown)")
TRIPLE_FAULT = re.compile(rb"[Tt]riple fault")


def run(suite, command, env=(), timeout=900, log_name=None):
    """Exit code of COMMAND (an argument list), or one of those above."""
    script = [f"export {name}={shlex.quote(value)}" for name, value in env]
    script.append("exec " + shlex.join(command))
    name = log_name or f"{suite}-{os.path.splitext(os.path.basename(command[0]))[0]}"
    return _boot(suite, "\n".join(script) + "\n", name, timeout,
                 # Open and silent: at an end of input, QEMU would hold the output back.
                 subprocess.PIPE)


def shell(suite):
    size = os.get_terminal_size() if sys.stdin.isatty() else (80, 24)
    inner = f"stty rows {size[1]} cols {size[0]}; exec bash -l"
    script = ("export TERM=" + shlex.quote(os.environ.get("TERM", "dumb")) + "\n"
              "exec socat -lf /dev/null STDIO EXEC:" +
              shlex.quote(f'"bash -c \'{inner}\'"') + ",pty,setsid,ctty,stderr,sane\n")
    with _terminal_restored():
        code = _boot(suite, script, f"{suite}-shell", None, None)
    return HOST_FAILED if code == HOST_FAILED else 0


def _boot(suite, script, log_name, timeout, stdin):
    image.ensure("trixie")
    image.ensure(suite)
    logs = os.path.join(STATE, "logs", log_name)
    shutil.rmtree(logs, ignore_errors=True)
    os.makedirs(logs)
    with open(os.path.join(logs, "command"), "w") as f:
        f.write(script)
    return _Host(suite, logs, stdin).follow(timeout)


def _emulator():
    """QEMU out of the trixie root, run without entering it."""
    root = os.path.join(image_dir("trixie"), "root")
    libraries = os.path.join(root, "usr/lib/x86_64-linux-gnu")
    return ([os.path.join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries,
             os.path.join(root, "usr/bin/qemu-system-x86_64"),
             "-L", os.path.join(root, "usr/share/qemu"),
             "-L", os.path.join(root, "usr/share/seabios")],
            {"QEMU_MODULE_DIR": os.path.join(libraries, "qemu")})


# The host's clock counts instructions (4 ns each) and runs on only while it
# has nothing to do.  So the time limits inside, such as the 10 s that libxl
# gives a starting QEMU, do not depend on how fast and how busy this machine is.
CLOCK = ["-accel", "tcg,thread=single", "-icount", "shift=2,sleep=on", "-smp", "1"]


class _Host:
    def __init__(self, suite, logs, stdin):
        self.logs = logs
        self.control, theirs = socket.socketpair()
        emulator, env = _emulator()
        argv = emulator + [
            *CLOCK, "-machine", "q35", "-cpu", CPU,
            "-m", MEMORY, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", "xen", "-append", XEN_OPTIONS,
            "-initrd", f"vmlinuz {DOM0_OPTIONS},dom0.cpio",
            "-drive", "file=dom0.ext4,format=raw,if=none,id=d0,cache=unsafe,snapshot=on",
            "-device", "virtio-blk-pci,drive=d0",
            *_export("src", REPO, ",readonly=on"), *_export("share", share_dir(suite)),
            *_export("logs", logs),
            "-serial", "file:" + _escaped(os.path.join(logs, "console.log")),
            "-device", "virtio-serial-pci",
            "-chardev", "stdio,id=output,signal=off",
            "-device", "virtserialport,chardev=output,name=xenhost.output",
            "-chardev", f"socket,id=control,fd={theirs.fileno()}",
            "-device", "virtserialport,chardev=control,name=xenhost.control"]
        with open(os.path.join(logs, "emulator.log"), "w") as log:
            self.emulator = subprocess.Popen(
                argv, cwd=image_dir(suite), stdin=stdin, stderr=log,
                pass_fds=[theirs.fileno()], preexec_fn=_die_with_parent,
                env={**os.environ, **env, "TMPDIR": os.path.dirname(image_dir(suite))})
        theirs.close()

    def follow(self, timeout):
        try:
            code, why = self._follow(timeout)
        finally:
            self.emulator.kill()
            self.emulator.wait()
            self.control.close()
        if code not in (0, HOST_FAILED) and self._console(TRIPLE_FAULT):
            code, why = GUEST_FAULTED, f"a guest triple-faulted; {why or f'exit code {code}'}"
        if why:
            note(f"{why}; logs are in {self.logs}")
        return code

    def _follow(self, timeout):
        started = heard = time.monotonic()
        ready, pending = False, b""
        while True:
            readable, _, _ = select.select([self.control], [], [], 1)
            now = time.monotonic()
            if readable:
                data = self.control.recv(4096)
                if not data:
                    return HOST_FAILED, "the emulator ended"
                heard = now
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    word, _, rest = line.decode(errors="replace").partition(" ")
                    if word == "READY":
                        ready = True
                        note(f"dom0 is up after {now - started:.1f} s")
                        started = now
                    elif word == "EXIT":
                        return int(rest), None
                    elif word == "FAILED":
                        return HOST_FAILED, rest
                continue
            if self._console(PANIC):
                return HOST_FAILED, "Xen or dom0 crashed"
            if not ready and now - started > BOOT_SECONDS:
                return HOST_FAILED, f"dom0 was not up after {BOOT_SECONDS} s"
            if ready and timeout and now - started > timeout:
                return TIMED_OUT, f"the command ran for more than {timeout} s"
            if ready and now - heard > BEAT_SECONDS:
                return HOST_FAILED, f"dom0 hung: silent for {BEAT_SECONDS} s"

    def _console(self, pattern):
        try:
            with open(os.path.join(self.logs, "console.log"), "rb") as f:
                return bool(pattern.search(f.read()))
        except FileNotFoundError:
            return False


def _export(tag, path, more=""):
    return ["-virtfs", f"local,path={_escaped(path)},mount_tag={tag},"
                       f"security_model=none,multidevs=remap{more}"]


def _escaped(path):
    return path.replace(",", ",,")


def _die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class _terminal_restored:
    """The emulator is killed, so it cannot put the terminal back itself."""

    def __enter__(self):
        self.saved = None
        if sys.stdin.isatty():
            self.saved = (termios.tcgetattr(0), fcntl.fcntl(0, fcntl.F_GETFL))

    def __exit__(self, *_):
        if self.saved:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved[0])
            fcntl.fcntl(0, fcntl.F_SETFL, self.saved[1])
