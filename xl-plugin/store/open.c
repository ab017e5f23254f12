/* SPDX-License-Identifier: LGPL-2.1-only */
/* Opening a store: its lock, and all that is in it. */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/json/json.h"
#include "common/pid_lock.h"
#include "store/check.h"
#include "store/files.h"
#include "store/names.h"

#define LOCK "lock"

/* A file of a later format may have keys that the strict parser refuses; say
 * what is the matter with it. */
static int check_version(const char *path, const char *name, const char *text,
                         size_t len, struct error *e)
{
    struct xls_json *v;
    char *what = NULL;
    uint64_t version;
    int ret;

    v = xls_json_parse(text, len, &xls_json_limits_file, &what);
    if (!v)
        ret = error_set(e, "%s/%s is damaged: %s", path, name, what);
    else if (!xls_json_get_uint(v, "format_version", &version))
        ret = error_set(e, "%s/%s is damaged: format_version is missing or "
                        "no number", path, name);
    else if (version != STORE_FORMAT_VERSION)
        ret = error_set(e, "%s/%s has format_version %" PRIu64 ", this "
                        "xl-snapshot knows %d: use the version that wrote it",
                        path, name, version, STORE_FORMAT_VERSION);
    else
        ret = 0;
    free(what);
    xls_json_free(v);
    return ret;
}

static int load_info(struct store *st, struct error *e)
{
    char *text, *what = NULL;
    size_t len;
    int ret;

    ret = store_file_read(st->dir, st->path, STORE_INFO, &text, &len, e);
    if (ret || !text)
        return ret;
    ret = check_version(st->path, STORE_INFO, text, len, e);
    if (!ret && xl_snapshot_domain_from_json(NULL, &st->info, text, &what))
        ret = error_set(e, "%s/" STORE_INFO " is damaged: %s", st->path, what);
    free(what);
    free(text);
    if (!ret && !str_same(st->info.name, st->domain) &&
        !str_same(st->info.moving, st->domain))
        ret = store_damaged(st, STORE_INFO, "name is not that of the directory",
                      st->info.name, e);
    st->known = !ret;
    return ret;
}

static int load_record(struct store *st, const char *file, struct error *e)
{
    xl_snapshot_record *rec;
    char *text, *what = NULL;
    size_t len;
    int ret;

    ret = store_file_read(st->dir, st->path, file, &text, &len, e);
    /* Removed since the directory was read. */
    if (ret || !text)
        return ret;
    rec = xls_calloc(1, sizeof(*rec));
    xl_snapshot_record_init(rec);
    ret = check_version(st->path, file, text, len, e);
    if (!ret && xl_snapshot_record_from_json(NULL, rec, text, &what))
        ret = error_set(e, "%s/%s is damaged: %s", st->path, file, what);
    if (!ret)
        ret = store_check_record(st, file, rec, e);
    free(what);
    free(text);
    if (ret) {
        xl_snapshot_record_dispose(rec);
        free(rec);
        return ret;
    }
    st->records = xls_realloc(st->records, st->num_records + 1,
                              sizeof(*st->records));
    st->records[st->num_records++] = rec;
    return 0;
}

static int by_time(const void *pa, const void *pb)
{
    const xl_snapshot_record *a = *(xl_snapshot_record *const *)pa;
    const xl_snapshot_record *b = *(xl_snapshot_record *const *)pb;

    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int load_if_record(struct store *st, const char *file,
                          struct error *e)
{
    return file[0] != '.' && str_ends_with(file, STORE_RECORD)
        ? load_record(st, file, e) : 0;
}

static int load_records(struct store *st, struct error *e)
{
    int ret = store_each_file(st, load_if_record, e);

    if (st->num_records)
        qsort(st->records, st->num_records, sizeof(*st->records), by_time);
    return ret;
}

static int take_lock(struct store *st, int wait_s, struct error *e)
{
    struct stat locked, now;
    char *path, *holder;
    int ret = 0;

    switch (xls_pid_lock(st->dir, LOCK, wait_s * 1000, &st->lock, &holder)) {
    case XLS_LOCK_TAKEN:
        break;
    case XLS_LOCK_BUSY:
        error_set(e, "busy: %s works on %s; try again when it is done", holder,
                  st->domain);
        free(holder);
        return -1;
    case XLS_LOCK_ERROR:
        return error_errno(e, "cannot lock %s/" LOCK, st->path);
    }
    path = xls_asprintf("%s/" LOCK, st->path);
    /* The domain may have been renamed while another one had it. */
    if (fstat(st->lock, &locked) || stat(path, &now) ||
        locked.st_ino != now.st_ino)
        ret = error_set(e, "busy: the snapshots of %s got another name "
                        "meanwhile; try again", st->domain);
    free(path);
    return ret;
}

static int open_dirs(struct store *st, bool change, struct error *e)
{
    struct error too_long = { 0 };
    char *encoded;
    int root, dir;

    if (domain_name_check(st->domain, change ? e : &too_long)) {
        error_clear(&too_long);
        return change ? -1 : 0;
    }
    encoded = domain_name_encode(st->domain);
    root = store_dir_open(AT_FDCWD, st->root, st->root, change, e);
    dir = root;
    if (root >= 0) {
        dir = store_dir_open(root, encoded, st->path, change, e);
        close(root);
    }
    free(encoded);
    if (dir >= 0)
        st->dir = dir;
    return dir == -1 ? -1 : 0;
}

int store_open(const char *root, const char *domain, bool change, int wait_s,
               struct store **out, struct error *e)
{
    struct store *st = xls_calloc(1, sizeof(*st));
    char *encoded = domain_name_encode(domain);
    int ret;

    st->root = xls_strdup(root);
    st->domain = xls_strdup(domain);
    st->path = xls_asprintf("%s/%s", root, encoded);
    st->dir = st->lock = -1;
    xl_snapshot_domain_init(&st->info);
    free(encoded);

    ret = open_dirs(st, change, e);
    if (!ret && change)
        ret = take_lock(st, wait_s, e);
    if (!ret && st->dir >= 0)
        ret = load_info(st, e);
    if (!ret && st->dir >= 0)
        ret = load_records(st, e);
    if (!ret)
        store_heal_info(st);
    if (!ret)
        ret = store_check_info(st, e);
    if (!ret && st->known && !str_same(st->info.name, st->domain))
        ret = store_finish_move(st, e);
    if (ret) {
        store_close(st);
        st = NULL;
    }
    *out = st;
    return ret;
}

void store_close(struct store *st)
{
    int i;

    if (!st)
        return;
    for (i = 0; i < st->num_records; i++) {
        xl_snapshot_record_dispose(st->records[i]);
        free(st->records[i]);
    }
    free(st->records);
    xl_snapshot_domain_dispose(&st->info);
    strings_free(&st->healed);
    if (st->lock >= 0)
        close(st->lock);
    if (st->dir >= 0)
        close(st->dir);
    free(st->root);
    free(st->domain);
    free(st->path);
    free(st);
}

int store_domains(const char *root, struct strings *names, struct error *e)
{
    struct dirent *entry;
    DIR *dir;
    int fd;

    fd = store_dir_open(AT_FDCWD, root, root, false, e);
    if (fd < 0)
        return fd == -2 ? 0 : -1;
    dir = fdopendir(fd);
    if (!dir) {
        error_errno(e, "cannot read the directory %s", root);
        close(fd);
        return -1;
    }
    while ((entry = readdir(dir))) {
        char *name = domain_name_decode(entry->d_name);

        if (name)
            strings_add(names, name);
        free(name);
    }
    closedir(dir);
    return 0;
}
