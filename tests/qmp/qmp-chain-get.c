/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl_disk_chain_get on a real QEMU, with what libxl and xenstore say made
 * up: the functions below stand in for theirs, and the monitor is that of the
 * test's QEMU.
 */
#include "qmp/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>
#include <xenstore.h>

#include "common/alloc.h"
#include "log.h"

#define DOMID 7

static struct qmp_vm *vm;
static const char *socket_to_open;
/* Of the domain's one disk: */
static libxl_device_disk record;
static const char *backend, *params;

int __real_xls_qmp_open(const struct xls_log *log, const char *socket,
                        const char *lock, unsigned timeout_ms,
                        struct xls_qmp **qmp);
int __wrap_xls_qmp_open(const struct xls_log *log, const char *socket,
                        const char *lock, unsigned timeout_ms,
                        struct xls_qmp **qmp);
int __wrap_xls_qmp_open(const struct xls_log *log, const char *socket,
                        const char *lock, unsigned timeout_ms,
                        struct xls_qmp **qmp)
{
    if (!strcmp(socket, "/run/xen/qmp-libxl-7")) {
        assert_non_null(strstr(lock, "userdata-l.7."));
        socket = socket_to_open;
        lock = vm->lock;
    }
    return __real_xls_qmp_open(log, socket, lock, timeout_ms, qmp);
}

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    (void)ctx;
    info->domid = domid;
    return domid == DOMID ? 0 : ERROR_DOMAIN_NOTFOUND;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx;
    (void)domid;
    return xls_strdup("web1");
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid,
                                        libxl_domain_config *config,
                                        const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    config->disks = xls_calloc(1, sizeof(*config->disks));
    config->num_disks = 1;
    /* libxl's own copying wants a context. */
    *config->disks = record;
    config->disks->vdev = xls_strdup(record.vdev);
    config->disks->pdev_path = xls_strdup(record.pdev_path);
    return 0;
}

int libxl_device_disk_getinfo(libxl_ctx *ctx, uint32_t domid,
                              const libxl_device_disk *disk,
                              libxl_diskinfo *info)
{
    (void)ctx;
    (void)domid;
    (void)disk;
    info->devid = 51712;
    info->backend = xls_strdup(backend);
    return 0;
}

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)&record;
}

void xs_close(struct xs_handle *h)
{
    assert_ptr_equal(h, &record);
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
              unsigned *len)
{
    (void)h;
    assert_int_equal(t, XBT_NULL);
    assert_true(!strcmp(path, "/libxl/7/device/vbd/51712/params") ||
                !strcmp(path, "/local/domain/0/backend/qdisk/7/51712/params"));
    *len = params ? strlen(params) : 0;
    return xls_strdup(params);
}

/* A QEMU with the chain base <- top, whose disk libxl has on record. */
static int setup(void **state)
{
    static char text[300];

    (void)state;
    vm = vm_start(1, NULL);
    vm_do(vm, "blockdev-snapshot-sync",
          json("{'node-name':'%s','snapshot-node-name':'top',"
               "'snapshot-file':'%s/top'}", vm->disks[0].node, vm->dir));
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    socket_to_open = vm->socket;

    libxl_device_disk_init(&record);
    record.vdev = xls_strdup("xvda");
    record.pdev_path = xls_asprintf("%s/top", vm->dir);
    record.format = LIBXL_DISK_FORMAT_QCOW2;
    record.readwrite = 1;
    backend = "/local/domain/0/backend/qdisk/7/51712";
    snprintf(text, sizeof(text), "qcow2:%s/top", vm->dir);
    params = text;
    return 0;
}

static int teardown(void **state)
{
    libxl_device_disk_dispose(&record);
    return vm_teardown(state);
}

static int get_of(uint32_t domid, const char *vdev, unsigned flags,
                  libxl_disk_chain *chain)
{
    libxl_snapshot_how how = { .logger = vm_log.lg };

    vm_log_clear();
    libxl_disk_chain_init(chain);
    return libxl_disk_chain_get(NULL, domid, vdev, flags, &how, chain);
}

static void shown_and_agreeing(void **state)
{
    libxl_disk_chain chain;

    (void)state;
    assert_int_equal(get_of(DOMID, "xvda", 0, &chain), 0);
    assert_string_equal(chain.vdev, "xvda");
    assert_false(chain.validated);
    assert_false(chain.agrees);
    assert_int_equal(chain.num_layers, 2);
    assert_string_equal(chain.layers[0].filename, record.pdev_path);
    assert_string_equal(chain.layers[1].filename, vm->disks[0].path);
    assert_true(chain.layers[1].stat_valid);
    libxl_disk_chain_dispose(&chain);

    assert_int_equal(get_of(DOMID, "xvda", LIBXL_DISK_CHAIN_VALIDATE, &chain),
                     0);
    assert_true(chain.validated);
    if (!chain.agrees)
        fail_msg("%s", libxl_disk_chain_to_json(NULL, &chain));
    /* What a chain held before is freed. */
    assert_int_equal(libxl_disk_chain_get(NULL, DOMID, "xvda", 0, NULL,
                                          &chain), 0);
    libxl_disk_chain_dispose(&chain);
    assert_string_equal(vm_logged(), "");
}

static void records_that_differ_are_told_and_left(void **state)
{
    libxl_disk_chain chain;
    char *text;

    (void)state;
    free(record.pdev_path);
    record.pdev_path = xls_strdup(vm->disks[0].path);
    params = NULL;
    assert_int_equal(get_of(DOMID, "xvda", LIBXL_DISK_CHAIN_VALIDATE, &chain),
                     ERROR_SNAPSHOT_DISK_UNSUPPORTED);
    /* No xen-block device, and no other that has the recorded file as its
     * top: the layer below it does not count. */
    assert_non_null(strstr(vm_logged(), "QEMU has no device for it"));
    assert_int_equal(chain.num_layers, 0);

    free(record.pdev_path);
    record.pdev_path = xls_asprintf("%s/top", vm->dir);
    record.readwrite = 0;
    assert_int_equal(get_of(DOMID, "xvda", LIBXL_DISK_CHAIN_VALIDATE, &chain),
                     0);
    assert_false(chain.agrees);
    assert_int_equal(chain.layers[0].num_mismatches, 3);
    assert_int_equal(chain.layers[1].num_mismatches, 0);
    text = libxl_disk_chain_to_json(NULL, &chain);
    assert_non_null(strstr(text, "\"record\""));
    free(text);
    libxl_disk_chain_dispose(&chain);
}

static void read_only_disks_and_media_are_shown(void **state)
{
    libxl_disk_chain chain;

    (void)state;
    record.readwrite = 0;
    record.is_cdrom = 1;
    assert_int_equal(get_of(DOMID, "xvda", 0, &chain), 0);
    assert_int_equal(chain.num_layers, 2);
    libxl_disk_chain_dispose(&chain);
}

static void refused(uint32_t domid, const char *vdev, unsigned flags, int rc,
                    const char *why)
{
    libxl_disk_chain chain;

    assert_int_equal(get_of(domid, vdev, flags, &chain), rc);
    if (!strstr(vm_logged(), why))
        fail_msg("\"%s\" is not in: %s", why, vm_logged());
    assert_int_equal(chain.num_layers, 0);
    libxl_disk_chain_dispose(&chain);
}

static void what_cannot_be_shown_is_refused_with_the_reason(void **state)
{
    (void)state;
    refused(8, "xvda", 0, ERROR_DOMAIN_NOTFOUND, "id 8");
    refused(0, "xvda", 0, ERROR_INVAL, "domain 0");
    refused(DOMID, "xvda", 6, ERROR_INVAL, "0x6");
    refused(DOMID, NULL, 0, ERROR_INVAL, "vdev");
    refused(DOMID, "xvdz", 0, ERROR_SNAPSHOT_DISK_UNSUPPORTED, "xvda");
    backend = "/local/domain/0/backend/vbd/7/51712";
    refused(DOMID, "xvda", 0, ERROR_SNAPSHOT_DISK_UNSUPPORTED, "phy");
    record.backend_domid = 3;
    refused(DOMID, "xvda", 0, ERROR_SNAPSHOT_DISK_UNSUPPORTED,
            "another domain");
    record.format = LIBXL_DISK_FORMAT_EMPTY;
    refused(DOMID, "xvda", 0, ERROR_SNAPSHOT_DISK_UNSUPPORTED, "empty");
}

static void silent_monitor_is_an_error(void **state)
{
    (void)state;
    socket_to_open = "/nonexistent/qmp";
    refused(DOMID, "xvda", 0, ERROR_SNAPSHOT_QMP, "/nonexistent/qmp");
}

/* The children of a quorum are asked for when one is met. */
static void quorum_is_shown_without_being_announced(void **state)
{
    libxl_disk_chain chain;
    int rc;

    (void)state;
    vm_connect(vm);
    sh("cd %s && qemu-img create -q -f raw m0 16M && cp m0 m1 && "
       "qemu-img create -q -u -f qcow2 over 16M", vm->dir);
    rc = xls_qmp_run(vm->qmp, "blockdev-add",
                     json("{'driver':'quorum','node-name':'q',"
                          "'vote-threshold':1,'children':[{'driver':'raw',"
                          "'file':{'driver':'file','filename':'%s/m0'}},"
                          "{'driver':'raw','file':{'driver':'file',"
                          "'filename':'%s/m1'}}]}", vm->dir, vm->dir),
                     VM_TIMEOUT_MS, NULL);
    if (rc) {
        print_message("quorum: %s\n", xls_qmp_error_desc(vm->qmp));
        skip();
    }
    vm_do(vm, "blockdev-add",
          json("{'driver':'qcow2','node-name':'over','backing':'q',"
               "'file':{'driver':'file','filename':'%s/over'}}", vm->dir));
    vm_plug(vm, "d", "over");
    xls_qmp_close(vm->qmp);
    vm->qmp = NULL;
    free(record.pdev_path);
    record.pdev_path = xls_asprintf("%s/over", vm->dir);
    assert_int_equal(get_of(DOMID, "xvda", 0, &chain), 0);
    assert_int_equal(chain.num_layers, 4);
    assert_string_equal(chain.layers[1].driver, "quorum");
    assert_int_equal(chain.layers[3].parent, 1);
    libxl_disk_chain_dispose(&chain);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shown_and_agreeing),
        TEST(records_that_differ_are_told_and_left),
        TEST(read_only_disks_and_media_are_shown),
        TEST(what_cannot_be_shown_is_refused_with_the_reason),
        TEST(silent_monitor_is_an_error),
        TEST(quorum_is_shown_without_being_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
