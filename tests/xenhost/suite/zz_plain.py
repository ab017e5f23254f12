#!/usr/bin/env python3
import os, time, sys
from snapshots import start
from xenhost import main, sh, test, workdir
def rec(kind, mem):
    def f():
        guest = start(kind, "plain", memory=mem)
        guest.wait_tick(20)
        for part in "ab":
            p = workdir(f"{kind}-{mem}-plain-{part}.save")
            t=time.monotonic()
            sh(["/usr/sbin/xl", "save", "-c", guest.name, p], timeout=200)
            print("took", time.monotonic()-t)
            n = guest.n() 
            guest.wait_tick(n+10, timeout=60) if part == "a" else None
            sh(["cp", p, "/share/"], timeout=200)
    f.__name__ = f"record_{kind}_{mem}"
    return f
for k, m in (("pvh", 128), ("hvm", 160), ("pvh", 256)):
    test(rec(k, m), timeout=400)
main()
