/* SPDX-License-Identifier: LGPL-2.1-only */
#include "xen/domain.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

/* Whether a command line, words ended by NULs, is that of libxl's helper that
 * saves this domain ("libxl-save-helper --save-domain FD DOMID …"). */
static bool is_save_helper(const char *words, ssize_t len, const char *domid)
{
    const char *end = words + len, *word[4] = { 0 };
    int i;

    for (i = 0; i < 4 && words < end; i++) {
        word[i] = words;
        words += strnlen(words, end - words) + 1;
    }
    return i == 4 && ends_with(word[0], "libxl-save-helper") &&
           !strcmp(word[1], "--save-domain") && !strcmp(word[3], domid);
}

/* The beginning of a file, NUL-terminated; -1: it cannot be read. */
static ssize_t read_at(int dir, const char *name, char *text, size_t size)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    if (n >= 0)
        text[n] = '\0';
    return n;
}

/* All four of a process's user ids: a process that root runs, not one that has
 * root's rights for somebody else. */
static bool is_roots(int proc)
{
    char text[1024], *line;
    unsigned ids[4];
    ssize_t n;

    n = read_at(proc, "status", text, sizeof(text));
    line = n > 0 ? strstr(text, "\nUid:") : NULL;
    return line &&
           sscanf(line, "\nUid: %u %u %u %u", &ids[0], &ids[1], &ids[2],
                  &ids[3]) == 4 &&
           !ids[0] && !ids[1] && !ids[2] && !ids[3];
}

/* Whether the process, by its directory in /proc, runs libxl's helper. Anybody
 * can give a process any command line. */
static bool runs_helper(int proc)
{
    static const char removed[] = " (deleted)";
    char exe[PATH_MAX];
    ssize_t n = readlinkat(proc, "exe", exe, sizeof(exe) - 1);

    if (n <= 0 || !is_roots(proc))
        return false;
    exe[n] = '\0';
    if (ends_with(exe, removed))
        exe[n - (ssize_t)strlen(removed)] = '\0';
    return ends_with(exe, "/libxl-save-helper");
}

/* Nothing in xenstore or libxl tells of a save or migration under way; its
 * helper process does. */
static bool being_saved(uint32_t domid)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    char *id = xls_asprintf("%u", domid);
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        char words[512];
        ssize_t n;
        int proc;

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        proc = openat(dirfd(dir), entry->d_name,
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (proc < 0)
            continue;
        n = read_at(proc, "cmdline", words, sizeof(words));
        found = n > 0 && is_save_helper(words, n + 1, id) &&
                runs_helper(proc);
        close(proc);
    }
    if (dir)
        closedir(dir);
    free(id);
    return found;
}

static int state_error(struct xls_op *op, const char *state,
                       const char *way_out)
{
    XLS_ERROR(&op->log, "domain %s %s%s%s", op->name, state,
              way_out ? "; " : "", way_out ? way_out : "");
    return ERROR_SNAPSHOT_STATE;
}

static int check_live(struct xls_op *op)
{
    libxl_physinfo phys;
    int rc;

    libxl_physinfo_init(&phys);
    rc = libxl_get_physinfo(op->ctx, &phys);
    if (rc) {
        XLS_ERROR(&op->log, "libxl cannot tell what this host can do");
        goto out;
    }
    if (op->info.domain_type == LIBXL_DOMAIN_TYPE_PV && !phys.cap_shadow) {
        XLS_ERROR(&op->log, "domain %s is a PV guest, and this Xen is built "
                  "without shadow paging, which a live snapshot of one "
                  "needs; take it without live (the guest is stopped while "
                  "its memory is saved) or of the disks alone", op->name);
        rc = ERROR_SNAPSHOT_LIVE_UNSUPPORTED;
    }

out:
    libxl_physinfo_dispose(&phys);
    return rc;
}

static int check_pci(struct xls_op *op)
{
    libxl_device_pci *pcis;
    int num = 0;

    pcis = libxl_device_pci_list(op->ctx, op->domid, &num);
    libxl_device_pci_list_free(pcis, num);
    return num ? state_error(op, "has a PCI device passed through, so its "
                             "memory cannot be saved",
                             "detach it, or take a snapshot of the disks "
                             "alone")
               : 0;
}

int xls_domain_check(struct xls_op *op, bool memory, bool live)
{
    int rc;

    if (op->info.dying)
        return state_error(op, "is dying", NULL);
    if (op->info.shutdown)
        return op->info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND
                   ? state_error(op, "is suspended already: its memory is "
                                 "being saved or was", "resume it first")
                   : state_error(op, "has shut down", NULL);
    if (ends_with(op->name, "--incoming") ||
        ends_with(op->name, "--migratedaway"))
        return state_error(op, "is being migrated", "wait for the end of "
                           "the migration");
    if (being_saved(op->domid))
        return state_error(op, "is being saved or migrated by another "
                           "process", "wait for its end");
    if (!memory)
        return 0;
    if (op->info.paused)
        return state_error(op, "is paused, so it cannot answer a request to "
                           "suspend", "unpause it, or take a snapshot of the "
                           "disks alone");
    rc = check_pci(op);
    if (!rc && live)
        rc = check_live(op);
    return rc;
}

int xls_domain_pause(struct xls_op *op, bool *paused)
{
    int rc;

    *paused = false;
    rc = xls_op_refresh(op);
    if (rc)
        return ERROR_DOMAIN_NOTFOUND;
    /* A suspended guest runs as little as a paused one. */
    if (op->info.paused || op->info.shutdown)
        return 0;
    rc = libxl_domain_pause(op->ctx, op->domid, NULL);
    if (rc)
        XLS_ERROR(&op->log, "domain %s cannot be paused", op->name);
    else
        *paused = true;
    return rc;
}

void xls_domain_unpause(struct xls_op *op)
{
    xls_op_qmp_close(op);
    if (libxl_domain_unpause(op->ctx, op->domid, NULL))
        XLS_ERROR(&op->log, "domain %s cannot be unpaused; try: xl unpause %u",
                  op->name, op->domid);
}
