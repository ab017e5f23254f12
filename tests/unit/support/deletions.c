/* SPDX-License-Identifier: LGPL-2.1-only */
#include "support/deletions.h"

#include <dirent.h>
#include <fcntl.h>

#include "common/files.h"
#include "layers/space.h"
#include "offline/merge_internal.h"
#include "store/tree.h"

int num_visible(void)
{
    int i, num = 0;

    for (i = 0; i < st->num_records; i++)
        num += !st->records[i]->hidden;
    return num;
}

const xl_snapshot_record *any_visible(void)
{
    int i, n = rand() % num_visible();

    for (i = 0; st->records[i]->hidden || n--; i++)
        ;
    return st->records[i];
}

/* Of what the names are of, some may be gone by now. */
int delete_as_command(const struct deletion *d, struct error *e)
{
    int i;

    for (i = 0; i < d->names.num; i++) {
        xl_snapshot_record *rec = store_find(st, d->names.v[i]);

        if (rec && merge_hide(st, rec, d->merge, e))
            return -1;
    }
    return merge_all(&merge, e);
}

void choose_deletion(struct deletion *d)
{
    static const enum tree_range ranges[] = { TREE_ONE, TREE_ONE, TREE_ONE,
                                              TREE_WITH_BELOW, TREE_BELOW };
    static const libxl_snapshot_merge merges[] = {
        LIBXL_SNAPSHOT_MERGE_AUTO, LIBXL_SNAPSHOT_MERGE_AUTO,
        LIBXL_SNAPSHOT_MERGE_FORWARD, LIBXL_SNAPSHOT_MERGE_BACKWARD };
    struct error e = { 0 };

    d->merge = merges[rand() % 4];
    assert_good(tree_choose(st, any_visible()->name, ranges[rand() % 5],
                            &d->names, &e), &e);
}

/* Every file is one that a record, or the domain, has need of. */
static bool needed(const char *path)
{
    int i;

    for (i = 0; i < st->info.num_leftovers; i++)
        if (xls_same_file(st->info.leftovers[i].layer_path, path))
            return true;
    return merge_active(&merge, path) || merge_configured(st, path) ||
        merge_referred(st, path, -1, NULL);
}

static void check_files(void)
{
    DIR *d = opendir(images);
    struct dirent *entry;

    assert_non_null(d);
    while ((entry = readdir(d))) {
        char *path = image(entry->d_name, "");

        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
            !needed(path))
            fail_msg("nothing needs %s", path);
        free(path);
    }
    closedir(d);
}

/* A deleted snapshot is still there for a reason only. */
static void check_hidden(void)
{
    struct error e = { 0 };
    struct layers l;
    int i, j;

    assert_good(layers_load(&l, st, &live, &e), &e);
    for (i = 0; i < st->num_records; i++)
        for (j = 0; st->records[i]->hidden && j < st->records[i]->num_disks;
             j++) {
            const char *path = st->records[i]->disks[j].layer_path;

            if (st->records[i]->disks[j].method ==
                LIBXL_SNAPSHOT_METHOD_INTERNAL && live.num)
                continue;
            if (!merge_obstacle(&merge, &l, layers_find(&l, path)))
                fail_msg("%s of %s could be merged", path,
                         st->records[i]->name);
        }
    layers_free(&l);
}

static bool has_children(const char *path)
{
    struct error e = { 0 };
    struct layers l;
    bool has;

    assert_good(layers_load(&l, st, &live, &e), &e);
    has = layers_num_children(&l, path) > 0;
    layers_free(&l);
    return has;
}

/* No frozen layer can be written, but for one that is about to be unlinked, or
 * that a running domain has been merged into since. */
void check_protection(void)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];
            int fd = open(d->layer_path, O_RDWR | O_CLOEXEC);

            if (fd < 0)
                continue;
            close(fd);
            if (d->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL &&
                !merge_active(&merge, d->layer_path) &&
                !(st->records[i]->hidden && !has_children(d->layer_path)))
                fail_msg("%s is not protected", d->layer_path);
        }
    for (i = 0; i < st->info.num_disks; i++)
        assert_int_equal(access(st->info.disks[i].top_path, W_OK), 0);
}

void delete_whole(const struct deletion *d)
{
    struct error e = { 0 };

    assert_good(delete_as_command(d, &e), &e);
    check_all();
    check_files();
    check_hidden();
    check_protection();
}

void take_one(int number)
{
    struct error e = { 0 };
    char name[16];
    int i;

    snprintf(name, sizeof(name), "s%d", number);
    snapshot(name);
    for (i = 0; i < store_find(st, name)->num_disks; i++)
        if (rand() % 2)
            store_find(st, name)->disks[i].on_delete = rand() % 3;
    assert_good(store_write(st, store_find(st, name), &e), &e);
}

void make_domain(void)
{
    static const char *const vdevs[] = { "xvda", "xvdb", "xvdc" };
    static const char *const files[] = { "a.disk", "b.disk", "c.disk" };
    int i, num = 1 + rand() % 3;

    for (i = 0; i < num; i++)
        add_disk(vdevs[i], files[i], rand() % 2 ? LIBXL_DISK_FORMAT_QCOW2
                                                : LIBXL_DISK_FORMAT_RAW);
    remember_tops();
}
