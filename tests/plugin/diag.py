#!/usr/bin/env python3
import json,sys
sys.path.insert(0,'/src/tests/plugin')
from xenhost import *
def one():
    a, b = workdir("a.qcow2"), workdir("b.raw")
    g = Guest("pv", disks=[(make_disk(a, "qcow2"), "qcow2", "xvda"),(make_disk(b, "raw"), "raw", "xvdb")]).create()
    for i,w in enumerate((["--memory"],["--memory"],["--disk-only"],["--disk-only"])):
        r=sh(["xl","snapshot-create",g.name,"d%d"%i]+w,timeout=200,check=False); print(r.stdout,r.stderr[-600:],flush=True)
        g.wait_tick(); v=g.cmd("verify"); print(i,v,g.bad_lines(),flush=True)
        if not v["ok"]:
            for p in (a,b+".active.qcow2"): print(sh(["qemu-img","info","-U","--backing-chain",p],check=False).stdout)
            for n in qmp(g,"query-named-block-nodes",{"flat":True}): print(n["node-name"],n["drv"],n["file"],n.get("backing_file"),n["ro"])
            for n in qmp(g,"query-block"): print(json.dumps(n.get("inserted",{}).get("image"),indent=1)[:1500])
            print(sh("ls -li "+workdir()+"; cat /var/log/xen/qemu-dm-pv.log",check=False).stdout[-3000:])
            break
test(one,timeout=400)
main()
