/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_COMMON_IO_H
#define XLS_COMMON_IO_H

#include <stddef.h>
#include <sys/types.h>

/* write(2) of all, or pwrite(2) where offset is not negative; read(2) of as much
 * as there is and as fits. -1: errno is set. */
int xls_write_all(int fd, const void *data, size_t len, off_t offset);
ssize_t xls_read_all(int fd, void *data, size_t size);

#endif
