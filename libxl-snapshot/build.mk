# SPDX-License-Identifier: LGPL-2.1-only
COMMON_SRCS := $(wildcard common/*.c common/*/*.c)
LIB_SRCS := $(COMMON_SRCS) $(wildcard libxl-snapshot/*/*.c libxl-snapshot/*/*/*.c)
LIB_GEN  := $(GEN)/_libxl_snapshot_types.c
LIB_OBJS := $(LIB_SRCS:%.c=$(OBJ)/%.o) $(OBJ)/gen/_libxl_snapshot_types.o

.PHONY: lib
lib: $(LIBOUT)/$(SONAME) $(LIBOUT)/libxlsnapshot.a

IDL_GEN := idl/generate.py $(wildcard idl/*.py)

# One run of the generator makes all files of one .idl; the stamp keeps make
# from running it once per file.
$(GEN)/libxl_snapshot_types.stamp: idl/libxl_snapshot_types.idl $(IDL_GEN)
	$(call say,IDL,$<)
	$(Q)mkdir -p $(GEN)
	$(Q)$(PYTHON) idl/generate.py $< --out $(GEN) --base _libxl_snapshot_types
	$(Q)touch $@
$(GEN)/_libxl_snapshot_types.h $(LIB_GEN): $(GEN)/libxl_snapshot_types.stamp ;

$(LIB_OBJS): | $(GEN)/libxl_snapshot_types.stamp

$(OBJ)/libxl-snapshot/%.o: libxl-snapshot/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -fPIC -c $< -o $@
$(OBJ)/common/%.o: common/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -fPIC -c $< -o $@
# xxhash goes into it.
$(OBJ)/libxl-snapshot/memimage/codec.o: private XLS_CFLAGS += $(if $(SAN),,-O3)
$(OBJ)/gen/_libxl_snapshot_types.o: $(LIB_GEN)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -fPIC -c $< -o $@

$(LIBOUT)/$(SONAME): $(LIB_OBJS) libxl-snapshot/libxlsnapshot.map
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN) -shared -Wl,-soname,$(SONAME) $(if $(SAN),,-Wl$(comma)-z$(comma)defs) -Wl,-z,relro,-z,now \
	    -Wl,--version-script=libxl-snapshot/libxlsnapshot.map -pthread \
	    $(LIB_OBJS) $(LDFLAGS) $(LIB_LIBS) -o $@
	$(Q)ln -sf $(SONAME) $(LIBOUT)/libxlsnapshot.so
$(LIBOUT)/libxlsnapshot.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_OBJS)

comma := ,
-include $(LIB_OBJS:.o=.d)
