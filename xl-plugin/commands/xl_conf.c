/* SPDX-License-Identifier: LGPL-2.1-only */
#include "commands/xl_conf.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxlutil.h>

#define XL_CONF "/etc/xen/xl.conf"

/* xl's rule for "auto": not where dom0_mem= limits domain 0. */
static bool automatic(struct cli *cli)
{
#define SIZE "-?[0-9]+[bBkKmMgGtT]?"
    static const char pattern[] =
        "(^| )dom0_mem=((|min:|max:)(" SIZE "|(" SIZE "\\+)?[0-9]{1,2}%),?)+"
        "($| )";
#undef SIZE
    const libxl_version_info *info = libxl_get_version_info(cli->ctx);
    regex_t regex;
    int r;

    if (!info || !info->commandline ||
        regcomp(&regex, pattern, REG_NOSUB | REG_EXTENDED))
        return true;
    r = regexec(&regex, info->commandline, 0, NULL, 0);
    regfree(&regex);
    return r == REG_NOMATCH;
}

bool xl_conf_autoballoon(struct cli *cli)
{
    XLU_Config *config;
    const char *text;
    long number;
    bool is = true, known = false;

    if (access(XL_CONF, R_OK))
        return automatic(cli);
    config = xlu_cfg_init(stderr, XL_CONF);
    if (!config)
        abort();
    if (!xlu_cfg_readfile(config, XL_CONF)) {
        if (!xlu_cfg_get_string(config, "autoballoon", &text, 1)) {
            is = !strcmp(text, "on") || !strcmp(text, "1");
            known = is || !strcmp(text, "off") || !strcmp(text, "0");
        } else if (!xlu_cfg_get_long(config, "autoballoon", &number, 1)) {
            is = number != 0;
            known = true;
        }
    }
    xlu_cfg_destroy(config);
    return known ? is : automatic(cli);
}
