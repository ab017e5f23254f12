/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_UNIQUE_H
#define XLS_COMMON_UNIQUE_H

#include <stdbool.h>

/* Names that nobody can predict. malloc'ed. */

/* "xls-<tag>-<8 hex digits>", short, since QEMU reads its commands byte by
 * byte. At most 10 characters of the tag are used. */
char *xls_unique_name(const char *tag);
/* Whether the name is one of this tag. */
bool xls_unique_name_is_of(const char *name, const char *tag);
/*
 * "<path>.xls-new-<8 hex digits>": the temporary name of a file beside path.
 * The file must be made with O_EXCL, link(2) or RENAME_NOREPLACE all the same.
 */
char *xls_unique_path(const char *path);

#endif
