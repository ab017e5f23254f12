# SPDX-License-Identifier: LGPL-2.1-only
# Compiler flags and the rules shared by the library, the plugin and tests.

# Goals that need no libraries must work before these are installed.
BARE_GOALS := help clean distclean demo check deps deps-check xenhost-shell
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
DEPS := xenlight xlutil xenstore xentoollog yajl libzstd libxxhash
MISSING := $(shell $(PKG_CONFIG) --exists $(DEPS) || echo yes)
ifeq ($(MISSING),yes)
$(error missing libraries: need pkg-config and its modules $(DEPS) (Debian: apt install pkg-config libxen-dev libyajl-dev libzstd-dev libxxhash-dev, or as root: make deps))
endif
DEP_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(DEPS))
LIB_LIBS := $(shell $(PKG_CONFIG) --libs xenlight xenstore xentoollog yajl libzstd libxxhash)
PLUGIN_LIBS := $(shell $(PKG_CONFIG) --libs xenlight xlutil xenstore xentoollog yajl)
endif

CFLAGS    ?= -O2 -g
CSTD      := -std=gnu11
WARN      := -Wall -Wextra -Werror -Wformat=2 -Wshadow -Wstrict-prototypes \
             -Wmissing-prototypes -Wundef -Wpointer-arith -Wvla
HARDEN    := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
ifneq ($(SANITIZE),)
SAN       := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN    :=
CFLAGS    := -O1 -g
endif

GEN       := $(BUILD)/gen
OBJ       := $(BUILD)/obj
LIBOUT    := $(BUILD)/lib
BINOUT    := $(BUILD)/bin

XLS_CFLAGS = $(CSTD) $(WARN) $(HARDEN) $(SAN) $(CFLAGS) $(DEP_CFLAGS) \
             -D_GNU_SOURCE -DLIBXL_API_VERSION=0x041400 \
             -DXLS_VERSION='"$(VERSION)"' -fvisibility=hidden -pthread \
             -I$(GEN) -I. -Ilibxl-snapshot/include -MMD -MP

Q := $(if $(V),,@)
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
