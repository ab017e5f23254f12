/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_PACKER_H
#define XLS_MEMIMAGE_PACKER_H

#include <stdbool.h>

#include "common/log.h"
#include "memimage/format.h"

/*
 * Packs blocks on threads of its own and writes them, in the order in which
 * they came, one right after the other. For one caller.
 */
struct xls_packer;

/*
 * path: for messages. The first block goes to offset. hurry: a block that the
 * threads have not come to when there is no more room is written as it is,
 * rather than that the caller waits.
 */
struct xls_packer *xls_packer_new(const struct xls_log *log, int fd,
                                  const char *path, const uint8_t id[16],
                                  uint64_t offset, int level, unsigned threads,
                                  bool hurry);
/* Ends the threads; blocks that are not written yet are dropped. */
void xls_packer_free(struct xls_packer *p);             /* NULL is fine */

/* Takes the buffer of IMAGE_BLOCK bytes, and gives another for it. Says what
 * went wrong with an earlier block, too. */
int xls_packer_add(struct xls_packer *p, enum image_block_type type,
                   uint8_t **data, size_t len);
/* Waits until all is written. */
int xls_packer_finish(struct xls_packer *p);

/* After that: the table, and where the last block ends. */
const struct image_entry *xls_packer_table(const struct xls_packer *p,
                                           uint32_t *blocks, uint64_t *end);

#endif
