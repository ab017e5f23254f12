#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Disks are pulled, committed and copied while their guest counts and verifies;
jobs whose process, QEMU or domain ends are reported truthfully.

"step=3" kills at every third change, from one of the first three on."""

import json
import os
import random
import signal
import subprocess
import time

from snapshots import (STORE, XL_SNAPSHOT, Kept, disk_path, external, fails, from_arguments, healthy,
                       is_immutable, killed_after, names, qemu_img_check, reboot, start, write_args, xl)
from xenhost import XEN_VERSION, main, sh, test, top_layers, workdir

KIND = "pvh" if XEN_VERSION >= (4, 20) else "pv"
SLOW = 1000         # bytes per second
STEP = from_arguments("step", 1)


def call(name, guest, error=None, **args):
    """apictl pull, commit or copy; with ERROR it must fail so."""
    path = write_args(vdev="xvda", **args)
    result = sh(["apictl", name, str(guest.domid()), path], check=False, timeout=240)
    os.unlink(path)
    return outcome(result, error)


def job(what, guest, *words, error=None, vdev="xvda"):
    """apictl job-…; what it printed."""
    domid = guest if isinstance(guest, int) else guest.domid()
    result = sh(["apictl", f"job-{what}", str(domid), vdev, *words], check=False, timeout=400)
    return outcome(result, error)


def outcome(result, error):
    if error:
        assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
        assert f"\n{error}:" in "\n" + result.stderr, (error, result.stderr)
        return result.stderr
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) if result.stdout.strip() else None


def ends(guest, phase):
    told = job("wait", guest)
    assert told["phase"] == phase, told
    return told


def chain(path, disk_format="qcow2"):
    """The files of a chain by the images themselves, the top first."""
    listing = sh(["qemu-img", "info", "-U", "--output=json", "--backing-chain", "-f", disk_format,
                  path])
    return [layer["filename"] for layer in json.loads(listing.stdout)]


def deep(name, depth, blocks=8):
    """
    A guest with one disk of DEPTH layers, made by the library alone; that
    many blocks, tagged by the guest, in each, besides what it counts.
    """
    guest = start(KIND, name, formats=("qcow2",), cmdline="blocks=1")
    for n in range(1, depth):
        guest.cmd(f"scribble {blocks}")
        args = write_args(disks=[external("xvda", f"{name}.layer{n}", True)])
        sh(["apictl", "create", str(guest.domid()), args], timeout=240)
        os.unlink(args)
    guest.cmd(f"scribble {blocks}")
    return guest


def layer(guest, n):
    """Numbered from below; the active one has the disk's path."""
    return workdir(f"{guest.name}.layer{n}")


def is_right(guest, depth, check=None):
    """
    The guest is well, all agree, and all below the active layer is protected.
    CHECK: the images to look into, if not all.
    """
    layers = healthy(guest)
    path, disk_format = layers["xvda"]
    found = chain(path, disk_format)
    assert len(found) == depth, found
    assert not is_immutable(path), path
    for below in found[1:]:
        assert is_immutable(below), f"{below} is not protected"
    # What a guest writes meanwhile is an error to qemu-img.
    guest.cmd("stop")
    for image in found if check is None else {path, *check}:
        qemu_img_check(image)
    guest.cmd("go")
    return path


def clean(guest):
    guest.destroy()
    sh(f"chattr -f -i {workdir(guest.name)}*; rm -f {workdir(guest.name)}*", check=False)


def pulled(guest, base):
    """The layers above BASE (None: all) but the top go into the top."""
    path = disk_path(guest, "xvda")
    call("pull", guest, **({"base": layer(guest, base)} if base else {}))
    told = ends(guest, "completed")
    for unused in told["unused"]:
        sh(["chattr", "-i", unused])
        os.unlink(unused)
    assert is_right(guest, 1 + (base or 0), check=[]) == path
    guest.cmd("scribble 2")
    return told["unused"]


def pulled_whole_and_to_every_base(depth):
    guest = deep(f"whole{depth}", depth)
    assert len(pulled(guest, None)) == depth - 1
    reboot(guest)
    clean(guest)
    if depth == 2:
        return
    guest = deep(f"pull{depth}", depth)
    for base in range(depth - 2, -1, -1):
        assert pulled(guest, base) == [layer(guest, base + 1)]
    is_right(guest, 1)
    reboot(guest)
    clean(guest)


def committed(guest, layers, base, top):
    """LAYERS[BASE + 1 .. TOP] go into LAYERS[BASE]; what is left of them."""
    path = disk_path(guest, "xvda")
    active = top == len(layers) - 1
    names_top = {} if active else {"top": layer(guest, layers[top])}
    call("commit", guest, base=layer(guest, layers[base]), **names_top)
    if active:
        assert ends(guest, "ready")["pivotable"]
        guest.wait_tick(guest.n() + 1)
        job("abort", guest, "pivot")
    told = ends(guest, "completed")
    assert len(told["unused"]) == top - base - 1, told
    # The base has taken over the name of what was merged into it.
    left = layers[:base] + layers[top:]
    assert is_right(guest, len(left),
                    check=[] if active else [layer(guest, layers[top])]) == path
    guest.cmd("scribble 2")
    return left


def committed_at_every_position(depth, ranges=0):
    """
    Each layer once into the one below it, in any order; and RANGES chains of
    which several are committed at a time.
    """
    seed = time.time_ns() % 1000000
    print(f"# depth {depth}: seed {seed}")
    dice = random.Random(seed)
    for number in range(1 + ranges):
        guest = deep(f"commit{depth}-{number}", depth)
        layers = list(range(1, depth + 1))
        while len(layers) > 1:
            base = dice.randrange(len(layers) - 1)
            top = dice.randrange(base + 1, len(layers)) if number else base + 1
            layers = committed(guest, layers, base, top)
        is_right(guest, 1)
        reboot(guest)
        clean(guest)


def a_raw_base_takes_the_data_back():
    guest = start(KIND, "raw", formats=("raw",), cmdline="blocks=1")
    args = write_args(disks=[external("xvda", "raw.over", False)])
    sh(["apictl", "create", str(guest.domid()), args])
    os.unlink(args)
    healthy(guest)
    call("commit", guest)
    ends(guest, "ready")
    told = job("abort", guest, "pivot")
    assert told["unused"] == [workdir("raw.over")], told
    layers = healthy(guest)
    assert layers["xvda"] == (disk_path(guest, "xvda"), "raw"), layers
    reboot(guest)


def rules_of_jobs():
    guest = deep("rules", 3, blocks=100)
    call("pull", guest, error="chain_mismatch", base="/no/such")
    call("pull", guest, error="inval", base=layer(guest, 2))
    call("commit", guest, error="chain_mismatch", top=layer(guest, 1), base=layer(guest, 2))
    job("abort", guest, error="notfound")
    call("pull", guest, speed=SLOW)
    assert job("info", guest)["phase"] == "running"
    job("abort", guest, "async", "pivot", error="inval")
    job("abort", guest, "pivot", error="block_job_not_ready")
    call("commit", guest, error="block_job_active")
    before = top_layers(guest.domid())
    for memory in ({}, {"memory": True, "memory_path": workdir("m")}):
        args = write_args(disks=[external("xvda", "rules.x", True)], **memory)
        outcome(sh(["apictl", "create", str(guest.domid()), args], check=False),
                "block_job_active")
        os.unlink(args)
    args = write_args(disks=[external("xvda", "rules.layer1", True)])
    outcome(sh(["apictl", "delete", str(guest.domid()), args], check=False), "block_job_active")
    os.unlink(args)
    assert top_layers(guest.domid()) == before
    # The monitor is free meanwhile.
    sh(["xl", "pause", guest.name])
    sh(["xl", "unpause", guest.name])
    job("speed", guest, "0")
    ends(guest, "completed")
    is_right(guest, 1)


def copies_and_their_ends():
    guest = deep("copy", 3)
    target = workdir("copy.target")
    call("copy", guest, target=target)
    ends(guest, "ready")
    guest.wait_tick(guest.n() + 1)
    told = job("abort", guest)
    assert told["phase"] == "cancelled" and told["target_complete"], told
    is_right(guest, 3)
    qemu_img_check(target)
    call("copy", guest, error="exists", target=target)
    call("copy", guest, error="chain_shared", target=layer(guest, 1))
    sh(["truncate", "-s", "1M", workdir("copy.small")])
    call("copy", guest, error="inval", target=workdir("copy.small"), format="raw",
         reuse_external=True)

    call("copy", guest, target=target, reuse_external=True)
    ends(guest, "ready")
    job("abort", guest, "pivot")
    assert is_right(guest, 1) == target
    reboot(guest)

    # Shallow, onto what is below; then back under the former path.
    args = write_args(disks=[external("xvda", "copy.frozen", True)])
    sh(["apictl", "create", str(guest.domid()), args])
    os.unlink(args)
    call("copy", guest, target=workdir("copy.shallow"), shallow=True, keep_path=True)
    ends(guest, "ready")
    job("abort", guest, "pivot")
    assert is_right(guest, 2) == target
    assert not os.path.exists(workdir("copy.shallow"))
    reboot(guest)


def a_full_target_fails_the_copy():
    guest = deep("full", 2, blocks=100)
    where = workdir("full.fs")
    os.makedirs(where, exist_ok=True)
    sh(["mount", "-t", "tmpfs", "-o", "size=2m", "none", where])
    try:
        call("copy", guest, target=f"{where}/target")
        told = ends(guest, "failed")
        assert "space" in told["error"].lower(), told
        is_right(guest, 2)
    finally:
        sh(["umount", "-l", where], check=False)


def a_block_device_and_an_nbd_export_are_targets():
    guest = deep("device", 2)
    size = int(json.loads(sh(["qemu-img", "info", "-U", "--output=json",
                              disk_path(guest, "xvda")]).stdout)["virtual-size"])
    backing = workdir("device.img")
    sh(["truncate", "-s", str(size), backing])
    loop = sh(["losetup", "-f", "--show", backing]).stdout.strip()
    call("copy", guest, target=loop)
    ends(guest, "ready")
    job("abort", guest, "pivot")
    layers = healthy(guest)
    assert layers["xvda"] == (loop, "raw"), layers

    exported, socket = workdir("device.nbd"), workdir("nbd.sock")
    sh(["truncate", "-s", str(size), exported])
    server = subprocess.Popen(["qemu-nbd", "-k", socket, "-x", "disk", "-f", "raw", "-t",
                               exported])
    while not os.path.exists(socket):
        time.sleep(0.1)
    uri = f"nbd+unix:///disk?socket={socket}"
    call("copy", guest, target=uri)
    ends(guest, "ready")
    job("abort", guest, "pivot")
    layers = healthy(guest)
    assert layers["xvda"] == (uri, "raw"), layers
    # An export can be a disk, but not be frozen below an overlay.
    for path in (",path=" + workdir("device.over"), ""):
        fails("snapshot-create", guest.name, "none", "--disk", f"xvda{path}",
              says=[f"disk xvda is {uri}, which is no file of this host"])
    assert not os.path.exists(workdir("device.over"))
    call("copy", guest, target=workdir("device.back"), format="qcow2")
    ends(guest, "ready")
    job("abort", guest, "pivot")
    is_right(guest, 1)
    server.terminate()
    server.wait()
    sh(["losetup", "-d", loop])
    reboot(guest)


def next_object(stream):
    """The JSON object that begins on the stream's next line."""
    text = ""
    for line in stream:
        text += line
        if line.rstrip() == "}":
            return json.loads(text)
    raise AssertionError(f"no whole object: {text!r}")


def events_are_told():
    guest = deep("events", 3)
    listener = subprocess.Popen(["apictl", "events", str(guest.domid()), "all", "2"],
                                stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    call("commit", guest)
    ends(guest, "ready")
    assert next_object(listener.stdout)["phase"] == "ready"
    job("abort", guest, "pivot")
    assert next_object(listener.stdout)["phase"] == "completed"
    assert listener.wait(60) == 0
    is_right(guest, 2)


def of_several_at_once_one_has_the_disk():
    guest = deep("several", 4, blocks=40)
    commands = []
    for number, name in enumerate(("pull", "commit", "create", "pull")):
        path = workdir(f"args{number}.json")
        with open(path, "w") as f:
            json.dump({"disks": [external("xvda", "several.x", True)]} if name == "create"
                      else {"vdev": "xvda", "speed": SLOW}, f)
        commands.append(["apictl", name, str(guest.domid()), path])
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for command in commands]
    done = []
    for command, process in zip(commands, running):
        _, err = process.communicate(timeout=240)
        os.unlink(command[3])
        if process.returncode == 0:
            done.append(command[1])
        else:
            assert {"block_job_active", "busy"} & {line.split(":")[0] for line in
                                                   err.splitlines()}, (command, err)
    print(f"# {' and then '.join(sorted(done))}")
    jobs = [name for name in done if name != "create"]
    assert len(jobs) == 1, done
    job("speed", guest, "0")
    told = job("wait", guest)
    if jobs == ["commit"]:
        told = job("abort", guest, "pivot")
    assert told["phase"] == "completed", told
    layers = 4 + ("create" in done)
    is_right(guest, 1 if jobs == ["pull"] else layers - 1)
    reboot(guest)


def a_domain_is_rebooted_under_a_job():
    for name in ("commit", "pull"):
        guest = deep(f"reboot{name}", 3, blocks=100)
        call(name, guest, speed=SLOW)
        reboot(guest)
        told = job("info", guest)
        assert told["phase"] == "lost" and "restarted" in told["error"], told
        is_right(guest, 3)
        call("pull", guest)
        ends(guest, "completed")
        is_right(guest, 1)
        clean(guest)


def a_domain_is_destroyed_under_a_job():
    guest = deep("destroyed", 3, blocks=100)
    domid = guest.domid()
    call("commit", guest, speed=SLOW)
    assert not is_immutable(layer(guest, 2))
    guest.destroy()
    told = job("info", domid)
    assert told["phase"] == "lost" and "destroyed" in told["error"], told
    assert is_immutable(layer(guest, 2))
    qemu_img_check(disk_path(guest, "xvda"))


def qemu_of(guest):
    wanted = [b"-xen-domid", str(guest.domid()).encode()]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if any(words[i:i + 2] == wanted for i in range(len(words))):
            return int(pid)
    raise AssertionError("the domain has no QEMU")


def qemu_is_killed_under_a_job():
    guest = deep("noqemu", 3, blocks=100)
    call("commit", guest, speed=SLOW)
    os.kill(qemu_of(guest), signal.SIGKILL)
    time.sleep(1)
    told = job("info", guest)
    assert told["phase"] == "lost", told
    assert is_immutable(layer(guest, 2))
    qemu_img_check(disk_path(guest, "xvda"))
    guest.destroy()


def a_process_is_killed_after_each_change(*command, before=None, depth_after=1):
    n, killed = random.randint(1, STEP), True
    while killed:
        guest = deep("kill", 3)
        if before:
            before(guest)
        path = write_args(vdev="xvda")
        words = [w.format(domid=guest.domid(), args=path) for w in command]
        killed = killed_after(n, "apictl", *words)
        os.unlink(path)
        time.sleep(0.5)
        told = job("info", guest)
        if told["phase"] not in ("none", "failed", "cancelled", "completed"):
            told = job("wait", guest)
            if told["phase"] == "ready":
                told = job("abort", guest, "pivot")
        print(f"# {command[0]}, killed at {n}: {told}")
        is_right(guest, depth_after if told["phase"] == "completed" else 3)
        clean(guest)
        n += STEP
    assert n > 3, n


def ready(guest):
    call("commit", guest)
    ends(guest, "ready")


def the_commands():
    guest = start(KIND, "cli", formats=("qcow2", "qcow2"))
    for name in ("s1", "s2"):
        xl("snapshot-create", guest.name, name, "--disk-only")
    kept = Kept(guest)
    for name in ("s1", "s2"):
        kept.remember(name)
    path = disk_path(guest, "xvda")
    fails("disk-commit", guest.name, "xvda", says="snapshot s2 of cli")
    fails("disk-pull", guest.name, "xvda", "--speed", "x", says="bytes per second", code=2)
    fails("disk-job", guest.name, "xvda", "--abort", says="no block job")
    assert json.loads(xl("disk-job", guest.name, "xvda", "--json").stdout)["phase"] == "none"

    # Nothing begins that the store could not follow.
    store, elsewhere = os.path.join(STORE, guest.name), workdir("elsewhere")
    os.mkdir(elsewhere)
    sh(["chattr", "+i", store])
    fails("disk-pull", guest.name, "xvda", says=store)
    fails("disk-copy", guest.name, "xvda", elsewhere, "--chain", says=store)
    sh(["chattr", "-i", store])
    assert os.listdir(elsewhere) == []
    assert json.loads(xl("disk-job", guest.name, "xvda", "--json").stdout)["phase"] == "none"
    is_right(guest, 3)

    # Pulled, the disk stands alone, and is still known; its snapshots hold.
    assert "completed" in xl("disk-pull", guest.name, "xvda").stdout
    is_right(guest, 1)
    kept.check()
    xl("snapshot-create", guest.name, "s3", "--disk-only")
    kept.remember("s3")
    is_right(guest, 2)
    fails("disk-commit", guest.name, "xvda", says="snapshot s3 of cli")
    for name in ("s1", "s2", "s3"):
        kept.check()
        xl("snapshot-delete", guest.name, name)
        kept.forget(name)
    assert names(guest) == []
    is_right(guest, 1)

    xl("disk-copy", guest.name, "xvda", workdir("cli.copy"), "--finish")
    assert is_right(guest, 1) == path
    qemu_img_check(workdir("cli.copy"))
    fails("disk-copy", guest.name, "xvda", workdir("cli.copy"), says="not empty")
    xl("disk-copy", guest.name, "xvda", workdir("cli.moved"), "--pivot")
    assert is_right(guest, 1) == workdir("cli.moved")

    # Ctrl-C.
    guest.cmd("fill 4", timeout=120)
    process = subprocess.Popen(["xl", "disk-copy", guest.name, "xvda", workdir("cli.slow"),
                                f"--speed={SLOW}"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1 and "cancelled" in err, (out, err)
    assert "not complete" in out, out
    xl("disk-copy", guest.name, "xvda", workdir("cli.again"), "--async")
    xl("disk-job", guest.name, "xvda", "--wait")
    xl("disk-job", guest.name, "xvda", "--pivot")
    assert is_right(guest, 1) == workdir("cli.again")
    xl("disk-copy", guest.name, "xvda", workdir("cli.third"), "--keep-path", "--pivot")
    assert is_right(guest, 1) == workdir("cli.again")
    assert not os.path.exists(workdir("cli.third"))
    reboot(guest)


def layers_of(guest):
    """The files of each disk's chain, as its QEMU has them open, the top first."""
    told = json.loads(xl("disk-chain", guest.name, "--json", "--flat").stdout)
    return {c["vdev"]: [layer["filename"] for layer in c["layers"]]
            for c in told["disks"]}


def moved_chain(name="move"):
    """A guest with snapshots s1 to s3 of both its disks."""
    guest = start(KIND, name, formats=("qcow2", "raw"), cmdline="blocks=1")
    for name in ("s1", "s2", "s3"):
        guest.cmd("scribble 8")
        xl("snapshot-create", guest.name, name, "--disk-only")
    return guest


def a_chain_moves_to_another_directory():
    guest = moved_chain()
    kept = Kept(guest)
    for name in ("s1", "s2", "s3"):
        kept.remember(name)
    where = workdir("elsewhere")
    fails("disk-copy", guest.name, "xvda", where, "--chain", says=where)
    os.mkdir(where)
    fails("disk-copy", guest.name, "xvda", where, "--chain", "--shallow", says="--chain", code=2)
    fails("disk-copy", guest.name, "xvda", "move", "--chain", says="absolute path")
    before = layers_of(guest)
    taken = os.path.join(where, os.path.basename(before["xvda"][1]))
    open(taken, "w").close()
    fails("disk-copy", guest.name, "xvda", where, "--chain", says=taken)
    os.unlink(taken)
    assert not os.listdir(where), os.listdir(where)

    # What is cancelled leaves nothing; neither does one that is killed.
    xl("disk-copy", guest.name, "xvda", where, "--chain", "--async", "--speed=300K")
    fails("disk-copy", guest.name, "xvda", workdir(""), "--chain", says="job")
    xl("disk-job", guest.name, "xvda", "--abort", check=False)
    assert not os.listdir(where), os.listdir(where)
    kept.check()
    for n in (1, 2, 4, 6):
        killed_after(n, XL_SNAPSHOT, "disk-copy", guest.name, "xvda", where, "--chain", "--async",
                     "--speed=300K")
        xl("disk-job", guest.name, "xvda", "--abort", check=False)
        xl("disk-pull", guest.name, "xvdb", "--base=/none", check=False)
        left = os.listdir(where)
        for name in left:
            # Made, and not noted yet.
            assert os.path.getsize(os.path.join(where, name)) == 0, left
            os.unlink(os.path.join(where, name))
        healthy(guest)

    mark = guest.mark()
    told = {}
    for vdev in ("xvda", "xvdb"):
        told[vdev] = xl("disk-copy", guest.name, vdev, where, "--chain", "--pivot").stdout
        guest.cmd("scribble 8")
    assert not [line for line in guest.since(mark) if line.startswith("BOOT")]
    healthy(guest)
    for vdev in ("xvda", "xvdb"):
        after = layers_of(guest)[vdev]
        assert [os.path.basename(p) for p in after] == [os.path.basename(p) for p in before[vdev]]
        assert all(os.path.dirname(p) == where for p in after), after
        for path in before[vdev]:
            assert path in told[vdev], (path, told)
            sh(["chattr", "-f", "-i", path], check=False)
            os.unlink(path)
        for path, below in zip(after, after[1:]):
            header = json.loads(sh(["qemu-img", "info", "-U", "--output=json", path]).stdout)
            assert header["backing-filename"] == os.path.basename(below), header
    kept.check()
    reboot(guest)
    kept.check()
    xl("snapshot-create", guest.name, "s4", "--disk-only")
    kept.remember("s4")
    xl("snapshot-delete", guest.name, "s2")
    kept.forget("s2")
    kept.check()
    mark = guest.mark()
    xl("snapshot-revert", guest.name, "s1")
    guest.wait_boot(mark)
    healthy(guest)
    kept.check()


class Server:
    """Another host, in a network namespace: an NBD server with these files as exports."""

    ADDRESS = "10.9.8.2"

    def __init__(self, files):
        self.files, self.process = files, None

    def __enter__(self):
        for command in ("netns add other", "link add link0 type veth peer name link1 netns other",
                        "addr add 10.9.8.1/24 dev link0", "link set link0 up",
                        f"-n other addr add {self.ADDRESS}/24 dev link1",
                        "-n other link set link1 up"):
            sh(["ip", *command.split()])
        words = ["ip", "netns", "exec", "other", "qemu-storage-daemon", "--nbd-server",
                 f"addr.type=inet,addr.host={self.ADDRESS},addr.port=10809"]
        for number, (name, path) in enumerate(self.files.items()):
            words += ["--blockdev", f"driver=file,node-name=n{number},filename={path}",
                      "--export", f"type=nbd,id=e{number},node-name=n{number},name={name},"
                                  "writable=on"]
        self.process = subprocess.Popen(words)
        for _ in range(100):
            if self.ADDRESS in sh(["ip", "netns", "exec", "other", "ss", "-ltn"]).stdout:
                return self
            time.sleep(0.1)
        raise AssertionError("the server does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        sh(["ip", "link", "del", "link0"])
        sh(["ip", "netns", "del", "other"])


def a_chain_moves_to_a_server_on_another_host():
    # Its files' names are not a URI's as they are.
    guest = moved_chain("far+away")
    kept = Kept(guest)
    for name in ("s1", "s2", "s3"):
        kept.remember(name)
    before = layers_of(guest)["xvda"]
    where = workdir("remote")
    os.mkdir(where)
    exports = {}
    for path in before:
        name = os.path.basename(path)
        exports[f"web/{name}"] = os.path.join(where, name)
        sh(["truncate", "-s", "64M", exports[f"web/{name}"]])
    uri = f"nbd://{Server.ADDRESS}/web"
    fails("disk-copy", guest.name, "xvda", uri, "--chain", "--pivot", says=Server.ADDRESS)
    healthy(guest)
    with Server(exports):
        mark = guest.mark()
        xl("disk-copy", guest.name, "xvda", uri, "--chain", "--pivot")
        guest.cmd("scribble 8")
        layers = healthy(guest)
        assert not [line for line in guest.since(mark) if line.startswith("BOOT")]
        # QEMU says the export's name as it is.
        top = f"nbd://{Server.ADDRESS}:10809/web/{os.path.basename(before[0])}"
        assert layers["xvda"] == (top, "qcow2"), layers
        # The snapshots are where they were, and the domain is known by its export.
        kept.check()
        # There, the images are a chain of their own, of what the guest has.
        guest.cmd("stop")
        chain_there = chain(os.path.join(where, os.path.basename(before[0])))
        assert [os.path.basename(p) for p in chain_there] == [os.path.basename(p) for p in before]
        assert all(os.path.dirname(p) == where for p in chain_there), chain_there
        guest.cmd("go")

        back = workdir("back")
        os.mkdir(back)
        xl("disk-copy", guest.name, "xvda", back, "--chain", "--pivot")
        assert [os.path.basename(p) for p in layers_of(guest)["xvda"]] == [
            os.path.basename(p) for p in before]
        healthy(guest)
    kept.check()
    reboot(guest)
    mark = guest.mark()
    xl("snapshot-revert", guest.name, "s2")
    guest.wait_boot(mark)
    healthy(guest)
    kept.check()


for number in (2, 8, 64):
    test(lambda depth=number: pulled_whole_and_to_every_base(depth), timeout=100 + 30 * number,
         name=f"pull at depth {number}")
    test(lambda depth=number: committed_at_every_position(depth, 2 if depth == 8 else 0),
         timeout=200 + 30 * number, name=f"commit at depth {number}")
test(a_raw_base_takes_the_data_back, timeout=400)
test(rules_of_jobs, timeout=600)
test(copies_and_their_ends, timeout=600)
test(a_full_target_fails_the_copy, timeout=400)
test(a_block_device_and_an_nbd_export_are_targets, timeout=600)
test(events_are_told, timeout=400)
test(of_several_at_once_one_has_the_disk, timeout=400)
test(a_domain_is_rebooted_under_a_job, timeout=600)
test(a_domain_is_destroyed_under_a_job, timeout=400)
test(qemu_is_killed_under_a_job, timeout=400)
test(lambda: a_process_is_killed_after_each_change("pull", "{domid}", "{args}"), timeout=1200,
     name="a pull is killed as it starts")
test(lambda: a_process_is_killed_after_each_change(
    "commit", "{domid}", "{args}", depth_after=2), timeout=1200,
     name="a commit is killed as it starts")
test(lambda: a_process_is_killed_after_each_change(
    "job-abort", "{domid}", "xvda", "pivot", before=ready, depth_after=2), timeout=1800,
     name="a pivot is killed after a change")
test(a_chain_moves_to_another_directory, timeout=900)
test(a_chain_moves_to_a_server_on_another_host, timeout=900)
test(the_commands, timeout=900)

main()
