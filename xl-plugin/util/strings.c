/* SPDX-License-Identifier: LGPL-2.1-only */
#include "util/strings.h"

#include <stdlib.h>

#include "base/alloc.h"

void str_replace(char **s, const char *value)
{
    char *copy = xls_strdup(value);

    free(*s);
    *s = copy;
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

void strings_free(struct strings *l)
{
    int i;

    for (i = 0; i < l->num; i++)
        free(l->v[i]);
    free(l->v);
    memset(l, 0, sizeof(*l));
}
