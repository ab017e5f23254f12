/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_BASE_TEXT_H
#define XLS_BASE_TEXT_H

#include <stddef.h>

/*
 * A copy of text from QEMU that is fit for a terminal: control characters (C0,
 * DEL and, as UTF-8, C1) become '?', and it is cut at a whole character, after
 * max bytes at the most. malloc'ed.
 */
char *xls_harmless(const char *text, size_t max);

#endif
