# SPDX-License-Identifier: LGPL-2.1-only
"""
Makes what a host boots from, under <build>/xenhost/<suite>/image:

  root/       the Debian root of dom0, also where the project is built
  dom0.ext4   the same as a disk
  xen, vmlinuz, dom0.cpio    what the emulator loads
  booted.*    the same host when it has booted (booted.py)
and <build>/xenhost/<suite>/share/guest.cpio, the initramfs of the guests.
"""

import glob
import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
import time

from .common import (CLEAN_ENV, SUITES, XENHOST, HarnessError, hash_of, image_dir,
                     locked, need, note, run_in_root, share_dir, stamp_matches,
                     suite_dir, write_stamp)
from .cpio import Archive

HOST_PACKAGES = ["mmdebstrap", "e2fsprogs", "zstd", "debian-archive-keyring"]

DOM0_PACKAGES = """
    linux-image-amd64 xen-hypervisor-{xen}-amd64 xen-utils-{xen} xenstore-utils
    qemu-system-xen qemu-system-x86 qemu-utils busybox-static socat kmod iproute2 procps jq
    python3 strace e2fsprogs attr acl xfsprogs lvm2
    gcc make pkg-config musl-tools libc6-dev libxen-dev libyajl-dev libzstd-dev
    libxxhash-dev libcmocka-dev
""".split()

# dpkg takes the last pattern that matches.
EXCLUDE = [
    "exclude=/usr/share/doc/*", "exclude=/usr/share/man/*", "exclude=/usr/share/info/*",
    "exclude=/usr/share/locale/*", "exclude=/usr/share/xml/*",
    "exclude=/usr/share/iso-codes/*", "exclude=/usr/share/zoneinfo/*",
    "exclude=/boot/System.map-*", "exclude=/boot/*.efi", "exclude=/usr/lib/udev/hwdb*",
] + [f"{verb}={top}/modules/*/kernel/{what}*"
     for top in ("/lib", "/usr/lib")
     for verb, what in [("exclude", "sound/"), ("exclude", "drivers/"),
                        ("include", "drivers/block/"), ("include", "drivers/char/"),
                        ("include", "drivers/md/"), ("include", "drivers/net/veth.ko"),
                        ("include", "drivers/net/tun.ko"), ("include", "drivers/net/xen-net"),
                        ("include", "drivers/virtio/"), ("include", "drivers/xen/")]]

DISK_SIZE = "12G"  # sparse; the guests' disks live in it
# No journal, and no feature that only some versions of mke2fs or Linux know.
EXT4_FEATURES = "none,extent,filetype,dir_index,flex_bg,sparse_super,large_file,64bit"

DOM0_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "libcrc32c", "ext4",
                "9pnet_virtio", "9p", "virtio_console"]
GUEST_MODULES = ["xen-blkfront", "xen-netfront"]


def ensure(suite):
    """Builds what is missing or out of date."""
    with locked(f"image-{suite}", f"another build of the {suite} image"):
        wanted = hash_of(suite, *("@" + p for p in (
            __file__, os.path.join(os.path.dirname(__file__), "cpio.py"))))
        if not stamp_matches(os.path.join(image_dir(suite), "recipe"), wanted):
            _build(suite, wanted)
        _ensure_guest(suite, wanted)


def _build(suite, recipe):
    started = time.monotonic()
    need(*HOST_PACKAGES)
    note(f"building the {suite} host (Xen {SUITES[suite]}), once")
    new = os.path.join(suite_dir(suite), "image.new")
    shutil.rmtree(new, ignore_errors=True)
    os.makedirs(new)

    root = os.path.join(new, "root")
    _bootstrap(suite, root, os.path.join(new, "bootstrap.log"))
    for name in ("src", "build", "share", "logs", "guests"):
        os.makedirs(os.path.join(root, name), exist_ok=True)

    with gzip.open(_only(root, f"boot/xen-{SUITES[suite]}-amd64.gz")) as packed:
        _write(new, "xen", packed.read())
    kernel = _only(root, "boot/vmlinuz-*")
    shutil.copy(kernel, os.path.join(new, "vmlinuz"))
    with open(kernel, "rb") as f:
        _write(root, "boot/guest-vmlinux", vmlinux_of(f.read()))

    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", EXT4_FEATURES, "-m", "0", "-d", root,
                    os.path.join(new, "dom0.ext4"), DISK_SIZE],
                   check=True, stdout=subprocess.DEVNULL)
    write_stamp(os.path.join(new, "recipe"), recipe)
    # It may be a link to one that several trees share.
    if os.path.islink(image_dir(suite)):
        os.unlink(image_dir(suite))
    shutil.rmtree(image_dir(suite), ignore_errors=True)
    os.rename(new, image_dir(suite))
    note(f"{suite} host built in {time.monotonic() - started:.0f} s")


def _debian_mirror():
    """The mirror that this machine's apt is configured for."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL)|$(COMPONENT)|$(REPO_URI)",
         "Identifier: Packages"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        label, component, uri = line.split("|", 2)
        if label == "Debian" and component == "main":
            return uri
    raise HarnessError("apt knows no Debian mirror; add one to its sources and run "
                       "apt-get update")


def _apt_options():
    """How this machine's apt reaches its mirror: proxies, TLS, date checks."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True,
                          check=True).stdout
    kept = re.compile(r'Acquire::(https?::|Check-|Retries|ForceIPv)[^"]* "[^"]+";')
    return [line for line in dump.splitlines() if kept.match(line)]


def _bootstrap(suite, root, log):
    packages = ",".join(DOM0_PACKAGES).format(xen=SUITES[suite])
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "mmdebstrap", "--mode=root", "--variant=minbase", "--skip=check/qemu",
            f"--include={packages}",
            '--aptopt=Acquire::Languages "none"', "--dpkgopt=force-unsafe-io"]
    argv += [f"--aptopt={option}" for option in _apt_options()]
    argv += [f"--dpkgopt=path-{pattern}" for pattern in EXCLUDE]
    argv += [suite, root, _debian_mirror()]
    # INITRD=No: the kernel's package makes no initramfs; ours is smaller.
    with open(log, "w") as f:
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                env={**os.environ, "INITRD": "No"})
    if result.returncode:
        with open(log) as f:
            tail = "".join(f.readlines()[-15:])
        raise HarnessError(f"mmdebstrap failed, see {log}:\n{tail}")


def write_dom0_initramfs(suite):
    root = os.path.join(image_dir(suite), "root")
    archive = Archive()
    for name in ("dev", "proc", "sys", "bin", "modules", "root"):
        archive.directory(name)
    archive.file("bin/busybox", _read(root, "bin/busybox"), 0o755)
    names = []
    for module in _with_dependencies(root, DOM0_MODULES):
        names.append(os.path.basename(module).removesuffix(".xz"))
        archive.file(f"modules/{names[-1]}", _module(module))
    archive.file("modules/order", "\n".join(names).encode() + b"\n")
    archive.file("init", _read(XENHOST, "dom0/early-init"), 0o755)
    archive.file("dom0-init", _read(XENHOST, "dom0/init"), 0o755)
    archive.write(os.path.join(image_dir(suite), "dom0.cpio"))


def _ensure_guest(suite, image_recipe):
    """The guests' initramfs: init.c and the drivers of Xen's devices, nothing else."""
    source = os.path.join(XENHOST, "guest", "init.c")
    wanted = hash_of(image_recipe, "@" + source)
    stamp = os.path.join(suite_dir(suite), "guest.recipe")
    target = os.path.join(share_dir(suite), "guest.cpio")
    if stamp_matches(stamp, wanted) and os.path.exists(target):
        return
    root = os.path.join(image_dir(suite), "root")
    out = os.path.join(suite_dir(suite), "guest")
    archive = Archive()
    for name in ("dev", "proc", "sys"):
        archive.directory(name)
    names = []
    for module in _with_dependencies(root, GUEST_MODULES):
        names.append("/" + os.path.basename(module).removesuffix(".xz"))
        archive.file(names[-1][1:], _module(module))
    defines = ", ".join(f'"{name}"' for name in names)
    if run_in_root(suite, ["musl-gcc", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror",
                           f"-DMODULES={defines}", "-o", "/build/init",
                           "/src/tests/xenhost/guest/init.c"], out):
        raise HarnessError("the guests' init does not compile")
    archive.file("init", _read(out, "init"), 0o755)
    os.makedirs(share_dir(suite), exist_ok=True)
    archive.write(target)
    write_stamp(stamp, wanted)


def _with_dependencies(root, names):
    """Paths of the modules NAMES that are not built in, in loading order."""
    base = _only(root, "usr/lib/modules/*", "lib/modules/*")
    needs = {}
    with open(os.path.join(base, "modules.dep")) as f:
        for line in f:
            module, dependencies = line.split(":")
            needs[module] = dependencies.split()
    by_name = {os.path.basename(m).split(".")[0].replace("-", "_"): m for m in needs}
    order = []

    def add(module):
        for dependency in needs[module]:
            add(dependency)
        if module not in order:
            order.append(module)

    for name in names:
        module = by_name.get(name.replace("-", "_"))
        if module:
            add(module)
    return [os.path.join(base, m) for m in order]


def _module(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as f:
        return f.read()


def vmlinux_of(bzimage):
    """The ELF kernel inside a bzImage (Documentation/arch/x86/boot.rst)."""
    setup_sectors = bzimage[0x1f1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    packed = bzimage[start:start + length - 4]  # then the unpacked length
    if packed.startswith(b"\xfd7zXZ\0"):
        return lzma.decompress(packed)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dc"], input=packed, capture_output=True,
                              check=True).stdout
    raise HarnessError("the kernel is packed neither with xz nor with zstd")


def _only(root, *patterns):
    found = [p for pattern in patterns for p in glob.glob(os.path.join(root, pattern))]
    real = sorted({os.path.realpath(p) for p in found})
    if len(real) != 1:
        raise HarnessError(f"expected one {' or '.join(patterns)} in {root}, found {real}")
    return real[0]


def _read(base, name):
    with open(os.path.join(base, name), "rb") as f:
        return f.read()


def _write(base, name, data):
    with open(os.path.join(base, name), "wb") as f:
        f.write(data)
