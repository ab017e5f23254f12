/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/json/json.h"
#include "common/like.h"
#include "common/names.h"
#include "common/place.h"
#include "diskimage/format.h"
#include "layers/run.h"

/* Exit status of qemu-img check. */
#define CHECK_UNSUPPORTED 63
#define CHECK_TRIES 3

static int check_path(const char *path, struct error *e)
{
    if (!str_none(path) && path[0] == '/')
        return 0;
    return error_set(e, "\"%s\" is not an absolute path", path ? path : "");
}

static int check_format(const char *path, libxl_disk_format format,
                        struct error *e)
{
    if (xls_format_driver(format))
        return 0;
    return error_set(e, "%s: images of format %s are not handled", path,
                     libxl_disk_format_to_string(format));
}

void image_dispose(struct image *image)
{
    free(image->path);
    free(image->backing);
    free(image->data_file);
    strings_free(&image->internal);
    strings_free(&image->internal_ids);
    memset(image, 0, sizeof(*image));
}

void image_list_free(struct image *layers, int num)
{
    int i;

    for (i = 0; i < num; i++)
        image_dispose(&layers[i]);
    free(layers);
}

static int from_json(const struct xls_json *v, struct image *image,
                     struct error *e)
{
    const struct xls_json *snapshots = xls_json_get(v, "snapshots");
    const char *path = xls_json_get_str(v, "filename");
    const char *backing = xls_json_get_str(v, "full-backing-filename");
    const struct xls_json *data =
        xls_json_get(xls_json_get(v, "format-specific"), "data");
    size_t i;

    memset(image, 0, sizeof(*image));
    if (!path || !xls_json_get_uint(v, "virtual-size", &image->virtual_size))
        return error_set(e, "qemu-img info gave no file name or size");
    if (!xls_json_get_uint(v, "actual-size", &image->actual_size))
        image->actual_size = image->virtual_size;
    if (!xls_json_get_uint(v, "cluster-size", &image->cluster_size))
        image->cluster_size = 0;
    if (!backing)
        backing = xls_json_get_str(v, "backing-filename");
    image->relative = !str_none(backing) && backing[0] == '/' &&
        !str_same(backing, xls_json_get_str(v, "backing-filename"));
    image->damaged = xls_json_get_bool(data, "corrupt", false);
    image->data_file = xls_strdup(xls_json_get_str(data, "data-file"));
    image->path = xls_strdup(path);
    image->backing = xls_strdup(backing);
    image->format = xls_driver_format(xls_json_get_str(v, "format"));
    image->backing_format =
        xls_driver_format(xls_json_get_str(v, "backing-filename-format"));
    for (i = 0; i < xls_json_len(snapshots); i++) {
        const struct xls_json *o = xls_json_at(snapshots, i);
        const char *name = xls_json_get_str(o, "name");
        const char *id = xls_json_get_str(o, "id");

        if (!name || !id)
            continue;
        strings_add(&image->internal, name);
        strings_add(&image->internal_ids, id);
    }
    return 0;
}

static int info(const char *path, libxl_disk_format format, bool chain,
                struct xls_json **v, struct error *e)
{
    const char *argv[] = { "qemu-img", "info", "-U", "--output=json", "-f",
                           xls_format_driver(format),
                           chain ? "--backing-chain" : "--", chain ? "--"
                           : path, chain ? path : NULL, NULL };

    *v = NULL;
    return check_path(path, e) || check_format(path, format, e) ||
           run_json(argv, v, e) ? -1 : 0;
}

int image_info(const char *path, libxl_disk_format format, struct image *image,
               struct error *e)
{
    struct xls_json *v;
    int ret;

    ret = info(path, format, false, &v, e);
    if (!ret)
        ret = from_json(v, image, e);
    xls_json_free(v);
    return ret;
}

int image_chain(const char *path, libxl_disk_format format,
                struct image **layers, int *num, struct error *e)
{
    struct xls_json *v;
    size_t i;
    int ret;

    *layers = NULL;
    *num = 0;
    ret = info(path, format, true, &v, e);
    if (!ret && !xls_json_len(v))
        ret = error_set(e, "qemu-img info %s: no list of layers", path);
    for (i = 0; !ret && i < xls_json_len(v); i++) {
        *layers = xls_realloc(*layers, *num + 1, sizeof(**layers));
        ret = from_json(xls_json_at(v, i), &(*layers)[*num], e);
        if (!ret)
            ++*num;
    }
    xls_json_free(v);
    if (ret) {
        image_list_free(*layers, *num);
        *layers = NULL;
        *num = 0;
    }
    return ret;
}

int image_check_data_files(const struct image *layers, int num,
                           struct error *e)
{
    int i;

    for (i = 0; i < num; i++)
        if (layers[i].data_file)
            return error_set(e, "%s has its data in another file, %s, which "
                             "is not supported; copy the disk to an image "
                             "without one first, with xl disk-copy, or with "
                             "qemu-img convert while the domain is off",
                             layers[i].path, layers[i].data_file);
    return 0;
}

int image_sync(const char *path, struct error *e)
{
    int fd = xls_open(path, O_RDONLY);
    int ret = fd < 0 || fsync(fd) ? error_errno(e, "cannot sync %s", path) : 0;

    if (fd >= 0)
        close(fd);
    return ret;
}

/* qemu-img opens an existing file and keeps it, so the file is made here
 * first: exclusively, and with the rights of its backing file. */
int image_reserve(const char *path, const char *like, struct error *e)
{
    struct xls_failed failed;
    int fd = xls_create_like(path, like, &failed);

    if (fd < 0)
        return error_errno(e, "cannot %s %s", failed.what, failed.path);
    close(fd);
    /* What refers to it is written after it. */
    return xls_sync_directory(path)
        ? error_errno(e, "cannot sync the directory of %s", path) : 0;
}

int image_create_overlay(const char *path, const char *backing,
                         libxl_disk_format backing_format, struct error *e)
{
    const char *argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-b",
                           backing, "-F", xls_format_driver(backing_format),
                           "--", path, NULL };

    if (check_path(path, e) || check_path(backing, e) ||
        check_format(backing, backing_format, e) || image_reserve(path, backing, e))
        return -1;
    if (run(argv, NULL, NULL, e) || image_sync(path, e)) {
        xls_unlink(path, true);
        return -1;
    }
    return 0;
}

int image_rebase(const char *path, const char *backing,
                 libxl_disk_format backing_format, bool rename_only,
                 struct error *e)
{
    const char *argv[16] = { "qemu-img", "rebase", "-q", "-f", "qcow2" };
    int n = 5;

    if (check_path(path, e) ||
        (backing && (check_path(backing, e) ||
                     check_format(backing, backing_format, e))))
        return -1;
    if (rename_only)
        argv[n++] = "-u";
    argv[n++] = "-b";
    argv[n++] = backing ? backing : "";
    if (backing) {
        argv[n++] = "-F";
        argv[n++] = xls_format_driver(backing_format);
    }
    argv[n++] = "--";
    argv[n++] = path;
    return run(argv, NULL, NULL, e) || image_sync(path, e) ? -1 : 0;
}

static struct xls_json *node(const char *path, libxl_disk_format format)
{
    struct xls_json *o = xls_json_object(), *file = xls_json_object();

    xls_json_set_str(file, "driver", "file");
    xls_json_set_str(file, "filename", path);
    xls_json_set_str(o, "driver", xls_format_driver(format));
    xls_json_set(o, "file", file);
    return o;
}

int image_commit(const char *path, const char *backing,
                 libxl_disk_format backing_format, struct error *e)
{
    struct xls_json *o;
    char *text, *image;
    int ret;

    if (check_path(path, e) || check_path(backing, e) ||
        check_format(backing, backing_format, e))
        return -1;
    o = node(path, LIBXL_DISK_FORMAT_QCOW2);
    xls_json_set(o, "backing", node(backing, backing_format));
    text = xls_json_print(o, false);
    image = xls_asprintf("json:%s", text);
    ret = run((const char *const[]){ "qemu-img", "commit", "-q", "-d", "--",
                                     image, NULL }, NULL, NULL, e);
    free(image);
    free(text);
    xls_json_free(o);
    return ret || image_sync(backing, e) ? -1 : 0;
}

int image_repair_leaks(const char *path, struct error *e)
{
    const char *argv[] = { "qemu-img", "check", "-q", "-r", "leaks", "-f",
                           "qcow2", "--", path, NULL };

    return check_path(path, e) || run(argv, NULL, NULL, e) ||
           image_sync(path, e) ? -1 : 0;
}

static int check_once(const char *path, libxl_disk_format format,
                      struct image_check *found, struct error *e)
{
    const char *argv[] = { "qemu-img", "check", "-U", "--output=json", "-f",
                           xls_format_driver(format), "--", path, NULL };
    char *text = NULL, *what = NULL;
    struct xls_json *v = NULL;
    int status, ret = 0;
    size_t len;

    memset(found, 0, sizeof(*found));
    if (run_status(argv, &status, &text, &len, e))
        return -1;
    if (status != CHECK_UNSUPPORTED)
        v = xls_json_parse(text, len, &xls_json_limits_qmp, &what);
    if (!v && status != CHECK_UNSUPPORTED)
        ret = error_set(e, "qemu-img check %s: %s", path, what);
    xls_json_get_uint(v, "corruptions", &found->errors);
    xls_json_get_uint(v, "leaks", &found->leaks);
    xls_json_free(v);
    free(what);
    free(text);
    return ret;
}

/* A domain may be writing it: then what was read of it is of several moments,
 * and only what is wrong each time is wrong. */
int image_check(const char *path, libxl_disk_format format,
                struct image_check *found, struct error *e)
{
    int tries, ret = 0;

    if (check_path(path, e) || check_format(path, format, e))
        return -1;
    for (tries = CHECK_TRIES; tries; tries--) {
        ret = check_once(path, format, found, e);
        if (ret || !found->errors)
            break;
    }
    return ret;
}

int image_map(const char *path, libxl_disk_format format,
              struct image_extent **extents, int *num, struct error *e)
{
    const char *argv[] = { "qemu-img", "map", "-U", "--output=json", "-f",
                           xls_format_driver(format), "--", path, NULL };
    struct xls_json *v;
    int i, ret = 0;

    *extents = NULL;
    *num = 0;
    if (check_path(path, e) || check_format(path, format, e) ||
        run_json(argv, &v, e))
        return -1;
    *extents = xls_calloc(xls_json_len(v) + 1, sizeof(**extents));
    for (i = 0; !ret && i < (int)xls_json_len(v); i++) {
        const struct xls_json *o = xls_json_at(v, i);
        struct image_extent *x = &(*extents)[*num];

        if (!xls_json_get_uint(o, "start", &x->start) ||
            !xls_json_get_uint(o, "length", &x->length) ||
            !xls_json_get_uint(o, "depth", &x->depth))
            ret = error_set(e, "qemu-img map %s: an entry is not as "
                            "expected", path);
        else if (xls_json_get_bool(o, "data", false))
            ++*num;
    }
    xls_json_free(v);
    if (ret) {
        free(*extents);
        *extents = NULL;
        *num = 0;
    }
    return ret;
}
