# SPDX-License-Identifier: LGPL-2.1-only
"""Builds the project against a suite's libxen and installs it for its dom0."""

import os
import shutil
import subprocess

from . import image
from .common import HarnessError, run_in_root, share_dir, suite_dir


def build(suite, make_args):
    image.ensure(suite)
    installed = os.path.join(suite_dir(suite), "installed")
    make = ["make", "-C", "/src", "BUILD=/build/obj", f"-j{os.cpu_count()}", *make_args]
    if run_in_root(suite, [*make, "all", "apictl"], suite_dir(suite)):
        raise HarnessError(f"the build in the {suite} root failed")
    shutil.rmtree(installed, ignore_errors=True)
    if run_in_root(suite, [*make, "install", "DESTDIR=/build/installed",
                           "PREFIX=/usr/local"], suite_dir(suite)):
        raise HarnessError(f"the installation in the {suite} root failed")
    # For tests of the library beyond what the plugin reaches.
    tools = os.path.join(installed, "usr/local/bin")
    os.makedirs(tools, exist_ok=True)
    for tool in ("bin/apictl", "lib/killat.so"):
        shutil.copy2(os.path.join(suite_dir(suite), "obj", tool), tools)
    # One file: an emulated host takes long to open many on a shared folder.
    subprocess.run(["tar", "-C", installed, "-cf", os.path.join(share_dir(suite), "root.tar"),
                    "--exclude=*.a", "--exclude=include", "."], check=True)
