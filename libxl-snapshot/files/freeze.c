/* SPDX-License-Identifier: LGPL-2.1-only */
#include "files/files.h"

#include <errno.h>

#include <libxl_snapshot.h>

#include "base/freeze.h"

void xls_file_freeze(const struct xls_log *log, const char *path)
{
    int why_not;

    switch (xls_freeze(path, &why_not)) {
    case 0:
        return;
    case 1:
        xls_log(log, XTL_NOTICE, why_not, "the frozen layer %s could only be "
                "made read-only, not immutable: root can still write it by "
                "mistake", path);
        return;
    default:
        xls_log(log, XTL_WARN, errno, "cannot protect the frozen layer %s",
                path);
    }
}

int xls_file_thaw(const struct xls_log *log, const char *path)
{
    if (!xls_thaw(path) || errno == ENOENT)
        return 0;
    XLS_ERRORE(log, "cannot make %s writable again", path);
    return ERROR_SNAPSHOT_STORAGE;
}
