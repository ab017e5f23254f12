/* SPDX-License-Identifier: LGPL-2.1-only */
#include "qmp/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/query.h"
#include "block/vdev.h"
#include "common/alloc.h"
#include "diskimage/format.h"
#include "qmp/guest.h"
#include "qmp/proxy.h"
#include "session/op.h"
#include "xen/records.h"

struct host host;
/* libxl's own conversion of JSON keeps its allocations in it. */
static long ctx[8192];
libxl_ctx *const host_ctx = (libxl_ctx *)ctx;
libxl_snapshot_how host_how;

#define OTHER_DOMID 3

/* --- the domain, by libxl --- */

static void set_info(libxl_dominfo *info, uint32_t domid)
{
    info->domid = domid;
    memset(info->uuid.uuid, domid == OTHER_DOMID ? 3 : host.uuid, 16);
    info->running = true;
    info->paged_memkb = 0;
    info->current_memkb = domid == host.domid ? host.memkb : 0;
    info->paged_memkb = 0;
    info->paused = domid == host.domid && host.paused;
    info->domain_type = LIBXL_DOMAIN_TYPE_PV;
}

int libxl_domain_info(libxl_ctx *c, libxl_dominfo *info, uint32_t domid)
{
    (void)c;
    if (domid != host.domid)
        return ERROR_DOMAIN_NOTFOUND;
    set_info(info, domid);
    return 0;
}

char *libxl_domid_to_name(libxl_ctx *c, uint32_t domid)
{
    (void)c;
    return domid == host.domid ? xls_strdup(host.name) : NULL;
}

int libxl_domain_rename(libxl_ctx *c, uint32_t domid, const char *name,
                        const char *new_name)
{
    (void)c;
    if (domid != host.domid || strcmp(name, host.name))
        return ERROR_FAIL;
    snprintf(host.name, sizeof(host.name), "%s", new_name);
    return 0;
}

/* Its QEMU ends with it. */
int libxl_domain_destroy(libxl_ctx *c, uint32_t domid,
                         const libxl_asyncop_how *how)
{
    (void)c, (void)how;
    if (domid != host.domid)
        return ERROR_DOMAIN_NOTFOUND;
    host_destroy();
    return 0;
}

static void set_disk(libxl_device_disk *disk, int i)
{
    libxl_device_disk_init(disk);
    disk->vdev = xls_strdup(host.disks[i].vdev);
    disk->pdev_path = xls_strdup(host.disks[i].path);
    disk->format = host.disks[i].format;
    disk->readwrite = 1;
}

int libxl_retrieve_domain_configuration(libxl_ctx *c, uint32_t domid,
                                        libxl_domain_config *config,
                                        const libxl_asyncop_how *how)
{
    int i;

    (void)c, (void)how;
    if (domid != host.domid)
        return ERROR_DOMAIN_NOTFOUND;
    config->num_disks = host.vm->ndisks;
    config->disks = xls_calloc(config->num_disks, sizeof(*config->disks));
    for (i = 0; i < config->num_disks; i++)
        set_disk(&config->disks[i], i);
    return 0;
}

int libxl_device_disk_getinfo(libxl_ctx *c, uint32_t domid,
                              const libxl_device_disk *disk,
                              libxl_diskinfo *info)
{
    (void)c, (void)domid;
    info->devid = xls_vdev_number(disk->vdev);
    return 0;
}

libxl_dominfo *libxl_list_domain(libxl_ctx *c, int *num)
{
    libxl_dominfo *list = xls_calloc(2, sizeof(*list));

    (void)c;
    *num = 0;
    if (host.domid != XLS_NO_DOMID)
        set_info(&list[(*num)++], host.domid);
    if (host.other_disk[0])
        set_info(&list[(*num)++], OTHER_DOMID);
    return list;
}

static libxl_device_disk *disks_of(uint32_t domid, int *num)
{
    libxl_device_disk *list;
    int i;

    *num = domid == OTHER_DOMID ? 1 : host.vm->ndisks;
    list = xls_calloc(*num, sizeof(*list));
    for (i = 0; i < *num; i++) {
        set_disk(&list[i], i);
        if (domid == OTHER_DOMID) {
            free(list[i].pdev_path);
            list[i].pdev_path = xls_strdup(host.other_disk);
            list[i].script = xls_strdup(host.other_script);
        }
    }
    return list;
}

/* As libxl, which takes it for FORMAT:PATH, and without the format. */
libxl_device_disk *libxl_device_disk_list(libxl_ctx *c, uint32_t domid,
                                          int *num)
{
    libxl_device_disk *list = disks_of(domid, num);
    int i;

    (void)c;
    for (i = 0; i < *num; i++) {
        char *colon = strchr(list[i].pdev_path, ':');

        if (colon)
            memmove(list[i].pdev_path, colon + 1, strlen(colon));
        list[i].format = LIBXL_DISK_FORMAT_UNKNOWN;
    }
    return list;
}

int libxl_userdata_retrieve(libxl_ctx *c, uint32_t domid, const char *id,
                            uint8_t **data, int *len)
{
    libxl_domain_config config;
    char *json;

    if (strcmp(id, "libxl-json") ||
        (domid == OTHER_DOMID && host.other_unrecorded))
        return ERROR_NOTFOUND;
    libxl_domain_config_init(&config);
    config.disks = disks_of(domid, &config.num_disks);
    json = libxl_domain_config_to_json(c, &config);
    assert_non_null(json);
    *data = (uint8_t *)json;
    *len = strlen(json) + 1;
    libxl_domain_config_dispose(&config);
    return 0;
}

libxl_device_pci *libxl_device_pci_list(libxl_ctx *c, uint32_t domid, int *num)
{
    (void)c, (void)domid;
    *num = 0;
    return NULL;
}

int libxl_domain_pause(libxl_ctx *c, uint32_t domid,
                       const libxl_asyncop_how *how)
{
    (void)c, (void)domid, (void)how;
    host.paused = true;
    host.pauses++;
    guest_pause(true);
    return 0;
}

int libxl_domain_unpause(libxl_ctx *c, uint32_t domid,
                         const libxl_asyncop_how *how)
{
    (void)c, (void)domid, (void)how;
    host.paused = false;
    guest_pause(false);
    return 0;
}

int xls_records_set(struct xls_op *op, const struct xls_record *records,
                    int num)
{
    int i, k;

    assert_null(op->qmp);
    for (i = 0; i < num; i++)
        for (k = 0; k < host.vm->ndisks; k++)
            if (!strcmp(host.disks[k].vdev, records[i].vdev)) {
                assert_true(strlen(records[i].path) <
                            sizeof(host.disks[k].path));
                strcpy(host.disks[k].path, records[i].path);
                host.disks[k].format = records[i].format;
            }
    return 0;
}

/* --- QEMU: a device has the vdev as its id --- */

/* An image, that is: not what was never more than a nameless file. */
static bool holds_removed_image(void)
{
    char link[64], path[512];
    ssize_t len;
    int fd;

    for (fd = 3; fd < 100; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        len = readlink(link, path, sizeof(path) - 1);
        if (len < 0)
            continue;
        path[len] = '\0';
        if (!strncmp(path, host.images, strlen(host.images)) &&
            !strchr(path, '#') && strstr(path, " (deleted)"))
            return true;
    }
    return false;
}

int __real_xls_node_del(struct xls_op *op, const char *node);
int __wrap_xls_node_del(struct xls_op *op, const char *node);
int __wrap_xls_node_del(struct xls_op *op, const char *node)
{
    host.holds_removed += holds_removed_image();
    return __real_xls_node_del(op, node);
}

static void lie(struct xls_disk *disk)
{
    int i;

    if (host.lie[0] && host.truthful-- > 0)
        return;
    for (i = 0; i < disk->num_layers; i++)
        if (host.lie[0] && !strcmp(disk->layers[i].path, host.lies_about)) {
            free(disk->layers[i].path);
            disk->layers[i].path = xls_strdup(host.lie);
        }
}

int __wrap_xls_block_query_disk(struct xls_op *op,
                                struct xls_block_query *query,
                                struct xls_disk *disk, char **why);
int __wrap_xls_block_query_disk(struct xls_op *op,
                                struct xls_block_query *query,
                                struct xls_disk *disk, char **why)
{
    const struct xls_json *stats =
        xls_block_query_find(query->stats, "qdev", disk->rec->vdev);

    *why = NULL;
    if (host.unanswered && !--host.unanswered) {
        XLS_ERROR(&op->log, "no answer about %s", disk->rec->vdev);
        return ERROR_SNAPSHOT_QMP;
    }
    if (!stats || xls_block_query_chain(query, stats, disk)) {
        XLS_ERROR(&op->log, "no chain of %s", disk->rec->vdev);
        return ERROR_SNAPSHOT_QMP;
    }
    lie(disk);
    return 0;
}

/* Every deadline comes from here, but for those of vm_…, which are long. */
uint64_t __real_xls_qmp__deadline(unsigned timeout_ms);
uint64_t __wrap_xls_qmp__deadline(unsigned timeout_ms);
uint64_t __wrap_xls_qmp__deadline(unsigned timeout_ms)
{
    bool shorter = host.patience_ms && host.patience_ms < timeout_ms &&
                   timeout_ms != VM_TIMEOUT_MS;

    return __real_xls_qmp__deadline(shorter ? host.patience_ms : timeout_ms);
}

/* --- the process --- */

static long left;

void host_kill_after(long n)
{
    left = n;
}

/* host as a killed process has left it. */
static struct host *shared;

static void share(void)
{
    if (shared)
        *shared = host;
}

static void changed(void)
{
    if (!left || --left)
        return;
    share();
    _exit(99);
}

/* No name in this directory can be changed. */
static bool is_read_only(int dir)
{
    char link[64], path[512];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
    len = host.read_only ? readlink(link, path, sizeof(path) - 1) : -1;
    if (len < 0)
        return false;
    path[len] = '\0';
    if (strcmp(path, host.images))
        return false;
    errno = EROFS;
    return true;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to,
           int flags)
{
    int r;

    if (host.no_links) {
        errno = EPERM;
        return -1;
    }
    if (is_read_only(to_dir))
        return -1;
    r = syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    changed();
    return r;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
              unsigned flags)
{
    int r;

    if (is_read_only(to_dir))
        return -1;
    r = syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    changed();
    return r;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    int r;

    if (is_read_only(dir))
        return -1;
    r = syscall(SYS_unlinkat, dir, path, flags);
    changed();
    return r;
}

static struct {
    struct stat of[64];         /* since the last job-dismiss */
    int num;
} synced;

int fsync(int fd)
{
    int r = (int)syscall(SYS_fsync, fd);

    if (!r && synced.num < (int)(sizeof(synced.of) / sizeof(synced.of[0])) &&
        !fstat(fd, &synced.of[synced.num]))
        synced.num++;
    return r;
}

bool host_synced_after_job(const char *path)
{
    struct stat st;
    int i;

    assert_int_equal(stat(path, &st), 0);
    for (i = 0; i < synced.num; i++)
        if (synced.of[i].st_dev == st.st_dev &&
            synced.of[i].st_ino == st.st_ino)
            return true;
    return false;
}

static bool is_command(const struct msghdr *msg)
{
    const struct iovec *v = msg->msg_iov;

    return memmem(v->iov_base, v->iov_len, "\"execute\"", 9) &&
           !memmem(v->iov_base, v->iov_len, "\"query-", 7) &&
           !memmem(v->iov_base, v->iov_len, "\"qmp_capabilities\"", 18);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    void (*before)(void) = is_command(msg) ? host.before : NULL;
    struct pollfd reply = { .fd = fd, .events = POLLIN };
    ssize_t r;

    if (before) {
        host.before = NULL;
        before();
    }
    r = syscall(SYS_sendmsg, fd, msg, flags);

    if (memmem(msg->msg_iov->iov_base, msg->msg_iov->iov_len,
               "\"job-dismiss\"", 13))
        synced.num = 0;
    if (is_command(msg))
        changed();
    /* The end of one that was staged: QEMU has done it when it replies. */
    if (left == 1 && msg->msg_iov->iov_len == 1 && r == 1)
        poll(&reply, 1, VM_TIMEOUT_MS);
    if (msg->msg_iov->iov_len == 1)
        changed();
    return r;
}

bool host_killed_in(void (*f)(void), long n)
{
    int status;
    pid_t pid;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    host_away();
    fflush(NULL);
    pid = fork();
    assert_int_not_equal(pid, -1);
    if (!pid) {
        host_kill_after(n);
        f();
        share();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    /* QEMU sends the reply to whoever is there: until it has seen that its
     * client went. */
    usleep(300000);
    host = *shared;
    munmap(shared, sizeof(*shared));
    shared = NULL;
    host_back(0);
    assert_in_range(WEXITSTATUS(status), 0, 99);
    return WEXITSTATUS(status) == 99;
}

/* --- the test --- */

static void attach(uint32_t domid)
{
    char *path = xls_asprintf("%s/run/qmp-libxl-%u", HOST_DIR, domid);

    assert_int_equal(symlink(host.vm->socket, path), 0);
    free(path);
    host.domid = domid;
    host.paused = false;
}

void host_proxy(void)
{
    char *path = xls_asprintf("%s/run/qmp-libxl-%u", HOST_DIR, host.domid);

    proxy_start(path, host.vm->socket);
    free(path);
}

void host_start(struct qmp_vm *vm)
{
    int i;

    memset(&host, 0, sizeof(host));
    host_how = (libxl_snapshot_how){ .logger = vm_log.lg };
    host.vm = vm;
    host.uuid = 0x11;
    strcpy(host.name, "guest");
    strcpy(host.images, vm->dir);
    sh("mkdir -p '%s' && cd '%s' && rm -rf run lib && mkdir run lib", HOST_DIR,
       HOST_DIR);
    for (i = 0; i < vm->ndisks; i++) {
        strcpy(host.disks[i].vdev, vm->disks[i].vdev);
        strcpy(host.disks[i].path, vm->disks[i].path);
        host.disks[i].format = xls_driver_format(vm->disks[i].format);
    }
    memcpy(host.configured, host.disks, sizeof(host.disks));
    attach(HOST_DOMID);
}

void host_reboot(void)
{
    struct vm_disk disks[VM_MAX_DISKS] = { 0 };
    struct qmp_vm *old = host.vm;
    int i;

    for (i = 0; i < old->ndisks; i++) {
        disks[i].vdev = host.disks[i].vdev;
        disks[i].format = xls_format_driver(host.disks[i].format);
        disks[i].path = host.disks[i].path;
    }
    /* Its images are in the old one's directory. */
    vm_kill(old);
    host.vm = vm_start(old->ndisks, disks);
    attach(host.domid + 1);
}

void host_destroy(void)
{
    vm_kill(host.vm);
    host.domid = XLS_NO_DOMID;
}

void host_power_cycle(void)
{
    host.uuid++;
    host_reboot();
}

void host_cold_start(unsigned char uuid)
{
    memcpy(host.disks, host.configured, sizeof(host.disks));
    host.uuid = uuid;
    host_reboot();
}

int host_teardown(void **state)
{
    guest_end();
    proxy_stop();
    if (host.vm)
        sh("chattr -f -R -i '%s' 2>/dev/null || true", host.images);
    host.vm = NULL;
    return vm_teardown(state);
}

void host_away(void)
{
    xls_qmp_close(host.vm->qmp);
    host.vm->qmp = NULL;
}

int host_back(int rc)
{
    if (!host.vm->qmp && host.vm->pid > 0)
        vm_connect(host.vm);
    return rc;
}
