/* SPDX-License-Identifier: LGPL-2.1-only */
#include "common/percent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

char *xls_percent_encode(const char *text)
{
    char *coded = xls_calloc(strlen(text) * 3 + 1, 1), *to = coded;

    for (; *text; text++)
        if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
            (*text >= '0' && *text <= '9') || strchr("-._~", *text))
            *to++ = *text;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*text);
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
