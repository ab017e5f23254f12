# SPDX-License-Identifier: LGPL-2.1-only
# Each tests/qmp/*.c but support.c is a cmocka program that starts a real QEMU
# ($QEMU in the environment, or qemu-system-x86_64).
QMP_OUT   := $(BUILD)/tests/qmp
QMP_OBJS  := $(patsubst tests/qmp/%.c,$(QMP_OUT)/%.o,$(wildcard tests/qmp/*.c))
QMP_PROGS := $(patsubst %.o,%,$(filter-out $(QMP_OUT)/support.o,$(QMP_OBJS)))

$(QMP_OBJS): | $(GEN)/libxl_snapshot_types.stamp
$(QMP_OBJS): $(QMP_OUT)/%.o: tests/qmp/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Itests -c $< -o $@

$(QMP_PROGS): %: %.o $(QMP_OUT)/support.o $(LIBOUT)/libxlsnapshot.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -pthread $^ $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

# Its monitor is at another place than libxl's.
$(QMP_OUT)/qmp-chain-get: private LDFLAGS += -Wl,--wrap=xls_qmp_open

.PHONY: check-qmp
check-qmp: $(QMP_PROGS)
	$(Q)failed=; for t in $(QMP_PROGS); do \
	    echo "  TEST     $$t"; \
	    timeout -k 10 300 $$t || failed="$$failed $$t"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

-include $(QMP_OBJS:.o=.d)
