/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The old domain put aside: its memory in a file, its disks as it leaves them.
 * It can be brought back from them as long as nobody has written the disks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "intent/journal.h"
#include "ops/revert/revert.h"
#include "savefile/memfile.h"
#include "session/paths.h"
#include "xen/domain.h"
#include "xen/users.h"

/* Beside the pages: the configuration, records of the stream, the device
 * model's state. */
#define MORE_KB (64 << 10)

static int cannot(struct xls_revert *r, const char *why)
{
    XLS_ERROR(&r->op.log, "domain %s and the new one cannot be there at the "
              "same time (%s), and it cannot be put aside: %s; use "
              "destroy_first to give up what its memory holds", r->name,
              r->conflict, why);
    return ERROR_SNAPSHOT_STATE;
}

static int check_room(struct xls_revert *r)
{
    const uint64_t need = r->op.info.current_memkb + MORE_KB;
    struct statvfs fs;

    if (mkdir(XLS_STATE_DIR, 0700) && errno != EEXIST) {
        XLS_ERRORE(&r->op.log, "cannot make %s", XLS_STATE_DIR);
        return ERROR_SNAPSHOT_STORAGE;
    }
    if (statvfs(XLS_STATE_DIR, &fs) ||
        (uint64_t)fs.f_bavail * fs.f_frsize / 1024 >= need)
        return 0;
    XLS_ERROR(&r->op.log, "domain %s and the new one cannot be there at the "
              "same time (%s), and its memory, %llu MiB, does not fit into "
              XLS_STATE_DIR ", where it would be put aside; make room, or use "
              "destroy_first to give up what its memory holds", r->name,
              r->conflict, (unsigned long long)need >> 10);
    return ERROR_SNAPSHOT_STORAGE;
}

int xls_revert_aside_check(struct xls_revert *r)
{
    const libxl_dominfo *info = &r->op.info;
    libxl_device_pci *pcis;
    int num = 0;

    if (info->shutdown)
        return cannot(r, "it has shut down or crashed");
    if (info->paused)
        return cannot(r, "it is paused, so that it cannot answer a request to "
                      "suspend (unpause it, if it may run)");
    pcis = libxl_device_pci_list(r->op.ctx, r->op.domid, &num);
    libxl_device_pci_list_free(pcis, num);
    if (num)
        return cannot(r, "it has a PCI device, so that its memory cannot be "
                      "saved");
    return check_room(r);
}

static uint64_t taken(void *user)
{
    const struct xls_revert *r = user;
    struct stat st;

    return fstat(r->aside.fd, &st) ? 0 : st.st_size;
}

static bool failed(void *user)
{
    (void)user;
    return false;
}

static int write_file(struct xls_revert *r)
{
    const struct xls_save_to to = { .fd = r->aside.fd, .taken = taken,
                                    .failed = failed, .user = r };
    struct xls_suspend suspend;
    char *json;
    void *header;
    size_t len;
    int rc;

    json = libxl_domain_config_to_json(r->op.ctx, &r->aside.config);
    if (!json) {
        XLS_ERROR(&r->op.log, "libxl cannot write the configuration of domain "
                  "%s as JSON", r->name);
        return ERROR_FAIL;
    }
    header = xls_memfile_make_header(json, &len);
    rc = xls_fd_write(&r->op.log, to.fd, r->aside.path, header, len);
    free(header);
    free(json);
    if (rc)
        return rc;
    rc = xls_domain_save(&r->op, &to, false, &suspend);
    if (!rc)
        rc = xls_fd_sync(&r->op.log, to.fd, r->aside.path);
    if (!rc)
        rc = xls_dir_sync(&r->op.log, r->aside.path);
    if (rc && suspend.suspended && xls_domain_resume(&r->op))
        XLS_ERROR(&r->op.log, "and domain %s is suspended now", r->name);
    return rc;
}

int xls_revert_aside_save(struct xls_revert *r)
{
    char *unique = xls_unique_name("aside");
    int rc;

    XLS_NOTICE(&r->op.log, "domain %s and the new one cannot be there at the "
               "same time (%s): it is put aside first, its memory in "
               XLS_STATE_DIR, r->name, r->conflict);
    r->aside.path = xls_asprintf(XLS_STATE_DIR "/%s.mem", unique);
    free(unique);
    r->phase = XLS_REVERT_SAVING;
    rc = xls_revert_journal(r);
    if (!rc)
        rc = xls_file_create(&r->op.log, r->aside.path, NULL, &r->aside.fd);
    if (rc)
        return rc;
    rc = write_file(r);
    if (rc) {
        if (rc != ERROR_ABORTED)
            XLS_ERROR(&r->op.log, "domain %s cannot be put aside, and runs on; "
                      "use destroy_first to give up what its memory holds",
                      r->name);
        xls_revert_aside_drop(r);
    }
    return rc;
}

void xls_revert_aside_drop(struct xls_revert *r)
{
    if (r->aside.fd >= 0)
        close(r->aside.fd);
    r->aside.fd = -1;
    if (r->aside.path)
        xls_file_unlink(&r->op.log, r->aside.path);
    free(r->aside.path);
    r->aside.path = NULL;
}

/* What tells that nobody has written a disk since: NULL for one of which
 * nothing does. */
static char *stamp(const libxl_device_disk *disk)
{
    struct stat st;

    if (!disk->pdev_path || stat(disk->pdev_path, &st) ||
        !S_ISREG(st.st_mode))
        return NULL;
    return xls_asprintf("%llu:%llu:%lld.%09ld", (unsigned long long)st.st_dev,
                        (unsigned long long)st.st_ino,
                        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static bool is_written(const libxl_device_disk *disk)
{
    return disk->readwrite && !disk->is_cdrom && disk->pdev_path &&
           disk->pdev_path[0];
}

void xls_revert_aside_stamp(struct xls_revert *r)
{
    struct xls_json *o = xls_json_object();
    int i;

    for (i = 0; i < r->aside.config.num_disks; i++) {
        const libxl_device_disk *disk = &r->aside.config.disks[i];
        char *text = is_written(disk) ? stamp(disk) : NULL;

        xls_json_set_str(o, disk->vdev, text);
        free(text);
    }
    xls_json_free(r->aside.stamps);
    r->aside.stamps = o;
}

/* The first disk that may have been written since; NULL: none. */
static const char *changed(struct xls_revert *r)
{
    int i;

    for (i = 0; i < r->aside.config.num_disks; i++) {
        const libxl_device_disk *disk = &r->aside.config.disks[i];
        const char *then = xls_json_get_str(r->aside.stamps, disk->vdev);
        char *now;
        bool same;

        if (!is_written(disk))
            continue;
        now = stamp(disk);
        same = now && then && !strcmp(now, then);
        free(now);
        if (!same)
            return disk->vdev;
    }
    return NULL;
}

static int restore(struct xls_revert *r, uint32_t *domid)
{
    libxl_domain_restore_params params;
    int fd, rc;

    rc = xls_memfile_open(&r->op.log, r->aside.path, &fd);
    if (rc)
        return rc;
    libxl_domain_restore_params_init(&params);
    params.stream_version = XLS_STREAM_VERSION;
    r->aside.config.c_info.domid = XLS_NO_DOMID;
    rc = libxl_domain_create_restore(r->op.ctx, &r->aside.config, domid, fd,
                                     -1, &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    close(fd);
    return rc;
}

/* That nobody but domid has been started on its disks meanwhile. */
static int check_disks(struct xls_revert *r, uint32_t domid)
{
    struct xls_users users;
    int i, rc = 0;

    xls_users_load(&r->op, &users);
    for (i = 0; !rc && i < r->aside.config.num_disks; i++) {
        const libxl_device_disk *disk = &r->aside.config.disks[i];

        if (is_written(disk))
            rc = xls_users_check(&r->op, &users, domid, disk->vdev,
                                 disk->pdev_path);
    }
    xls_users_dispose(&users);
    return rc;
}

int xls_revert_aside_bring_back(struct xls_revert *r)
{
    uint32_t domid = XLS_NO_DOMID;
    int rc;

    free(r->aside.config.c_info.name);
    r->aside.config.c_info.name = xls_strdup(r->incoming);
    rc = check_disks(r, XLS_NO_DOMID);
    if (!rc)
        rc = restore(r, &domid);
    if (!rc)
        rc = check_disks(r, domid);
    if (!rc) {
        r->brought_back = domid;
        r->phase = XLS_REVERT_BACK;
        rc = xls_revert_journal(r);
    }
    if (!rc)
        rc = libxl_domain_rename(r->op.ctx, domid, r->incoming, r->name);
    if (rc) {
        r->brought_back = XLS_NO_DOMID;
        r->phase = XLS_REVERT_GONE;
        xls_revert_remove_incomplete(r->op.ctx, domid);
        xls_revert_journal(r);
        XLS_ERROR(&r->op.log, "domain %s, which was put aside, cannot be "
                  "brought back (the messages before say why); its memory "
                  "stays in %s, and the next operation tries again: do not "
                  "start it otherwise", r->name, r->aside.path);
        return ERROR_SNAPSHOT_INCOMPLETE;
    }
    xls_revert_reopen_console_logs();
    xls_revert_vm_write(r, domid);
    if (libxl_domain_unpause(r->op.ctx, domid, NULL))
        XLS_ERROR(&r->op.log, "domain %s cannot be unpaused; try: xl unpause "
                  "%u", r->name, domid);
    XLS_NOTICE(&r->op.log, "domain %s is back as it was, with id %u", r->name,
               domid);
    xls_revert_aside_drop(r);
    return 0;
}

/* --- after a kill --- */

static void keep(struct xls_revert *r, const char *why, const char *what)
{
    XLS_ERROR(&r->op.log, "reverting domain %s was interrupted, and what its "
              "memory held before stays in %s: %s%s; remove the file, or use "
              "it with 'xl restore' if nothing has written the disks since",
              r->name, r->aside.path, why, what);
}

int xls_revert_aside_load(struct xls_revert *r)
{
    char *json = NULL;
    int rc;

    rc = xls_memfile_config(&r->op.log, r->aside.path, &json);
    if (!rc)
        rc = libxl_domain_config_from_json(r->op.ctx, &r->aside.config, json);
    if (rc)
        XLS_ERROR(&r->op.log, "%s, into which domain %s was put aside, cannot "
                  "be used", r->aside.path, r->name);
    free(json);
    return rc ? ERROR_SNAPSHOT_INCOMPLETE : 0;
}

int xls_revert_aside_recover(struct xls_revert *r, bool check)
{
    uint32_t other;
    const char *disk = NULL;
    int rc;

    rc = xls_revert_aside_load(r);
    if (rc)
        return rc;
    if (!libxl_name_to_domid(r->op.ctx, r->name, &other)) {
        keep(r, "another domain has its name now", "");
        return 0;
    }
    if (check)
        disk = changed(r);
    else
        xls_revert_aside_stamp(r);
    if (disk) {
        keep(r, "it does not show that nobody has written disk ", disk);
        return 0;
    }
    XLS_NOTICE(&r->op.log, "reverting domain %s was interrupted before the new "
               "one was there; bringing the old one back", r->name);
    return xls_revert_aside_bring_back(r);
}

void xls_revert_aside_stale(struct xls_revert *r)
{
    if (r->aside.path && !access(r->aside.path, F_OK))
        keep(r, "the domain or the host was started anew since", "");
}
