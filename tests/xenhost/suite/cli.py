#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The commands as an admin at a terminal meets them, and what xl does to the
domain before and after."""

import glob
import os
import pty
import re
import select
import time

from snapshots import (disk_path, fails, files_beside, healthy, info, names, reboot, start,
                       state_of, xl)
from xenhost import Guest, domains, main, make_disk, qmp, sh, test, workdir, xs_read


class Terminal:
    """A command that runs on a terminal of its own."""

    def __init__(self, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(words[0], words)
        self.text = ""

    def read_until(self, pattern, timeout=60):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, (pattern, self.text)
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode()
                except OSError:     # how a terminal says that nobody is left
                    break
        if not re.search(pattern, self.text):
            raise AssertionError(f"{pattern!r} is not in {self.text!r}; it exited with "
                                 f"{self.end()}")

    def press(self, key):
        os.write(self.fd, key)

    def end(self):
        """The exit code."""
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def progress_is_shown_and_ctrl_c_cancels():
    guest = start("pv", "bar")
    before = files_beside(guest)
    terminal = Terminal("xl", "snapshot-create", guest.name, "s1")
    terminal.read_until(r"memory +\[#* *\] +\d+%  \d+ MiB")
    terminal.press(b"\x03")
    terminal.read_until(r"cancelled; bar is as it was")
    assert terminal.end() == 1
    assert names(guest) == []
    assert files_beside(guest) == before, files_beside(guest)
    healthy(guest)

    terminal = Terminal("xl", "snapshot-create", guest.name, "s1")
    terminal.read_until(r"memory +\[#+ *\] +[1-9]\d*%  \d+ MiB  [\d.]+ MiB/s")
    terminal.read_until(r"Snapshot s1 of bar taken\.")
    assert terminal.end() == 0
    healthy(guest)
    reboot(guest)


def options_come_from_a_file():
    guest = start("pv", "file")
    path = workdir("snapshot.cfg")
    with open(path, "w") as f:
        f.write('name = "from-file"\ndescription = "it says so"\nmemory = 0\n'
                "disks = [',,xvda']\n")
    xl("snapshot-create", guest.name, f"--config={path}")
    made = info(guest, "from-file")
    assert made["description"] == "it says so" and not made["memory"], made
    assert [d["vdev"] for d in made["disks"]] == ["xvda", "xvdb"], made
    xl("snapshot-create", guest.name, "from-words", f"--config={path}",
       "--disk=xvdb,method=none", "--description=words go first")
    made = info(guest, "from-words")
    assert made["description"] == "words go first", made
    assert [d["vdev"] for d in made["disks"]] == ["xvda"], made
    with open(path, "a") as f:
        f.write("disks = [',,xvda', '/x,vmdk,xvdb']\n")
    fails("snapshot-create", guest.name, "s3", f"--config={path}", says="vmdk")
    fails("snapshot-create", guest.name, "s3", "--config=/nonexistent", says="/nonexistent")
    assert names(guest) == ["from-file", "from-words"]
    healthy(guest)


def wait_for(what, timeout=60):
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline, (domains(), what)
        time.sleep(0.2)


def the_supervisor_does_what_the_configuration_says():
    """A domain made by a revert has ours."""
    guest = start("pv", "acts", on_poweroff="rename-restart", on_reboot="destroy")
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    mark = guest.mark()
    xl("snapshot-revert", guest.name, "s1")
    guest.wait_boot(mark)
    domid, mark = guest.domid(), guest.mark()
    guest.send("poweroff")
    guest.wait_boot(mark)
    assert guest.domid() != domid
    kept = {name: number for name, number in domains().items() if name != guest.name}
    assert list(kept.values()) == [domid], domains()
    sh(["xl", "destroy", str(domid)])
    healthy(guest)
    guest.send("reboot")
    wait_for(lambda: not domains())

    guest = start("pv", "dumps", on_poweroff="coredump-destroy", on_reboot="preserve")
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    for command, ended in (("reboot", lambda: "s" in state_of(guest)),
                           ("poweroff", lambda: not guest.running())):
        mark = guest.mark()
        xl("snapshot-revert", guest.name, "s1")
        guest.wait_boot(mark)
        guest.send(command)
        wait_for(ended)
    cores = glob.glob("/var/lib/xen/dump/*dumps*")
    assert len(cores) == 1 and os.path.getsize(cores[0]) > 1 << 20, cores
    os.unlink(cores[0])


def a_disk_is_detached_and_attached():
    disks = [(make_disk(workdir(f"hot-{v}.qcow2"), "qcow2", 32), "qcow2", v)
             for v in ("xvda", "xvdb")]
    guest = Guest("pv", "hot", disks).create()
    hot = make_disk(workdir("hot-c.qcow2"), "qcow2", 16)
    attach = ["xl", "block-attach", guest.name, "format=qcow2,vdev=xvdc,access=rw,"
              f"backendtype=qdisk,target={hot}"]
    sh(attach)
    guest.disks.append((hot, "qcow2", "xvdc"))
    xl("snapshot-create", guest.name, "s1", "--disk-only")
    healthy(guest)
    assert hot in info(guest, "s1")["disks"][2]["layer_path"]

    # QEMU drops all that it had open of it, and what it had can be merged.
    sh(["xl", "block-detach", guest.name, "xvdc"])
    guest.disks.pop()
    wait_for(lambda: not [node["node-name"] for node in qmp(
        guest.domid(), "query-named-block-nodes", {"flat": True})
        if "hot-c" in node.get("file", "")])
    xl("snapshot-create", guest.name, "s2", "--disk-only")
    assert [d["vdev"] for d in info(guest, "s2")["disks"]] == ["xvda", "xvdb"]
    sh(attach)
    guest.disks.append((hot, "qcow2", "xvdc"))
    healthy(guest)
    xl("snapshot-create", guest.name, "s3", "--disk-only")
    for snapshot in ("s1", "s3", "s2"):
        xl("snapshot-delete", guest.name, snapshot)
        healthy(guest)
    assert names(guest) == []


def what_libvirt_does_not_know_is_said():
    """
    libvirt marks what it starts, through libxl, and has a file for each domain that it
    defines; neither is anything else here.
    """
    guest = start("pv", "lv")
    domid = guest.domid()
    uuid = xs_read(f"/local/domain/{domid}/vm").rpartition("/")[2]
    with open(f"/var/lib/xen/userdata-d.{domid}.{uuid}.libvirt-xml", "w") as f:
        f.write("<domain type='xen'/>\n")

    # The qcow2 disk keeps its path, the raw one has an overlay from now on.
    raw = disk_path(guest, "xvdb")
    overlay = f"{raw}.active.qcow2"
    said = xl("snapshot-create", guest.name, "s").stderr
    assert f"start {guest.name} on {raw}," in said and "edit lv'" in said, said
    assert f"source of xvdb {overlay} and its driver's type qcow2" in said, said
    assert "xvda" not in said, said
    assert "libvirt" not in xl("snapshot-create", guest.name, "t", "--disk-only").stderr

    said = xl("snapshot-revert", guest.name, "s").stderr
    assert f"takes {guest.name} for shut off" in said and "xl shutdown -w lv" in said, said
    healthy(guest)

    # xl's domain now, but libvirt may start it again.
    assert "libvirt" not in xl("snapshot-create", guest.name, "u", "--disk-only").stderr
    os.makedirs("/etc/libvirt/libxl", exist_ok=True)
    with open("/etc/libvirt/libxl/lv.xml", "w") as f:
        f.write("<domain type='xen'/>\n")
    for snapshot in ("t", "u"):
        assert "libvirt" not in xl("snapshot-delete", guest.name, snapshot).stderr
    said = xl("snapshot-delete", guest.name, "s").stderr
    assert f"source of xvdb {raw} and its driver's type raw" in said, said
    said = xl("snapshot-create", guest.name, "v", "--disk-only").stderr
    assert f"source of xvdb {overlay} " in said, said
    healthy(guest)
    os.unlink("/etc/libvirt/libxl/lv.xml")


test(progress_is_shown_and_ctrl_c_cancels, timeout=400)
test(options_come_from_a_file, timeout=300)
test(the_supervisor_does_what_the_configuration_says, timeout=500)
test(a_disk_is_detached_and_attached, timeout=400)
test(what_libvirt_does_not_know_is_said, timeout=400)

main()
