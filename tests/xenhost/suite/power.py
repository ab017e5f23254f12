#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A guest is powered off and started again from its untouched config file."""

import os

from snapshots import (DISTRIBUTION_XL, Kept, create, current, disk_path, healthy, names,
                       power_off, revert, sha256, start, stray_start_is_refused, xl)
from xenhost import main, sh, test


def frozen_sums(kept):
    return {path: sha256(path) for s in kept.contents for _, path, _ in kept.layers(s)}


def qcow2_disks_come_up_on_the_current_layer_by_the_distributions_xl():
    guest = start("pvh", "cold", formats=("qcow2", "qcow2"))
    kept = Kept(guest)
    span = create(guest, "s1")
    kept.remember("s1")
    guest.wait_tick(guest.n() + 2)
    sums = frozen_sums(kept)
    for starter in (DISTRIBUTION_XL, "xl"):
        last = power_off(guest)
        mark = guest.mark()
        sh([starter, "create", guest.config_path], timeout=120)
        assert guest.wait_boot(mark)["disks"] == [last, last]
        guest.wait_tick(last + 1)
        healthy(guest)
        assert names(guest) == ["s1"] and current(guest) == "s1"
        assert frozen_sums(kept) == sums, "a frozen layer changed"
    kept.check()
    revert(guest, "s1", span)


def raw_disk_comes_up_through_the_dispatcher_or_not_at_all():
    guest = start("pvh", "coldraw")
    kept = Kept(guest)
    span = create(guest, "s1")
    kept.remember("s1")
    sums = frozen_sums(kept)
    last = power_off(guest)
    stray_start_is_refused(guest, [DISTRIBUTION_XL, "create", guest.config_path],
                           [disk_path(guest, "xvdb")])
    assert frozen_sums(kept) == sums, "a frozen layer changed"

    mark = guest.mark()
    started = xl("create", guest.config_path)
    assert disk_path(guest, "xvdb") in started.stderr, started.stderr
    assert guest.wait_boot(mark)["disks"] == [last, last]
    guest.wait_tick(last + 1)
    healthy(guest)
    assert frozen_sums(kept) == sums, "a frozen layer changed"
    assert names(guest) == ["s1"]
    revert(guest, "s1", span)


def snapshots_of_a_domain_that_is_off_are_listed_deleted_and_reverted_to():
    guest = start("pvh", "off")
    kept = Kept(guest)
    create(guest, "s1")
    kept.remember("s1")
    span = create(guest, "s2")
    kept.remember("s2")
    guest.wait_tick(guest.n() + 1)
    power_off(guest)
    kept.check()
    xl("snapshot-delete", guest.name, "s1")
    kept.forget("s1")
    kept.check()
    revert(guest, "s2", span)
    kept.check()
    create(guest, "s3")
    guest.destroy()
    xl("snapshot-delete", guest.name, "s2", "--children")
    assert names(guest) == []
    xl("create", guest.config_path)
    guest.wait_tick(timeout=60)
    healthy(guest)


def the_dispatcher_passes_other_commands_untouched():
    for words in (["list"], ["info"], ["-v", "list"], ["no-such-command"], []):
        ours = sh(["xl", *words], check=False)
        theirs = sh([DISTRIBUTION_XL, *words], check=False)
        assert ours.returncode == theirs.returncode, words
        if "list" not in words and "info" not in words:
            assert theirs.stderr in ours.stderr, (words, ours.stderr, theirs.stderr)
    assert os.stat("/usr/local/sbin/xl").st_mode & 0o777 == 0o755


test(qcow2_disks_come_up_on_the_current_layer_by_the_distributions_xl)
test(raw_disk_comes_up_through_the_dispatcher_or_not_at_all)
test(snapshots_of_a_domain_that_is_off_are_listed_deleted_and_reverted_to)
test(the_dispatcher_passes_other_commands_untouched)

main()
