/* SPDX-License-Identifier: LGPL-2.1-only */
/* The data of a deleted layer goes up. */
#define MERGE LIBXL_SNAPSHOT_MERGE_FORWARD
#define DELETE "delete forward into "
#include "qmp/late_delete.h"
