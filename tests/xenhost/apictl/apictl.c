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
 *   apictl pull|commit|copy DOMID ARGS.json [--users TEXT]
 *   apictl job-info|job-wait DOMID VDEV
 *   apictl job-abort DOMID VDEV [async] [pivot]
 *   apictl job-speed DOMID VDEV BYTES
 *   apictl events DOMID VDEV|all COUNT
 *   apictl time-transaction DOMID ACTIONS.json
 *
 * The last one sends the actions as one QMP transaction by the library's own
 * client and prints the microseconds from sent to reply, to set beside the
 * window_us of a create.
 *
 * events prints so many jobs as they are told of. TEXT is what is answered when
 * the library asks for the users of a layer.
 *
 * COMMAND is run by sh with the step's number and the vdev as $1 and $2.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl_snapshot.h>
#include <libxl_utils.h>

#include "begin/begin.h"
#include "session/op.h"

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

static const char *users_text;

static int layer_users(void *user, uint32_t domid, const char *vdev,
                       const char *path, char **users)
{
    (void)user, (void)domid, (void)vdev, (void)path;
    *users = strdup(users_text);
    return 0;
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
    rc = xls_begin(&op, "time-transaction", ctx, read_domid(argv[1]), how);
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

static int print_job(libxl_ctx *ctx, int rc, libxl_disk_job *job)
{
    char *json = rc ? NULL : libxl_disk_job_to_json(ctx, job);

    if (json)
        printf("%s\n", json);
    fflush(stdout);
    free(json);
    return rc;
}

#define START_JOB(name)                                                       \
    if (!strcmp(argv[0], #name)) {                                            \
        libxl_disk_##name##_args args;                                        \
                                                                              \
        libxl_disk_##name##_args_init(&args);                                 \
        if (libxl_disk_##name##_args_from_json(ctx, &args, text, &error))     \
            die(argv[2], error);                                              \
        rc = libxl_disk_##name(ctx, read_domid(argv[1]), &args, how);         \
        libxl_disk_##name##_args_dispose(&args);                              \
    }

static int start_job(libxl_ctx *ctx, char **argv, const libxl_snapshot_how *how)
{
    char *text = slurp(argv[2]), *error = NULL;
    int rc = ERROR_INVAL;

    START_JOB(pull)
    START_JOB(commit)
    START_JOB(copy)
    free(text);
    return rc;
}

static int print_events(libxl_ctx *ctx, char **argv,
                        const libxl_snapshot_how *how)
{
    libxl_disk_job_events *events;
    int left = atoi(argv[3]), rc;
    libxl_disk_job job;

    rc = libxl_disk_job_events_open(ctx, read_domid(argv[1]),
                                    strcmp(argv[2], "all") ? argv[2] : NULL,
                                    0, how, &events);
    if (rc)
        return rc;
    libxl_disk_job_init(&job);
    while (left && (!rc || rc == ERROR_NOT_READY)) {
        struct pollfd pfd = { .fd = libxl_disk_job_events_fd(events),
                              .events = POLLIN };

        poll(&pfd, 1, -1);
        rc = libxl_disk_job_events_next(events, &job);
        if (!rc) {
            print_job(ctx, 0, &job);
            left--;
        }
    }
    libxl_disk_job_dispose(&job);
    libxl_disk_job_events_close(events);
    return rc;
}

static int job_command(libxl_ctx *ctx, int argc, char **argv,
                       const libxl_snapshot_how *how)
{
    uint32_t domid = read_domid(argv[1]);
    libxl_disk_job job;
    unsigned flags = 0;
    int i, rc;

    libxl_disk_job_init(&job);
    if (!strcmp(argv[0], "job-info")) {
        rc = libxl_disk_job_info(ctx, domid, argv[2], how, &job);
    } else if (!strcmp(argv[0], "job-wait")) {
        rc = libxl_disk_job_wait(ctx, domid, argv[2], how, &job);
    } else if (!strcmp(argv[0], "job-abort")) {
        for (i = 3; i < argc; i++)
            flags |= !strcmp(argv[i], "async") ? LIBXL_DISK_JOB_ABORT_ASYNC
                                               : LIBXL_DISK_JOB_ABORT_PIVOT;
        rc = libxl_disk_job_abort(ctx, domid, argv[2], flags, how, &job);
    } else {
        rc = libxl_disk_job_set_speed(ctx, domid, argv[2],
                                      strtoull(argv[3], NULL, 10), how);
        libxl_disk_job_dispose(&job);
        return rc;
    }
    print_job(ctx, rc, &job);
    libxl_disk_job_dispose(&job);
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
    } else if (argc == 3 && (!strcmp(argv[0], "pull") ||
                             !strcmp(argv[0], "commit") ||
                             !strcmp(argv[0], "copy"))) {
        rc = start_job(ctx, argv, how);
    } else if (argc == 4 && !strcmp(argv[0], "events")) {
        rc = print_events(ctx, argv, how);
    } else if (argc >= (!strcmp(argv[0], "job-speed") ? 4 : 3) &&
               !strncmp(argv[0], "job-", 4)) {
        rc = job_command(ctx, argc, argv, how);
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
        { "users", required_argument, NULL, 'u' },
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
        else if (c == 'u')
            users_text = optarg;
        else
            return 2;
    }
    if (storage_command)
        how.storage = run_storage;
    if (users_text)
        how.layer_users = layer_users;
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
