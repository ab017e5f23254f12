/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/percent.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define NAME_MAX_LEN 64

bool snapshot_name_ok(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= NAME_MAX_LEN && *name != '.' && *name != '-' &&
           strspn(name, ALNUM "._-") == len;
}

int snapshot_name_check(const char *name, struct error *e)
{
    if (snapshot_name_ok(name))
        return 0;
    return error_set(e, "\"%.80s\" is no name for a snapshot: use 1 to %d of "
                     "A-Z a-z 0-9 . _ -, not starting with . or -",
                     name, NAME_MAX_LEN);
}

char *snapshot_name_deleted(const char *name, int number)
{
    char *end = xls_asprintf(".deleted.%d", number), *whole;

    whole = xls_asprintf("%.*s%s", NAME_MAX_LEN - (int)strlen(end), name, end);
    free(end);
    return whole;
}

char *snapshot_name_default(time_t now)
{
    struct tm tm;
    char text[32];

    if (!gmtime_r(&now, &tm) ||
        !strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm))
        abort();
    return xls_strdup(text);
}

static bool kept(const char *name, size_t i)
{
    return name[i] == '.' ? i > 0 : strchr(ALNUM "_-", name[i]) != NULL;
}

char *domain_name_encode(const char *name)
{
    return xls_percent_encode(name, kept);
}

int domain_name_check(const char *name, struct error *e)
{
    char *file = domain_name_encode(name);
    size_t len = strlen(file);

    free(file);
    if (len <= NAME_MAX)
        return 0;
    return error_set(e, "the name of domain %s is too long for snapshots: as "
                     "that of their directory, percent-encoded, it has %zu "
                     "bytes, and %d are possible; 'xl rename' to a shorter "
                     "one", name, len, NAME_MAX);
}

char *domain_name_decode(const char *file)
{
    char *name = xls_percent_decode(file, strlen(file)), *again;
    bool same;

    if (!name)
        return NULL;
    again = domain_name_encode(name);
    same = *name && !strcmp(again, file);
    free(again);
    if (!same) {
        free(name);
        name = NULL;
    }
    return name;
}
