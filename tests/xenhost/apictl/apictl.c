/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The library's public functions as commands, for tests of what the plugin
 * does not reach. Arguments are JSON files of the generated types; the result
 * is printed as JSON, an error as its name, with exit code 1.
 *
 *   apictl disks DOMID
 *   apictl create|delete DOMID ARGS.json [--storage COMMAND] [--cancel-at BYTES]
 *   apictl revert DOMID|none CONFIG.json ARGS.json [--storage COMMAND]
 *   apictl chain-changed DOMID VDEV [PATH FORMAT]
 *   apictl recover DOMID
 *   apictl time-transaction DOMID ACTIONS.json
 *
 * The last one sends the actions as one QMP transaction by the library's own
 * client and prints the microseconds from sent to reply, to set beside the
 * window_us of a create.
 *
 * COMMAND is run by sh with the step's number and the vdev as $1 and $2.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl_snapshot.h>
#include <libxl_utils.h>

#include "op.h"

static const char *storage_command;
static unsigned long long cancel_at;

static void die(const char *what, const char *arg)
{
    fprintf(stderr, "apictl: %s: %s\n", what, arg);
    exit(2);
}

static int run_storage(void *user, libxl_snapshot_storage_step step,
                       uint32_t domid, const libxl_disk_snapshot *disk)
{
    char number[16];
    int status;
    pid_t pid;

    (void)user;
    (void)domid;
    snprintf(number, sizeof(number), "%d", step);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", storage_command, "storage", number,
              disk->disk.vdev, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return ERROR_FAIL;
    return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : ERROR_FAIL;
}

static int on_progress(void *user, const libxl_snapshot_progress *p)
{
    (void)user;
    return cancel_at && p->done >= cancel_at;
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t len = 0;

    if (!f || getdelim(&text, &len, '\0', f) < 0)
        die("cannot read", path);
    fclose(f);
    return text;
}

static void read_args(libxl_ctx *ctx, libxl_domain_snapshot_args *args,
                      const char *path)
{
    char *text = slurp(path), *error = NULL;

    if (libxl_domain_snapshot_args_from_json(ctx, args, text, &error))
        die(path, error);
    free(text);
}

static uint32_t read_domid(const char *s)
{
    return !strcmp(s, "none") ? (uint32_t)INVALID_DOMID
                              : (uint32_t)strtoul(s, NULL, 10);
}

static int print_disks(libxl_ctx *ctx, uint32_t domid,
                       const libxl_snapshot_how *how)
{
    libxl_disk_snapshot *disks;
    int i, num, rc;

    rc = libxl_domain_snapshot_disks(ctx, domid, how, &disks, &num);
    for (i = 0; i < num; i++) {
        char *json = libxl_disk_snapshot_to_json(ctx, &disks[i]);

        printf("%s%s%s", i ? ",\n" : "[", json, i + 1 == num ? "]\n" : "");
        free(json);
        libxl_disk_snapshot_dispose(&disks[i]);
    }
    free(disks);
    return rc;
}

static int chain_changed(libxl_ctx *ctx, int argc, char **argv,
                         const libxl_snapshot_how *how)
{
    libxl_device_disk disk;
    int rc;

    libxl_device_disk_init(&disk);
    disk.vdev = strdup(argv[2]);
    if (argc > 4) {
        disk.pdev_path = strdup(argv[3]);
        if (libxl_disk_format_from_string(argv[4], &disk.format))
            die("no disk format", argv[4]);
    }
    rc = libxl_domain_snapshot_chain_changed(ctx, read_domid(argv[1]), &disk,
                                             how);
    libxl_device_disk_dispose(&disk);
    return rc;
}

static int time_transaction(libxl_ctx *ctx, char **argv,
                            const libxl_snapshot_how *how)
{
    struct xls_op op;
    struct xls_json *args = xls_json_object();
    char *text = slurp(argv[2]), *error = NULL;
    int rc;

    xls_json_set(args, "actions", xls_json_parse(text, strlen(text),
                                                 &xls_json_limits_file,
                                                 &error));
    if (error)
        die(argv[2], error);
    free(text);
    rc = xls_op_begin(&op, "time-transaction", ctx, read_domid(argv[1]), how,
                      true);
    if (!rc)
        rc = xls_op_qmp(&op);
    if (!rc)
        rc = xls_qmp_must(op.qmp, "transaction", "transaction", args,
                          XLS_QMP_SLOW, NULL);
    if (!rc)
        printf("%llu\n", (unsigned long long)xls_qmp_last_us(op.qmp));
    xls_op_end(&op);
    return rc;
}

static int run(libxl_ctx *ctx, int argc, char **argv,
               const libxl_snapshot_how *how,
               libxl_domain_snapshot_result *result)
{
    libxl_domain_snapshot_args args;
    libxl_domain_config config;
    char *text;
    int rc = ERROR_INVAL;

    libxl_domain_snapshot_args_init(&args);
    if (argc == 2 && !strcmp(argv[0], "disks")) {
        rc = print_disks(ctx, read_domid(argv[1]), how);
    } else if (argc == 3 && !strcmp(argv[0], "create")) {
        read_args(ctx, &args, argv[2]);
        rc = libxl_domain_snapshot_create(ctx, read_domid(argv[1]), &args, how,
                                          result);
    } else if (argc == 3 && !strcmp(argv[0], "delete")) {
        read_args(ctx, &args, argv[2]);
        rc = libxl_domain_snapshot_delete(ctx, read_domid(argv[1]), &args, how,
                                          result);
    } else if (argc == 4 && !strcmp(argv[0], "revert")) {
        read_args(ctx, &args, argv[3]);
        libxl_domain_config_init(&config);
        text = slurp(argv[2]);
        if (libxl_domain_config_from_json(ctx, &config, text))
            die("no domain configuration", argv[2]);
        free(text);
        rc = libxl_domain_snapshot_revert(ctx, read_domid(argv[1]), &config,
                                          &args, how, result);
        libxl_domain_config_dispose(&config);
    } else if (argc >= 3 && !strcmp(argv[0], "chain-changed")) {
        rc = chain_changed(ctx, argc, argv, how);
    } else if (argc == 2 && !strcmp(argv[0], "recover")) {
        rc = libxl_domain_snapshot_recover(ctx, read_domid(argv[1]), how);
    } else if (argc == 3 && !strcmp(argv[0], "time-transaction")) {
        rc = time_transaction(ctx, argv, how);
    } else {
        die("usage, see the source", argc ? argv[0] : "");
    }
    libxl_domain_snapshot_args_dispose(&args);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "storage", required_argument, NULL, 's' },
        { "cancel-at", required_argument, NULL, 'c' },
        { 0 },
    };
    xentoollog_logger_stdiostream *lg;
    libxl_domain_snapshot_result result;
    libxl_snapshot_how how = { .progress = on_progress };
    libxl_ctx *ctx;
    const char *name;
    char *json;
    int c, rc;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 's')
            storage_command = optarg;
        else if (c == 'c')
            cancel_at = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    if (storage_command)
        how.storage = run_storage;
    lg = xtl_createlogger_stdiostream(stderr, XTL_NOTICE, 0);
    how.logger = (xentoollog_logger *)lg;
    if (!lg || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, how.logger))
        die("cannot open libxl", "is this a Xen host?");
    libxl_domain_snapshot_result_init(&result);
    rc = run(ctx, argc - optind, argv + optind, &how, &result);
    if (rc) {
        name = libxl_error_snapshot_to_string(rc);
        fprintf(stderr, "%s: %s\n",
                name ? name : libxl_error_to_string(rc),
                libxl_snapshot_strerror(rc));
    } else if (!strcmp(argv[optind], "create") ||
               !strcmp(argv[optind], "delete") ||
               !strcmp(argv[optind], "revert")) {
        json = libxl_domain_snapshot_result_to_json(ctx, &result);
        printf("%s\n", json);
        free(json);
    }
    libxl_domain_snapshot_result_dispose(&result);
    libxl_ctx_free(ctx);
    xtl_logger_destroy((xentoollog_logger *)lg);
    return rc ? 1 : 0;
}
