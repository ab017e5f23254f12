#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
Guests as admins configure them: network, console and drives of all sorts. What
is tested here is that these guests work, and still do after a snapshot.
"""

import contextlib
import json
import os
import re
import socket

from snapshots import (DISTRIBUTION_XL, create, healthy, is_immutable, names, power_off, revert,
                       start, xl)
from xenhost import (HARDWARE_GUESTS, Guest, SkipTest, domains, main, make_disk, make_volume, qmp,
                     sh, sha256, test, workdir)


def a_bridged_guest_answers_a_ping_also_after_a_revert():
    guest = start("pv", "bridged", vifs=[("10.9.0.2", "bridge=xenbr0")])
    guest.wait_ping()
    span = create(guest, "s1")
    guest.wait_ping()
    revert(guest, "s1", span)
    guest.wait_ping()


def named_and_routed_interfaces_answer_a_ping():
    named = start("pv", "named", vifs=[("10.9.0.3", "bridge=xenbr0,vifname=named0")])
    routed = start("pv", "routed", formats=("qcow2",), vifs=[
        ("10.9.1.2", "script=vif-route,ip=10.9.1.2,gatewaydev=xenbr0")])
    assert os.path.exists("/sys/class/net/xenbr0/brif/named0")
    assert "10.9.1.2" in sh(["ip", "route"]).stdout
    for guest in (named, routed):
        guest.wait_ping()
        xl("snapshot-create", guest.name, "s1", "--disk-only")
        healthy(guest)
        guest.wait_ping()


def volumes_and_loop_devices_serve_as_disks():
    plain = make_disk(workdir("loop.raw"), "raw", 32)
    guest = Guest("pv", "phy", [(make_volume("web1", 32), "raw", "xvda", "phy"),
                                (plain, "raw", "xvdb", "phy"),
                                (make_disk(workdir("c.qcow2"), "qcow2", 32), "qcow2", "xvdc")])
    guest.create()
    listing = sh(["xl", "list", "-l", guest.name]).stdout
    assert [d.get("backend") for d in json.loads(listing)[0]["config"]["disks"]] == [
        "phy", "phy", "qdisk"], listing
    assert plain in sh(["losetup", "--list"]).stdout
    assert guest.cmd("verify")["ok"]
    last = power_off(guest)
    mark = guest.mark()
    sh([DISTRIBUTION_XL, "create", guest.config_path], timeout=120)
    assert guest.wait_boot(mark)["disks"] == [last, last, last]


@contextlib.contextmanager
def connected(address):
    """A socket to a path or a port."""
    unix = isinstance(address, str)
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as s:
        s.settimeout(30)
        s.connect(address if unix else ("127.0.0.1", address))
        yield s


def says_ticks(s):
    """What comes out of the socket has a guest's ticks in it."""
    text = b""
    while not re.search(rb"TICK n=\d+", text):
        data = s.recv(4096)
        assert data, f"the socket was closed after {text!r}"
        text += data


def vnc_and_channel_of_a_pv_guest_answer():
    channel = workdir("channel")
    guest = start("pv", "screen", vfb=["type=vnc,vnclisten=127.0.0.1,vncdisplay=7,vncunused=0"],
                  channel=[f"connection=socket,path={channel},name=org.test.0"],
                  cmdline="copy=hvc1")
    with connected(5907) as s:
        assert s.recv(12).startswith(b"RFB "), "no VNC server"
    with connected(channel) as s:
        says_ticks(s)
    xl("snapshot-create", guest.name, "s1")
    healthy(guest)
    with connected(channel) as s:
        says_ticks(s)


def hvm_guest_has_vnc_serial_port_and_cd_drives():
    if not HARDWARE_GUESTS:
        raise SkipTest("no HVM guests on this host")
    iso, port = workdir("a disc.iso"), workdir("serial")
    with open(iso, "wb") as f:
        f.write(os.urandom(1 << 20))
    guest = start("hvm", "machine", ("qcow2",), vnc=1, vnclisten="127.0.0.1", vncdisplay=8,
                  vncunused=0, serial=[f"unix:{port},server,nowait",
                                       "tcp:127.0.0.1:4555,server,nowait"],
                  drives=[f"vdev=hdc,devtype=cdrom,access=ro,target={iso}",
                          "vdev=hdd,devtype=cdrom,access=ro,target="],
                  cmdline="8250.nr_uarts=1 copy=ttyS0")
    with connected(5908) as s:
        assert s.recv(12).startswith(b"RFB "), "no VNC server"
    with connected(port) as s:
        says_ticks(s)
    with connected(4555):
        pass

    def discs():
        return ["inserted" in b for b in qmp(guest.domid(), "query-block") if b["removable"]]
    assert sorted(discs()) == [False, True], discs()
    xl("cd-eject", guest.name, "hdc")
    assert discs() == [False, False], discs()
    xl("cd-insert", guest.name, "hdd", iso)
    assert sorted(discs()) == [False, True], discs()
    healthy(guest)


def linked_clones_share_an_immutable_image():
    golden = make_disk(workdir("golden.qcow2"), "qcow2", 32)
    first = Guest("pv", "first", [(golden, "qcow2", "xvda")]).create()
    last = power_off(first)
    sh(["chattr", "+i", golden])
    frozen, clones = sha256(golden), []
    for name in ("clone-1", "clone-2"):
        path = workdir(f"{name}.qcow2")
        sh(["qemu-img", "create", "-q", "-f", "qcow2", "-b", golden, "-F", "qcow2", path])
        clones.append(Guest("pv", name, [(path, "qcow2", "xvda")]).create())
    for guest in clones:
        assert guest.wait_boot()["disks"] == [last]
        xl("snapshot-create", guest.name, "s1", "--disk-only")
        healthy(guest)
    mark = clones[0].mark()
    xl("snapshot-revert", "clone-1", "s1")
    clones[0].wait_boot(mark)
    xl("snapshot-delete", "clone-2", "s1")
    for guest in clones:
        healthy(guest)
    assert is_immutable(golden) and sha256(golden) == frozen


def symlinked_images_in_another_directory_are_snapshotted():
    os.mkdir(workdir("store"))
    disks = []
    for name, disk_format, vdev in (("a.qcow2", "qcow2", "xvda"), ("b.raw", "raw", "xvdb")):
        make_disk(workdir("store", name), disk_format, 32)
        os.symlink(f"store/{name}", workdir(name))
        disks.append((workdir(name), disk_format, vdev))
    guest = Guest("pv", "linked", disks).create()
    span = create(guest, "s1")
    healthy(guest)
    revert(guest, "s1", span)
    last = power_off(guest)
    mark = guest.mark()
    xl("create", guest.config_path)
    assert guest.wait_boot(mark)["disks"] == [last, last]
    assert names(guest) == ["s1"]


def a_name_with_blanks_and_a_fixed_uuid():
    uuid = "5a3c1f0e-9d52-4b8e-8f6b-0c2f4d1e7a90"
    guest = start("pv", "my first guest", uuid=uuid)
    assert domains() == {"my first guest": guest.domid()}
    span = create(guest, "s1")
    revert(guest, "s1", span)
    last = power_off(guest)
    mark = guest.mark()
    xl("create", guest.config_path)
    assert guest.wait_boot(mark)["disks"] == [last, last]
    assert names(guest) == ["s1"]
    assert json.loads(sh(["xl", "list", "-l", guest.name]).stdout)[0]["config"]["c_info"][
        "uuid"] == uuid
    xl("snapshot-delete", guest.name, "s1")
    healthy(guest)


def memory_of_dom0():
    """In MiB."""
    return int(sh(["xl", "list", "0"]).stdout.splitlines()[1].split()[2])


def a_dom0_that_owns_all_memory_gives_a_guest_some():
    before = memory_of_dom0()
    if before < 3000:
        raise SkipTest("dom0 has fixed memory; XENHOST_DOM0_MEM=all boots one without")
    guest = start("pv", "balloon", memory=256)
    assert memory_of_dom0() <= before - 100, (before, memory_of_dom0())
    xl("snapshot-create", guest.name, "s1")
    healthy(guest)


test(a_bridged_guest_answers_a_ping_also_after_a_revert)
test(named_and_routed_interfaces_answer_a_ping)
test(volumes_and_loop_devices_serve_as_disks)
test(vnc_and_channel_of_a_pv_guest_answer)
test(hvm_guest_has_vnc_serial_port_and_cd_drives)
test(linked_clones_share_an_immutable_image, timeout=400)
test(symlinked_images_in_another_directory_are_snapshotted)
test(a_name_with_blanks_and_a_fixed_uuid)
test(a_dom0_that_owns_all_memory_gives_a_guest_some)

main()
