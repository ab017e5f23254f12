# SPDX-License-Identifier: LGPL-2.1-only
"""Commands of dom0."""

import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import tempfile


def _xen_version():
    def part(name):
        with open(f"/sys/hypervisor/version/{name}") as f:
            return int(f.read())
    return part("major"), part("minor")


XEN_VERSION = _xen_version()
XEN_LIB = "/usr/lib/xen-%d.%d" % XEN_VERSION

# PVH and HVM guests of Xen 4.17 do not start under QEMU's emulation of SVM.
HARDWARE_GUESTS = XEN_VERSION >= (4, 20)


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


def domains():
    """{name: domid} of all guests."""
    found = {}
    for line in sh(["xl", "list"]).stdout.splitlines()[1:]:
        # A name may have blanks.
        fields = re.match(r"(.+?)\s+(\d+)\s+\d+\s+\d+\s+\S+\s+[\d.]+$", line)
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


def verify_stream(path, offset=0):
    """Fails unless Xen's own checker accepts the libxl migration stream in PATH at OFFSET."""
    with open(path, "rb") as f:
        f.seek(offset)
        result = subprocess.run([f"{XEN_LIB}/bin/verify-stream-v2", "-f", "libxl"], stdin=f,
                                env={**os.environ, "PYTHONPATH": f"{XEN_LIB}/lib/python"},
                                capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


def verify_save_file(path):
    """The same for what `xl save` writes: xl's header, the config, the stream."""
    with open(path, "rb") as f:
        header = f.read(48)
    assert header.startswith(b"Xen saved domain, xl format\n \0 \r"), header
    optional_length, = struct.unpack_from("<I", header, 44)
    verify_stream(path, 48 + optional_length)
