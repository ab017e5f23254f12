# SPDX-License-Identifier: LGPL-2.1-only
APICTL := $(BINOUT)/apictl

KILLAT := $(LIBOUT)/killat.so

.PHONY: apictl
apictl: $(APICTL) $(KILLAT)
$(KILLAT): tests/xenhost/apictl/killat.c tests/xenhost/apictl/build.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out $(SAN),$(XLS_CFLAGS)) -Itests -fvisibility=default -MF $(OBJ)/killat.d -fPIC -shared $< -ldl -o $@
$(APICTL): tests/xenhost/apictl/apictl.c $(LIBOUT)/libxlsnapshot.a
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -MF $(OBJ)/apictl.d $< $(LIBOUT)/libxlsnapshot.a $(LDFLAGS) $(LIB_LIBS) -o $@

-include $(OBJ)/killat.d $(OBJ)/apictl.d
