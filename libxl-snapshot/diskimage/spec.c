/* SPDX-License-Identifier: LGPL-2.1-only */
#include "diskimage/spec.h"

#include <string.h>

#include "common/alloc.h"
#include "common/json/json.h"
#include "diskimage/header.h"

#define JSON_SPEC "json:"

static struct xls_json *parse(const char *name)
{
    name += strlen(JSON_SPEC);
    return xls_json_parse(name, strlen(name), &xls_json_limits_qmp, NULL);
}

static bool is_json(const char *name)
{
    return !strncmp(name, JSON_SPEC, strlen(JSON_SPEC));
}

char *xls_spec_file(const char *name)
{
    const struct xls_json *v;
    struct xls_json *whole;
    const char *path = NULL;
    char *copy;

    if (name[0] == '/')
        return xls_strdup(name);
    if (!is_json(name))
        return NULL;
    whole = parse(name);
    for (v = whole; v && !path; v = xls_json_get(v, "file")) {
        path = xls_json_get_str(v, "filename");
        if (!path)
            path = xls_json_get_str(v, "file.filename");
    }
    copy = path && path[0] == '/' ? xls_strdup(path) : NULL;
    xls_json_free(whole);
    return copy;
}

/* Whether a driver of it is one for storage elsewhere. */
static bool is_remote(const char *name)
{
    struct xls_json *whole = parse(name);
    const struct xls_json *v;
    bool remote = false;

    for (v = whole; v && !remote; v = xls_json_get(v, "file")) {
        const char *driver = xls_json_get_str(v, "driver");
        const char *file = xls_json_get_str(v, "file.driver");

        remote = (driver && (!strcmp(driver, "nbd") ||
                             !strcmp(driver, "rbd"))) ||
                 (file && (!strcmp(file, "nbd") || !strcmp(file, "rbd")));
    }
    xls_json_free(whole);
    return remote;
}

bool xls_spec_path(const char *path, const char *name, char **file)
{
    *file = is_json(name) ? xls_spec_file(name) : xls_header_path(path, name);
    if (*file)
        return true;
    if (is_json(name))
        return !is_remote(name);
    /* These are relative to a directory that only QEMU knows. */
    return !strncmp(name, "file:", 5) || !strncmp(name, "host_device:", 12);
}
