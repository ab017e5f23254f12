# SPDX-License-Identifier: LGPL-2.1-only
"""The machine that a host is: QEMU out of the trixie root, as one process."""

import os
import signal
import socket
import subprocess

from .common import REPO, die_with_parent, image_dir, share_dir

MEMORY = "4096"
CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+rdrand,+npt,-smap,-rdtscp"
# "all": dom0 has all memory, as on a host that is booted without dom0_mem=, so
# that a toolstack has to take some of it back for every guest.
DOM0_MEMORY = os.environ.get("XENHOST_DOM0_MEM", "1280M")
XEN_OPTIONS = ("console=com1 noreboot bootscrub=0 spec-ctrl=no" +
               ("" if DOM0_MEMORY == "all" else f" dom0_mem={DOM0_MEMORY},max:{DOM0_MEMORY}"))
DOM0_OPTIONS = "console=hvc0 quiet panic=1 mitigations=off init_on_alloc=0 audit=0"

# The host's clock counts instructions (4 ns each) and runs on only while it
# has nothing to do.  So the time limits inside, such as the 10 s that libxl
# gives a starting QEMU, do not depend on how fast and how busy this machine is.
# That can be had with one CPU only; with more, the clock is this machine's.
CPUS = int(os.environ.get("XENHOST_CPUS", "1"))
CLOCK = (["-accel", "tcg,thread=single", "-icount", "shift=2,sleep=on", "-smp", "1"]
         if CPUS == 1 else ["-accel", "tcg,thread=multi", "-smp", str(CPUS)])


def binary():
    """QEMU's path, and how it is run without entering its root."""
    root = os.path.join(image_dir("trixie"), "root")
    libraries = os.path.join(root, "usr/lib/x86_64-linux-gnu")
    qemu = os.path.join(root, "usr/bin/qemu-system-x86_64")
    return qemu, ([os.path.join(libraries, "ld-linux-x86-64.so.2"),
                   "--library-path", libraries, qemu,
                   "-L", os.path.join(root, "usr/share/qemu"),
                   "-L", os.path.join(root, "usr/share/seabios")],
                  {"QEMU_MODULE_DIR": os.path.join(libraries, "qemu")})


class Emulator:
    def __init__(self, suite, logs, drive, *more, stdin=subprocess.DEVNULL, stdout=None):
        """DRIVE: options of the disk; MORE: further options."""
        self.control, theirs = socket.socketpair()
        self.monitor, their_monitor = socket.socketpair()
        _, (argv, env) = binary()
        argv = argv + [
            *CLOCK, "-machine", "q35", "-cpu", CPU,
            "-m", MEMORY, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", "xen", "-append", XEN_OPTIONS,
            "-initrd", f"vmlinuz {DOM0_OPTIONS},dom0.cpio",
            "-drive", f"{drive},if=none,id=d0,cache=unsafe",
            "-device", "virtio-blk-pci,drive=d0",
            *_export("src", REPO, ",readonly=on"), *_export("share", share_dir(suite)),
            *_export("logs", logs),
            "-serial", "file:" + _escaped(os.path.join(logs, "console.log")),
            "-device", "virtio-serial-pci",
            "-chardev", "stdio,id=output,signal=off",
            "-device", "virtserialport,chardev=output,name=xenhost.output",
            "-chardev", f"socket,id=control,fd={theirs.fileno()}",
            "-device", "virtserialport,chardev=control,name=xenhost.control",
            "-chardev", f"socket,id=monitor,fd={their_monitor.fileno()}",
            "-mon", "chardev=monitor,mode=control", *more]
        with open(os.path.join(logs, "emulator.log"), "w") as log:
            self.process = subprocess.Popen(
                argv, cwd=image_dir(suite), stdin=stdin, stdout=stdout, stderr=log,
                pass_fds=[theirs.fileno(), their_monitor.fileno()],
                preexec_fn=lambda: die_with_parent(signal.SIGKILL),
                env={**os.environ, **env, "TMPDIR": os.path.dirname(image_dir(suite))})
        theirs.close()
        their_monitor.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.monitor.close()


def _export(tag, path, more=""):
    return ["-virtfs", f"local,path={_escaped(path)},mount_tag={tag},"
                       f"security_model=none,multidevs=remap{more}"]


def _escaped(path):
    return path.replace(",", ",,")
