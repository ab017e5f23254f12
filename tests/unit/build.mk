# SPDX-License-Identifier: LGPL-2.1-only
# Each tests/unit/*.c is a cmocka program. Those named fault-*.c are linked
# with tests/unit/seam/*.c in place of libxenlight and libxenstore.
UNIT_OUT   := $(BUILD)/tests/unit
UNIT_SRCS  := $(wildcard tests/unit/*.c)
SEAM_OBJS  := $(patsubst tests/unit/%.c,$(UNIT_OUT)/%.o,$(wildcard tests/unit/seam/*.c))
UNIT_OBJS  := $(UNIT_SRCS:tests/unit/%.c=$(UNIT_OUT)/%.o)
UNIT_PROGS := $(UNIT_OBJS:.o=)
UNIT_FAULT := $(filter $(UNIT_OUT)/fault-%,$(UNIT_PROGS))
UNIT_REAL  := $(filter-out $(UNIT_FAULT),$(UNIT_PROGS))

$(UNIT_OBJS) $(SEAM_OBJS): | $(GEN)/libxl_snapshot_types.stamp
$(UNIT_OBJS) $(SEAM_OBJS): $(UNIT_OUT)/%.o: tests/unit/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Itests/unit -c $< -o $@

$(UNIT_REAL): %: %.o $(LIBOUT)/libxlsnapshot.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -pthread $^ $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

$(UNIT_FAULT): %: %.o $(SEAM_OBJS) $(LIBOUT)/libxlsnapshot.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -pthread $^ $(LDFLAGS) \
	    $(filter-out -lxenlight -lxenstore,$(LIB_LIBS)) -lcmocka -o $@

include $(wildcard tests/unit/plugin.mk)

.PHONY: check-unit
check-unit: $(UNIT_PROGS)
	$(Q)failed=; for t in $(UNIT_PROGS); do \
	    echo "  TEST     $$t"; \
	    timeout -k 10 300 $$t || failed="$$failed $$t"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

-include $(UNIT_OBJS:.o=.d) $(SEAM_OBJS:.o=.d)
