# SPDX-License-Identifier: LGPL-2.1-only
APICTL := $(BINOUT)/apictl

.PHONY: apictl
apictl: $(APICTL)
$(APICTL): tests/xenhost/apictl/apictl.c $(LIBOUT)/libxlsnapshot.a
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -MF $(OBJ)/apictl.d $< $(LIBOUT)/libxlsnapshot.a $(LDFLAGS) $(LIB_LIBS) -o $@
