/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "util/strings.h"

const struct command commands[] = {
    { "snapshot-create", "DOMAIN [NAME] [OPTIONS]",
      "Take a snapshot of a running domain: memory and disks",
      "--live                 let the guest run while its memory is saved\n"
      "--disk-only            the disks alone, without memory\n"
      "--memory               with memory, whatever --config says\n"
      "--memory-format=image|raw\n"
      "                       raw: a file as xl save writes it\n"
      "--memory-level=0..19   how well an image is packed (zstd); 1 by "
      "default\n"
      "--memory-path=FILE     where the memory is kept; must not exist\n"
      "--ignore-room          even if there may not be room for it there\n"
      "--full                 an image that needs none of an earlier snapshot\n"
      "--max-layers=2..1000   so many layers may a disk have then; 64 by "
      "default\n"
      "--paused               leave the domain paused\n"
      "--description=TEXT     what the snapshot is for\n"
      "--disk=VDEV[,method=external|internal|none][,path=FILE][,format=FMT]\n"
      "       [,on_delete=forward|backward]\n"
      "                       how this disk takes part; disks that are not\n"
      "                       named take part as they do by default\n"
      "--config=FILE          name=, description=, memory=, live=, paused=,\n"
      "                       disks=['path,format,vdev', ...] from a file\n",
      command_create, false },
    { "snapshot-list", "DOMAIN [--tree]",
      "List a domain's snapshots",
      "--tree                 draw which one is based on which\n",
      command_list, false },
    { "snapshot-info", "DOMAIN NAME",
      "Show all that is known about a snapshot", NULL, command_info, false },
    { "snapshot-revert", "DOMAIN NAME [OPTIONS]",
      "Put a domain, running or not, back into a snapshot's state",
      "--paused               leave the domain paused\n"
      "--destroy-first        destroy the running domain before the new one\n"
      "                       is built, without saving its memory\n"
      "--force                although the snapshot, which has memory, does\n"
      "                       not cover every writable disk\n"
      "--config=FILE          another configuration, as for xl create; the\n"
      "                       disks are the snapshot's\n",
      command_revert, false },
    { "snapshot-delete", "DOMAIN NAME [OPTIONS]",
      "Delete a snapshot; what is based on it stays as it is",
      "--children             and all snapshots below it\n"
      "--children-only        all snapshots below it, but not itself\n"
      "--merge=forward|backward\n"
      "                       its data goes into the layers above it, or that\n"
      "                       of the layer above into its own\n"
      "--metadata             forget it, and leave all its files\n",
      command_delete, false },
    { "snapshot-undo", "DOMAIN",
      "Take the current snapshot back; the running domain goes on as it is",
      NULL, command_undo, false },
    { "snapshot-current", "DOMAIN",
      "Name the snapshot that the domain's disks are based on", NULL,
      command_current, false },
    { "snapshot-verify", "DOMAIN [NAME]",
      "Check that all files of a domain's snapshots, or of one, are sound",
      NULL, command_verify, false },
    { "snapshot-relocate", "DOMAIN OLD NEW",
      "Have the snapshots follow images that were moved or copied by hand",
      NULL, command_relocate, false },
    { "snapshot-export", "DOMAIN NAME FILE",
      "Write a snapshot's memory to a new file as 'xl save' does", NULL,
      command_export, false },
    { "snapshot-import", "DOMAIN NAME FILE [--force]",
      "Make a file of 'xl save' the lost or damaged memory of a snapshot",
      "--force                whatever disks FILE is for\n",
      command_import, false },
    { "disk-chain", "DOMAIN [VDEV] [--flat] [--validate]",
      "Show the layers that a running domain's disks are made of",
      "--flat                 a list in which each layer names its parent\n"
      "--validate             compare with the images' headers and libxl's\n"
      "                       records; exit status 1 if something disagrees\n",
      command_disk_chain, false },
    { "disk-pull", "DOMAIN VDEV [--base=PATH] [--speed=BYTES] [--async]",
      "Pull lower layers' data up into the active layer of a disk in use",
      "--base=PATH            down to this layer, which stays\n"
      "--speed=BYTES          per second at most; K, M and G may follow\n"
      "--async                do not wait for the end\n",
      command_disk_pull, false },
    { "disk-commit", "DOMAIN VDEV [--top=PATH] [--base=PATH] [--force] "
      "[--speed=BYTES] [--async]",
      "Write upper layers' data down into a lower layer of a disk in use",
      "--top=PATH             from this layer down; else the active one\n"
      "--base=PATH            into this layer; else the one below the top\n"
      "--force                although it is no layer of the domain's snapshots\n"
      "--speed=BYTES          per second at most; K, M and G may follow\n"
      "--async                do not wait for the end\n",
      command_disk_commit, false },
    { "disk-copy", "DOMAIN VDEV TARGET [--pivot|--finish] [OPTIONS]",
      "Mirror a disk in use to a file, a block device or an NBD export, or "
      "with its whole chain to a directory",
      "--pivot                go over to the copy when it is complete\n"
      "--finish               end with a complete copy, without going over\n"
      "--shallow              the active layer alone, on the same lower ones\n"
      "--reuse-external       the target is an image made for this\n"
      "--keep-path            with a pivot, it gets the disk's path\n"
      "--chain                with all lower layers, into the directory TARGET\n"
      "                       or the exports below nbd://HOST[:PORT][/PREFIX]\n"
      "--format=raw|qcow2     of the copy\n"
      "--speed=BYTES          per second at most; K, M and G may follow\n"
      "--async                do not wait until it is complete\n",
      command_disk_copy, false },
    { "disk-job", "DOMAIN VDEV [--info|--wait|--abort|--pivot|--speed=BYTES]",
      "Look after a job on a disk",
      "--info                 what is known of it (the default)\n"
      "--wait                 wait until it is ready or has ended\n"
      "--abort                end it without going over to the other side\n"
      "--pivot                end it by going over to the other side\n"
      "--speed=BYTES          per second at most; 0 for no limit\n"
      "--async                with --abort: do not wait for the end\n",
      command_disk_job, false },
    { "snapshot-help", "[COMMAND]", "Explain these commands", NULL,
      command_help_run, false },
    { "exec-create", "XL WORDS...", "", NULL, command_exec_create, true },
    { "exec-rename", "XL WORDS...", "", NULL, command_exec_rename, true },
    { "exec-detached", "DOMAIN", "", NULL, command_exec_detached, true },
    { "supervise", "NAME DOMID", "", NULL, command_supervise, true },
    { 0 }
};

const struct command *command_find(const char *name)
{
    const struct command *c;

    for (c = commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static void list_commands(const char *title, const char *prefix)
{
    const struct command *c;

    printf("%s:\n\n", title);
    for (c = commands; c->name; c++)
        if (!c->hidden && !strncmp(c->name, prefix, strlen(prefix)))
            printf(" %-18s %s\n", c->name, c->summary);
    putchar('\n');
}

int command_help_run(struct cli *cli, int argc, char **argv)
{
    const struct command *c;

    if (argc > 1) {
        c = command_find(argv[1]);
        if (!c || c->hidden)
            return cli_usage(cli, "there is no command \"%s\"", argv[1]);
        command_help(c);
        return EXIT_OK;
    }
    list_commands("Snapshots of domains", "snapshot-");
    list_commands("Disks of running domains", "disk-");
    puts("'xl snapshot-help COMMAND', xl-snapshot(8) and xl-disk(8) say more.");
    return EXIT_OK;
}

/* Records, journals and QEMU take no other; what is passed on to xl may be
 * what it likes. */
static int check_words(struct cli *cli, int argc, char **argv)
{
    char *visible;
    int i, code;

    for (i = 1; i < argc && !cli->command->hidden; i++) {
        if (xls_utf8_valid(argv[i], strlen(argv[i])))
            continue;
        visible = xls_visible(argv[i], 200);
        code = cli_usage(cli, "\"%s\" is not UTF-8, which names must be here; "
                         "rename it, or use a link with another name",
                         visible);
        free(visible);
        return code;
    }
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    struct cli cli = { .level = XTL_NOTICE };
    xentoollog_logger_stdiostream *logger;
    unsigned flags = 0;
    int opt, code;

    while ((opt = getopt(argc, argv, "+vftTN")) >= 0) {
        switch (opt) {
        case 'v':
            /* As xl, which starts at XTL_PROGRESS. */
            if (cli.level > XTL_PROGRESS)
                cli.level = XTL_PROGRESS;
            if (cli.level > XTL_DEBUG)
                cli.level--;
            break;
        case 'T':
            flags |= XTL_STDIOSTREAM_SHOW_DATE | XTL_STDIOSTREAM_SHOW_PID;
            break;
        case 't':
        case 'f':
            break;
        case 'N':
            fprintf(stderr, "command does not implement -N (dryrun) option\n");
            return EXIT_FAILED;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        command_help_run(&cli, 1, argv);
        return EXIT_USAGE;
    }
    cli.command = command_find(argv[optind]);
    if (!cli.command) {
        fprintf(stderr, "xl: there is no command \"%s\"; 'xl snapshot-help' "
                "lists those that there are\n", argv[optind]);
        return EXIT_USAGE;
    }
    logger = xtl_createlogger_stdiostream(stderr, cli.level, flags);
    if (!logger)
        return EXIT_FAILED;
    cli.logger = (xentoollog_logger *)logger;
    argc -= optind;
    argv += optind;
    /* Afresh: for a command, options may come after words. */
    optind = 0;
    code = check_words(&cli, argc, argv);
    if (code == EXIT_OK)
        code = cli.command->run(&cli, argc, argv);
    if (cli.ctx)
        libxl_ctx_free(cli.ctx);
    xtl_logger_destroy(cli.logger);
    if (fflush(stdout) || ferror(stdout)) {
        perror("xl: stdout");
        return EXIT_FAILED;
    }
    return code;
}
