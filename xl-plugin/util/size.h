/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_UTIL_SIZE_H
#define PLUGIN_UTIL_SIZE_H

#include <stdint.h>

/* Bytes as people read them, like "1.5 GiB"; malloc'ed. */
char *size_text(uint64_t bytes);

#endif
