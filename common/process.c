/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

char *xls_process(const char *pid, const char *unnamed)
{
    char *path = xls_asprintf("/proc/%s/comm", pid), name[64] = "";
    FILE *file = *pid ? fopen(path, "re") : NULL;

    free(path);
    if (file) {
        if (fgets(name, sizeof(name), file))
            name[strcspn(name, "\n")] = '\0';
        fclose(file);
    }
    return xls_asprintf("%s (process %s)", *name ? name : unnamed,
                        *pid ? pid : "unknown");
}
