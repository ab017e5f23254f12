/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/image.h"

#include <sys/stat.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/freeze.h"
#include "common/names.h"

int image_freeze(const char *path, struct error *e)
{
    return xls_freeze(path, true, NULL) == XLS_FROZEN_ERROR
        ? error_errno(e, "cannot protect %s", path) : 0;
}

int image_freeze_again(const char *path, struct error *e)
{
    return xls_freeze_again(path) == XLS_FROZEN_ERROR
        ? error_errno(e, "cannot protect %s", path) : 0;
}

int image_mark(const char *path, struct error *e)
{
    return xls_frozen(path) ? image_freeze_again(path, e) : 0;
}

static int thawed(enum xls_frozen result, const char *path, struct error *e)
{
    switch (result) {
    case XLS_FROZEN_ERROR:
        return error_errno(e, "cannot make %s writable again", path);
    case XLS_FROZEN_OTHERS:
        return error_set(e, XLS_FROZEN_OTHERS_TEXT, path, path);
    default:
        return 0;
    }
}

int image_thaw(const char *path, struct error *e)
{
    return thawed(xls_thaw(path), path, e);
}

int image_thaw_now(const char *path, struct error *e)
{
    return thawed(xls_thaw_now(path), path, e);
}

bool image_frozen(const char *path)
{
    return xls_frozen(path);
}

char *image_unprotected(const char *path)
{
    char *type, *why;
    struct stat st;
    int error = 0;

    if (!stat(path, &st) && S_ISBLK(st.st_mode))
        return xls_strdup("a block device cannot be made immutable");
    if (xls_freeze(path, false, &error) == XLS_FROZEN)
        return NULL;
    type = xls_file_system(path);
    why = xls_asprintf("it cannot be made immutable on this file system (%s): "
                       "%s", type ? type : "of unknown type",
                       strerror(error));
    free(type);
    return why;
}
