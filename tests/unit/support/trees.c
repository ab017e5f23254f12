/* SPDX-License-Identifier: LGPL-2.1-only */
#include "support/trees.h"

#include <sys/mount.h>

#include "diskimage/format.h"
#include "layers/run.h"
#include "offline/merge_internal.h"

#define SIZE "2M"
#define BLOCKS 32               /* of 64 KiB */

char *dir, *root, *images;
struct store *st;
struct live live;
struct merge merge;
bool leaks_are_fine;

/* What is known to be right: for a snapshot's disk the files that it was read
 * from, as they were; in the same form an image that was checked. */
static struct strings known_keys, known_files;

int setup(void **state)
{
    struct error e = { 0 };

    (void)state;
    dir = test_dir_make();
    root = xls_asprintf("%s/store", dir);
    images = xls_asprintf("%s/images", dir);
    assert_int_equal(mkdir(images, 0700), 0);
    assert_good(store_open(root, "web1", true, 0, &st, &e), &e);
    memset(&merge, 0, sizeof(merge));
    merge.st = st;
    merge.live = &live;
    merge.domid = INVALID_DOMID;
    return 0;
}

int teardown(void **state)
{
    (void)state;
    store_close(st);
    /* A test may have given them a file system of their own. */
    umount2(images, MNT_DETACH);
    test_dir_remove(dir);
    strings_free(&known_keys);
    strings_free(&known_files);
    free(root);
    free(images);
    return 0;
}

static void tool(const char *const argv[])
{
    struct error e = { 0 };

    assert_good(run(argv, NULL, NULL, &e), &e);
}
#define TOOL(...) tool((const char *const[]){ __VA_ARGS__, NULL })

char *image(const char *start, const char *end)
{
    return xls_asprintf("%s/%s%s", images, start, end);
}

void add_disk(const char *vdev, const char *file,
                     libxl_disk_format format)
{
    xl_snapshot_domain_disk *d = store_disk_add(st, vdev);
    struct error e = { 0 };

    d->config_path = image(file, "");
    d->config_format = format;
    d->top_path = xls_strdup(d->config_path);
    d->top_format = format;
    TOOL("qemu-img", "create", "-q", "-f", xls_format_driver(format),
         d->top_path, SIZE);
    assert_good(store_write_info(st, &e), &e);
}

void guest_writes(void)
{
    int i, n;

    for (i = 0; i < st->info.num_disks; i++) {
        const char *argv[4 + 2 * 4 + 1] = {
            "qemu-io", "-f", xls_format_driver(st->info.disks[i].top_format),
            st->info.disks[i].top_path };
        int num = 4;

        for (n = rand() % 4; n >= 0; n--) {
            argv[num++] = "-c";
            argv[num++] = xls_asprintf("write -P %d %dk 64k",
                                       rand() % 255 + 1,
                                       rand() % BLOCKS * 64);
        }
        tool(argv);
        while ((num -= 2) >= 4)
            free((char *)argv[num + 1]);
    }
}

static char *unused_path(const char *path, const char *end)
{
    char *candidate = xls_asprintf("%s%s", path, end);
    int i;

    for (i = 1; !access(candidate, F_OK); i++) {
        free(candidate);
        candidate = xls_asprintf("%s.%d%s", path, i, end);
    }
    return candidate;
}

/* What the library does at create, for a domain that does not run. */
static void freeze_disk(xl_snapshot_record *rec, xl_snapshot_domain_disk *d)
{
    xl_snapshot_disk *s = record_disk_add(rec, d->vdev);
    struct error e = { 0 };
    char *old = xls_strdup(d->top_path);

    if (d->top_format == LIBXL_DISK_FORMAT_QCOW2 && rand() % 5 == 0) {
        s->method = LIBXL_SNAPSHOT_METHOD_INTERNAL;
        s->layer_path = xls_strdup(old);
        s->layer_format = LIBXL_DISK_FORMAT_QCOW2;
        s->internal_name = xls_strdup(rec->name);
        TOOL("qemu-img", "snapshot", "-q", "-c", rec->name, old);
        free(old);
        return;
    }
    s->method = LIBXL_SNAPSHOT_METHOD_EXTERNAL;
    s->layer_format = d->top_format;
    if (d->top_format == LIBXL_DISK_FORMAT_QCOW2) {
        char *frozen = xls_asprintf("%s.%s", old, rec->name);

        assert_int_equal(rename(old, frozen), 0);
        assert_good(store_move_layer(st, old, frozen, d->top_format, &e), &e);
        s->layer_path = frozen;
    } else {
        s->layer_path = xls_strdup(old);
        free(d->top_path);
        d->top_path = unused_path(old, ".active.qcow2");
        d->top_format = LIBXL_DISK_FORMAT_QCOW2;
    }
    assert_good(image_create_overlay(d->top_path, s->layer_path,
                                     s->layer_format, &e), &e);
    assert_good(image_freeze(s->layer_path, &e), &e);
    free(old);
}

/* A copy of what a snapshot's disk shows, taken when it is made. */
char *copy_path(const char *snapshot, const char *vdev)
{
    return xls_asprintf("%s/copy.%s.%s", dir, snapshot, vdev);
}

static void copy_tops(const char *name)
{
    int i;

    for (i = 0; i < st->info.num_disks; i++) {
        xl_snapshot_domain_disk *d = &st->info.disks[i];
        char *to = copy_path(name, d->vdev);

        /* It may be a snapshot's, too. */
        unlink(to);
        TOOL("qemu-img", "convert", "-f", xls_format_driver(d->top_format),
             "-O", "raw", d->top_path, to);
        free(to);
    }
}

/* The active layers show what the snapshot does. */
static void tops_are_as(const xl_snapshot_record *rec)
{
    int i;

    for (i = 0; i < rec->num_disks; i++) {
        char *copy = copy_path(rec->name, rec->disks[i].vdev);
        char *top = copy_path("top", rec->disks[i].vdev);

        unlink(top);
        assert_int_equal(link(copy, top), 0);
        free(copy);
        free(top);
    }
}

void snapshot(const char *name)
{
    xl_snapshot_record *rec = store_add(st, name);
    struct error e = { 0 };
    int i;

    rec->created = st->num_records;
    rec->parent = xls_strdup(st->info.current);
    copy_tops(name);
    for (i = 0; i < st->info.num_disks; i++)
        freeze_disk(rec, &st->info.disks[i]);
    str_replace(&st->info.current, name);
    assert_good(store_write(st, rec, &e), &e);
    assert_good(store_write_info(st, &e), &e);
    tops_are_as(rec);
}

/* What revert does to a disk with an external layer. */
static void revert_disk(const xl_snapshot_disk *s, xl_snapshot_domain_disk *d)
{
    struct error e = { 0 };
    char *fresh, *kept;

    if (d->top_format != LIBXL_DISK_FORMAT_QCOW2) {
        fresh = unused_path(d->config_path, ".active.qcow2");
        assert_good(image_create_overlay(fresh, s->layer_path,
                                         s->layer_format, &e), &e);
        free(d->top_path);
        d->top_path = fresh;
        d->top_format = LIBXL_DISK_FORMAT_QCOW2;
        return;
    }
    if (merge_referred(st, d->top_path, LIBXL_SNAPSHOT_METHOD_INTERNAL, NULL)) {
        kept = unused_path(d->top_path, ".kept");
        assert_int_equal(link(d->top_path, kept), 0);
        assert_good(store_move_layer(st, d->top_path, kept,
                                     LIBXL_DISK_FORMAT_QCOW2, &e), &e);
        free(kept);
    }
    fresh = xls_asprintf("%s.revert", d->top_path);
    assert_good(image_create_overlay(fresh, s->layer_path, s->layer_format,
                                     &e), &e);
    assert_int_equal(rename(fresh, d->top_path), 0);
    free(fresh);
}

void revert(const xl_snapshot_record *rec)
{
    struct error e = { 0 };
    int i;

    for (i = 0; i < rec->num_disks; i++) {
        const xl_snapshot_disk *s = &rec->disks[i];

        if (s->method == LIBXL_SNAPSHOT_METHOD_EXTERNAL)
            revert_disk(s, store_disk(st, s->vdev));
        else
            assert_good(image_internal_apply(s->layer_path, s->internal_name,
                                             &e), &e);
    }
    str_replace(&st->info.current, rec->name);
    assert_good(store_write_info(st, &e), &e);
    tops_are_as(rec);
}

bool can_revert(const xl_snapshot_record *rec)
{
    int i;

    for (i = 0; i < rec->num_disks; i++)
        if (rec->disks[i].method == LIBXL_SNAPSHOT_METHOD_INTERNAL &&
            !str_same(rec->disks[i].layer_path,
                      store_disk(st, rec->disks[i].vdev)->top_path))
            return false;
    return true;
}

void remember_tops(void)
{
    copy_tops("top");
}

static char *stamp(const char *path)
{
    struct stat s;

    if (stat(path, &s))
        return xls_strdup("gone");
    return xls_asprintf("%lu.%ld.%09ld.%ld", (unsigned long)s.st_ino,
                        (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
                        (long)s.st_size);
}

/* Words of "PATH STAMP", as the files are now. */
static char *stamps_of(char *words)
{
    char *now = xls_strdup(""), *more, *path, *mark, *rest = NULL;

    for (path = strtok_r(words, " ", &rest); path;
         path = strtok_r(NULL, " ", &rest)) {
        strtok_r(NULL, " ", &rest);
        mark = stamp(path);
        more = xls_asprintf("%s%s %s ", now, path, mark);
        free(mark);
        free(now);
        now = more;
    }
    return now;
}

static bool is_known(const char *key)
{
    char *copy, *now;
    bool same;
    int i;

    for (i = known_keys.num - 1; i >= 0; i--)
        if (str_same(known_keys.v[i], key))
            break;
    if (i < 0)
        return false;
    copy = xls_strdup(known_files.v[i]);
    now = stamps_of(copy);
    same = str_same(now, known_files.v[i]);
    free(copy);
    free(now);
    return same;
}

/* l: NULL where it is about the one file alone. */
static void know(const char *key, const struct layers *l, const char *path)
{
    char *files = xls_strdup(""), *more, *mark;
    const struct layer *layer;

    while (path) {
        mark = stamp(path);
        more = xls_asprintf("%s%s %s ", files, path, mark);
        free(mark);
        free(files);
        files = more;
        layer = l ? layers_find(l, path) : NULL;
        path = layer ? layer->image.backing : NULL;
    }
    strings_add(&known_keys, key);
    strings_add(&known_files, files);
    free(files);
}

static void check_same(const char *path, libxl_disk_format format,
                       const char *name, const char *vdev)
{
    char *copy = copy_path(name, vdev);
    const char *const argv[] = { "qemu-img", "compare", "-f",
                                 xls_format_driver(format), "-F", "raw", path,
                                 copy, NULL };
    struct error e = { 0 };

    if (run(argv, NULL, NULL, &e))
        fail_msg("%s of %s is not what it was (%s): %s", vdev, name, path,
                 e.text);
    free(copy);
}

static void check_image(const struct image *one)
{
    const char *const argv[] = { "qemu-img", "check", "-q", "-f", "qcow2",
                                 one->path, NULL };
    struct error e = { 0 };

    if (one->format != LIBXL_DISK_FORMAT_QCOW2 || is_known(one->path))
        return;
    if (run(argv, NULL, NULL, &e) &&
        !(leaks_are_fine && strstr(e.text, "(exit status 3)")))
        fail_msg("%s is not clean: %s", one->path, e.text);
    error_clear(&e);
    know(one->path, NULL, one->path);
}

/* inside: the name of an internal snapshot, or NULL. */
static void check_state(const struct layers *l, const char *path, libxl_disk_format format,
                        const char *inside, const char *name,
                        const char *vdev)
{
    char *key = xls_asprintf("%s %s %s", name, vdev, path), *extracted;
    struct error e = { 0 };

    if (is_known(key)) {
        free(key);
        return;
    }
    if (inside) {
        extracted = xls_asprintf("%s/extracted", dir);
        assert_good(image_internal_extract(path, inside, extracted, &e), &e);
        check_same(extracted, LIBXL_DISK_FORMAT_QCOW2, name, vdev);
        assert_int_equal(unlink(extracted), 0);
        free(extracted);
    } else {
        check_same(path, format, name, vdev);
    }
    know(key, l, path);
    free(key);
}

void check_all(void)
{
    struct error e = { 0 };
    struct layers l;
    int i, j;

    assert_good(layers_load(&l, st, &live, &e), &e);
    for (i = 0; i < l.num; i++)
        check_image(&l.v[i].image);
    for (i = 0; i < st->num_records; i++)
        for (j = 0; !st->records[i]->hidden && j < st->records[i]->num_disks;
             j++) {
            const xl_snapshot_disk *s = &st->records[i]->disks[j];

            check_state(&l, s->layer_path, s->layer_format, s->internal_name,
                        st->records[i]->name, s->vdev);
        }
    for (i = 0; i < st->info.num_disks; i++)
        check_state(&l, st->info.disks[i].top_path,
                    st->info.disks[i].top_format, NULL, "top",
                    st->info.disks[i].vdev);
    layers_free(&l);
}

void forget_checked(void)
{
    strings_free(&known_keys);
    strings_free(&known_files);
}

void store_let_go(void)
{
    run_hold(-1);
    store_close(st);
    st = merge.st = NULL;
}

void store_take_again(void)
{
    struct error e = { 0 };

    assert_good(store_open(root, "web1", true, 5, &st, &e), &e);
    run_hold(st->lock);
    merge.st = st;
}
