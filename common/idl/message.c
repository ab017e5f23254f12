/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/idl/idl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define QUOTE_BYTES 60

/* Control characters of ASCII, and those of ISO 6429 at U+0080..U+009F, which
 * some terminals obey as well. */
static bool is_control(const unsigned char *s)
{
    return s[0] < 0x20 || s[0] == 0x7f ||
           (s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f);
}

char *xls_idl_quote(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char *end = s + strlen(text);
    bool cut = end - s > QUOTE_BYTES;
    char *out = xls_calloc(1, 6 * QUOTE_BYTES + sizeof("\"...\""));
    char *o = out;

    if (cut) {
        end = s + QUOTE_BYTES;
        while ((*end & 0xc0) == 0x80)   /* not within a character */
            end--;
    }
    *o++ = '"';
    for (; s < end; s++) {
        if (is_control(s)) {
            if (*s == 0xc2)
                s++;
            o += sprintf(o, "\\u%04x", *s);
        } else {
            if (*s == '"' || *s == '\\')
                *o++ = '\\';
            *o++ = *s;
        }
    }
    strcpy(o, cut ? "...\"" : "\"");
    return out;
}

static bool is_plain_key(const char *key)
{
    return *key && strlen(key) <= QUOTE_BYTES &&
           !key[strspn(key, "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

static char *path(const struct xls_idl_at *at)
{
    char *before, *quoted, *s;

    if (!at)
        return xls_strdup("");
    before = path(at->up);
    if (!at->key) {
        s = xls_asprintf("%s[%d]", before, at->index);
    } else {
        quoted = is_plain_key(at->key) ? xls_strdup(at->key)
                                       : xls_idl_quote(at->key);
        s = xls_asprintf("%s%s%s", before, *before ? "." : "", quoted);
        free(quoted);
    }
    free(before);
    return s;
}

bool xls_idl_fail(struct xls_idl_reader *r, const struct xls_idl_at *at,
                  const char *fmt, ...)
{
    char *where = path(at);
    char *what = NULL;
    va_list al;

    va_start(al, fmt);
    if (vasprintf(&what, fmt, al) < 0)
        abort();
    va_end(al);
    r->error = xls_asprintf("%s%s%s", where, *where ? ": " : "", what);
    free(what);
    free(where);
    return false;
}

bool xls_idl_refused(struct xls_idl_reader *r, const struct xls_idl_at *at,
                     const char *type, int rc)
{
    return xls_idl_fail(r, at, "libxl does not take this as a %s (error %d); "
                        "its log has the reason", type, rc);
}

bool xls_idl_failed_inside(struct xls_idl_reader *r,
                           const struct xls_idl_at *at, char *error)
{
    char *where = path(at);

    r->error = xls_asprintf("%s%s%s", where, *where ? "." : "", error);
    free(where);
    free(error);
    return false;
}
