/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/libvirt.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"

#define DEFINITIONS "/etc/libvirt/libxl"
#define VIRSH       "virsh -c xen:///system"

bool libvirt_runs(struct cli *cli, uint32_t domid)
{
    uint8_t *data = NULL;
    int len = 0;
    bool is;

    is = domain_runs(domid) &&
         !libxl_userdata_retrieve(cli->ctx, domid, "libvirt-xml", &data,
                                  &len) && len > 0;
    free(data);
    return is;
}

/* It has a definition, whoever runs the domain. */
static bool defines(const char *name)
{
    char *path = xls_asprintf(DEFINITIONS "/%s.xml", name);
    bool is = !access(path, F_OK);

    free(path);
    return is;
}

void libvirt_remember(struct session *s, struct cli *cli)
{
    const struct store *st = s->store;
    int i;

    if (!libvirt_runs(cli, s->domain.domid) && !defines(s->domain.name))
        return;
    s->libvirt = cli;
    for (i = 0; i < st->info.num_disks; i++)
        strings_add(&s->tops, st->info.disks[i].top_path);
}

/* Disks stay in their order, and new ones come after them. */
void libvirt_say_moved(struct session *s)
{
    const struct store *st = s->store;
    int i;

    for (i = 0; s->libvirt && i < st->info.num_disks; i++) {
        const xl_snapshot_domain_disk *d = &st->info.disks[i];
        const char *before = i < s->tops.num ? s->tops.v[i] : d->config_path;

        if (!str_same(before, d->top_path))
            cli_say(s->libvirt, "libvirt would start %s on %s, which is not "
                    "its disk %s any more: with '" VIRSH " edit %s', make the "
                    "source of %s %s and its driver's type %s",
                    s->domain.name, before, d->vdev, s->domain.name, d->vdev,
                    d->top_path, libxl_disk_format_to_string(d->top_format));
    }
    strings_free(&s->tops);
}

void libvirt_say_replaced(struct cli *cli, const char *name, uint32_t domid)
{
    cli_say(cli, "libvirt takes %s for shut off, since it does not learn of "
            "domain %u; xl runs it now. To give it back: 'xl shutdown -w %s' "
            "and '" VIRSH " start %s'", name, domid, name, name);
}
