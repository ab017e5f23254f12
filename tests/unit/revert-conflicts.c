/* SPDX-License-Identifier: LGPL-2.1-only */
/* What two domains cannot have at once, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/revert/conflicts.h"

static char *conflicts(const char *old, const char *new_one)
{
    struct xls_json *x, *y;
    char *error = NULL, *text;

    x = xls_json_parse(old, strlen(old), &xls_json_limits_file, &error);
    y = xls_json_parse(new_one, strlen(new_one), &xls_json_limits_file,
                       &error);
    if (!x || !y)
        fail_msg("%s: %s", x ? new_one : old, error);
    text = xls_revert_conflicts(x, y);
    xls_json_free(x);
    xls_json_free(y);
    return text;
}

static void expect(const char *old, const char *new_one, const char *says)
{
    char *text = conflicts(old, new_one);

    if (!text != !says || (says && strcmp(text, says)))
        fail_msg("%s and %s: \"%s\", not \"%s\"", old, new_one,
                 text ? text : "", says ? says : "");
    free(text);
}

static const struct {
    const char *config;         /* of both domains */
    const char *says;           /* NULL: they can be side by side */
} rows[] = {
    { "{}", NULL },
    { "{\"c_info\":{\"name\":\"a\",\"uuid\":\"b\"}}", NULL },
    { "{\"c_info\":{\"domid\":5}}", "domain id 5" },
    { "{\"c_info\":{\"domid\":4294967295}}", NULL },
    { "{\"disks\":[{\"vdev\":\"xvdb\",\"pdev_path\":\"nbd://h/x\","
      "\"readwrite\":1}]}", "disk xvdb (nbd://h/x)" },
    { "{\"disks\":[{\"vdev\":\"xvdb\",\"pdev_path\":\"/no/such\"}]}", NULL },
    { "{\"disks\":[{\"vdev\":\"hdc\",\"pdev_path\":\"/a.iso\","
      "\"readwrite\":1,\"is_cdrom\":1}]}", NULL },
    { "{\"disks\":[{\"vdev\":\"hdc\",\"is_cdrom\":1,\"format\":\"empty\"}]}",
      NULL },
    { "{\"nics\":[{\"mac\":\"00:16:3e:00:00:01\",\"bridge\":\"br0\","
      "\"script\":\"/etc/xen/scripts/vif-bridge\",\"ip\":\"10.0.0.1\"}]}",
      NULL },
    { "{\"nics\":[{\"script\":\"vif-openvswitch\"}]}", NULL },
    { "{\"nics\":[{\"ifname\":\"web\"}]}", "network interface name web" },
    { "{\"nics\":[{\"script\":\"vif-route\",\"ip\":\"10.0.0.1\"}]}",
      "network interface script vif-route" },
    { "{\"nics\":[{\"script\":\"/etc/xen/scripts/vif-route\"}]}", NULL },
    { "{\"nics\":[{\"script\":\"/opt/vif-ours\"}]}",
      "network interface script /opt/vif-ours" },
    { "{\"vfbs\":[{\"vnc\":{\"enable\":\"True\",\"display\":3,"
      "\"findunused\":\"False\"}}]}", "VNC display 3" },
    { "{\"vfbs\":[{\"vnc\":{\"enable\":\"True\",\"listen\":\"0.0.0.0:4\","
      "\"findunused\":\"False\"}}]}", "VNC display 4" },
    { "{\"vfbs\":[{\"vnc\":{\"enable\":\"True\",\"display\":3,"
      "\"findunused\":\"True\"}}]}", NULL },
    { "{\"vfbs\":[{\"vnc\":{\"enable\":\"False\",\"findunused\":\"False\"}}]}",
      NULL },
    { "{\"b_info\":{\"type.hvm\":{\"vnc\":{\"enable\":\"True\",\"display\":1,"
      "\"findunused\":\"False\"}}}}", "VNC display 1" },
    { "{\"b_info\":{\"type.hvm\":{\"vnc\":{\"enable\":\"True\"}}}}", NULL },
    { "{\"b_info\":{\"type.hvm\":{\"spice\":{\"enable\":\"True\","
      "\"port\":6000}}}}", "SPICE port 6000" },
    { "{\"b_info\":{\"type.hvm\":{\"spice\":{\"enable\":\"False\","
      "\"port\":6000}}}}", NULL },
    { "{\"b_info\":{\"type.hvm\":{\"serial\":\"pty\"}}}", NULL },
    { "{\"b_info\":{\"type.hvm\":{\"serial\":\"file:/var/log/x\"}}}", NULL },
    { "{\"b_info\":{\"type.hvm\":{\"serial\":\"tcp::4555,server,nowait\"}}}",
      "serial port tcp::4555,server,nowait" },
    { "{\"b_info\":{\"type.hvm\":{\"serial\":\"unix:/run/s,server\"}}}",
      "serial port unix:/run/s,server" },
    { "{\"b_info\":{\"type.hvm\":{\"serial\":\"/dev/ttyS1\"}}}",
      "serial port /dev/ttyS1" },
    { "{\"b_info\":{\"type.hvm\":{\"serial_list\":[\"pty\","
      "\"telnet:127.0.0.1:99,server\"]}}}",
      "serial port telnet:127.0.0.1:99,server" },
    { "{\"channels\":[{\"name\":\"a\",\"connection.pty\":{}}]}", NULL },
    { "{\"channels\":[{\"name\":\"a\",\"connection.socket\":"
      "{\"path\":\"/run/c\"}}]}", "channel socket /run/c" },
    { "{\"pcidevs\":[{\"dev\":1}]}", "a PCI device" },
    { "{\"usbdevs\":[{\"ctrl\":0}]}", "a USB device" },
    { "{\"usbctrls\":[{\"devid\":0}]}", NULL },
    { "{\"b_info\":{\"type.hvm\":{\"usbdevice\":\"host:1.2\"}}}",
      "USB device 1.2" },
    { "{\"b_info\":{\"type.hvm\":{\"usbdevice_list\":[\"tablet\","
      "\"host:1234:5678\"]}}}", "USB device 1234:5678" },
    { "{\"b_info\":{\"type.hvm\":{\"usbdevice\":\"tablet\"}}}", NULL },
    { "{\"dtdevs\":[{\"path\":\"/soc\"}]}",
      "a device of the host's device tree" },
    { "{\"vtpms\":[{\"devid\":0}]}", "a TPM" },
    { "{\"virtios\":[{\"devid\":0}]}", "a virtio device" },
    { "{\"vdispls\":[{\"devid\":0}]}", "a display" },
    { "{\"vsnds\":[{\"devid\":0}]}", "a sound card" },
    { "{\"rdms\":[{\"start\":0}]}", NULL },
    { "{\"vkbs\":[{\"devid\":0}]}", NULL },
    { "{\"p9s\":[{\"path\":\"/srv\"}]}", NULL },
    { "{\"pvcallsifs\":[{\"devid\":0}]}", NULL },
    { "{\"newdevs\":[{\"devid\":0}]}", "a device of the unknown kind newdevs" },
    { "{\"newdevs\":[]}", NULL },
    { "{\"b_info\":{\"ioports\":[{\"first\":1}]}}", "I/O ports" },
    { "{\"b_info\":{\"irqs\":[5]}}", "interrupts" },
    { "{\"b_info\":{\"iomem\":[{\"start\":1}]}}", "I/O memory" },
    { "{\"b_info\":{\"extra_hvm\":[\"-monitor\",\"tcp::4\"]}}",
      "what the device model's own arguments name" },
    { "{\"b_info\":{\"extra_pv\":[\"-x\"]}}",
      "what the device model's own arguments name" },
    { "{\"b_info\":{\"extra\":[\"-x\"]}}",
      "what the device model's own arguments name" },
    { "{\"nics\":[{\"ifname\":\"web\"}],\"pcidevs\":[{}]}",
      "network interface name web, a PCI device" },
};

static void each_row_is_found_or_is_none(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i].config, rows[i].config, rows[i].says);
}

/* What only one of the two has, or each has for itself. */
static void what_one_has_is_no_conflict(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(rows[i].config, "{}", NULL);
    expect("{\"channels\":[{\"connection.socket\":{\"path\":\"/a\"}}]}",
           "{\"channels\":[{\"connection.socket\":{\"path\":\"/b\"}}]}", NULL);
    expect("{\"nics\":[{\"ifname\":\"a\"}]}", "{\"nics\":[{\"ifname\":\"b\"}]}",
           NULL);
    expect("{\"b_info\":{\"type.hvm\":{\"serial\":\"pty\"}}}",
           "{\"b_info\":{\"type.hvm\":{\"serial\":\"tcp::1\"}}}", NULL);
}

/* By whatever name it goes. */
static void one_image_under_two_names_is_found(void **state)
{
    char dir[] = "/tmp/conflicts-XXXXXX", a[64], b[64], c[64], old[256],
         new_one[256], says[128];
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(a, sizeof(a), "%s/a", dir);
    snprintf(b, sizeof(b), "%s/b", dir);
    snprintf(c, sizeof(c), "%s/c", dir);
    f = fopen(a, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(symlink("a", b), 0);
    assert_int_equal(link(a, c), 0);
    snprintf(old, sizeof(old), "{\"disks\":[{\"vdev\":\"xvda\","
             "\"pdev_path\":\"%s\",\"readwrite\":1}]}", a);
    snprintf(new_one, sizeof(new_one), "{\"disks\":[{\"vdev\":\"xvda\","
             "\"pdev_path\":\"%s\"}]}", b);
    snprintf(says, sizeof(says), "disk xvda (%s)", b);
    expect(old, new_one, says);
    snprintf(new_one, sizeof(new_one), "{\"disks\":[{\"vdev\":\"xvda\","
             "\"pdev_path\":\"%s\"}]}", c);
    snprintf(says, sizeof(says), "disk xvda (%s)", c);
    expect(old, new_one, says);
    unlink(a);
    unlink(b);
    unlink(c);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_found_or_is_none),
        cmocka_unit_test(what_one_has_is_no_conflict),
        cmocka_unit_test(one_image_under_two_names_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
