/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_UTIL_STRINGS_H
#define PLUGIN_UTIL_STRINGS_H

#include <stdbool.h>
#include <string.h>

/* A string of a generated type may be NULL or empty when there is none. */
static inline bool str_none(const char *s)
{
    return !s || !*s;
}

static inline bool str_same(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

/* Whether it is the URI of an NBD export, as a disk's image is named by. */
static inline bool is_nbd_uri(const char *s)
{
    return s && (!strncmp(s, "nbd://", 6) || !strncmp(s, "nbd+unix://", 11));
}

/* Replaces *s by a copy of value, which may be part of *s, or NULL. */
void str_replace(char **s, const char *value);

/* The path from the root; malloc'ed. NULL: there is no current directory. */
char *path_from_root(const char *path);

/* A growing list of owned strings; all 0 is the empty list. */
struct strings {
    char **v;
    int num;
};
void strings_add(struct strings *l, const char *s);
bool strings_has(const struct strings *l, const char *s);
/* All, with what is between two of them; malloc'ed. */
char *strings_join(const struct strings *l, const char *between);
void strings_free(struct strings *l);

/* Whether s ends with end, and is longer. */
bool str_ends_with(const char *s, const char *end);

#endif
