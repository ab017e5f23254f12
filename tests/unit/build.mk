# SPDX-License-Identifier: LGPL-2.1-only
# Each tests/unit/*.c is a cmocka program.
UNIT_OUT   := $(BUILD)/tests/unit
UNIT_SRCS  := $(wildcard tests/unit/*.c)
UNIT_OBJS  := $(UNIT_SRCS:tests/unit/%.c=$(UNIT_OUT)/%.o)
UNIT_PROGS := $(UNIT_OBJS:.o=)

$(UNIT_OBJS): | $(GEN)/libxl_snapshot_types.stamp
$(UNIT_OBJS): $(UNIT_OUT)/%.o: tests/unit/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Itests -Itests/unit -c $< -o $@

$(UNIT_PROGS): %: %.o $(LIBOUT)/libxlsnapshot.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -pthread $^ $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

include $(wildcard tests/unit/plugin.mk)

# plugin-power takes minutes: make check-more.
UNIT_CHECKED := $(filter-out $(UNIT_OUT)/plugin-power,$(UNIT_PROGS))
.PHONY: check-unit
check-unit: $(UNIT_PROGS)
	$(Q)failed=; for t in $(UNIT_CHECKED); do \
	    echo "  TEST     $$t"; \
	    timeout -k 10 300 $$t || failed="$$failed $$t"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

-include $(UNIT_OBJS:.o=.d)
