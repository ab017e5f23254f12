/* SPDX-License-Identifier: LGPL-2.1-only */
#include "block/vdev.h"

#include <stdbool.h>
#include <string.h>

/* Device numbers of docs/man/xen-vbd-interface(7). */
#define EXTENDED(disk, part)    ((1 << 28) | (disk) << 8 | (part))

#define MAX_DISK    (1L << 20)

/* "a" is 0, "z" 25, "aa" 26; -1 when there is no letter or too many. */
static long disk_letters(const char **s)
{
    long disk = -1;

    for (; **s >= 'a' && **s <= 'z'; (*s)++) {
        disk = (disk + 1) * 26 + (**s - 'a');
        if (disk >= MAX_DISK)
            return -1;
    }
    return disk;
}

/* A decimal number, or 0 when there is none; -1 when it is too large. */
static long number(const char **s)
{
    long n = 0;

    for (; **s >= '0' && **s <= '9'; (*s)++) {
        n = n * 10 + (**s - '0');
        if (n >= MAX_DISK)
            return -1;
    }
    return n;
}

static int xvd_number(long disk, long part)
{
    return disk < 16 && part < 16 ? 202 << 8 | disk << 4 | part
                                  : EXTENDED(disk, part);
}

int xls_vdev_number(const char *name)
{
    bool lettered = strlen(name) > 2;
    const char *s = name;
    long disk, part;

    if (!strncmp(s, "xvd", 3))
        s += 3;
    else if (lettered && (!strncmp(s, "hd", 2) || !strncmp(s, "sd", 2)))
        s += 2;
    else if (*s == 'd' && s[1] >= '0' && s[1] <= '9')
        s++;
    else
        return -1;

    if (*name == 'd') {
        disk = number(&s);
        if (*s == 'p')
            s++;
    } else {
        disk = disk_letters(&s);
    }
    part = number(&s);
    if (disk < 0 || part < 0 || part > 255 || *s)
        return -1;
    switch (*name) {
    case 'h':
        return disk > 3 || part > 63 ? -1
               : (disk < 2 ? 3 : 22) << 8 | (disk & 1) << 6 | part;
    case 's':
        return disk > 15 || part > 15 ? -1 : 8 << 8 | disk << 4 | part;
    default:
        return xvd_number(disk, part);
    }
}
