/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_COMMANDS_CREATE_OPTIONS_H
#define PLUGIN_COMMANDS_CREATE_OPTIONS_H

#include "cli/cli.h"
#include "commands/disk_option.h"

struct create_options {
    char *domain, *name, *description;
    bool memory, live, paused;
    libxl_snapshot_memory_format memory_format;
    int memory_level;
    char *memory_path;          /* NULL: in the store */
    bool ignore_room;
    unsigned max_layers;        /* of a disk, the new one included */
    bool full;                  /* memory is not based on an earlier image */
    struct disk_option *disks;
    int num_disks;
};

/* Where nothing is said; as the library has it. */
#define CREATE_MAX_LAYERS 64

/* From the command line and, for what is not said there, the config file.
 * Returns an exit code, or CREATE_GO_ON. */
enum { CREATE_GO_ON = -1 };
int create_options_parse(struct cli *cli, int argc, char **argv,
                         struct create_options *o);
void create_options_dispose(struct create_options *o);

/*
 * What each disk does: the library's default set, changed by the options, with
 * the paths of the new files:
 *  - an overlay of the disk's own format takes over the disk's path, and the
 *    frozen layer becomes <path>.<snapshot>, so that the domain's config file
 *    stays true;
 *  - otherwise the overlay is <path>.active.qcow2.
 */
int create_disks(struct cli *cli, struct session *s,
                 const struct create_options *o,
                 libxl_domain_snapshot_args *args, struct error *e);

/* <path><stem><extension>, or with .1, .2, … before the extension where that
 * exists already. */
char *free_path(const char *path, const char *stem, const char *extension);

#endif
