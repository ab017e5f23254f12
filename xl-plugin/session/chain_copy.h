/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_SESSION_CHAIN_COPY_H
#define PLUGIN_SESSION_CHAIN_COPY_H

#include "session/disk_job.h"

/*
 * disk-copy --chain: all layers of a disk's chain are copied into a directory, or
 * to the exports of an NBD server, each under its own name and based on the next
 * by a relative one; the active layer by the library's job.
 */

/* Copies the lower layers, notes them, and starts the job. to: the directory,
 * or nbd://HOST[:PORT][/PREFIX] or nbd+unix:///[PREFIX]?socket=PATH. Returns as
 * a start of job_run. */
int chain_copy_start(struct disk_job *d, uint32_t domid, const char *to,
                     uint64_t speed, const libxl_snapshot_how *how);

/* Has the store follow a job of which layers are noted: once the domain is on
 * the copies, the store is, too; a copy that came to nothing is removed. */
int chain_copy_follow(struct session *s, struct cli *cli,
                      const xl_snapshot_job *noted, const libxl_disk_job *job,
                      struct error *e);

#endif
