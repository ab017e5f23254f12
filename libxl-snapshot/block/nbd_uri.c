/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * NBD URIs as QEMU writes them: nbd://HOST[:PORT][/EXPORT] and
 * nbd+unix:///EXPORT?socket=PATH (doc/uri.md of the NBD project). Taken apart
 * here, so that what reaches QEMU are options and not a text that it parses.
 */
#include <stdlib.h>
#include <string.h>

#include <libxl_snapshot.h>

#include "block/target.h"
#include "common/alloc.h"
#include "common/percent.h"

#define DEFAULT_PORT "10809"

static struct xls_json *options(struct xls_json *server, const char *export)
{
    struct xls_json *o = xls_json_object();

    xls_json_set_str(o, "driver", "nbd");
    xls_json_set(o, "server", server);
    if (export[0])
        xls_json_set_str(o, "export", export);
    return o;
}

/* s: what follows "nbd://". */
static struct xls_json *inet(const char *s)
{
    size_t len = strcspn(s, "/"), host_len;
    const char *end = s + len, *colon;
    struct xls_json *server = NULL;
    char *host, *port, *export;

    if (s[0] == '[') {
        const char *close = memchr(s, ']', len);

        if (!close)
            return NULL;
        host = xls_percent_decode(s + 1, close - s - 1);
        colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
        host_len = close + 1 - s;
    } else {
        colon = memchr(s, ':', len);
        host_len = colon ? (size_t)(colon - s) : len;
        host = xls_percent_decode(s, host_len);
    }
    port = colon ? xls_memdup0(colon + 1, end - colon - 1)
                 : xls_strdup(DEFAULT_PORT);
    export = *end ? xls_percent_decode(end + 1, strlen(end + 1))
                  : xls_strdup("");
    if (host && host[0] && export && (colon || s + host_len == end) &&
        port[0] && strspn(port, "0123456789") == strlen(port) &&
        strlen(port) < 6 && atoi(port) < 65536) {
        server = xls_json_set_str(xls_json_object(), "type", "inet");
        xls_json_set_str(server, "host", host);
        xls_json_set_str(server, "port", port);
        server = options(server, export);
    }
    free(host);
    free(port);
    free(export);
    return server;
}

/* s: what follows "nbd+unix:///". */
static struct xls_json *unix_socket(const char *s)
{
    const char *query = strstr(s, "?socket=");
    struct xls_json *server = NULL;
    char *export, *path;

    if (!query)
        return NULL;
    export = xls_percent_decode(s, query - s);
    path = xls_percent_decode(query + 8, strlen(query + 8));
    if (export && path && path[0] == '/') {
        server = xls_json_set_str(xls_json_object(), "type", "unix");
        xls_json_set_str(server, "path", path);
        server = options(server, export);
    }
    free(export);
    free(path);
    return server;
}

int xls_target_parse(const struct xls_log *log, const char *spec,
                     struct xls_target *target)
{
    *target = (struct xls_target){ .spec = spec };
    if (spec && spec[0] == '/') {
        target->kind = xls_is_block_device(spec) ? XLS_TARGET_DEVICE
                                                 : XLS_TARGET_FILE;
        return 0;
    }
    target->kind = XLS_TARGET_NBD;
    if (spec && !strncmp(spec, "nbd://", 6) && !strpbrk(spec, "?#"))
        target->nbd = inet(spec + 6);
    else if (spec && !strncmp(spec, "nbd+unix:///", 12) &&
             !strpbrk(spec, "#&"))
        target->nbd = unix_socket(spec + 12);
    if (target->nbd)
        return 0;
    XLS_ERROR(log, "\"%s\" is no target: neither an absolute path, nor "
              "nbd://HOST[:PORT]/EXPORT, nor nbd+unix:///EXPORT?socket=PATH",
              spec ? spec : "");
    return ERROR_INVAL;
}

void xls_target_dispose(struct xls_target *target)
{
    int i;

    for (i = 0; i < target->num_bases; i++)
        xls_target_dispose(&target->bases[i]);
    free(target->bases);
    xls_json_free(target->nbd);
    target->nbd = NULL;
}
