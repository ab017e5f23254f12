# SPDX-License-Identifier: LGPL-2.1-only
# Each tests/qmp/*.c but those in QMP_PARTS is a cmocka program that starts a real QEMU
# ($QEMU in the environment, or qemu-system-x86_64).
QMP_OUT   := $(BUILD)/tests/qmp
QMP_OBJS  := $(patsubst tests/qmp/%.c,$(QMP_OUT)/%.o,$(wildcard tests/qmp/*.c))
QMP_PARTS := $(patsubst %,$(QMP_OUT)/%.o,support host proxy guest power_device)
QMP_PROGS := $(patsubst %.o,%,$(filter-out $(QMP_PARTS),$(QMP_OBJS)))
# tests/qmp/job-*.c, late-*.c and power-*.c call the library's public functions, with host.c
# in libxl's place and these parts built to keep their files below the build directory.
QMP_HOST  := $(abspath $(QMP_OUT))/host
QMP_HOST_DIRS := -DHOST_DIR='"$(QMP_HOST)"' -DXLS_XEN_LIB_DIR='"$(QMP_HOST)/lib"' \
                 -DXLS_XEN_RUN_DIR='"$(QMP_HOST)/run"'
QMP_HOST_OBJS := $(patsubst %,$(QMP_OUT)/at/%.o,session/op intent/journal \
                     begin/recover ops/job/file)

$(QMP_OBJS): | $(GEN)/libxl_snapshot_types.stamp
$(QMP_OBJS): $(QMP_OUT)/%.o: tests/qmp/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) $(QMP_HOST_DIRS) -Ilibxl-snapshot -Itests -c $< -o $@

$(QMP_HOST_OBJS): | $(GEN)/libxl_snapshot_types.stamp
$(QMP_HOST_OBJS): $(QMP_OUT)/at/%.o: libxl-snapshot/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) $(QMP_HOST_DIRS) -Ilibxl-snapshot -c $< -o $@

QMP_HOST_PROGS := $(filter $(QMP_OUT)/job-% $(QMP_OUT)/late-% $(QMP_OUT)/power-%,$(QMP_PROGS))
$(QMP_HOST_PROGS): $(filter-out %/support.o,$(QMP_PARTS)) $(QMP_HOST_OBJS)
# What host.o stands in for, or listens to.
QMP_HOST_WRAP := -Wl,--wrap=xls_block_query_disk,--wrap=xls_node_del \
                 -Wl,--wrap=xls_qmp__deadline
$(QMP_HOST_PROGS): private LDFLAGS += $(QMP_HOST_WRAP)
$(QMP_PROGS): %: %.o $(QMP_OUT)/support.o $(LIBOUT)/libxlsnapshot.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -pthread $(filter %.o,$^) $(filter %.a,$^) $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

# Its monitor is at another place than libxl's.
$(QMP_OUT)/qmp-chain-get: private LDFLAGS += -Wl,--wrap=xls_qmp_open

# These take minutes each. Under the sanitizers, make check-more alone runs them.
QMP_LONG    := $(filter $(QMP_OUT)/late-% $(QMP_OUT)/job-killed-then \
                        $(QMP_OUT)/job-revert-paths $(QMP_OUT)/power-%,$(QMP_PROGS))
QMP_LONG_CHOSEN := $(strip $(if $(AREA),$(foreach t,$(QMP_LONG),$(if $(findstring \
    $(AREA),$(notdir $t)),$t)),$(QMP_LONG)))
QMP_SHORT   := $(filter-out $(QMP_LONG),$(QMP_PROGS))
QMP_CHECKED := $(if $(SANITIZE),$(QMP_SHORT),$(QMP_PROGS))

# With LATE_ALL=1, more faults of QEMU's monitor than check-qmp has time for; with
# POWER_CUTS=0, the power fails after each flush rather than after a few.
.PHONY: check-late
check-late: $(QMP_LONG_CHOSEN)
	$(Q)set -e; for t in $^; do timeout -k 10 3600 $$t; done

.PHONY: check-qmp check-qmp-fast
check-qmp: $(QMP_CHECKED)
check-qmp-fast: $(QMP_SHORT)
check-qmp check-qmp-fast:
	$(Q)failed=; for t in $^; do \
	    echo "  TEST     $$t"; \
	    timeout -k 10 600 $$t || failed="$$failed $$t"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

-include $(QMP_OBJS:.o=.d) $(QMP_HOST_OBJS:.o=.d)
