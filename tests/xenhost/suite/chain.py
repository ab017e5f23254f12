#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What xl disk-chain shows of running guests, beside what qemu-img finds in
the images; and what it costs, printed."""

import json
import os
import statistics
import time

from snapshots import fails, healthy, info, start, xl
from xenhost import Guest, main, make_disk, qmp, sh, test, workdir, xs_read

DISK_MB = 32
ROUNDS = 5


def make_chain(name, depth, base="raw"):
    """The top of DEPTH images, each based on the one made before it."""
    path = make_disk(workdir(f"{name}-1.{base}"), base, DISK_MB)
    below = base
    for number in range(2, depth + 1):
        overlay = workdir(f"{name}-{number}.qcow2")
        sh(["qemu-img", "create", "-q", "-f", "qcow2", "-b", path, "-F", below, overlay])
        path, below = overlay, "qcow2"
    return path, below


def chain_guest(name, depth, base="raw"):
    path, disk_format = make_chain(name, depth, base)
    return Guest("pv", name, [(path, disk_format, "xvda")]).create()


def shown(guest, *options, vdev="xvda", code=0):
    """The one chain that --json gives, with its exit code."""
    words = ["disk-chain", guest.name, *([vdev] if vdev else []), "--json", *options]
    result = xl(*words, check=False)
    assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
    return json.loads(result.stdout)["disks"][0]


def flattened(layer):
    """The layers of the nested form, the top first."""
    found = []
    while layer:
        assert "children" not in layer, layer
        found.append(layer)
        layer = layer.get("backing")
    return found


def by_qemu_img(guest):
    path, disk_format, _ = guest.disks[0]
    sh(["sync"])    # what is allocated is settled then
    return json.loads(sh(["qemu-img", "info", "-U", "--backing-chain", "--output=json", "-f",
                          disk_format, path], timeout=120).stdout)


def agrees_with_qemu_img(guest):
    """What is shown; read after qemu-img's look, which settles sizes."""
    images = by_qemu_img(guest)
    nested = shown(guest)
    assert not nested["validated"] and not nested["agrees"], nested
    layers = flattened(nested["top"])
    assert len(images) == len(layers), (len(images), len(layers))
    for number, (image, layer) in enumerate(zip(images, layers)):
        stat = os.stat(image["filename"])
        wanted = {
            "filename": image["filename"], "driver": image["format"], "format": image["format"],
            "kind": "file", "protocol": "file",
            "virtual_size": image["virtual-size"],
            "cluster_size": image.get("cluster-size", 0),
            "read_only": number > 0, "dirty": image.get("dirty-flag", False),
            "backing_recorded": image.get("backing-filename"),
            "backing_recorded_full": image.get("full-backing-filename"),
            "backing_recorded_format": image.get("backing-filename-format"),
            "backing_opened": images[number + 1]["filename"] if number + 1 < len(images)
            else None,
            "stat_valid": True, "uid": stat.st_uid, "gid": stat.st_gid,
            "mode": stat.st_mode & 0o7777,
        }
        found = {key: layer[key] for key in wanted}
        assert found == wanted, f"layer {number}\nshown:    {found}\nqemu-img: {wanted}"
        # The guest writes the top on.
        if number:
            assert layer["allocated_size"] == image["actual-size"], (layer, image)
    return layers


def chain_is_shown_right(depth):
    guest = chain_guest(f"depth{depth}", depth)
    layers = agrees_with_qemu_img(guest)

    flat = shown(guest, "--flat")
    assert [layer["parent"] for layer in flat["layers"]] == list(range(-1, depth - 1))
    assert [layer["filename"] for layer in flat["layers"]] == [layer["filename"]
                                                               for layer in layers]
    text = xl("disk-chain", guest.name).stdout
    assert f"xvda: {depth} layer{'s' if depth > 1 else ''}\n" in text, text
    assert [line.split()[-1] for line in text.splitlines()[2:]] == [
        layer["filename"] for layer in layers], text

    checked = shown(guest, "--validate")
    assert checked["validated"] and checked["agrees"], checked
    assert "all agrees" in xl("disk-chain", guest.name, "xvda", "--validate").stdout
    healthy(guest)


def snapshots_are_layers_that_are_protected():
    guest = start("pv", "frozen", formats=("qcow2", "raw"))
    for snapshot in ("s1", "s2"):
        xl("snapshot-create", guest.name, snapshot, "--disk-only")
    frozen = {d["vdev"]: [d["layer_path"]] for d in info(guest, "s2")["disks"]}
    for d in info(guest, "s1")["disks"]:
        frozen[d["vdev"]].append(d["layer_path"])
    for disk in json.loads(xl("disk-chain", guest.name, "--json", "--validate").stdout)["disks"]:
        layers = flattened(disk["top"])
        assert disk["agrees"], disk
        assert [layer["filename"] for layer in layers[1:]] == frozen[disk["vdev"]], disk
        assert [layer["immutable"] for layer in layers] == [False, True, True], disk
        assert [layer["read_only"] for layer in layers] == [False, True, True], disk
    assert shown(guest)["top"]["filename"] == guest.disks[0][0]
    healthy(guest)


def found_in(guest, layer, kind, says):
    """Validation finds one thing in one layer, which it shows and leaves."""
    flat = shown(guest, "--validate", "--flat", code=1)
    assert flat["validated"] and not flat["agrees"], flat
    for number, each in enumerate(flat["layers"]):
        kinds = [m["kind"] for m in each["mismatches"]]
        assert kinds == ([kind] if number == layer else []), flat
    assert says in flat["layers"][layer]["mismatches"][0]["text"], flat
    result = xl("disk-chain", guest.name, "--validate", check=False)
    assert result.returncode == 1 and "    ! " in result.stdout, result
    shown(guest)


def mismatches_are_told_and_left_alone():
    guest = chain_guest("wrong", 4)
    base, second, third = (workdir(f"wrong-{n}") for n in ("1.raw", "2.qcow2", "3.qcow2"))
    other = make_disk(workdir("other.raw"), "raw", DISK_MB)
    # As someone would who does not know that the image is in use.
    rebase = ["qemu-img", "rebase", "-u", "--image-opts", "-F", "raw",
              f"driver=qcow2,file.driver=file,file.locking=off,file.filename={second}", "-b"]
    sh([*rebase, other])
    found_in(guest, 2, "header", other)
    sh([*rebase, base])
    assert shown(guest, "--validate")["agrees"]

    os.rename(third, third + ".away")
    found_in(guest, 1, "file", third)
    os.rename(third + ".away", third)
    assert shown(guest, "--validate")["agrees"]

    params = f"/libxl/{guest.domid()}/device/vbd/51712/params"
    right = xs_read(params)
    sh(["xenstore-write", params, f"qcow2:{second}"])
    found_in(guest, 0, "record", second)
    assert xs_read(params) == f"qcow2:{second}"
    sh(["xenstore-write", params, right])
    assert shown(guest, "--validate")["agrees"]
    healthy(guest)


def attach(guest, *spec):
    sh(["xl", "block-attach", guest.name, ",".join(spec)])


def disks_that_qemu_does_not_serve_are_refused():
    guest = start("pv", "kinds", formats=("qcow2",))
    # QEMU 7.2 and 10.0 open the image and then fail to make the device.
    read_only = make_disk(workdir("ro.raw"), "raw", DISK_MB)
    attach(guest, "format=raw", "vdev=xvdc", "access=ro", "backendtype=qdisk",
           f"target={read_only}")
    fails("disk-chain", guest.name, "xvdc", says=("xvdc", "no device"))

    plain = make_disk(workdir("phy.raw"), "raw", DISK_MB)
    loop = sh(["losetup", "--find", "--show", plain]).stdout.strip()
    try:
        attach(guest, "format=raw", "vdev=xvdd", "access=rw", "backendtype=phy",
               f"target={loop}")
        fails("disk-chain", guest.name, "xvdd", says=("xvdd", "phy"))
        disks = json.loads(xl("disk-chain", guest.name, "--json").stdout)["disks"]
        assert [(d["vdev"], d.get("error")) for d in disks] == [
            ("xvda", None), ("xvdc", "disk_unsupported"), ("xvdd", "disk_unsupported")], disks
        sh(["xl", "block-detach", guest.name, "xvdd"])
    finally:
        sh(["losetup", "--detach", loop])
    fails("disk-chain", guest.name, "xvdz", says=("xvdz", "xvda"))
    fails("disk-chain", "no-such-domain", says="no-such-domain")
    sh(["xl", "block-detach", guest.name, "xvdc"])
    healthy(guest)


def medium_in_a_drive_is_shown():
    guest = start("pv", "media", formats=("qcow2",))
    medium = make_disk(workdir("medium.raw"), "raw", 1)
    attach(guest, "format=raw", "vdev=xvdc", "devtype=cdrom", "access=ro",
           "backendtype=qdisk", f"target={medium}")
    chain = shown(guest, "--validate", vdev="xvdc")
    assert chain["top"]["filename"] == medium and chain["top"]["read_only"], chain
    assert chain["agrees"], chain
    healthy(guest)


def running_job_is_no_hindrance():
    guest = chain_guest("job", 3, "qcow2")
    guest.cmd("fill 4", timeout=120)
    node = shown(guest)["top"]["node"]
    qmp(guest.domid(), "block-commit", {
        "job-id": "slow", "device": node, "base": workdir("job-2.qcow2"), "speed": 1})
    layers = flattened(shown(guest)["top"])
    assert [layer["filename"] for layer in layers] == [
        workdir(f"job-{n}.qcow2") for n in (3, 2, 1)], layers
    assert not layers[1]["read_only"], layers
    qmp(guest.domid(), "job-cancel", {"id": "slow"})
    healthy(guest)


def seconds(guest, *options):
    began = time.monotonic()
    xl("disk-chain", guest.name, "xvda", *options)
    return time.monotonic() - began


def create_seconds(guest, number):
    began = time.monotonic()
    xl("snapshot-create", guest.name, f"s{number}", "--disk-only", "--max-layers=100")
    return time.monotonic() - began


def printed(what, took):
    one, many = (1000 * statistics.median(took[depth]) for depth in (1, 64))
    print(f"# {what}: {one:.0f} ms for 1 layer, {many:.0f} ms for 64, medians of "
          f"{len(took[1])} (64/1: {many / one:.2f})")


def cost_at_depth_64_beside_depth_1():
    guests = {depth: chain_guest(f"cost{depth}", depth) for depth in (1, 64)}
    for options in ((), ("--validate",)):
        took = {depth: [] for depth in guests}
        for _ in range(ROUNDS):
            for depth, guest in guests.items():
                took[depth].append(seconds(guest, *options))
        printed(" ".join(("xl disk-chain", *options)), took)
    took = {depth: [] for depth in guests}
    for number in range(ROUNDS):
        for depth, guest in guests.items():
            took[depth].append(create_seconds(guest, number))
    printed("xl snapshot-create --disk-only", took)
    for guest in guests.values():
        healthy(guest)


for number in (1, 2, 8, 64):
    test(lambda depth=number: chain_is_shown_right(depth), name=f"chain of depth {number}",
         timeout=400)
test(snapshots_are_layers_that_are_protected, timeout=300)
test(mismatches_are_told_and_left_alone, timeout=300)
test(disks_that_qemu_does_not_serve_are_refused, timeout=300)
test(medium_in_a_drive_is_shown)
test(running_job_is_no_hindrance)
test(cost_at_depth_64_beside_depth_1, timeout=600)

main()
