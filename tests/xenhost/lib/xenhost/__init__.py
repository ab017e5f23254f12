# SPDX-License-Identifier: LGPL-2.1-only
"""
For tests that run in the dom0 of an emulated host (xenhost run SUITE -- TEST):
guests that count on their disks, what libxl and QEMU say about them, and a
small test runner.
"""

from .guest import KINDS, Guest
from .host import (HARDWARE_GUESTS, XEN_VERSION, domains, make_disk, qemu_img_check, sha256, sh,
                   verify_save_file, verify_stream)
from .qmp import QmpError, qmp
from .records import assert_records_agree, top_layers
from .runner import SkipTest, main, test, workdir
from .storage import make_volume
from .xenstore import xs_list, xs_read

__all__ = ["Guest", "HARDWARE_GUESTS", "KINDS", "QmpError", "SkipTest", "XEN_VERSION",
           "assert_records_agree", "domains", "main", "make_disk", "make_volume", "qemu_img_check", "qmp",
           "sh", "sha256", "test", "top_layers", "verify_save_file", "verify_stream", "workdir",
           "xs_list", "xs_read"]
