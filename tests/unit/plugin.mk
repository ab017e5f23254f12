# SPDX-License-Identifier: LGPL-2.1-only
# tests/unit/plugin-*.c link the plugin's parts as well, all but the commands
# and what needs a libxl context. To be read after build.mk here.
UNIT_PLUGIN := $(filter $(UNIT_OUT)/plugin-%,$(UNIT_PROGS))
UNIT_PLUGIN_OBJS := $(addprefix $(OBJ)/xl-plugin/,commands/disk_option.o \
    commands/chain_text.o xlcreate/assignment.o xlcreate/frozen.o xlcreate/spec.o \
    xlcreate/start_lock.o xlcreate/words.o) \
    $(filter $(addprefix $(OBJ)/xl-plugin/,store/% layers/% offline/% util/%), \
        $(PLUGIN_OBJS)) $(OBJ)/gen/_xl_snapshot_types.o

# A domain's snapshots without a host, for the tests of what becomes of them.
UNIT_TREES := $(addprefix $(UNIT_OUT)/support/,trees.o running.o deletions.o)
UNIT_ON_TREES := $(addprefix $(UNIT_OUT)/,plugin-merge plugin-anywhere plugin-power \
    plugin-provisional plugin-copies plugin-relocate plugin-hidden \
    plugin-devices)
$(UNIT_TREES): $(UNIT_OUT)/%.o: tests/unit/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Ixl-plugin -Itests/unit -c $< -o $@
$(UNIT_TREES): | $(GEN)/xl_snapshot_types.stamp
$(UNIT_ON_TREES): $(UNIT_TREES)
-include $(UNIT_TREES:.o=.d)

$(UNIT_PLUGIN:=.o): private XLS_CFLAGS += -Ixl-plugin
$(UNIT_PLUGIN:=.o): | $(GEN)/xl_snapshot_types.stamp
$(UNIT_PLUGIN): $(UNIT_PLUGIN_OBJS)
# The device that loses its power is that of tests/qmp.
$(UNIT_OUT)/plugin-power: $(addprefix $(BUILD)/tests/qmp/,power_device.o support.o)
# What of the commands it calls it has itself.
$(UNIT_OUT)/plugin-copies: $(OBJ)/xl-plugin/session/chain_copy.o
$(UNIT_PLUGIN): private LIB_LIBS := $(LIBOUT)/libxlsnapshot.a $(PLUGIN_LIBS)

# The dispatcher is a shell script, and so is its test.
.PHONY: check-dispatcher
check-unit: check-dispatcher
check-dispatcher: $(BINOUT)/xl
	@echo '  TEST     tests/unit/dispatcher'
	$(Q)tests/unit/dispatcher $(BINOUT)/xl

$(UNIT_OUT)/plugin-create-chain: $(OBJ)/xl-plugin/commands/create_chain.o
$(UNIT_OUT)/plugin-signals: $(addprefix $(OBJ)/xl-plugin/cli/,signals.o progress.o)
