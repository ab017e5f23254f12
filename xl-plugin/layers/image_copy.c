/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/image_copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/json/json.h"
#include "diskimage/format.h"
#include "layers/run.h"

static int check(const char *spec, struct error *e)
{
    if (spec[0] == '/' || is_nbd_uri(spec))
        return 0;
    return error_set(e, "\"%s\" is neither an absolute path nor an NBD export",
                     spec);
}

int image_length(const char *spec, uint64_t *length, struct error *e)
{
    const char *argv[] = { "qemu-img", "info", "-U", "--output=json", "-f",
                           "raw", "--", spec, NULL };
    struct xls_json *v;
    int ret = 0;

    if (check(spec, e) || run_json(argv, &v, e))
        return -1;
    if (!xls_json_get_uint(v, "virtual-size", length))
        ret = error_set(e, "qemu-img info %s: no size", spec);
    xls_json_free(v);
    return ret;
}

struct percent {
    uint64_t length;
    int (*watch)(void *user, uint64_t done);
    void *user;
};

/* "    (12.34/100%)\r", as qemu-img writes. */
static int report(void *user, const char *text)
{
    const struct percent *p = user;
    const char *last = strrchr(text, '(');
    double done = last ? strtod(last + 1, NULL) : 0;

    return p->watch(p->user, (uint64_t)(done / 100 * (double)p->length));
}

int image_copy(const char *from, const char *to, uint64_t length,
               uint64_t speed, int (*watch)(void *user, uint64_t done),
               void *user, struct error *e)
{
    struct percent percent = { .length = length, .watch = watch,
                               .user = user };
    char *rate = xls_asprintf("%" PRIu64, speed);
    bool file = !is_nbd_uri(to);
    const char *argv[20] = { "qemu-img", "convert", "-p", "-n", "-U", "-f",
                             "raw", "-O", "raw" };
    int n = 9, ret;

    if (speed) {
        argv[n++] = "-r";
        argv[n++] = rate;
    }
    /* It is new, so nothing has to be written where nothing is. */
    if (file)
        argv[n++] = "--target-is-zero";
    argv[n++] = "--";
    argv[n++] = from;
    argv[n++] = to;
    if (check(from, e) || check(to, e))
        ret = -1;
    else if (file && truncate(to, (off_t)length))
        ret = error_errno(e, "cannot make %s %" PRIu64 " bytes long", to,
                          length);
    else
        ret = run_watched(argv, report, &percent, e);
    if (!ret && file)
        ret = image_sync(to, e);
    free(rate);
    return ret;
}

int image_name_backing(const char *spec, const char *name,
                       libxl_disk_format format, struct error *e)
{
    const char *argv[] = { "qemu-img", "rebase", "-q", "-u", "-f", "qcow2",
                           "-b", name, "-F", xls_format_driver(format), "--",
                           spec, NULL };

    if (check(spec, e) || run(argv, NULL, NULL, e))
        return -1;
    return is_nbd_uri(spec) ? 0 : image_sync(spec, e);
}

int image_make_empty(const char *spec, uint64_t size, uint64_t cluster_size,
                     const char *backing, libxl_disk_format backing_format,
                     struct error *e)
{
    char *options = xls_asprintf("cluster_size=%" PRIu64,
                                 cluster_size ? cluster_size : 65536);
    char *bytes = xls_asprintf("%" PRIu64, size);
    const char *argv[16] = { "qemu-img", "create", "-q", "-u", "-f", "qcow2",
                             "-o", options };
    int n = 8, ret;

    if (backing) {
        argv[n++] = "-b";
        argv[n++] = backing;
        argv[n++] = "-F";
        argv[n++] = xls_format_driver(backing_format);
    }
    argv[n++] = "--";
    argv[n++] = spec;
    argv[n++] = bytes;
    ret = check(spec, e) || run(argv, NULL, NULL, e) ? -1 : 0;
    if (!ret && !is_nbd_uri(spec))
        ret = image_sync(spec, e);
    free(options);
    free(bytes);
    return ret;
}
