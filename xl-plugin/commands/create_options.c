/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/create_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libxlutil.h>

#include "common/alloc.h"
#include "session/memory.h"
#include "store/names.h"

/* What was said on the command line; -1: nothing. */
struct said {
    int memory, live, paused;
    bool about_memory;
    const char *config;
};

void create_options_dispose(struct create_options *o)
{
    int i;

    for (i = 0; i < o->num_disks; i++)
        disk_option_dispose(&o->disks[i]);
    free(o->disks);
    free(o->domain);
    free(o->name);
    free(o->description);
    free(o->memory_path);
    memset(o, 0, sizeof(*o));
}

static bool has_disk(const struct create_options *o, const char *vdev)
{
    int i;

    for (i = 0; i < o->num_disks; i++)
        if (str_same(o->disks[i].vdev, vdev))
            return true;
    return false;
}

static void add_disk(struct create_options *o, const struct disk_option *disk)
{
    o->disks = xls_realloc(o->disks, o->num_disks + 1, sizeof(*o->disks));
    o->disks[o->num_disks++] = *disk;
}

static int add_disk_option(struct create_options *o, const char *text,
                           struct error *e)
{
    struct disk_option disk;

    if (disk_option_parse(text, &disk, e))
        return -1;
    if (has_disk(o, disk.vdev)) {
        error_set(e, "disk %s is named twice", disk.vdev);
        disk_option_dispose(&disk);
        return -1;
    }
    add_disk(o, &disk);
    return 0;
}

static int file_disks(struct create_options *o, XLU_Config *config,
                      int from_cli, struct error *e)
{
    XLU_ConfigList *list;
    const char *text;
    int i, j;

    if (xlu_cfg_get_list(config, "disks", &list, NULL, 1))
        return 0;
    for (i = 0; (text = xlu_cfg_get_listitem(list, i)); i++) {
        struct disk_option disk;
        bool given = false;

        if (disk_option_parse_positional(text, &disk, e))
            return -1;
        for (j = 0; j < from_cli; j++)
            given |= str_same(o->disks[j].vdev, disk.vdev);
        if (given) {
            disk_option_dispose(&disk);
        } else if (has_disk(o, disk.vdev)) {
            error_set(e, "disks: %s is named twice", disk.vdev);
            disk_option_dispose(&disk);
            return -1;
        } else {
            add_disk(o, &disk);
        }
    }
    return 0;
}

static void file_flag(XLU_Config *config, const char *key, int *flag)
{
    long value;

    if (*flag < 0 && !xlu_cfg_get_long(config, key, &value, 0))
        *flag = value != 0;
}

static int read_file(struct create_options *o, struct said *said,
                     struct error *e)
{
    XLU_Config *config = xlu_cfg_init(stderr, said->config);
    int ret;

    if (!config)
        abort();
    ret = xlu_cfg_readfile(config, said->config);
    if (ret) {
        ret = error_set(e, "cannot use the config file %s: %s", said->config,
                        strerror(ret));
    } else {
        if (!o->name)
            xlu_cfg_replace_string(config, "name", &o->name, 0);
        if (!o->description)
            xlu_cfg_replace_string(config, "description", &o->description, 0);
        file_flag(config, "memory", &said->memory);
        file_flag(config, "live", &said->live);
        file_flag(config, "paused", &said->paused);
        ret = file_disks(o, config, o->num_disks, e);
    }
    xlu_cfg_destroy(config);
    return ret;
}

static int memory_format(struct create_options *o, const char *text,
                         struct error *e)
{
    if (!strcmp(text, "image"))
        o->memory_format = LIBXL_SNAPSHOT_MEMORY_FORMAT_IMAGE;
    else if (!strcmp(text, "raw"))
        o->memory_format = LIBXL_SNAPSHOT_MEMORY_FORMAT_RAW;
    else
        return error_set(e, "there is no memory format \"%s\"; there are "
                         "image and raw", text);
    return 0;
}

static int memory_level(struct create_options *o, const char *text,
                        struct error *e)
{
    char *end;
    long level = strtol(text, &end, 10);

    if (end == text || *end || level < 0 || level > 19)
        return error_set(e, "--memory-level=%s is not one of 0 (nothing is "
                         "packed) to 19", text);
    o->memory_level = level;
    return 0;
}

static int max_layers(struct create_options *o, const char *text,
                      struct error *e)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end == text || *end || n < 2 || n > 1000)
        return error_set(e, "--max-layers=%s is not one of 2 to 1000", text);
    o->max_layers = n;
    return 0;
}

static int read_options(struct cli *cli, int argc, char **argv,
                        struct create_options *o, struct said *said)
{
    static const struct option options[] = {
        { "live", no_argument, NULL, 'l' },
        { "disk-only", no_argument, NULL, 'o' },
        { "memory", no_argument, NULL, 'm' },
        { "memory-format", required_argument, NULL, 'f' },
        { "memory-level", required_argument, NULL, 'L' },
        { "full", no_argument, NULL, 'F' },
        { "memory-path", required_argument, NULL, 'P' },
        { "ignore-room", no_argument, NULL, 'R' },
        { "max-layers", required_argument, NULL, 'x' },
        { "paused", no_argument, NULL, 'p' },
        { "description", required_argument, NULL, 'd' },
        { "disk", required_argument, NULL, 'D' },
        { "config", required_argument, NULL, 'c' },
        CLI_OPTIONS
    };
    struct error e = { 0 };
    int opt, code;

    while ((opt = cli_option(cli, argc, argv, options, &code)) != -1) {
        switch (opt) {
        case OPT_EXIT:
            return code;
        case 'l':
            said->live = 1;
            break;
        case 'o':
        case 'm':
            if (said->memory >= 0 && said->memory != (opt == 'm'))
                return cli_usage(cli, "--memory and --disk-only contradict "
                                 "each other");
            said->memory = opt == 'm';
            break;
        case 'f':
        case 'L':
            if (opt == 'f' ? memory_format(o, optarg, &e)
                           : memory_level(o, optarg, &e)) {
                code = cli_usage(cli, "%s", e.text);
                error_clear(&e);
                return code;
            }
            said->about_memory = true;
            break;
        case 'P':
            str_replace(&o->memory_path, optarg);
            said->about_memory = true;
            break;
        case 'R':
            o->ignore_room = said->about_memory = true;
            break;
        case 'x':
            if (max_layers(o, optarg, &e)) {
                code = cli_usage(cli, "%s", e.text);
                error_clear(&e);
                return code;
            }
            break;
        case 'F':
            o->full = true;
            said->about_memory = true;
            break;
        case 'p':
            said->paused = 1;
            break;
        case 'd':
            str_replace(&o->description, optarg);
            break;
        case 'c':
            said->config = optarg;
            break;
        case 'D':
            if (add_disk_option(o, optarg, &e)) {
                code = cli_usage(cli, "%s", e.text);
                error_clear(&e);
                return code;
            }
            break;
        }
    }
    return CREATE_GO_ON;
}

int create_options_parse(struct cli *cli, int argc, char **argv,
                         struct create_options *o)
{
    struct said said = { .memory = -1, .live = -1, .paused = -1 };
    struct error e = { 0 };
    int code;

    memset(o, 0, sizeof(*o));
    o->memory_level = MEMORY_LEVEL;
    o->max_layers = CREATE_MAX_LAYERS;
    code = read_options(cli, argc, argv, o, &said);
    if (code != CREATE_GO_ON)
        return code;
    code = cli_words(cli, argc, 1, 2);
    if (code)
        return code;
    if (said.live > 0 && said.memory == 0)
        return cli_usage(cli, "--live is about saving memory, --disk-only "
                         "saves none");
    if (said.about_memory && said.memory == 0)
        return cli_usage(cli, "--memory-format, --memory-level, --memory-path, "
                         "--ignore-room and --full are about saving memory, "
                         "--disk-only saves none");
    o->domain = xls_strdup(argv[optind]);
    if (argc - optind > 1)
        o->name = xls_strdup(argv[optind + 1]);
    if (said.config && read_file(o, &said, &e))
        return cli_fail(cli, &e);
    if (!o->name)
        o->name = snapshot_name_default(time(NULL));
    if (snapshot_name_check(o->name, &e)) {
        code = cli_usage(cli, "%s", e.text);
        error_clear(&e);
        return code;
    }
    o->memory = said.memory != 0;
    o->live = said.live > 0;
    o->paused = said.paused > 0;
    return CREATE_GO_ON;
}
