/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xlcreate/rewrite.h"

#include <stdio.h>
#include <stdlib.h>

#include <libxlutil.h>

#include "common/alloc.h"
#include "common/files.h"
#include "layers/image.h"

/* What cannot be parsed is for xl to complain about. */
static XLU_Config *parse(const char *text, FILE *null)
{
    XLU_Config *config = null ? xlu_cfg_init(null, "config") : NULL;

    if (config && xlu_cfg_readdata(config, text, strlen(text))) {
        xlu_cfg_destroy(config);
        config = NULL;
    }
    return config;
}

static void close_config(XLU_Config *config, FILE *null)
{
    if (config)
        xlu_cfg_destroy(config);
    if (null)
        fclose(null);
}

char *config_name(const char *text)
{
    FILE *null = fopen("/dev/null", "we");
    XLU_Config *config = parse(text, null);
    char *name = NULL;

    if (config)
        xlu_cfg_replace_string(config, "name", &name, 1);
    close_config(config, null);
    return name;
}

/* As a string of xl.cfg; a line break has no place in one. */
static char *quote(const char *s)
{
    char *quoted = xls_calloc(2 * strlen(s) + 3, 1), *p = quoted;

    *p++ = '\'';
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            *p++ = '\\';
        *p++ = *s;
    }
    *p = '\'';
    return quoted;
}

static const xl_snapshot_domain_disk *moved(const struct store *st,
                                            const libxl_device_disk *disk)
{
    const xl_snapshot_domain_disk *d = store_disk(st, disk->vdev);

    if (!d || !disk->pdev_path || str_same(d->top_path, disk->pdev_path))
        return NULL;
    if (!str_same(d->config_path, disk->pdev_path) &&
        !xls_same_file(d->config_path, disk->pdev_path))
        return NULL;
    return d;
}

/* The specification to use for one disk, and whether it is another one. */
static char *choose(XLU_Config *config, const char *spec,
                    const struct store *st, struct strings *notes,
                    bool *changed)
{
    const xl_snapshot_domain_disk *d;
    libxl_device_disk disk;
    char *made = NULL, *note;

    libxl_device_disk_init(&disk);
    d = xlu_disk_parse(config, 1, &spec, &disk) ? NULL : moved(st, &disk);
    if (d) {
        made = strchr(d->top_path, '\n') ? NULL
            : disk_spec_rewrite(spec, d->top_path, d->top_format);
        note = made
            ? xls_asprintf("disk %s starts on %s, its layer since the "
                           "snapshots of %s, not on %s", d->vdev, d->top_path,
                           st->domain, disk.pdev_path)
            : xls_asprintf("disk %s should start on %s (%s), its layer since "
                           "the snapshots of %s, but \"%s\" cannot be changed "
                           "to that; change the configuration", d->vdev,
                           d->top_path,
                           libxl_disk_format_to_string(d->top_format),
                           st->domain, spec);
        strings_add(notes, note);
        free(note);
        *changed |= made != NULL;
    }
    libxl_device_disk_dispose(&disk);
    return made ? made : xls_strdup(spec);
}

char *disk_assignment(const char *text, const struct store *st,
                      struct strings *notes)
{
    FILE *null = fopen("/dev/null", "we");
    XLU_Config *config = parse(text, null);
    char *word = xls_strdup("disk=[");
    XLU_ConfigList *list;
    bool changed = false;
    const char *spec;
    int i;

    if (config && !xlu_cfg_get_list(config, "disk", &list, NULL, 1))
        for (i = 0; (spec = xlu_cfg_get_listitem(list, i)); i++) {
            char *use = choose(config, spec, st, notes, &changed);
            char *quoted = quote(use);
            char *more = xls_asprintf("%s%s%s", word, i ? "," : "", quoted);

            free(use);
            free(quoted);
            free(word);
            word = more;
        }
    close_config(config, null);
    if (changed) {
        char *whole = xls_asprintf("%s]", word);

        free(word);
        return whole;
    }
    free(word);
    return NULL;
}
