#!/usr/bin/env python3
import time,sys
from xenhost import *
def w(): return open('/proc/uptime').read().split()[0]
sh("time -p true; for i in 1 2 3; do /usr/libexec/xen-qemu-system-i386 --version; done")
for k in sys.argv[1:]:
    t=time.monotonic(); print(k, w(), flush=True)
    g=Guest(k,disks=[(make_disk(f"/guests/{k}.q"),"qcow2","xvda")])
    try:
        g.create(wait=False); print("created",time.monotonic()-t, flush=True); g.wait_boot(); g.wait_tick(); print(k,"boots",time.monotonic()-t, flush=True)
        g.destroy()
    except Exception as e: print(e, flush=True); sh(["xl","destroy",k],check=False)
