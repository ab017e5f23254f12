/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Snapshots inside a qcow2 image. qemu-img takes what it is given for -a as an
 * ID first and as a name only then, for -d as a name (before QEMU 4.0 as either,
 * whichever comes first in the image). A snapshot may be named like the ID of
 * another one, and two may have one name. So the ID that belongs to a name is
 * read first, and used wherever qemu-img takes one.
 */
#include "layers/image.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/names.h"
#include "layers/run.h"

#define DIGITS "0123456789"

int image_internal_named(const struct image *image, const char *name)
{
    int i, num = 0;

    for (i = 0; i < image->internal.num; i++)
        num += str_same(image->internal.v[i], name);
    return num;
}

static int pick_id(const struct image *image, const char *path,
                   const char *name, char **id, struct error *e)
{
    int i, num = image_internal_named(image, name), same = 0;

    if (!num)
        return error_set(e, "%s holds no internal snapshot \"%s\"", path,
                         name);
    if (num > 1)
        return error_set(e, "%s holds %d internal snapshots named \"%s\", and "
                         "which of them is meant is not known; 'qemu-img "
                         "snapshot -l' lists them", path, num, name);
    for (i = 0; !str_same(image->internal.v[i], name); i++)
        ;
    *id = xls_strdup(image->internal_ids.v[i]);
    for (i = 0; i < image->internal_ids.num; i++)
        same += str_same(image->internal_ids.v[i], *id);
    if (same == 1 && **id && !(*id)[strspn(*id, DIGITS)])
        return 0;
    return error_set(e, "%s: the ID \"%.40s\" of internal snapshot \"%s\" is "
                     "not a number of its own; the image was not written by "
                     "QEMU, or is damaged", path, *id, name);
}

static int find_id(const char *path, const char *name, char **id,
                   struct error *e)
{
    struct image image;
    int ret;

    *id = NULL;
    if (image_info(path, LIBXL_DISK_FORMAT_QCOW2, &image, e))
        return -1;
    ret = pick_id(&image, path, name, id, e);
    image_dispose(&image);
    return ret;
}

/* The image with its format, for a qemu-img command that has no -f in
 * QEMU 7.2; malloc'ed. A comma in an option's value is written twice. */
static char *image_options(const char *path)
{
    static const char start[] = "driver=qcow2,file.filename=";
    char *text = xls_calloc(sizeof(start) + 2 * strlen(path), 1), *p;

    for (p = stpcpy(text, start); *path; path++) {
        *p++ = *path;
        if (*path == ',')
            *p++ = ',';
    }
    return text;
}

static int snapshot(const char *option, const char *which, const char *path,
                    struct error *e)
{
    char *image = image_options(path);
    const char *argv[] = { "qemu-img", "snapshot", "-q", option, which,
                           "--image-opts", image, NULL };
    int ret = run(argv, NULL, NULL, e) || image_sync(path, e) ? -1 : 0;

    free(image);
    return ret;
}

int image_internal_apply(const char *path, const char *name, struct error *e)
{
    char *id = NULL;
    int ret = find_id(path, name, &id, e);

    if (!ret)
        ret = snapshot("-a", id, path, e);
    free(id);
    return ret;
}

int image_internal_delete(const char *path, const char *name, struct error *e)
{
    char *id = NULL;
    int ret = find_id(path, name, &id, e);

    if (!ret)
        ret = snapshot("-d", name, path, e);
    free(id);
    return ret;
}

int image_internal_extract(const char *path, const char *name,
                           const char *new_path, struct error *e)
{
    char *id = NULL, *which = NULL;
    const char *argv[] = { "qemu-img", "convert", "-q", "-U", "-f", "qcow2",
                           "-O", "qcow2", "-l", NULL, "--", path, new_path,
                           NULL };
    int ret = -1;

    if (find_id(path, name, &id, e) || image_reserve(new_path, path, e))
        goto out;
    which = xls_asprintf("snapshot.id=%s,snapshot.name=%s", id, name);
    argv[9] = which;
    ret = run(argv, NULL, NULL, e) || image_sync(new_path, e) ? -1 : 0;
    if (ret)
        xls_unlink(new_path, true);

out:
    free(which);
    free(id);
    return ret;
}
