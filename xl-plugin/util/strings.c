/* SPDX-License-Identifier: LGPL-2.1-only */
#include "util/strings.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"

void str_replace(char **s, const char *value)
{
    char *copy = xls_strdup(value);

    free(*s);
    *s = copy;
}

char *path_from_root(const char *path)
{
    char *cwd, *whole;

    if (path[0] == '/')
        return xls_strdup(path);
    cwd = getcwd(NULL, 0);
    whole = cwd ? xls_asprintf("%s/%s", cwd, path) : NULL;
    free(cwd);
    return whole;
}

void strings_add(struct strings *l, const char *s)
{
    l->v = xls_realloc(l->v, l->num + 1, sizeof(*l->v));
    l->v[l->num++] = xls_strdup(s);
}

bool strings_has(const struct strings *l, const char *s)
{
    int i;

    for (i = 0; i < l->num; i++)
        if (str_same(l->v[i], s))
            return true;
    return false;
}

char *strings_join(const struct strings *l, const char *between)
{
    char *all = xls_strdup(""), *more;
    int i;

    for (i = 0; i < l->num; i++) {
        more = xls_asprintf("%s%s%s", all, i ? between : "", l->v[i]);
        free(all);
        all = more;
    }
    return all;
}

void strings_free(struct strings *l)
{
    int i;

    for (i = 0; i < l->num; i++)
        free(l->v[i]);
    free(l->v);
    memset(l, 0, sizeof(*l));
}

bool str_ends_with(const char *s, const char *end)
{
    size_t len = strlen(s), end_len = strlen(end);

    return len > end_len && !strcmp(s + len - end_len, end);
}
