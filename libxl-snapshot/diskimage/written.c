/* SPDX-License-Identifier: LGPL-2.1-only */
#include "diskimage/written.h"

#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The start of a qcow2 header, big endian (QEMU's docs/interop/qcow2.txt). */
struct header {
    char magic[4];
    uint32_t version;
    uint64_t backing_offset;
    uint32_t backing_size;
    uint32_t cluster_bits;
    uint64_t size;
    uint32_t crypt_method;
    uint32_t l1_size;
    uint64_t l1_offset;
    uint64_t refcount_offset;
    uint32_t refcount_clusters;
    uint32_t num_snapshots;
};

#define MAX_L1 (4u << 20)       /* entries, QEMU's limit */

static bool any_set(int fd, off_t at, size_t len)
{
    unsigned char buf[65536];
    size_t i;

    while (len) {
        size_t want = len < sizeof(buf) ? len : sizeof(buf);
        ssize_t r = pread(fd, buf, want, at);

        if (r <= 0)
            return true;
        for (i = 0; i < (size_t)r; i++)
            if (buf[i])
                return true;
        at += r;
        len -= (size_t)r;
    }
    return false;
}

bool xls_image_written(const char *path)
{
    struct header h = { .version = 0 };
    bool written = true;
    struct stat st;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return true;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_size)
        written = false;
    else if (pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
             !memcmp(h.magic, "QFI\xfb", 4) && !h.num_snapshots &&
             be32toh(h.l1_size) <= MAX_L1)
        written = any_set(fd, (off_t)be64toh(h.l1_offset),
                          (size_t)be32toh(h.l1_size) * sizeof(uint64_t));
    close(fd);
    return written;
}
