# SPDX-License-Identifier: LGPL-2.1-only
INSTALL ?= install
D = $(DESTDIR)

MAN8 := $(wildcard xl-plugin/man/*.8)

.PHONY: install uninstall
install: all
	$(INSTALL) -d $(D)$(LIBDIR) $(D)$(PKGCONFIGDIR) $(D)$(INCLUDEDIR) \
	    $(D)$(SBINDIR) $(D)$(MANDIR)/man8
	$(INSTALL) -m 644 $(LIBOUT)/$(SONAME) $(D)$(LIBDIR)/libxlsnapshot.so.$(VERSION)
	ln -sf libxlsnapshot.so.$(VERSION) $(D)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libxlsnapshot.so
	$(INSTALL) -m 644 $(LIBOUT)/libxlsnapshot.a $(D)$(LIBDIR)
	$(INSTALL) -m 644 libxl-snapshot/include/libxl_snapshot.h \
	    $(GEN)/_libxl_snapshot_types.h $(D)$(INCLUDEDIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    libxl-snapshot/xlsnapshot.pc.in > $(D)$(PKGCONFIGDIR)/xlsnapshot.pc
	$(INSTALL) -m 755 $(BINOUT)/xl-snapshot $(BINOUT)/xl $(D)$(SBINDIR)
	$(INSTALL) -m 644 $(MAN8) $(D)$(MANDIR)/man8
	$(if $(D),,-ldconfig)

uninstall:
	rm -f $(D)$(LIBDIR)/libxlsnapshot.so* $(D)$(LIBDIR)/libxlsnapshot.a \
	    $(D)$(PKGCONFIGDIR)/xlsnapshot.pc $(D)$(INCLUDEDIR)/libxl_snapshot.h \
	    $(D)$(INCLUDEDIR)/_libxl_snapshot_types.h $(D)$(SBINDIR)/xl-snapshot \
	    $(D)$(SBINDIR)/xl $(addprefix $(D)$(MANDIR)/man8/,$(notdir $(MAN8)))
	$(if $(D),,-ldconfig)
