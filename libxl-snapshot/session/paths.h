/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_PATHS_H
#define XLS_PATHS_H

/* Where libxl keeps its own: XEN_LIB_DIR and XEN_RUN_DIR of its build, which
 * no header or pkg-config file tells. */
#ifndef XLS_XEN_LIB_DIR
#define XLS_XEN_LIB_DIR "/var/lib/xen"
#endif
#ifndef XLS_XEN_RUN_DIR
#define XLS_XEN_RUN_DIR "/run/xen"
#endif

/* Where its hotplug scripts are: XEN_SCRIPT_DIR. */
#ifndef XLS_XEN_SCRIPT_DIR
#define XLS_XEN_SCRIPT_DIR "/etc/xen/scripts"
#endif

/* Where this library keeps its locks, and its journals. */
#define XLS_RUN_DIR     XLS_XEN_RUN_DIR "/xlsnapshot"
#define XLS_STATE_DIR   XLS_XEN_LIB_DIR "/xlsnapshot"

#endif
