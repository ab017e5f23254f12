#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""How much of a snapshot a guest notices: live, stopped, and the moment in
which the disks change over. Figures are printed, side by side of one run."""

import json
import statistics

from snapshots import create, fails, healthy, info, names, start, xl
from xenhost import XEN_VERSION, Guest, main, make_disk, qmp, sh, test, workdir


ROUNDS = 3


def live_snapshot_stops_the_guest_briefly(kind):
    guest = start(kind, f"live{kind}")
    guest.cmd("gap")
    xl("save", "-c", guest.name, workdir("saved"))
    guest.wait_tick()
    saved = guest.cmd("gap")["us"]
    before = guest.n()
    create(guest, "live", "--live")
    guest.wait_tick()
    live = guest.cmd("gap")["us"]
    create(guest, "stopped")
    guest.wait_tick()
    stopped = guest.cmd("gap off")["us"]
    print(f"# {kind}: guest stopped for {live / 1000:.0f} ms by snapshot-create --live, "
          f"{stopped / 1000:.0f} ms by snapshot-create, {saved / 1000:.0f} ms by xl save -c "
          f"(live/save {live / saved:.2f})")
    assert guest.n() > before
    assert live < saved, (live, saved)
    assert info(guest, "live")["live"]
    healthy(guest)
    xl("snapshot-revert", guest.name, "live")
    guest.wait_tick()
    assert guest.cmd("state")["secret"] == "live"
    healthy(guest)


def live_is_refused_for_pv_and_the_guest_misses_no_count():
    guest = start("pv", "livepv")
    before = guest.cmd("state")
    guest.cmd("gap")
    fails("snapshot-create", guest.name, "s1", "--live", says=("PV", "without"))
    gap = guest.cmd("gap off")["us"]
    after = guest.cmd("state")
    assert after["n"] - before["n"] == after["ticks"] - before["ticks"] > 0, (before, after)
    assert gap < 2_000_000, f"the guest stood still for {gap} us"
    assert names(guest) == []
    healthy(guest)


def api_create(guest, disks, file):
    args = {"disks": [{"disk": {"vdev": vdev}, "method": "external",
                       "external_path": path, "keep_path": True} for vdev, path in disks]}
    with open(workdir("args.json"), "w") as f:
        json.dump(args, f)
    result = json.loads(sh(["apictl", "create", str(guest.domid()), workdir("args.json")],
                           timeout=120).stdout)
    file.append(result["window_us"])


def sync_transaction(guest, vdevs, round_number, file):
    """The same by blockdev-snapshot-sync; the records then follow by chain-changed."""
    domid = str(guest.domid())
    actions = []
    for block in qmp(guest.domid(), "query-block"):
        if "inserted" not in block:
            continue
        vdev = qmp(guest.domid(), "qom-get",
                   {"path": block["qdev"], "property": "vdev"}).removesuffix("0")
        if vdev in vdevs:
            actions.append({"type": "blockdev-snapshot-sync", "data": {
                "node-name": block["inserted"]["node-name"],
                "snapshot-file": workdir(f"sync-{vdev}-{round_number}.qcow2"),
                "snapshot-node-name": f"sync-{vdev}-{round_number}", "format": "qcow2"}})
    assert len(actions) == len(vdevs)
    with open(workdir("actions.json"), "w") as f:
        json.dump(actions, f)
    result = sh(["apictl", "time-transaction", domid, workdir("actions.json")], timeout=120)
    file.append(int(result.stdout))
    for vdev in vdevs:
        sh(["apictl", "chain-changed", domid, vdev,
            workdir(f"sync-{vdev}-{round_number}.qcow2"), "qcow2"])


def disks_change_over_in_a_quarter_of_the_time_of_a_sync_snapshot():
    vdevs = [f"xvd{letter}" for letter in "abcdefgh"]
    disks = [(make_disk(workdir(f"{vdev}.qcow2"), "qcow2", 32), "qcow2", vdev) for vdev in vdevs]
    guest = Guest("pv", "window", disks).create()
    for num in (1, 8):
        ours, sync = [], []
        for i in range(ROUNDS):
            api_create(guest, [(v, workdir(f"{v}.frozen-{num}-{i}")) for v in vdevs[:num]], ours)
            sync_transaction(guest, vdevs[:num], f"{num}-{i}", sync)
        ratio = statistics.median(ours) / statistics.median(sync)
        print(f"# {num} disk{'s' * (num > 1)}: the switch takes "
              f"{statistics.median(ours) / 1000:.1f} ms, blockdev-snapshot-sync "
              f"{statistics.median(sync) / 1000:.1f} ms, ratio {ratio:.2f} (medians of {ROUNDS})")
        assert ratio <= 0.25, (ours, sync)
    healthy(guest)


if XEN_VERSION >= (4, 20):
    for kind in ("pvh", "hvm"):
        test(lambda kind=kind: live_snapshot_stops_the_guest_briefly(kind), timeout=600,
             name=f"{kind}: a live snapshot stops the guest briefly")
test(live_is_refused_for_pv_and_the_guest_misses_no_count)
test(disks_change_over_in_a_quarter_of_the_time_of_a_sync_snapshot, timeout=600)

main()
