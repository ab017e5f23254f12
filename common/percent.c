/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/percent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

static bool is_unreserved(const char *text, size_t i)
{
    return (text[i] >= 'a' && text[i] <= 'z') ||
           (text[i] >= 'A' && text[i] <= 'Z') ||
           (text[i] >= '0' && text[i] <= '9') || strchr("-._~", text[i]);
}

char *xls_percent_encode(const char *text,
                         bool (*keep)(const char *text, size_t i))
{
    char *coded = xls_calloc(strlen(text) * 3 + 1, 1), *to = coded;
    size_t i;

    for (i = 0; text[i]; i++)
        if (keep ? keep(text, i) : is_unreserved(text, i))
            *to++ = text[i];
        else
            to += sprintf(to, "%%%02X", (unsigned char)text[i]);
    return coded;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *xls_percent_decode(const char *s, size_t len)
{
    char *text = xls_memdup0(s, len), *to = text;
    size_t i;

    for (i = 0; i < len; i++, to++) {
        int high, low;

        *to = s[i];
        if (s[i] != '%')
            continue;
        high = i + 2 < len ? hex(s[i + 1]) : -1;
        low = i + 2 < len ? hex(s[i + 2]) : -1;
        if (high < 0 || low < 0 || !(high << 4 | low)) {
            free(text);
            return NULL;
        }
        *to = (char)(high << 4 | low);
        i += 2;
    }
    *to = '\0';
    return text;
}
