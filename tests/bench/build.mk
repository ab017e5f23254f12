# SPDX-License-Identifier: LGPL-2.1-only
# Figures, as ratios measured side by side in one run.
BENCH_OUT   := $(BUILD)/tests/bench
BENCH_PROGS := $(BENCH_OUT)/window $(BENCH_OUT)/merge $(BENCH_OUT)/memory

# Through the library's public functions, as tests/qmp/job-*.c.
$(BENCH_OUT)/merge: $(QMP_PARTS) $(QMP_HOST_OBJS)
$(BENCH_OUT)/merge: private LDFLAGS += $(QMP_HOST_WRAP)
$(BENCH_OUT)/window: $(QMP_OUT)/support.o
$(BENCH_PROGS): $(BENCH_OUT)/%: tests/bench/%.c $(LIBOUT)/libxlsnapshot.a
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) $(QMP_HOST_DIRS) -Ilibxl-snapshot -Itests $(SAN) -pthread \
	    $(filter %.c,$^) $(filter %.o,$^) $(filter %.a,$^) $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

.PHONY: bench bench-memory benches
benches: $(BENCH_PROGS)
bench: $(BENCH_PROGS) bench-memory
	$(Q)for b in $(BENCH_OUT)/window $(BENCH_OUT)/merge; do $$b || exit 1; done
# The recordings are made once, on the emulated hosts.
bench-memory: $(BENCH_OUT)/memory streams
	scripts/need lz4 zstd
	$(Q)$(BENCH_OUT)/memory $(STREAMS_OUT)
