/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl.h>

#include "common/alloc.h"

char *xls_harmless(const char *text, size_t max)
{
    size_t len = strlen(text), i;
    char *s;

    if (len > max) {
        len = max;
        while (((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    s = xls_memdup0(text, len);
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c == 0x7f) {
            s[i] = '?';
        } else if (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0) {
            s[i] = '?';
            memmove(s + i + 1, s + i + 2, len - i - 1);
            len--;
        }
    }
    return s;
}

/*
 * yajl's own check takes overlong forms, surrogates and values past U+10FFFF;
 * this takes what RFC 3629 defines.
 */
bool xls_utf8_valid(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i, more;
    unsigned long c, min;

    for (i = 0; i < len; i++) {
        if (s[i] < 0x80)
            continue;
        if (s[i] >= 0xc2 && s[i] <= 0xdf) {
            more = 1;
            c = s[i] & 0x1f;
            min = 0x80;
        } else if ((s[i] & 0xf0) == 0xe0) {
            more = 2;
            c = s[i] & 0x0f;
            min = 0x800;
        } else if (s[i] >= 0xf0 && s[i] <= 0xf4) {
            more = 3;
            c = s[i] & 0x07;
            min = 0x10000;
        } else {
            return false;
        }
        for (; more; more--) {
            if (++i == len || (s[i] & 0xc0) != 0x80)
                return false;
            c = c << 6 | (s[i] & 0x3f);
        }
        if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
    }
    return true;
}

/* The length of the character that s, of at most len bytes, begins with; 0 when
 * it is none that can be shown. */
static size_t shown(const char *s, size_t len)
{
    size_t n;

    for (n = 1; n <= 4 && n <= len; n++)
        if (xls_utf8_valid(s, n))
            break;
    if (n > 4 || n > len)
        return 0;
    if (n == 1)
        return (unsigned char)s[0] >= 0x20 && s[0] != 0x7f;
    return n == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0
               ? 0 : n;
}

char *xls_visible(const char *text, size_t max)
{
    size_t len = strnlen(text, max), i = 0, n;
    char *out = xls_calloc(4 * len + 1, 1), *o = out;

    while (i < len) {
        n = shown(text + i, strlen(text + i));
        if (n) {
            o = mempcpy(o, text + i, n);
            i += n;
        } else {
            o += sprintf(o, "\\x%02x", (unsigned char)text[i++]);
        }
    }
    return out;
}

int xls_text_check(const struct xls_log *log, const char *what,
                   const char *text)
{
    char *visible;

    if (!text || xls_utf8_valid(text, strlen(text)))
        return 0;
    visible = xls_visible(text, 200);
    XLS_ERROR(log, "%s \"%s\" is not UTF-8, which names must be here; rename "
              "it, or use a link with another name", what, visible);
    free(visible);
    return ERROR_INVAL;
}
