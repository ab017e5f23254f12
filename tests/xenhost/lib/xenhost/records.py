# SPDX-License-Identifier: LGPL-2.1-only
"""Who says what a disk's top layer is: libxl, xenstore (twice), QEMU."""

import json
import re

from .host import sh
from .qmp import QmpError, monitor
from .xenstore import xs_list, xs_read


def _xl_list(domid):
    listing = json.loads(sh(["xl", "list", "-l", str(domid)]).stdout)
    disks = listing[0]["config"].get("disks", [])
    return {d["vdev"]: (d.get("pdev_path"), d.get("format", "raw")) for d in disks}


def _xenstore(base):
    found = {}
    for devid in xs_list(base):
        params = xs_read(f"{base}/{devid}/params")
        vdev = xs_read(f"{base}/{devid}/dev")
        if params and vdev:
            format, _, path = params.partition(":")
            found[vdev] = (path, "raw" if format == "aio" else format)
    return found


def _path_of(file):
    """
    Where the backing file that QEMU uses is not the one the image records,
    QEMU gives the whole chain, as json:, for the name.
    """
    while file.startswith("json:"):
        file = json.loads(file.removeprefix("json:"))
        while isinstance(file, dict):
            if file["driver"] == "nbd":
                return f"nbd://{file['server.host']}:{file['server.port']}/{file['export']}"
            file = file.get("filename") or file["file"]
    return file


def _qemu(domid):
    found = {}
    with monitor(domid) as call:
        for device in call("query-block"):
            if "inserted" not in device:
                continue
            try:
                vdev = call("qom-get", {"path": device["qdev"], "property": "vdev"})
            except (KeyError, QmpError):
                continue  # an emulated disk, not a PV one
            # QEMU appends the partition number, 0 for a whole disk.
            found[vdev.removesuffix("0")] = (_path_of(device["inserted"]["file"]),
                                             device["inserted"]["drv"])
    return found


def top_layers(domid):
    """{source: {vdev: (path, format)}} by the four that keep a record."""
    return {
        "xl list -l": _xl_list(domid),
        "xenstore /libxl": _xenstore(f"/libxl/{domid}/device/vbd"),
        "xenstore backend": _xenstore(f"/local/domain/0/backend/qdisk/{domid}"),
        "QEMU": _qemu(domid),
    }


def assert_records_agree(guest):
    """Of its disks: libxl has a change of CD reach one of QEMU's two devices only."""
    others = re.findall(r"vdev=(\w+)", " ".join(guest.drives))
    layers = {source: {vdev: layer for vdev, layer in disks.items() if vdev not in others}
              for source, disks in top_layers(guest.domid()).items()}
    first, *others = layers.values()
    if not first or any(other != first for other in others):
        lines = [f"{source:18} {vdev}: {format}:{path}" for source, disks in layers.items()
                 for vdev, (path, format) in sorted(disks.items())]
        raise AssertionError("records of the top layers differ:\n" + "\n".join(lines))
    return first
