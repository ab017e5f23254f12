# SPDX-License-Identifier: LGPL-2.1-only
# The generator and what it generates: mistakes in .idl files, what the
# generated parsers refuse, and the generated round-trip tests.
IDL_TEST   := $(BUILD)/tests/idl
IDL_TESTS  := types-round-trip everything-round-trip strict
IDL_CFLAGS = $(XLS_CFLAGS) -Ilibxl-snapshot -Itests/idl -I$(IDL_TEST)
IDL_HELP   := $(IDL_TEST)/random.o $(IDL_TEST)/ctx.o

.PHONY: check-idl
check-idl: $(IDL_TESTS:%=$(IDL_TEST)/%)
	$(call say,TEST,tests/idl/generator-errors.py)
	$(Q)$(PYTHON) tests/idl/generator-errors.py
	$(Q)for t in $^; do echo "  TEST     $$t"; $$t || exit 1; done

$(IDL_TEST)/everything.stamp: tests/idl/everything.idl idl/libxl_snapshot_types.idl $(IDL_GEN)
	$(call say,IDL,$<)
	$(Q)mkdir -p $(IDL_TEST)
	$(Q)$(PYTHON) idl/generate.py $< --out $(IDL_TEST) --base _everything
	$(Q)touch $@

$(IDL_TEST)/types-round-trip: $(GEN)/_libxl_snapshot_types_test.c $(IDL_HELP)
$(IDL_TEST)/everything-round-trip: $(IDL_TEST)/_everything_test.c $(IDL_TEST)/_everything.o $(IDL_HELP)
$(IDL_TEST)/strict: tests/idl/strict.c $(IDL_TEST)/_everything.o $(IDL_HELP)
$(IDL_TEST)/strict: IDL_LDFLAGS := -Wl,--wrap=libxl_device_disk_from_json

$(GEN)/_libxl_snapshot_types_test.c: $(GEN)/libxl_snapshot_types.stamp ;
$(IDL_TEST)/_everything.c $(IDL_TEST)/_everything_test.c: $(IDL_TEST)/everything.stamp ;

$(IDL_TESTS:%=$(IDL_TEST)/%): $(LIBOUT)/libxlsnapshot.a
	$(call say,CC,$@)
	$(Q)$(CC) $(IDL_CFLAGS) $(IDL_LDFLAGS) $(filter %.c %.o,$^) \
	    $(LIBOUT)/libxlsnapshot.a $(LIB_LIBS) \
	    $(shell $(PKG_CONFIG) --libs cmocka) -o $@
$(IDL_TEST)/%.o: tests/idl/%.c | $(GEN)/libxl_snapshot_types.stamp
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(IDL_CFLAGS) -c $< -o $@
$(IDL_TEST)/_everything.o: $(IDL_TEST)/_everything.c | $(GEN)/libxl_snapshot_types.stamp
	$(call say,CC,$<)
	$(Q)$(CC) $(IDL_CFLAGS) -c $< -o $@

$(addprefix $(IDL_TEST)/,strict everything-round-trip): $(IDL_TEST)/everything.stamp
-include $(wildcard $(IDL_TEST)/*.d)
