/* SPDX-License-Identifier: LGPL-2.1-only */
/* Disk specifications: the syntax is xl-disk-configuration(5)'s. */
#include "xlcreate/rewrite.h"

#include <stdio.h>
#include <stdlib.h>

#include <libxlutil.h>

#include "common/alloc.h"

static bool starts(const char *s, const char *start)
{
    return !strncmp(s, start, strlen(start));
}

static bool is_flag(const char *word)
{
    static const char *const flags[] = {
        "direct-io-safe", "discard", "no-discard", "colo", "no-colo",
        "trusted", "untrusted", NULL
    };
    int i;

    for (i = 0; flags[i]; i++)
        if (!strcmp(word, flags[i]))
            return true;
    return false;
}

/* Length of a deprecated prefix that only says what the default says, or the
 * format. */
static size_t prefix_len(const char *word)
{
    static const char *const prefixes[] = {
        "raw:", "qcow:", "qcow2:", "vhd:", "tapdisk:", "tap:", "tap2:",
        "aio:", "ioemu:", "file:", "phy:", NULL
    };
    int i;

    for (i = 0; prefixes[i]; i++)
        if (starts(word, prefixes[i]))
            return strlen(prefixes[i]);
    return 0;
}

/* Where the words of a specification go. */
struct spec {
    char *kept;                 /* each with a comma after it */
    const char *access;
    int positional;             /* seen: target, format, vdev, access */
};

static void keep(struct spec *s, const char *key, const char *word)
{
    char *more = xls_asprintf("%s%s%s,", s->kept, key, word);

    free(s->kept);
    s->kept = more;
}

static void positional(struct spec *s, const char *word, bool keyed_format)
{
    /* After a deprecated prefix, or format=, there is no format. */
    if (s->positional == 1 && keyed_format)
        s->positional++;
    if (s->positional == 3)
        s->access = word;
    s->positional++;
}

static bool split(char *text, struct spec *s)
{
    char *word = text, *end;
    bool keyed_format = false, keyed_vdev = false, more = true;

    for (; more; word = end + 1) {
        size_t len;

        word += strspn(word, " \t\n");
        if (starts(word, "target="))
            return true;
        end = word + strcspn(word, ",");
        more = *end;
        *end = 0;
        if (!more && !*word)
            break;
        if (!s->positional)
            while ((len = prefix_len(word))) {
                word += len;
                keyed_format = true;
            }
        if (starts(word, "format=")) {
            keyed_format = true;
        } else if (starts(word, "vdev=")) {
            keyed_vdev = true;
        } else if (strchr(word, '=') || is_flag(word)) {
            keep(s, "", word);
        } else {
            positional(s, word, keyed_format);
            if (s->positional == 2 && keyed_vdev)
                s->positional = 3;
        }
    }
    return true;
}

static bool parse(const char *spec, libxl_device_disk *disk)
{
    FILE *null = fopen("/dev/null", "we");
    XLU_Config *config = null ? xlu_cfg_init(null, "disk") : NULL;
    bool good;

    libxl_device_disk_init(disk);
    good = config && !xlu_disk_parse(config, 1, &spec, disk);
    if (config)
        xlu_cfg_destroy(config);
    if (null)
        fclose(null);
    return good;
}

static bool same(const libxl_device_disk *a, const libxl_device_disk *b)
{
    return str_same(a->vdev, b->vdev) && a->readwrite == b->readwrite &&
        a->backend == b->backend && a->removable == b->removable &&
        a->is_cdrom == b->is_cdrom &&
        a->direct_io_safe == b->direct_io_safe &&
        a->discard_enable.val == b->discard_enable.val &&
        str_same(a->backend_domname, b->backend_domname) &&
        str_same(a->script, b->script);
}

char *disk_spec_rewrite(const char *spec, const char *path,
                        libxl_disk_format format)
{
    struct spec s = { .kept = xls_strdup("") };
    char *copy = xls_strdup(spec), *made = NULL;
    libxl_device_disk before, after;
    bool good;

    libxl_device_disk_init(&after);
    good = parse(spec, &before) && !before.is_cdrom &&
        str_none(before.script) &&
        before.backend != LIBXL_DISK_BACKEND_PHY && split(copy, &s);
    if (good) {
        made = xls_asprintf("format=%s,%s%s%s%svdev=%s,target=%s",
                            libxl_disk_format_to_string(format), s.kept,
                            s.access ? "access=" : "",
                            s.access ? s.access : "", s.access ? "," : "",
                            before.vdev, path);
        libxl_device_disk_dispose(&after);
        good = parse(made, &after) && same(&before, &after) &&
            str_same(after.pdev_path, path) && after.format == format;
    }
    if (!good) {
        free(made);
        made = NULL;
    }
    libxl_device_disk_dispose(&before);
    libxl_device_disk_dispose(&after);
    free(s.kept);
    free(copy);
    return made;
}
