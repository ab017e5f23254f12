/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/users.h"

#include <stdlib.h>

#include <libxl_utils.h>

#include "common/alloc.h"
#include "xen/users.h"

static char *domain_name(struct cli *cli, uint32_t domid)
{
    char *name = libxl_domid_to_name(cli->ctx, domid);

    return name ? name : xls_asprintf("%u", domid);
}

int users_running(struct cli *cli, uint32_t but, const char *path,
                  struct error *e)
{
    struct xls_op op = { .ctx = cli->ctx, .domid = XLS_NO_DOMID,
                         .log = { cli->logger, "xl-snapshot" } };
    const struct xls_unknown *unknown;
    const struct xls_used *used;
    struct xls_users users;
    char *name;
    int ret = 0;

    if (cli_libxl(cli, e))
        return -1;
    op.ctx = cli->ctx;
    xls_users_load(&op, &users);
    used = xls_users_find(&users, path, but, but);
    unknown = xls_users_unknown(&users, but, but);
    if (used) {
        name = domain_name(cli, used->domid);
        ret = error_set(e, "%s is in use by domain %s (disk %s); detach it "
                        "there with 'xl block-detach', or shut that domain "
                        "down", path, name, used->vdev ? used->vdev : "?");
        free(name);
    } else if (unknown) {
        ret = error_set(e, "cannot find out whether a running domain uses "
                        "%s: %s; detach that disk, or shut the domain down",
                        path, unknown->why);
    }
    xls_users_dispose(&users);
    return ret;
}

int users_unused(void *cli, const char *path, struct error *e)
{
    return users_running(cli, INVALID_DOMID, path, e);
}

int users_check(struct cli *cli, struct session *s, const char *path,
                struct error *e)
{
    const struct layer *layer, *child;
    struct layers l;
    int ret = 0;

    if (users_running(cli, s->domain.domid, path, e) ||
        layers_load(&l, s->store, &s->live, e))
        return -1;
    layer = layers_find(&l, path);
    child = layers_next_child(&l, path, NULL);
    if (layer && layer->foreign)
        ret = error_set(e, "the snapshots of domain %s need %s; give this "
                        "domain a disk of its own, or delete them",
                        layer->owner, path);
    else if (child)
        ret = error_set(e, "%s is based on %s, which would be replaced; "
                        "delete it, or have it based on another image "
                        "(qemu-img rebase)", child->image.path, path);
    layers_free(&l);
    return ret;
}
