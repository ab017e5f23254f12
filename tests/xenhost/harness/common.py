# SPDX-License-Identifier: LGPL-2.1-only
"""Where things are, and how a command runs inside a suite's root."""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import shlex
import subprocess
import sys

XENHOST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPO = os.path.dirname(os.path.dirname(XENHOST))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(REPO, "build"))
STATE = os.path.join(BUILD, "xenhost")
SUITES = {"trixie": "4.20", "bookworm": "4.17"}

CLEAN_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
             "HOME": "/root", "LANG": "C.UTF-8"}


class HarnessError(Exception):
    """Something the user has to know; printed without a traceback."""


def die_with_parent(signal_number):
    """This process is sent the signal when the one that started it ends."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number))


def note(text):
    print(f"xenhost: {text}", file=sys.stderr, flush=True)


def suite_dir(suite):
    return os.path.join(STATE, suite)


def image_dir(suite):
    return os.path.join(suite_dir(suite), "image")


def share_dir(suite):
    return os.path.join(suite_dir(suite), "share")


def hash_of(*items):
    """Hash of texts and of files (given as path, prefixed with @)."""
    h = hashlib.sha256()
    for item in items:
        data = item.encode()
        if item.startswith("@"):
            with open(item[1:], "rb") as f:
                data = f.read()
        h.update(len(data).to_bytes(8, "little") + data)
    return h.hexdigest()


def stamp_matches(path, value):
    try:
        with open(path) as f:
            return f.read() == value
    except FileNotFoundError:
        return False


def write_stamp(path, value):
    with open(path, "w") as f:
        f.write(value)


@contextlib.contextmanager
def locked(name, what):
    """Holds STATE/NAME.lock; waits for another xenhost that has it."""
    os.makedirs(STATE, exist_ok=True)
    with open(os.path.join(STATE, name + ".lock"), "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"waiting for {what}")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield


def need(*packages):
    result = subprocess.run([os.path.join(REPO, "scripts", "need"), *packages])
    if result.returncode:
        raise HarnessError("packages are missing: " + " ".join(packages))


def run_in_root(suite, command, out_dir):
    """
    Runs COMMAND in the suite's root, the repository at /src (read-only) and
    OUT_DIR at /build, in mount and pid namespaces that end with it.
    """
    root = os.path.join(image_dir(suite), "root")
    os.makedirs(out_dir, exist_ok=True)
    script = "\n".join([
        "set -e",
        f"mount --bind {shlex.quote(REPO)} {shlex.quote(root)}/src",
        f"mount -o remount,bind,ro {shlex.quote(root)}/src",
        f"mount --bind {shlex.quote(out_dir)} {shlex.quote(root)}/build",
        f"mount --rbind /dev {shlex.quote(root)}/dev",
        f"exec chroot {shlex.quote(root)} {shlex.join(command)}",
    ])
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child",
            f"--mount-proc={root}/proc", "--", "sh", "-c", script]
    return subprocess.run(argv, env=CLEAN_ENV, stdin=subprocess.DEVNULL).returncode
