# SPDX-License-Identifier: LGPL-2.1-only
"""LVM volumes, for disks of the phy backend."""

import os

from .host import sh

GROUP = "guests"
BACKING = "/guests/volumes.img"
BACKING_MB = 1024


def make_volume(name, mb=64, *options):
    """A logical volume in a group that every test finds without any; its path."""
    if not os.path.exists(BACKING):
        sh(["truncate", "-s", f"{BACKING_MB}M", BACKING])
        loop = sh(["losetup", "--find", "--show", BACKING]).stdout.strip()
        sh(["vgcreate", GROUP, loop])
    sh(["lvcreate", "--yes", "--wipesignatures", "n", "--zero", "n", "--name", name,
        "--size", f"{mb}M", *options, GROUP])
    return f"/dev/{GROUP}/{name}"


def clean():
    """Removes the volumes, and the loop devices that domains have left."""
    if os.path.exists(BACKING):
        sh(["vgremove", "--force", "--force", GROUP], check=False)
        os.unlink(BACKING)
    sh(["losetup", "--detach-all"], check=False)
