/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/disk_option.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "util/strings.h"

void disk_option_dispose(struct disk_option *o)
{
    free(o->vdev);
    free(o->path);
    memset(o, 0, sizeof(*o));
}

static int set_method(const char *value, struct disk_option *o,
                      struct error *e)
{
    libxl_snapshot_method method;

    if (libxl_snapshot_method_from_string(value, &method))
        return error_set(e, "method \"%s\" of disk %s is not one of external, "
                         "internal, none", value, o->vdev);
    if (method == LIBXL_SNAPSHOT_METHOD_CALLER)
        return error_set(e, "disk %s: method caller is for programs that use "
                         "the library and snapshot their storage themselves; "
                         "here use external, internal or none", o->vdev);
    o->method = method;
    return 0;
}

static int set_path(const char *value, struct disk_option *o, struct error *e)
{
    if (value[0] != '/')
        return error_set(e, "path \"%s\" of disk %s is not absolute", value,
                         o->vdev);
    str_replace(&o->path, value);
    return 0;
}

static int set_format(const char *value, struct disk_option *o,
                      struct error *e)
{
    /* An overlay needs a format that records its backing file, with the
     * format of that. */
    if (strcmp(value, "qcow2"))
        return error_set(e, "format \"%s\" of disk %s cannot be an overlay's; "
                         "use qcow2", value, o->vdev);
    o->format = LIBXL_DISK_FORMAT_QCOW2;
    return 0;
}

static int set_on_delete(const char *value, struct disk_option *o,
                         struct error *e)
{
    if (libxl_snapshot_merge_from_string(value, &o->on_delete))
        return error_set(e, "on_delete \"%s\" of disk %s is not one of "
                         "forward, backward, auto", value, o->vdev);
    return 0;
}

static int set_vdev(const char *value, struct disk_option *o, struct error *e)
{
    if (!*value || value[strcspn(value, "=/ \t\n")])
        return error_set(e, "\"%s\" is no disk's name; a disk is named as in "
                         "the domain's configuration, like xvda", value);
    o->vdev = xls_strdup(value);
    return 0;
}

static bool starts(const char *s, const char *start)
{
    return !strncmp(s, start, strlen(start));
}

static bool is_key(const char *s)
{
    return starts(s, "method=") || starts(s, "path=") ||
        starts(s, "format=") || starts(s, "on_delete=");
}

/* The length of a key=value: up to the comma before the next key. */
static size_t word_len(const char *s)
{
    const char *p;

    for (p = s; *p; p++)
        if (*p == ',' && (!starts(s, "path=") || is_key(p + 1)))
            break;
    return p - s;
}

static int set_word(const char *word, struct disk_option *o, struct error *e)
{
    if (starts(word, "method="))
        return set_method(strchr(word, '=') + 1, o, e);
    if (starts(word, "path="))
        return set_path(strchr(word, '=') + 1, o, e);
    if (starts(word, "format="))
        return set_format(strchr(word, '=') + 1, o, e);
    if (starts(word, "on_delete="))
        return set_on_delete(strchr(word, '=') + 1, o, e);
    return error_set(e, "\"%s\" of disk %s is not one of method=, path=, "
                     "format=, on_delete=", word, o->vdev);
}

static int check(const struct disk_option *o, struct error *e)
{
    bool external = o->method != LIBXL_SNAPSHOT_METHOD_INTERNAL &&
                    o->method != LIBXL_SNAPSHOT_METHOD_NONE;

    if (!external && o->path)
        return error_set(e, "disk %s: path= goes with method external only",
                         o->vdev);
    if (!external && o->on_delete != LIBXL_SNAPSHOT_MERGE_AUTO)
        return error_set(e, "disk %s: on_delete= goes with method external "
                         "only", o->vdev);
    return 0;
}

int disk_option_parse(const char *text, struct disk_option *o,
                      struct error *e)
{
    char *copy = xls_strdup(text), *word = copy;
    size_t len = strcspn(word, ",");
    bool more = word[len];
    int ret;

    memset(o, 0, sizeof(*o));
    o->method = -1;
    o->format = LIBXL_DISK_FORMAT_UNKNOWN;
    word[len] = 0;
    ret = set_vdev(word, o, e);
    while (!ret && more) {
        word += len + 1;
        len = word_len(word);
        more = word[len];
        word[len] = 0;
        ret = set_word(word, o, e);
    }
    if (!ret)
        ret = check(o, e);
    free(copy);
    if (ret)
        disk_option_dispose(o);
    return ret;
}

int disk_option_parse_positional(const char *text, struct disk_option *o,
                                 struct error *e)
{
    char *copy = xls_strdup(text), *format = NULL, *vdev;
    int ret;

    memset(o, 0, sizeof(*o));
    o->method = -1;
    o->format = LIBXL_DISK_FORMAT_UNKNOWN;
    /* From the end: the path may have commas in it. */
    vdev = strrchr(copy, ',');
    if (vdev) {
        *vdev++ = 0;
        format = strrchr(copy, ',');
    }
    if (!format) {
        ret = error_set(e, "disk \"%s\" is not path,format,vdev", text);
        goto out;
    }
    *format++ = 0;
    ret = set_vdev(vdev, o, e);
    if (!ret && *copy)
        ret = set_path(copy, o, e);
    if (!ret && *format)
        ret = set_format(format, o, e);

out:
    free(copy);
    if (ret)
        disk_option_dispose(o);
    return ret;
}
