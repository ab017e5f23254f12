# SPDX-License-Identifier: LGPL-2.1-only
# `make help` lists the targets.

VERSION   := 0.1.0
SONAME    := libxlsnapshot.so.1

PREFIX    ?= /usr/local
DESTDIR   ?=
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR    ?= $(PREFIX)/lib$(if $(MULTIARCH),/$(MULTIARCH))
INCLUDEDIR ?= $(PREFIX)/include
SBINDIR   ?= $(PREFIX)/sbin
MANDIR    ?= $(PREFIX)/share/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig

BUILD     ?= build
PYTHON    ?= python3
PKG_CONFIG ?= pkg-config

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

include scripts/flags.mk
include libxl-snapshot/build.mk
include xl-plugin/build.mk
include tests/build.mk
include scripts/install.mk

.PHONY: all help clean
all: lib plugin

help:
	@echo 'make            build the library and the xl plugin into $(BUILD)/'
	@echo 'make demo       the main job, on an emulated Xen host; installs what is missing'
	@echo 'make check      all tests; installs what is missing'
	@echo 'make check-fast those that need neither Xen nor long waits, for some minutes'
	@echo 'make check-more the long tests, for some hours; AREA=delete: those with this word'
	@echo 'make check-claims | layers | check-unit | check-qmp | check-idl | check-image | check-fuzz'
	@echo '                | check-xenhost: parts of it; make fuzz: the reader of images, until stopped'
	@echo 'make bench      figures, as ratios measured side by side'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR= LIBDIR= as usual; also: uninstall'
	@echo 'make xenhost-shell    a shell in the emulated Xen host'
	@echo 'make clean      remove what was built, but not the cached Xen hosts'
	@echo '                (those: make distclean)'
	@echo
	@echo 'Variables: CC=clang, SANITIZE=address,undefined, BUILD=DIR, V=1'

clean:
	rm -rf $(BUILD)/obj $(BUILD)/gen $(BUILD)/bin $(BUILD)/lib $(BUILD)/tests $(BUILD)/xenhost/*/obj
.PHONY: distclean
distclean:
	rm -rf $(BUILD)
