# SPDX-License-Identifier: LGPL-2.1-only
"""Runs one command in the dom0 of an emulated Xen host."""

import fcntl
import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import termios
import time

from . import booted
from .common import STATE, note
from .emulator import Emulator

HOST_FAILED = 75     # the host did not come up, panicked or hung: worth another try
GUEST_FAULTED = 76   # the command failed and Xen reported a guest's triple fault
TIMED_OUT = 124      # the host was alive but the command took too long

READY_SECONDS = 120
BEAT_SECONDS = 120

TRIPLE_FAULT = re.compile(rb"[Tt]riple fault")


def run(suite, command, env=(), timeout=900, log_name=None):
    """Exit code of COMMAND (an argument list), or one of those above."""
    script = [f"export {name}={shlex.quote(value)}" for name, value in env]
    script.append("exec " + shlex.join(command))
    name = log_name or f"{suite}-{os.path.splitext(os.path.basename(command[0]))[0]}"
    return _start(suite, "\n".join(script) + "\n", name, timeout,
                 # Open and silent: at an end of input, QEMU would hold the output back.
                 subprocess.PIPE)


def shell(suite):
    size = os.get_terminal_size() if sys.stdin.isatty() else (80, 24)
    inner = f"stty rows {size[1]} cols {size[0]}; exec bash -l"
    script = ("export TERM=" + shlex.quote(os.environ.get("TERM", "dumb")) + "\n"
              "exec socat -lf /dev/null STDIO EXEC:" +
              shlex.quote(f'"bash -c \'{inner}\'"') + ",pty,setsid,ctty,stderr,sane\n")
    with _terminal_restored():
        code = _start(suite, script, f"{suite}-shell", None, None)
    return HOST_FAILED if code == HOST_FAILED else 0


def _start(suite, script, log_name, timeout, stdin):
    booted.ensure(suite)
    logs = os.path.join(STATE, "logs", log_name)
    shutil.rmtree(logs, ignore_errors=True)
    os.makedirs(logs)
    with open(os.path.join(logs, "command"), "w") as f:
        f.write(script)
    return _Host(suite, logs, stdin).follow(timeout)


class _Host:
    def __init__(self, suite, logs, stdin):
        self.logs = logs
        self.emulator = Emulator(suite, logs, booted.DRIVE + ",snapshot=on",
                                 "-incoming", booted.INCOMING, stdin=stdin)
        self.control = self.emulator.control

    def follow(self, timeout):
        try:
            code, why = self._follow(timeout)
        finally:
            self.emulator.kill()
        if code not in (0, HOST_FAILED) and self._guest_faulted():
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
                    if word == "BOOTED":
                        # dom0's clock stopped when the host was put aside.
                        self.control.sendall(f"GO {time.time():.0f}\n".encode())
                    elif word == "READY":
                        ready = True
                        note(f"dom0 is up after {now - started:.1f} s")
                        started = now
                    elif word == "EXIT":
                        return int(rest), None
                    elif word == "FAILED":
                        return HOST_FAILED, rest
                continue
            if booted.panicked(self.logs):
                return HOST_FAILED, "Xen or dom0 crashed"
            if not ready and now - started > READY_SECONDS:
                return HOST_FAILED, f"dom0 was not up after {READY_SECONDS} s"
            if ready and timeout and now - started > timeout:
                return TIMED_OUT, f"the command ran for more than {timeout} s"
            if ready and now - heard > BEAT_SECONDS:
                return HOST_FAILED, f"dom0 hung: silent for {BEAT_SECONDS} s"

    def _guest_faulted(self):
        try:
            with open(os.path.join(self.logs, "console.log"), "rb") as f:
                return bool(TRIPLE_FAULT.search(f.read()))
        except FileNotFoundError:
            return False


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
