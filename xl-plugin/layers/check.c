/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/files.h"
#include "diskimage/format.h"
#include "store/device.h"

struct checked {
    char *path;
    libxl_disk_format format;
    char *namer;                /* who says so */
    struct image image;
    const char *below;          /* what it is based on and is looked at */
    char *why;                  /* it cannot be read; NULL: it can */
    struct strings snapshots;   /* that need it */
};

static struct checked *find(const struct check *c, const char *path)
{
    int i;

    for (i = 0; i < c->num; i++)
        if (str_same(c->files[i].path, path))
            return &c->files[i];
    for (i = 0; i < c->num; i++)
        if (xls_same_file(c->files[i].path, path))
            return &c->files[i];
    return NULL;
}

static void read_header(struct check *c, struct checked *f)
{
    struct error e = { 0 };
    struct stat st;

    if (stat(f->path, &st)) {
        c->missing |= errno == ENOENT;
        f->why = errno == ENOENT
            ? xls_strdup("there is no such file")
            : xls_asprintf("cannot look at it: %s", strerror(errno));
    } else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        f->why = xls_strdup("it is neither a file nor a block device");
    else if (image_info(f->path, f->format, &f->image, &e))
        f->why = xls_strdup(e.text);
    error_clear(&e);
}

/* Elsewhere it is left to qemu-img, which opens it to check what is above. */
static void find_below(struct check *c, struct checked *f)
{
    const char *backing = f->image.backing, *why;
    char *text;

    if (str_none(backing))
        return;
    if (backing[0] != '/')
        why = "is no file of this host";
    else if (!xls_format_driver(f->image.backing_format))
        why = "is of a format that the header does not tell, or that is not "
              "known here";
    else
        why = NULL;
    if (!why) {
        f->below = backing;
        return;
    }
    text = xls_asprintf("it is based on %s, which is not looked at by itself, "
                        "since it %s", backing, why);
    c->notice(c->user, f->path, text);
    free(text);
}

static struct checked *add(struct check *c, const char *path,
                           libxl_disk_format format, const char *namer)
{
    struct checked *f;

    c->files = xls_realloc(c->files, c->num + 1, sizeof(*c->files));
    f = &c->files[c->num++];
    memset(f, 0, sizeof(*f));
    f->path = xls_strdup(path);
    f->format = format;
    f->namer = xls_strdup(namer);
    read_header(c, f);
    find_below(c, f);
    return f;
}

static void note_header(struct check *c, const struct checked *f,
                        libxl_disk_format format, const char *namer,
                        const char *snapshot)
{
    char *what;

    if (f->why)
        faults_add(c->faults, f->path, f->why, snapshot);
    if (f->image.damaged)
        faults_add(c->faults, f->path, "its header marks it as damaged",
                   snapshot);
    if (f->format == format)
        return;
    what = xls_asprintf("%s has it as %s, %s as %s", f->namer,
                        libxl_disk_format_to_string(f->format), namer,
                        libxl_disk_format_to_string(format));
    faults_add(c->faults, f->path, what, snapshot);
    free(what);
}

/* A file and all below it. */
static void need(struct check *c, const char *path, libxl_disk_format format,
                 const char *namer, const char *snapshot)
{
    char *at = xls_strdup(path), *by = xls_strdup(namer);
    int steps;

    for (steps = 0;; steps++) {
        struct checked *f = find(c, at);

        /* This walk has come by all that are known. */
        if (f && steps == c->num) {
            faults_add(c->faults, f->path, "it is based on itself", snapshot);
            break;
        }
        if (!f)
            f = add(c, at, format, by);
        note_header(c, f, format, by, snapshot);
        if (!strings_has(&f->snapshots, snapshot))
            strings_add(&f->snapshots, snapshot);
        if (!f->below)
            break;
        str_replace(&at, f->below);
        str_replace(&by, f->path);
        format = f->image.backing_format;
    }
    free(at);
    free(by);
}

static void need_internal(struct check *c, const xl_snapshot_disk *d,
                          const char *snapshot)
{
    const struct checked *f = find(c, d->layer_path);
    char *what;

    if (f->why || strings_has(&f->image.internal, d->internal_name))
        return;
    what = xls_asprintf("the snapshot %s, which is to be inside it, is not",
                        d->internal_name);
    faults_add(c->faults, f->path, what, snapshot);
    free(what);
}

void check_add(struct check *c, const xl_snapshot_record *rec)
{
    char *namer = xls_asprintf("snapshot %s", rec->name);
    int i;

    for (i = 0; i < rec->num_disks; i++) {
        const xl_snapshot_disk *d = &rec->disks[i];

        need(c, d->layer_path, d->layer_format, namer, rec->name);
        if (!device_is(d->layer_path, d->device))
            faults_add(c->faults, d->layer_path, "another block device has "
                       "this name now", rec->name);
        if (d->method == LIBXL_SNAPSHOT_METHOD_INTERNAL)
            need_internal(c, d, rec->name);
    }
    free(namer);
}

/* qemu-img opens what it is based on, too; where it cannot, that is told. */
static bool can_be_opened(const struct check *c, const struct checked *f)
{
    int steps;

    for (steps = 0; f && steps <= c->num; steps++) {
        if (f->why)
            return false;
        f = f->below ? find(c, f->below) : NULL;
    }
    return !f;
}

static void check_content(struct check *c, const struct checked *f)
{
    struct image_check found;
    struct error e = { 0 };
    char *what = NULL;
    int i;

    if (image_check(f->path, f->format, &found, &e))
        what = xls_strdup(e.text);
    else if (found.errors)
        what = xls_asprintf("its metadata has %" PRIu64 " error%s, which "
                            "'qemu-img check -U %s' lists", found.errors,
                            found.errors == 1 ? "" : "s", f->path);
    for (i = 0; what && i < f->snapshots.num; i++)
        faults_add(c->faults, f->path, what, f->snapshots.v[i]);
    free(what);
    error_clear(&e);
    if (!found.leaks || found.errors)
        return;
    what = xls_asprintf("%" PRIu64 " of its clusters %s used by nothing, "
                        "which costs space and no data", found.leaks,
                        found.leaks == 1 ? "is" : "are");
    c->notice(c->user, f->path, what);
    free(what);
}

int check_contents(struct check *c)
{
    uint64_t done = 0;
    int i;

    for (i = 0; i < c->num; i++) {
        const struct checked *f = &c->files[i];

        if (!f->image.cluster_size || !can_be_opened(c, f))
            continue;
        if (c->progress(c->user, done))
            return 1;
        check_content(c, f);
        done += f->image.actual_size;
    }
    return c->progress(c->user, done) ? 1 : 0;
}

void check_free(struct check *c)
{
    int i;

    for (i = 0; i < c->num; i++) {
        free(c->files[i].path);
        free(c->files[i].namer);
        free(c->files[i].why);
        image_dispose(&c->files[i].image);
        strings_free(&c->files[i].snapshots);
    }
    free(c->files);
    c->files = NULL;
    c->num = 0;
}
