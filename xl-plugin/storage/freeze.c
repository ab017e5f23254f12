/* SPDX-License-Identifier: LGPL-2.1-only */
#include "storage/image.h"

#include "base/freeze.h"

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

int image_thaw(const char *path, struct error *e)
{
    switch (xls_thaw(path)) {
    case XLS_FROZEN_ERROR:
        return error_errno(e, "cannot make %s writable again", path);
    case XLS_FROZEN_OTHERS:
        return error_set(e, XLS_FROZEN_OTHERS_TEXT, path, path);
    default:
        return 0;
    }
}

bool image_frozen(const char *path)
{
    return xls_frozen(path);
}
