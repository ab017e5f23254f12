#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""
Guests as admins configure them: network, console and drives of all sorts. What
is tested here is that these guests work, and still do after a snapshot.
"""

import os

from snapshots import create, healthy, revert, start, xl
from xenhost import SkipTest, main, sh, test


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
test(a_dom0_that_owns_all_memory_gives_a_guest_some)

main()
