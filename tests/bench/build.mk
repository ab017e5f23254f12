# SPDX-License-Identifier: LGPL-2.1-only
# Figures, as ratios measured side by side in one run.
BENCH_OUT := $(BUILD)/tests/bench

$(BENCH_OUT)/window: tests/bench/window.c $(QMP_OUT)/support.o $(LIBOUT)/libxlsnapshot.a
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Itests $(SAN) $^ $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

.PHONY: bench
bench: $(BENCH_OUT)/window
	$(BENCH_OUT)/window
