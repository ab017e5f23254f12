/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Instead of libc's, for all of the program: each call that changes a name in
 * the file system, and then changed(), which the including file defines.
 */
#ifndef XLS_TESTS_NAME_CHANGES_H
#define XLS_TESTS_NAME_CHANGES_H

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

static void changed(void);

/* The function of that name that this one stands before. */
#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

/* Calls it, and then changed(). */
#define CHANGING(name, parameters, arguments)                                 \
    int name parameters                                                       \
    {                                                                         \
        int r = REAL(name) arguments;                                         \
                                                                              \
        changed();                                                            \
        return r;                                                             \
    }

CHANGING(link, (const char *from, const char *to), (from, to))
CHANGING(linkat,
         (int from_dir, const char *from, int to_dir, const char *to,
          int flags),
         (from_dir, from, to_dir, to, flags))
CHANGING(rename, (const char *from, const char *to), (from, to))
CHANGING(renameat,
         (int from_dir, const char *from, int to_dir, const char *to),
         (from_dir, from, to_dir, to))
CHANGING(renameat2,
         (int from_dir, const char *from, int to_dir, const char *to,
          unsigned flags),
         (from_dir, from, to_dir, to, flags))
CHANGING(unlink, (const char *path), (path))
CHANGING(unlinkat, (int at, const char *path, int flags), (at, path, flags))

#endif
