# SPDX-License-Identifier: LGPL-2.1-only
"""Commands of dom0."""

import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile


def _xen_version():
    def part(name):
        with open(f"/sys/hypervisor/version/{name}") as f:
            return int(f.read())
    return part("major"), part("minor")


XEN_VERSION = _xen_version()


def sh(command, timeout=60, check=True, input=None):
    """
    Runs COMMAND (a list, or a string for the shell); returns its
    CompletedProcess with text.  Output goes through files, so that a daemon
    the command leaves behind does not hold us up.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command, shell=isinstance(command, str), stdout=out, stderr=err, text=True,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            start_new_session=True)
        try:
            process.communicate(input, timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        result = subprocess.CompletedProcess(command, process.returncode, out.read(), err.read())
    if check and result.returncode:
        raise AssertionError(f"{command} exited with {result.returncode}\n"
                             f"{result.stdout}{result.stderr}")
    return result


def xs_read(path):
    """The value of a xenstore node; None where there is no such node."""
    result = sh(["xenstore-read", path], check=False)
    return result.stdout.rstrip("\n") if result.returncode == 0 else None


def xs_list(path):
    result = sh(["xenstore-list", path], check=False)
    return result.stdout.split("\n")[:-1] if result.returncode == 0 else []


def domains():
    """{name: domid} of all guests."""
    found = {}
    for line in sh(["xl", "list"]).stdout.splitlines()[1:]:
        fields = re.match(r"(\S+)\s+(\d+)\s", line)
        if fields and fields[2] != "0":
            found[fields[1]] = int(fields[2])
    return found


def make_disk(path, format="qcow2", mb=64):
    sh(["qemu-img", "create", "-q", "-f", format, path, f"{mb}M"])
    return path


def qemu_img_check(path):
    """Fails unless the image, which no QEMU writes now, is without errors or leaks."""
    result = sh(["qemu-img", "check", "--output=json", path], check=False)
    if result.returncode == 63:  # a format without checks, such as raw
        return
    assert result.returncode == 0, f"qemu-img check {path}:\n{result.stdout}{result.stderr}"
    report = json.loads(result.stdout)
    assert not report.get("corruptions") and not report.get("leaks"), report


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
