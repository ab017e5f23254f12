/* SPDX-License-Identifier: LGPL-2.1-only */
#include "storage/image.h"

#include "base/freeze.h"

int image_freeze(const char *path, struct error *e)
{
    return xls_freeze(path, NULL) < 0
        ? error_errno(e, "cannot protect %s", path) : 0;
}

int image_thaw(const char *path, struct error *e)
{
    return xls_thaw(path)
        ? error_errno(e, "cannot make %s writable again", path) : 0;
}

bool image_frozen(const char *path)
{
    return xls_frozen(path);
}
