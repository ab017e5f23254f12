/* SPDX-License-Identifier: LGPL-2.1-only */
/* A merge under way: what is known of its disk. */
#include <string.h>
#include <unistd.h>

#include "merge/steps.h"

void xls_merging_init(struct xls_merging *m, struct xls_op *op,
                      const struct xls_disk *disk,
                      const struct xls_merge *merge)
{
    *m = (struct xls_merging){
        .op = op, .merge = merge, .disk = disk, .replaced = -1,
        .now = { .rec = disk->rec, .devid = disk->devid },
    };
}

/*
 * Whoever closes a removed file last spends the time that freeing its blocks
 * takes, a third of a second per GiB on ext4: not QEMU, all disks of which
 * would wait for that, nor with its socket held.
 */
void xls_merging_dispose(struct xls_merging *m)
{
    if (m->replaced >= 0) {
        xls_op_qmp_close(m->op);
        close(m->replaced);
    }
    xls_disk_drop_layers(&m->now);
}

const struct xls_disk *xls_merging_chain(const struct xls_merging *m)
{
    return m->now.num_layers ? &m->now : m->disk;
}

int xls_merging_query(struct xls_merging *m)
{
    xls_disk_drop_layers(&m->now);
    return xls_disk_query(m->op, &m->now);
}

int xls_merging_node(const struct xls_disk *disk, const char *node)
{
    int i;

    for (i = 0; i < disk->num_layers; i++)
        if (!strcmp(disk->layers[i].node, node))
            return i;
    return -1;
}

bool xls_merge_child_is_active(const struct xls_merge *merge)
{
    return !merge->above_path;
}

bool xls_merge_is_after(const struct xls_disk *disk,
                        const struct xls_merge *merge)
{
    bool layer = xls_merging_node(disk, merge->layer_node) >= 0;
    bool child = xls_merging_node(disk, merge->child_node) >= 0;

    return merge->backward ? layer && !child : !layer && child;
}

bool xls_merge_is_before(const struct xls_disk *disk,
                         const struct xls_merge *merge)
{
    return xls_merging_node(disk, merge->child_node) >= 0 &&
           !xls_merge_is_after(disk, merge);
}
