/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xenconsoled names a guest's log by the name that the domain has when its
 * console comes up, and reopens all logs by today's names on SIGHUP, as after
 * their rotation.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ops/revert/revert.h"

static bool is_xenconsoled(int dir)
{
    char exe[4096], *name, *deleted;
    struct stat st;
    ssize_t len;

    if (fstat(dir, &st) || st.st_uid)
        return false;
    len = readlinkat(dir, "exe", exe, sizeof(exe) - 1);
    if (len <= 0)
        return false;
    exe[len] = '\0';
    /* After an upgrade of its package. */
    deleted = strstr(exe, " (deleted)");
    if (deleted)
        *deleted = '\0';
    name = strrchr(exe, '/');
    return name && !strcmp(name, "/xenconsoled");
}

void xls_revert_reopen_console_logs(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    while (proc && (entry = readdir(proc))) {
        int pid, dir;

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        /* Opened before it is looked at: both are of one process. */
        pid = syscall(SYS_pidfd_open, atoi(entry->d_name), 0);
        if (pid < 0)
            continue;
        dir = openat(dirfd(proc), entry->d_name,
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0 && is_xenconsoled(dir))
            syscall(SYS_pidfd_send_signal, pid, SIGHUP, NULL, 0);
        if (dir >= 0)
            close(dir);
        close(pid);
    }
    if (proc)
        closedir(proc);
}
