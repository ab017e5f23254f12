/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_REPLACE_H
#define XLS_COMMON_REPLACE_H

#include <stddef.h>

/*
 * Has the file name in the open directory dir hold these bytes, durably: a
 * power cut leaves all of the former content or all of this. Its mode is 0600.
 * The bytes are first in the file temp there; a lock of the caller's has to
 * keep others away, so what is there under that name is left from a crash.
 * Returns 0, or -1 with errno set, *failed being what could not be done, as in
 * "cannot <failed>".
 */
int xls_replace(int dir, const char *name, const char *temp, const void *data,
                size_t len, const char **failed);

#endif
