/* SPDX-License-Identifier: LGPL-2.1-only */
#include "layers/open_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/process.h"

static bool is_number(const char *s)
{
    return *s && !s[strspn(s, "0123456789")];
}

static bool for_writing(int dir, const char *fd)
{
    char *name = xls_asprintf("../fdinfo/%s", fd), line[128];
    int info = openat(dir, name, O_RDONLY | O_CLOEXEC);
    FILE *file = info < 0 ? NULL : fdopen(info, "r");
    unsigned flags = O_RDONLY;

    free(name);
    if (!file) {
        if (info >= 0)
            close(info);
        return false;
    }
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "flags: %o", &flags) == 1)
            break;
    fclose(file);
    return (flags & O_ACCMODE) != O_RDONLY;
}

static bool has_open(const char *pid, const struct stat *st, bool writing)
{
    char *path = xls_asprintf("/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool has = false;
    struct stat its;

    free(path);
    while (dir && !has && (entry = readdir(dir)))
        has = is_number(entry->d_name) &&
            !fstatat(dirfd(dir), entry->d_name, &its, 0) &&
            its.st_dev == st->st_dev && its.st_ino == st->st_ino &&
            (!writing || for_writing(dirfd(dir), entry->d_name));
    if (dir)
        closedir(dir);
    return has;
}

char *open_file_user(const char *path, bool writing)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    char *who = NULL;
    struct stat st;

    if (!proc || stat(path, &st)) {
        if (proc)
            closedir(proc);
        return NULL;
    }
    while (!who && (entry = readdir(proc)))
        if (is_number(entry->d_name) && atoi(entry->d_name) != getpid() &&
            has_open(entry->d_name, &st, writing))
            who = xls_process(entry->d_name, "a program");
    closedir(proc);
    return who;
}
