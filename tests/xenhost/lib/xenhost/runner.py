# SPDX-License-Identifier: LGPL-2.1-only
"""Runs tests one after the other, each in an empty host and directory."""

import glob
import os
import signal
import shutil
import sys
import time
import traceback

from . import storage
from .host import domains, sh

WORKDIR = "/guests/work"
CONSOLE_LOGS = "/var/log/xen/console/guest-*.log"

_tests = []


class SkipTest(Exception):
    """Raised by a test that cannot run here; its text says why."""


def test(function=None, *, timeout=300, name=None):
    """Registers a test; its name is the function's with spaces for underscores."""
    def register(f):
        _tests.append((name or f.__name__.replace("_", " "), f, timeout))
        return f
    return register(function) if function else register


def workdir(*names):
    """A path in the directory that every test finds empty."""
    return os.path.join(WORKDIR, *names)


def _clean():
    for name in domains():
        sh(["xl", "destroy", name], check=False)
    deadline = time.monotonic() + 20
    while domains() and time.monotonic() < deadline:
        time.sleep(0.1)
    storage.clean()
    if os.path.exists(WORKDIR):
        # Frozen layers are immutable.
        sh(["chattr", "-R", "-f", "-i", "-a", WORKDIR], check=False)
        shutil.rmtree(WORKDIR)
    os.makedirs(WORKDIR)
    for path in glob.glob(CONSOLE_LOGS):
        archive = path.removesuffix(".log") + ".earlier"
        with open(path, "rb") as log, open(archive, "ab") as earlier:
            shutil.copyfileobj(log, earlier)
        os.unlink(path)


def _out_of_time(*_):
    raise TimeoutError("out of time")


def _report_qemus():
    """What each thread of every QEMU waits in: one that hangs tells nothing itself."""
    for comm in glob.glob("/proc/[0-9]*/comm"):
        try:
            if not open(comm).read().startswith("qemu-system"):
                continue
            for task in sorted(glob.glob(comm.replace("comm", "task/*"))):
                name, waits = (open(f"{task}/{f}").read().strip() for f in ("comm", "syscall"))
                stack = [line.split()[1] for line in open(f"{task}/stack") if "+" in line]
                print(f"    --- {task} {name}: {waits}: {' '.join(stack)}")
        except (OSError, IndexError):
            continue


def _report_failure(name, error):
    print(f"not ok {name}: {str(error) or type(error).__name__}")
    for line in "".join(traceback.format_exception(error)).splitlines():
        print(f"    {line}")
    for path in glob.glob(CONSOLE_LOGS):
        with open(path, errors="replace") as f:
            tail = f.read().splitlines()[-12:]
        print(f"    --- {path}")
        for line in tail:
            print(f"    {line}")
    _report_qemus()


def main():
    """Runs the tests whose names contain an argument, in which _ is a space; exits."""
    words = [word.replace("_", " ") for word in sys.argv[1:]]
    chosen = [t for t in _tests if not words or any(word in t[0] for word in words)]
    if not chosen:
        sys.exit(f"no test matches {sys.argv[1:]}; there are: "
                 + ", ".join(t[0] for t in _tests))
    signal.signal(signal.SIGALRM, _out_of_time)
    passed = failed = skipped = 0
    for name, function, timeout in chosen:
        _clean()
        started = time.monotonic()
        signal.alarm(timeout)
        try:
            function()
            signal.alarm(0)
            print(f"ok {name} ({time.monotonic() - started:.1f} s)")
            passed += 1
        except SkipTest as why:
            signal.alarm(0)
            print(f"skip {name}: {why}")
            skipped += 1
        except Exception as error:
            signal.alarm(0)
            _report_failure(name, error)
            failed += 1
    _clean()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)
