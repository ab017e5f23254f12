/* SPDX-License-Identifier: LGPL-2.1-only */
#include "support/running.h"

#include "support/trees.h"

#define DOMID 7

void (*library_begins)(void), (*library_ends)(void);

/* The layer of the running domain that is based on path. */
static const struct layer *live_child(const struct layers *l, const char *path)
{
    const struct layer *child = NULL;

    while ((child = layers_next_child(l, path, child)))
        if (child->live)
            return child;
    return NULL;
}

static int freeze_below_top(const struct layer *layer, const char *path,
                            struct error *e)
{
    return layer->top ? 0 : image_freeze(path, e);
}

static int go_up(const struct layer *base, const struct layer *child,
                 struct merge_result *result, struct error *e)
{
    result->unused_path = xls_strdup(base->image.path);
    return image_thaw(child->image.path, e) ||
        image_rebase(child->image.path, base->image.backing,
                     base->image.backing_format, false, e) ||
        freeze_below_top(child, child->image.path, e) ||
        image_thaw(base->image.path, e) ? -1 : 0;
}

static int go_down(const struct layers *l, const struct layer *base,
                   const struct layer *child, struct merge_result *result,
                   struct error *e)
{
    const struct layer *above = live_child(l, child->image.path);
    bool keep_child_path = base->image.format == child->image.format;

    if (image_thaw(base->image.path, e) || image_thaw(child->image.path, e) ||
        image_commit(child->image.path, base->image.path, base->image.format,
                     e))
        return -1;
    if (keep_child_path) {
        assert_int_equal(rename(base->image.path, child->image.path), 0);
        return freeze_below_top(child, child->image.path, e);
    }
    result->unused_path = xls_strdup(child->image.path);
    if (child->top) {
        str_replace(&result->top_path, base->image.path);
        result->top_format = base->image.format;
    }
    if (above && (image_thaw(above->image.path, e) ||
                  image_rebase(above->image.path, base->image.path,
                               base->image.format, true, e) ||
                  freeze_below_top(above, above->image.path, e)))
        return -1;
    return freeze_below_top(child, base->image.path, e);
}

/* Which way the library goes where it is left to it. */
static bool is_down(const struct layer *base, const struct layer *child)
{
    return base->image.format == child->image.format
        ? child->image.actual_size <= base->image.actual_size : child->top;
}

/* As QEMU would go on when the process is killed that had it do this. */
static void note_top(const struct merge_result *result, const char *vdev)
{
    char *link_path = xls_asprintf("%s/open.%s", dir, vdev);
    char *text = xls_asprintf("%d%s", result->top_format, result->top_path);

    unlink(link_path);
    assert_int_equal(symlink(text, link_path), 0);
    free(text);
    free(link_path);
}

static int merge_external(void *user, const char *vdev, const char *path,
                          libxl_snapshot_merge direction,
                          struct merge_result *result, struct error *e)
{
    const struct layer *base, *child;
    struct layers l;
    int ret;

    (void)user;
    if (library_begins)
        library_begins();
    assert_good(layers_load(&l, st, &live, e), e);
    base = layers_find(&l, path);
    assert_non_null(base);
    child = live_child(&l, path);
    assert_non_null(child);
    assert_string_equal(child->live->vdev, vdev);
    result->top_path = xls_strdup(child->live->path);
    result->top_format = child->live->format;
    if (direction == LIBXL_SNAPSHOT_MERGE_BACKWARD ||
        (direction == LIBXL_SNAPSHOT_MERGE_AUTO && is_down(base, child)))
        ret = go_down(&l, base, child, result, e);
    else
        ret = go_up(base, child, result, e);
    layers_free(&l);
    if (!ret)
        note_top(result, vdev);
    if (library_ends)
        library_ends();
    return ret;
}

/* What the domain has open; another file than what it was started on after a
 * merge. */
static void add_open(const xl_snapshot_domain_disk *d)
{
    char *link_path = xls_asprintf("%s/open.%s", dir, d->vdev);
    char text[4096];
    ssize_t len = readlink(link_path, text, sizeof(text) - 1);

    if (len > 0) {
        text[len] = 0;
        live_add(&live, "web1", DOMID, d->vdev, text + 1, text[0] - '0');
    } else {
        live_add(&live, "web1", DOMID, d->vdev, d->top_path, d->top_format);
    }
    free(link_path);
}

static void forget_open(const xl_snapshot_domain_disk *d)
{
    char *link_path = xls_asprintf("%s/open.%s", dir, d->vdev);

    unlink(link_path);
    free(link_path);
}

static int delete_internal(void *user, const char *vdev, const char *name,
                           struct error *e)
{
    int ret;

    (void)user;
    if (library_begins)
        library_begins();
    ret = image_internal_delete(live_find(&live, DOMID, vdev)->path, name, e);
    if (library_ends)
        library_ends();
    return ret;
}

void set_running(bool running)
{
    int i;

    live_free(&live);
    for (i = 0; i < st->info.num_disks; i++)
        if (running)
            add_open(&st->info.disks[i]);
        else
            forget_open(&st->info.disks[i]);
    merge.domid = running ? DOMID : (uint32_t)INVALID_DOMID;
    merge.external = merge_external;
    merge.internal = delete_internal;
}
