/* SPDX-License-Identifier: LGPL-2.1-only */
#include "base/text.h"

#include <string.h>

#include "base/alloc.h"

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
