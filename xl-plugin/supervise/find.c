/* SPDX-License-Identifier: LGPL-2.1-only */
#include "supervise/supervise.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/alloc.h"

/* The last component of what a link in /proc says, which has " (deleted)" at
 * its end after an upgrade. */
static bool exe_is_xl(const char *pid)
{
    char *link = xls_asprintf("/proc/%s/exe", pid), target[4096], *base;
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    char *deleted;

    free(link);
    if (len < 0)
        return false;
    target[len] = 0;
    deleted = strstr(target, " (deleted)");
    if (deleted && !deleted[strlen(" (deleted)")])
        *deleted = 0;
    base = strrchr(target, '/');
    base = base ? base + 1 : target;
    return !strcmp(base, "xl") || !strcmp(base, "xl-snapshot");
}

static bool open_for_writing(const char *pid, const char *fd)
{
    char *path = xls_asprintf("/proc/%s/fdinfo/%s", pid, fd), line[128];
    FILE *file = fopen(path, "re");
    unsigned flags = O_RDONLY;

    free(path);
    if (!file)
        return false;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "flags: %o", &flags) == 1)
            break;
    fclose(file);
    return (flags & O_ACCMODE) != O_RDONLY;
}

static bool has_log(const char *pid, const char *log)
{
    char *path = xls_asprintf("/proc/%s/fd", pid), target[4096];
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool found = false;

    free(path);
    if (!dir)
        return false;
    while (!found && (entry = readdir(dir))) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target,
                                 sizeof(target) - 1);

        if (len < 0)
            continue;
        target[len] = 0;
        found = !strcmp(target, log) && open_for_writing(pid, entry->d_name);
    }
    closedir(dir);
    return found;
}

void watchers_find(const char *name, struct watchers *w)
{
    char *log = xls_asprintf("/var/log/xen/xl-%s.log", name);
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    *w = (struct watchers){ .hold = -1 };
    while (proc && (entry = readdir(proc))) {
        int fd;

        if (!isdigit((unsigned char)entry->d_name[0]) ||
            atoi(entry->d_name) == getpid() || !exe_is_xl(entry->d_name))
            continue;
        /* Taken before the look at its files: what has them is then what
         * the descriptor stands for, or it ended meanwhile. */
        fd = syscall(SYS_pidfd_open, atoi(entry->d_name), 0);
        if (fd < 0)
            continue;
        if (!has_log(entry->d_name, log)) {
            close(fd);
            continue;
        }
        w->fds = xls_realloc(w->fds, w->num + 1, sizeof(*w->fds));
        w->fds[w->num++] = fd;
    }
    if (proc)
        closedir(proc);
    free(log);
}

void watchers_close(struct watchers *w)
{
    int i;

    for (i = 0; i < w->num; i++)
        close(w->fds[i]);
    free(w->fds);
    supervise_release(w);
    *w = (struct watchers){ .hold = -1 };
}
