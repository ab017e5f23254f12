/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/chain.h"
#include "common/alloc.h"
#include "diskimage/format.h"
#include "log.h"

/* One log for all files of a program. */
const struct xls_log vm_log = { &test_logger, "test" };

const char *vm_logged(void)
{
    return test_logged;
}

void vm_log_clear(void)
{
    test_logged[0] = '\0';
}

/* --- shell --- */

static char *__attribute__((format(printf, 1, 0)))
format_text(const char *fmt, va_list al)
{
    char *s = NULL;

    if (vasprintf(&s, fmt, al) < 0)
        abort();
    return s;
}

void sh(const char *fmt, ...)
{
    va_list al;
    char *command;
    int status;

    va_start(al, fmt);
    command = format_text(fmt, al);
    va_end(al);
    status = system(command);
    if (status)
        fail_msg("status %#x: %s", status, command);
    free(command);
}

char *sh_output(const char *fmt, ...)
{
    char buf[4096], *command;
    size_t len;
    FILE *f;
    va_list al;

    va_start(al, fmt);
    command = format_text(fmt, al);
    va_end(al);
    f = popen(command, "re");
    assert_non_null(f);
    len = fread(buf, 1, sizeof(buf) - 1, f);
    if (pclose(f))
        fail_msg("failed: %s", command);
    free(command);
    buf[len] = '\0';
    if (len && buf[len - 1] == '\n')
        buf[len - 1] = '\0';
    return xls_strdup(buf);
}

char *image_sum(const char *path, const char *format)
{
    char *sum = sh_output("t=$(mktemp) && qemu-img convert -U -f %s -O raw"
                          " '%s' $t && sha256sum $t && rm $t", format, path);

    sum[64] = '\0';
    return sum;
}

bool image_holds(const char *path, const char *format, uint64_t offset,
                 uint64_t len, unsigned char value)
{
    char *out = sh_output("qemu-io -r -f %s -c 'read -P %u %llu %llu' '%s' 2>&1"
                          " || true", format, value,
                          (unsigned long long)offset, (unsigned long long)len,
                          path);
    bool holds = strstr(out, "read ") && !strstr(out, "failed");

    free(out);
    return holds;
}

/* --- QEMU --- */

static struct qmp_vm *running[8];

/*
 * A process that outlives this one: when the write end of its pipe closes, it
 * removes the directory.
 */
int guard_start(const char *dir, pid_t *pid)
{
    int ends[2];
    size_t i;
    char c;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    *pid = fork();
    assert_int_not_equal(*pid, -1);
    if (!*pid) {
        setsid();
        close(ends[1]);
        /* Those of others are to close when they stop. */
        for (i = 0; i < sizeof(running) / sizeof(running[0]); i++)
            if (running[i] && running[i]->guard >= 0)
                close(running[i]->guard);
        while (read(ends[0], &c, 1) < 0 && errno == EINTR)
            ;
        execlp("rm", "rm", "-rf", dir, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    return ends[1];
}

static int listen_at(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_not_equal(fd, -1);
    assert_true(strlen(path) < sizeof(un.sun_path));
    strcpy(un.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void add_disk(struct qmp_vm *vm, const char *dir, int i,
                     const struct vm_disk *d)
{
    const char *format = d && d->format ? d->format : "qcow2";
    const char *size = d && d->size ? d->size : "16M";
    char vdev[16];

    if (d && d->vdev)
        snprintf(vdev, sizeof(vdev), "%s", d->vdev);
    else
        snprintf(vdev, sizeof(vdev), "xvd%c", 'a' + i);
    strcpy(vm->disks[i].vdev, vdev);
    snprintf(vm->disks[i].format, sizeof(vm->disks[i].format), "%s", format);
    snprintf(vm->disks[i].node, sizeof(vm->disks[i].node), "%s-%s", vdev,
             format);
    if (d && d->path) {
        snprintf(vm->disks[i].path, sizeof(vm->disks[i].path), "%s", d->path);
        return;
    }
    snprintf(vm->disks[i].path, sizeof(vm->disks[i].path), "%s/%s.%s", dir,
             vdev, format);
    sh("qemu-img create -q -f %s '%s' %s", format, vm->disks[i].path, size);
}

/* The node tree is the one that xen-block makes. */
static char *blockdev_text(struct qmp_vm *vm, int i)
{
    struct xls_json *o = xls_json_object(), *file = xls_json_object();
    char *text;

    xls_json_set_str(file, "driver", xls_is_block_device(vm->disks[i].path)
                                         ? "host_device" : "file");
    xls_json_set_str(file, "filename", vm->disks[i].path);
    xls_json_set_str(file, "locking", "off");
    xls_json_set_str(o, "driver", vm->disks[i].format);
    xls_json_set_str(o, "node-name", vm->disks[i].node);
    xls_json_set(o, "file", file);
    text = xls_json_print(o, false);
    xls_json_free(o);
    return text;
}

static void exec_qemu(struct qmp_vm *vm, int listener)
{
    const char *qemu = getenv("QEMU");
    const char *argv[40 + 6 * VM_MAX_DISKS];
    char chardev[64], guest[128], iothread[VM_MAX_DISKS + 1][24];
    char bus[VM_MAX_DISKS + 1][64];
    int n = 0, i;

    snprintf(chardev, sizeof(chardev),
             "socket,id=qmp,fd=%d,server=on,wait=off", listener);
    /* qemu-io within QEMU prints to its standard output */
    argv[n++] = "stdbuf";
    argv[n++] = "-oL";
    argv[n++] = qemu ? qemu : "qemu-system-x86_64";
    argv[n++] = "-S";
    argv[n++] = "-nodefaults";
    argv[n++] = "-no-user-config";
    argv[n++] = "-display";
    argv[n++] = "none";
    argv[n++] = "-machine";
    argv[n++] = "q35,accel=tcg";
    argv[n++] = "-m";
    argv[n++] = "16";
    argv[n++] = "-chardev";
    argv[n++] = chardev;
    argv[n++] = "-mon";
    argv[n++] = "chardev=qmp,mode=control";
    snprintf(guest, sizeof(guest), "socket,id=guest,path=%s,server=on,wait=off",
             vm->guest);
    argv[n++] = "-chardev";
    argv[n++] = guest;
    argv[n++] = "-mon";
    argv[n++] = "chardev=guest,mode=control";
    /* One for each disk, and one for what is plugged in later. */
    for (i = 0; i <= vm->ndisks; i++) {
        snprintf(iothread[i], sizeof(iothread[i]), "iothread,id=xvd%c",
                 'a' + i);
        snprintf(bus[i], sizeof(bus[i]),
                 "virtio-scsi-pci,id=b%d,iothread=xvd%c", i, 'a' + i);
        argv[n++] = "-object";
        argv[n++] = iothread[i];
        argv[n++] = "-device";
        argv[n++] = bus[i];
    }
    for (i = 0; i < vm->ndisks; i++) {
        argv[n++] = "-blockdev";
        argv[n++] = blockdev_text(vm, i);
    }
    argv[n] = NULL;
    execvp(argv[0], (char *const *)argv);
    perror(argv[0]);
    _exit(127);
}

struct qmp_vm *vm_start(int ndisks, const struct vm_disk *disks)
{
    struct qmp_vm *vm = xls_calloc(1, sizeof(*vm));
    const char *tmp = getenv("TMPDIR");
    char dir[sizeof(vm->dir)];
    size_t slot;
    int i, listener;

    vm_log_clear();
    vm->guard = vm->out = -1;
    for (slot = 0; running[slot]; slot++)
        assert_true(slot + 1 < sizeof(running) / sizeof(running[0]));
    running[slot] = vm;
    snprintf(dir, sizeof(dir), "%s/xls-vm-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(vm->dir, sizeof(vm->dir), "%s", dir);
    vm->guard = guard_start(vm->dir, &vm->guard_pid);
    snprintf(vm->socket, sizeof(vm->socket), "%s/qmp", dir);
    snprintf(vm->guest, sizeof(vm->guest), "%s/guest", dir);
    snprintf(vm->lock, sizeof(vm->lock), "%s/lock", dir);

    assert_in_range(ndisks, 0, VM_MAX_DISKS);
    vm->ndisks = ndisks;
    for (i = 0; i < ndisks; i++)
        add_disk(vm, dir, i, disks ? &disks[i] : NULL);
    vm->out = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_int_not_equal(vm->out, -1);
    listener = listen_at(vm->socket);
    vm->pid = fork();
    assert_int_not_equal(vm->pid, -1);
    if (!vm->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(vm->out, 1);
        exec_qemu(vm, listener);
    }
    close(listener);
    vm_connect(vm);
    for (i = 0; i < vm->ndisks; i++)
        vm_plug(vm, vm->disks[i].vdev, vm->disks[i].node);
    return vm;
}

void vm_kill(struct qmp_vm *vm)
{
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    if (vm->pid > 0) {
        kill(vm->pid, SIGKILL);
        waitpid(vm->pid, NULL, 0);
    }
    vm->pid = 0;
}

void vm_stop(struct qmp_vm *vm)
{
    size_t i;

    if (!vm)
        return;
    for (i = 0; i < sizeof(running) / sizeof(running[0]); i++) {
        if (running[i] == vm)
            running[i] = NULL;
    }
    vm_kill(vm);
    if (vm->guard >= 0) {
        close(vm->guard);
        waitpid(vm->guard_pid, NULL, 0);
    }
    if (vm->out >= 0)
        close(vm->out);
    free(vm);
}

int vm_teardown(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(running) / sizeof(running[0]); i++)
        vm_stop(running[i]);
    return 0;
}

void vm_connect(struct qmp_vm *vm)
{
    if (xls_qmp_open(&vm_log, vm->socket, NULL, VM_TIMEOUT_MS, &vm->qmp))
        fail_msg("%s", test_logged);
}

/* --- QMP --- */

struct xls_json *json(const char *fmt, ...)
{
    char *text, *p, *error = NULL;
    struct xls_json *v;
    va_list al;

    va_start(al, fmt);
    text = format_text(fmt, al);
    va_end(al);
    for (p = text; (p = strchr(p, '\'')); )
        *p = '"';
    v = xls_json_parse(text, strlen(text), &xls_json_limits_file, &error);
    if (!v)
        fail_msg("%s: %s", text, error);
    free(text);
    return v;
}

struct xls_json *vm_run(struct qmp_vm *vm, const char *command,
                        struct xls_json *args)
{
    struct xls_json *ret = NULL;
    int rc = xls_qmp_must(vm->qmp, command, command, args, VM_TIMEOUT_MS,
                          &ret);

    if (rc)
        fail_msg("%d: %s", rc, test_logged);
    return ret;
}

void vm_do(struct qmp_vm *vm, const char *command, struct xls_json *args)
{
    xls_json_free(vm_run(vm, command, args));
}

int vm_transaction(struct qmp_vm *vm, struct xls_qmp_transaction *t)
{
    int rc = xls_qmp_transaction_stage(vm->qmp, t, VM_TIMEOUT_MS);

    return rc ? rc : xls_qmp_transaction_fire(vm->qmp, VM_TIMEOUT_MS);
}

struct xls_json *vm_event(struct qmp_vm *vm, const char *name)
{
    struct xls_json *event;
    int rc;

    for (;;) {
        rc = xls_qmp_event(vm->qmp, VM_TIMEOUT_MS, &event);
        if (rc)
            fail_msg("%d while waiting for %s", rc, name);
        if (!strcmp(xls_json_get_str(event, "event"), name))
            return event;
        xls_json_free(event);
    }
}

void vm_wait_job(struct qmp_vm *vm, const char *job, const char *status)
{
    struct xls_json *jobs = vm_run(vm, "query-jobs", NULL), *event;
    const struct xls_json *data;
    bool there = false;
    size_t i;

    for (i = 0; i < xls_json_len(jobs); i++) {
        data = xls_json_at(jobs, i);
        if (!strcmp(xls_json_get_str(data, "id"), job) &&
            !strcmp(xls_json_get_str(data, "status"), status))
            there = true;
    }
    xls_json_free(jobs);
    while (!there) {
        event = vm_event(vm, "JOB_STATUS_CHANGE");
        data = xls_json_get(event, "data");
        there = !strcmp(xls_json_get_str(data, "id"), job) &&
                !strcmp(xls_json_get_str(data, "status"), status);
        xls_json_free(event);
    }
}

void vm_plug(struct qmp_vm *vm, const char *vdev, const char *node)
{
    assert_in_range(vm->plugged, 0, vm->ndisks);
    vm_do(vm, "device_add",
          json("{'driver':'scsi-hd','id':'%s','drive':'%s','bus':'b%d.0'}",
               vdev, node, vm->plugged++));
}

/* A string of query-block's "inserted" of a disk. */
static const char *inserted(struct qmp_vm *vm, const char *vdev,
                            const char *key)
{
    static char value[1024];
    struct xls_json *all = vm_run(vm, "query-block", NULL);
    const char *s = xls_json_get_str(
        xls_json_get(xls_block_query_find(all, "qdev", vdev), "inserted"), key);

    snprintf(value, sizeof(value), "%s", s ? s : "");
    xls_json_free(all);
    if (!value[0])
        fail_msg("no disk %s", vdev);
    return value;
}

const char *vm_top_node(struct qmp_vm *vm, const char *vdev)
{
    return inserted(vm, vdev, "node-name");
}

const char *vm_top_file(struct qmp_vm *vm, const char *vdev)
{
    return inserted(vm, vdev, "file");
}

const char *vm_file_node(struct qmp_vm *vm, const char *path)
{
    static char name[64];
    struct xls_json *all = vm_run(vm, "query-named-block-nodes",
                                  json("{'flat':true}"));
    size_t i;

    name[0] = '\0';
    for (i = 0; i < xls_json_len(all); i++) {
        const struct xls_json *node = xls_json_at(all, i);

        if (!strcmp(xls_json_get_str(node, "drv"), "file") &&
            !strcmp(xls_json_get_str(node, "file"), path))
            snprintf(name, sizeof(name), "%s",
                     xls_json_get_str(node, "node-name"));
    }
    xls_json_free(all);
    assert_string_not_equal(name, "");
    return name;
}

bool vm_has_node(struct qmp_vm *vm, const char *node)
{
    struct xls_json *all = vm_run(vm, "query-named-block-nodes",
                                  json("{'flat':true}"));
    bool has = false;
    size_t i;

    for (i = 0; i < xls_json_len(all) && !has; i++)
        has = !strcmp(xls_json_get_str(xls_json_at(all, i), "node-name"),
                      node);
    xls_json_free(all);
    return has;
}

/* --- chains --- */

void vm_chain(struct qmp_vm *vm, const char *vdev, libxl_disk_chain *chain)
{
    struct xls_block_query query;
    struct xls_graph graph = { .query = &query };
    struct xls_json *debug = NULL;
    const struct xls_json *stats;
    enum xls_chain_answer answer;

    libxl_disk_chain_init(chain);
    assert_int_equal(xls_block_query(vm->qmp, &query), 0);
    stats = xls_block_query_find(query.stats, "qdev", vdev);
    assert_non_null(stats);
    answer = xls_chain_read(&graph, stats, chain);
    if (answer == XLS_CHAIN_ASK_DEBUG) {
        libxl_disk_chain_dispose(chain);
        libxl_disk_chain_init(chain);
        debug = vm_run(vm, "x-debug-query-block-graph", NULL);
        graph.debug = debug;
        answer = xls_chain_read(&graph, stats, chain);
    }
    assert_int_equal(answer, XLS_CHAIN_TOLD);
    xls_chain_stat(chain);
    xls_chain_check(NULL, chain);
    xls_json_free(debug);
    xls_block_query_dispose(&query);
}

void vm_chain_agrees(const libxl_disk_chain *chain)
{
    int i;

    assert_true(chain->validated);
    for (i = 0; i < chain->num_layers; i++)
        if (chain->layers[i].num_mismatches)
            fail_msg("layer %d: %s", i, chain->layers[i].mismatches[0].text);
    assert_true(chain->agrees);
}

/* --- input and output --- */

static char *qemu_io(struct qmp_vm *vm, const char *who, const char *command)
{
    struct xls_json *args = xls_json_object(), *ret;
    char *line = xls_asprintf("qemu-io %s \"%s\"", who, command);
    struct stat before, after;
    char *out;
    size_t len;

    assert_int_equal(fstat(vm->out, &before), 0);
    xls_json_set_str(args, "command-line", line);
    free(line);
    ret = vm_run(vm, "human-monitor-command", args);
    if (strcmp(xls_json_str(ret), ""))
        fail_msg("qemu-io %s %s: %s", who, command, xls_json_str(ret));
    xls_json_free(ret);
    assert_int_equal(fstat(vm->out, &after), 0);
    len = after.st_size - before.st_size;
    out = xls_calloc(1, len + 1);
    assert_int_equal(pread(vm->out, out, len, before.st_size), len);
    return out;
}

static char *disk_io(struct qmp_vm *vm, const char *vdev, const char *command)
{
    char *who = xls_asprintf("-d %s", vdev);
    char *out = qemu_io(vm, who, command);

    free(who);
    return out;
}

void vm_put(struct qmp_vm *vm, const char *vdev, uint64_t offset, uint64_t len,
            unsigned char value)
{
    char *command = xls_asprintf("write -P %u %llu %llu", value,
                                 (unsigned long long)offset,
                                 (unsigned long long)len);
    char *wrote = xls_asprintf("wrote %llu/%llu bytes",
                               (unsigned long long)len,
                               (unsigned long long)len);
    char *out = disk_io(vm, vdev, command);

    if (!strstr(out, wrote))
        fail_msg("%s: %s: %s", vdev, command, out);
    free(out);
    free(command);
    free(wrote);
}

void vm_write(struct qmp_vm *vm, const char *vdev, uint64_t offset,
              uint64_t len, unsigned char value)
{
    vm_put(vm, vdev, offset, len, value);
    free(disk_io(vm, vdev, "flush"));
}

bool vm_holds(struct qmp_vm *vm, const char *vdev, uint64_t offset,
              uint64_t len, unsigned char value)
{
    char *command = xls_asprintf("read -P %u %llu %llu", value,
                                 (unsigned long long)offset,
                                 (unsigned long long)len);
    char *out = disk_io(vm, vdev, command);
    bool holds = !strstr(out, "Pattern verification failed");

    if (!strstr(out, "read ") || strstr(out, "read failed"))
        fail_msg("%s: %s: %s", vdev, command, out);
    free(out);
    free(command);
    return holds;
}

char *vm_node_io(struct qmp_vm *vm, const char *node, const char *command)
{
    return qemu_io(vm, node, command);
}
