/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The configurations are compared as JSON, of which libxl writes what differs
 * from the default: so a device array that a newer libxl has is seen as well.
 */
#include "ops/revert/conflicts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/alloc.h"

/* Texts that are collected, separated by commas; NULL: none. */
struct found {
    char *text;
};

static void add(struct found *f, char *what)
{
    char *all = f->text ? xls_asprintf("%s, %s", f->text, what) : NULL;

    if (all) {
        free(what);
        free(f->text);
    }
    f->text = all ? all : what;
}

static bool is_true(const struct xls_json *o, const char *key)
{
    const char *s = xls_json_get_str(o, key);

    return s ? !strcmp(s, "True") : xls_json_get_bool(o, key, false);
}

static bool is_false(const struct xls_json *o, const char *key)
{
    const char *s = xls_json_get_str(o, key);

    return s ? !strcmp(s, "False") : !xls_json_get_bool(o, key, true);
}

static bool same_text(const char *a, const char *b)
{
    return a && b && a[0] && !strcmp(a, b);
}

static int64_t number(const struct xls_json *o, const char *key)
{
    int64_t i = 0;

    return xls_json_get_int(o, key, &i) ? i : 0;
}

/* --- disks --- */

static bool has_image(const struct xls_json *disk)
{
    const char *path = xls_json_get_str(disk, "pdev_path");
    const char *format = xls_json_get_str(disk, "format");

    return path && path[0] && !(format && !strcmp(format, "empty"));
}

static bool writable(const struct xls_json *disk)
{
    return number(disk, "readwrite") && !number(disk, "is_cdrom");
}

static bool same_image(const char *a, const char *b)
{
    struct stat x, y;

    if (!strcmp(a, b))
        return true;
    if (a[0] != '/' || b[0] != '/' || stat(a, &x) || stat(b, &y))
        return false;
    if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
        return x.st_rdev == y.st_rdev;
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* One that reads what the other one writes sees metadata of two times. */
static void disks(const struct xls_json *old, const struct xls_json *new_one,
                  struct found *f)
{
    size_t i, j;

    for (i = 0; i < xls_json_len(new_one); i++)
        for (j = 0; j < xls_json_len(old); j++) {
            const struct xls_json *x = xls_json_at(new_one, i);
            const struct xls_json *y = xls_json_at(old, j);

            if (has_image(x) && has_image(y) &&
                (writable(x) || writable(y)) &&
                same_image(xls_json_get_str(x, "pdev_path"),
                           xls_json_get_str(y, "pdev_path")))
                add(f, xls_asprintf("disk %s (%s)",
                                    xls_json_get_str(x, "vdev"),
                                    xls_json_get_str(x, "pdev_path")));
        }
}

/* --- network interfaces --- */

/* Scripts that act on the interface by its own name, which libxl makes of the
 * domain's id, and on nothing else of the host. */
static bool script_is_plain(const char *script)
{
    const char *name = script ? strrchr(script, '/') : NULL;

    name = name ? name + 1 : script;
    return !name || !name[0] || !strcmp(name, "vif-bridge") ||
           !strcmp(name, "vif-openvswitch");
}

/* Routed by the same script without an address, each has a route of no one. */
static bool script_routes(const struct xls_json *nic)
{
    const char *script = xls_json_get_str(nic, "script");
    const char *name = script ? strrchr(script, '/') : NULL;
    const char *ip = xls_json_get_str(nic, "ip");

    name = name ? name + 1 : script;
    return !script_is_plain(script) &&
           (strcmp(name, "vif-route") || (ip && ip[0]));
}

static void nics(const struct xls_json *old, const struct xls_json *new_one,
                 struct found *f)
{
    size_t i, j;

    for (i = 0; i < xls_json_len(new_one); i++)
        for (j = 0; j < xls_json_len(old); j++) {
            const struct xls_json *x = xls_json_at(new_one, i);
            const struct xls_json *y = xls_json_at(old, j);
            const char *name = xls_json_get_str(x, "ifname");

            if (same_text(name, xls_json_get_str(y, "ifname")))
                add(f, xls_asprintf("network interface name %s", name));
            else if (number(x, "devid") == number(y, "devid") &&
                     script_routes(x) && script_routes(y))
                add(f, xls_asprintf("network interface script %s",
                                    xls_json_get_str(x, "script")));
        }
}

/* --- VNC, SPICE --- */

static bool vnc_is_fixed(const struct xls_json *vnc)
{
    /* libxl's default of both is true. */
    return !is_false(vnc, "enable") && is_false(vnc, "findunused");
}

/* The display is in listen, as HOST:DISPLAY, or by itself. */
static int64_t vnc_display(const struct xls_json *vnc)
{
    const char *listen = xls_json_get_str(vnc, "listen");
    const char *colon = listen ? strrchr(listen, ':') : NULL;

    return colon && colon[1] ? strtoll(colon + 1, NULL, 10)
                             : number(vnc, "display");
}

static void vnc(const struct xls_json *old, const struct xls_json *new_one,
                struct found *f)
{
    if (vnc_is_fixed(old) && vnc_is_fixed(new_one) &&
        vnc_display(old) == vnc_display(new_one))
        add(f, xls_asprintf("VNC display %lld",
                            (long long)vnc_display(new_one)));
}

static void vfbs(const struct xls_json *old, const struct xls_json *new_one,
                 struct found *f)
{
    size_t i, j;

    for (i = 0; i < xls_json_len(new_one); i++)
        for (j = 0; j < xls_json_len(old); j++)
            vnc(xls_json_get(xls_json_at(old, j), "vnc"),
                xls_json_get(xls_json_at(new_one, i), "vnc"), f);
}

static void spice(const struct xls_json *old, const struct xls_json *new_one,
                  struct found *f)
{
    if (is_true(old, "enable") && is_true(new_one, "enable"))
        add(f, xls_asprintf("SPICE port %lld",
                            (long long)(number(new_one, "port")
                                            ? number(new_one, "port")
                                            : number(new_one, "tls_port"))));
}

/* --- character devices --- */

/* What any number of QEMUs may have open. "file:" is emptied by each start
 * anyway. */
static bool chardev_is_shared(const char *spec)
{
    static const char *const shared[] = { "pty", "null", "none", "vc",
                                          "stdio", "msmouse", "file:" };
    size_t i, len;

    for (i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
        len = strlen(shared[i]);
        if (!strncmp(spec, shared[i], len) &&
            (shared[i][len - 1] == ':' || !spec[len] || spec[len] == ':' ||
             spec[len] == ','))
            return true;
    }
    return false;
}

static void serial(const struct xls_json *old, const struct xls_json *new_one,
                   struct found *f)
{
    const char *x = xls_json_str(new_one), *y = xls_json_str(old);

    if (x && y && !chardev_is_shared(x) && !chardev_is_shared(y))
        add(f, xls_asprintf("serial port %s", x));
}

static void serials(const struct xls_json *old, const struct xls_json *new_one,
                    struct found *f)
{
    size_t i;

    for (i = 0; i < xls_json_len(new_one); i++)
        serial(xls_json_at(old, i), xls_json_at(new_one, i), f);
}

/* The second QEMU binds the path anew, and the first one removes it as it
 * ends. */
static void channels(const struct xls_json *old, const struct xls_json *new_one,
                     struct found *f)
{
    static const char socket[] = "connection.socket";
    size_t i, j;

    for (i = 0; i < xls_json_len(new_one); i++)
        for (j = 0; j < xls_json_len(old); j++) {
            const char *path = xls_json_get_str(
                xls_json_get(xls_json_at(new_one, i), socket), "path");

            if (same_text(path, xls_json_get_str(
                                    xls_json_get(xls_json_at(old, j), socket),
                                    "path")))
                add(f, xls_asprintf("channel socket %s", path));
        }
}

/* "usbdevice": "tablet" and the like are emulated, "host:" is the host's. */
static void usbdevice(const struct xls_json *old,
                      const struct xls_json *new_one, struct found *f)
{
    const char *x = xls_json_str(new_one), *y = xls_json_str(old);

    if (x && y && !strncmp(x, "host:", 5) && !strncmp(y, "host:", 5))
        add(f, xls_asprintf("USB device %s", x + 5));
}

static void usbdevices(const struct xls_json *old,
                       const struct xls_json *new_one, struct found *f)
{
    size_t i, j;

    for (i = 0; i < xls_json_len(new_one); i++)
        for (j = 0; j < xls_json_len(old); j++)
            usbdevice(xls_json_at(old, j), xls_json_at(new_one, i), f);
}

/* Nothing here understands QEMU's command line: it may name a port, a socket
 * or an image. */
static void extra(const struct xls_json *old, const struct xls_json *new_one,
                  struct found *f)
{
    if (xls_json_len(old) && xls_json_len(new_one))
        add(f, xls_strdup("what the device model's own arguments name"));
}

/* --- the table --- */

static void domid(const struct xls_json *old, const struct xls_json *new_one,
                  struct found *f)
{
    uint64_t i;

    (void)old;
    /* 0x7ff0 and above: none, or any. */
    if (new_one && xls_json_get_uint(new_one, "domid", &i) && i &&
        i < 0x7ff0)
        add(f, xls_asprintf("domain id %llu", (unsigned long long)i));
}

/* Those of an array that one domain has to itself, all alike. */
struct row {
    const char *key;
    /* NULL: any number of domains may have it. */
    void (*find)(const struct xls_json *old, const struct xls_json *new_one,
                 struct found *f);
    const char *exclusive;      /* both have some: that is what they share */
};

static const struct row devices[] = {
    { "disks", disks, NULL },
    { "nics", nics, NULL },
    { "vfbs", vfbs, NULL },
    { "channels", channels, NULL },
    { "pcidevs", NULL, "a PCI device" },
    { "usbdevs", NULL, "a USB device" },
    { "dtdevs", NULL, "a device of the host's device tree" },
    { "vtpms", NULL, "a TPM" },
    { "virtios", NULL, "a virtio device" },
    { "vdispls", NULL, "a display" },
    { "vsnds", NULL, "a sound card" },
    { "usbctrls", NULL, NULL },         /* what is plugged in: usbdevs */
    { "rdms", NULL, NULL },             /* those of pcidevs */
    { "vkbs", NULL, NULL },
    { "p9s", NULL, NULL },              /* a directory, and no state */
    { "pvcallsifs", NULL, NULL },
};

static const struct row build_info[] = {
    { "extra", extra, NULL },
    { "extra_pv", extra, NULL },
    { "extra_hvm", extra, NULL },
    { "ioports", NULL, "I/O ports" },
    { "irqs", NULL, "interrupts" },
    { "iomem", NULL, "I/O memory" },
};

static const struct row hvm[] = {
    { "vnc", vnc, NULL },
    { "spice", spice, NULL },
    { "serial", serial, NULL },
    { "serial_list", serials, NULL },
    { "usbdevice", usbdevice, NULL },
    { "usbdevice_list", usbdevices, NULL },
};

#define NUM(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct row *row_of(const struct row *rows, size_t num,
                                const char *key)
{
    size_t i;

    for (i = 0; i < num; i++)
        if (!strcmp(rows[i].key, key))
            return &rows[i];
    return NULL;
}

static void apply(const struct row *row, const struct xls_json *old,
                  const struct xls_json *new_one, struct found *f)
{
    const struct xls_json *x = xls_json_get(old, row->key);
    const struct xls_json *y = xls_json_get(new_one, row->key);

    if (row->find)
        row->find(x, y, f);
    else if (row->exclusive && xls_json_len(x) && xls_json_len(y))
        add(f, xls_strdup(row->exclusive));
}

static void apply_all(const struct row *rows, size_t num,
                      const struct xls_json *old,
                      const struct xls_json *new_one, struct found *f)
{
    size_t i;

    for (i = 0; i < num; i++)
        apply(&rows[i], old, new_one, f);
}

/* Arrays of the configuration itself are devices. */
static void unknown(const struct xls_json *old, const struct xls_json *new_one,
                    struct found *f)
{
    size_t i;

    for (i = 0; new_one && new_one->type == XLS_JSON_OBJECT &&
                i < new_one->u.list.num; i++) {
        const char *key = new_one->u.list.keys[i];

        if (!row_of(devices, NUM(devices), key) &&
            xls_json_len(new_one->u.list.items[i]) &&
            xls_json_len(xls_json_get(old, key)))
            add(f, xls_asprintf("a device of the unknown kind %s", key));
    }
}

char *xls_revert_conflicts(const struct xls_json *old,
                           const struct xls_json *new_one)
{
    const struct xls_json *x = xls_json_get(old, "b_info");
    const struct xls_json *y = xls_json_get(new_one, "b_info");
    struct found f = { 0 };

    domid(NULL, xls_json_get(new_one, "c_info"), &f);
    apply_all(devices, NUM(devices), old, new_one, &f);
    unknown(old, new_one, &f);
    apply_all(build_info, NUM(build_info), x, y, &f);
    apply_all(hvm, NUM(hvm), xls_json_get(x, "type.hvm"),
              xls_json_get(y, "type.hvm"), &f);
    return f.text;
}
