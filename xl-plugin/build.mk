# SPDX-License-Identifier: LGPL-2.1-only
# xl-snapshot uses the library as anyone does, through its public header. What
# it shares with it besides (JSON, the runtime of generated types, logging, who
# uses a file) is
# compiled in, since the library does not export it.
PLUGIN_SRCS := $(wildcard xl-plugin/*/*.c)
PLUGIN_GEN  := $(GEN)/_xl_snapshot_types.c
PLUGIN_SHARED := $(COMMON_SRCS) $(wildcard libxl-snapshot/diskimage/*.c) \
                 $(addprefix libxl-snapshot/xen/,config.c users.c)
PLUGIN_OBJS := $(PLUGIN_SRCS:%.c=$(OBJ)/%.o) \
               $(PLUGIN_SHARED:%.c=$(OBJ)/%.o) \
               $(OBJ)/gen/_xl_snapshot_types.o

.PHONY: plugin
plugin: $(BINOUT)/xl-snapshot $(BINOUT)/xl

$(GEN)/xl_snapshot_types.stamp: xl-plugin/store/xl_snapshot_types.idl \
    idl/libxl_snapshot_types.idl $(IDL_GEN)
	$(call say,IDL,$<)
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) idl/generate.py $< --out $(GEN) --base _xl_snapshot_types
	$(Q)touch $@
$(GEN)/_xl_snapshot_types.h $(PLUGIN_GEN): $(GEN)/xl_snapshot_types.stamp ;

$(PLUGIN_OBJS): | $(GEN)/xl_snapshot_types.stamp $(GEN)/libxl_snapshot_types.stamp

$(OBJ)/xl-plugin/%.o: xl-plugin/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Ixl-plugin -c $< -o $@
$(OBJ)/gen/_xl_snapshot_types.o: $(PLUGIN_GEN)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -c $< -o $@

$(BINOUT)/xl-snapshot: $(PLUGIN_OBJS) $(LIBOUT)/$(SONAME)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -Wl,-z,relro,-z,now -pthread $(PLUGIN_OBJS) $(LDFLAGS) \
	    -L$(LIBOUT) -lxlsnapshot $(PLUGIN_LIBS) -o $@
$(BINOUT)/xl: xl-plugin/xl.in
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@.new && chmod 755 $@.new && mv $@.new $@

-include $(PLUGIN_OBJS:.o=.d)
