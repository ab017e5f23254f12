/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_REVERT_DISKS_H
#define PLUGIN_COMMANDS_REVERT_DISKS_H

#include "cli/cli.h"

/*
 * Plans the disks of a revert: a new overlay on each frozen layer of the
 * snapshot, which takes over the path of today's active layer where that is
 * an overlay of our kind. made gets the names of the new files; after a failure
 * none. A disk with an internal snapshot goes back by the storage step
 * (revert_internal), or, where its image has become a frozen layer since, by
 * a copy of that state, which becomes the snapshot's layer.
 */
int revert_disks(struct cli *cli, struct session *s, xl_snapshot_record *rec,
                 libxl_domain_snapshot_args *args, struct strings *made,
                 struct error *e);

/* Makes the layers that revert_disks has planned, once the store notes their
 * names: a killed command leaves none that nobody knows. On failure *made is
 * what was made. */
int revert_make_layers(const xl_snapshot_record *rec,
                       const libxl_domain_snapshot_args *args,
                       struct strings *made, struct error *e);

/* Disks of the configuration that the snapshot does not have stay as they are
 * today; one that the domain does not have now must not be another one's. */
int revert_other_disks(struct cli *cli, const struct session *s,
                       const xl_snapshot_record *rec,
                       libxl_domain_config *config, struct error *e);

/* What libxl_snapshot_how's storage is asked for; a libxl error, said. */
int revert_internal(struct cli *cli, const libxl_disk_snapshot *disk);

#endif
