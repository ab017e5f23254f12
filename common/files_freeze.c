/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/files.h"

#include <errno.h>

#include <libxl_snapshot.h>

#include "common/freeze.h"

static void freeze(const struct xls_log *log, const char *path, bool sync)
{
    int why_not;

    switch (xls_freeze(path, sync, &why_not)) {
    case XLS_FROZEN_WEAKLY:
        xls_log(log, XTL_NOTICE, why_not, "the frozen layer %s could only be "
                "made read-only, not immutable: root can still write it by "
                "mistake", path);
        return;
    case XLS_FROZEN_ERROR:
        xls_log(log, XTL_WARN, errno, "cannot protect the frozen layer %s",
                path);
        return;
    default:
        return;
    }
}

void xls_file_freeze(const struct xls_log *log, const char *path)
{
    freeze(log, path, true);
}

void xls_file_freeze_now(const struct xls_log *log, const char *path)
{
    freeze(log, path, false);
}

int xls_file_thaw(const struct xls_log *log, const char *path)
{
    switch (xls_thaw(path)) {
    case XLS_FROZEN_ERROR:
        if (errno == ENOENT)
            return 0;
        XLS_ERRORE(log, "cannot make %s writable again", path);
        return ERROR_SNAPSHOT_STORAGE;
    case XLS_FROZEN_OTHERS:
        XLS_ERROR(log, XLS_FROZEN_OTHERS_TEXT, path, path);
        return ERROR_SNAPSHOT_STORAGE;
    default:
        return 0;
    }
}
