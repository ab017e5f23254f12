# SPDX-License-Identifier: LGPL-2.1-only
XENHOST := BUILD=$(abspath $(BUILD)) tests/xenhost/xenhost

# What building and testing need on Debian; the emulated host brings its own.
DEB_BUILD := gcc make pkg-config python3 libxen-dev libyajl-dev libzstd-dev libxxhash-dev libc6-dev
DEB_CHECK := libcmocka-dev qemu-utils qemu-system-x86 clang libclang-rt-dev \
             mmdebstrap e2fsprogs xfsprogs cpio xz-utils zstd debian-archive-keyring
DEB_DEMO  := mmdebstrap e2fsprogs cpio xz-utils python3

include $(wildcard tests/idl/build.mk tests/unit/build.mk tests/qmp/build.mk \
    tests/bench/build.mk tests/image/build.mk tests/fuzz/build.mk \
    tests/xenhost/record/build.mk \
    tests/xenhost/apictl/build.mk)

.PHONY: deps deps-check check check-fast check-all check-claims check-sanitized check-xenhost \
        check-more xenhosts
deps:
	scripts/need $(DEB_BUILD)
deps-check:
	scripts/need $(DEB_BUILD) $(DEB_CHECK)

# The sub-makes look for the libraries afresh, once they are there.
check: deps-check
	$(MAKE) check-all

# What takes long begins first. Fuzzing and the hosts have two threads each.
check-all: check-claims layers
	$(MAKE) -j3 -O xenhosts check-sanitized check-image check-qmp check-unit check-idl benches
	$(MAKE) check-fuzz
	$(MAKE) check-xenhost

# Minutes: what needs neither Xen nor long waits.
check-fast: deps-check
	$(MAKE) check-claims layers
	$(MAKE) -j2 -O check-qmp-fast check-unit check-idl check-image

# The documents' promises and their tests; the second run is of a promise that
# no document makes and a test that does not exist, and has to fail.
check-claims:
	$(PYTHON) tests/claims.py
	$(Q)! printf 'README.md: no such promise\n    tests/unit/vdev.c: no_test\n' | \
	    $(PYTHON) tests/claims.py - >/dev/null 2>&1 || \
	    { echo 'tests/claims.py finds nothing wrong' >&2; exit 1; }

# Whether includes and calls go down the floors only, and whether what does not is
# found.
.PHONY: layers
layers: all
	$(PYTHON) scripts/layers $(BUILD)
	$(PYTHON) scripts/layers $(BUILD) upside-down

# The same tests under the sanitizers, built by the other compiler.
check-sanitized:
	$(MAKE) BUILD=$(BUILD)/sanitized CC=clang SANITIZE=address,undefined \
	    check-idl check-unit check-qmp check-image

xenhosts:
	BUILD=$(abspath $(BUILD)) tests/xenhost/check prepare

check-xenhost:
	BUILD=$(abspath $(BUILD)) tests/xenhost/check

# With AREA=delete, say: the programs and the lines of the Xen-host suite that have
# this word.
check-more: deps-check
ifdef AREA
	$(Q)test -n '$(QMP_LONG_CHOSEN)' || grep -v '^#' tests/xenhost/suite/list-more | \
	    grep -q -F -e '$(AREA)' || \
	    { echo "AREA=$(AREA): no long test has this word in its name" >&2; exit 1; }
	LATE_ALL=1 POWER_CUTS=0 $(MAKE) check-late
else
	$(MAKE) $(BUILD)/tests/unit/plugin-anywhere $(BUILD)/tests/unit/plugin-power
	POWER_CUTS=20 timeout -k 10 3600 $(BUILD)/tests/unit/plugin-power
	LATE_ALL=1 POWER_CUTS=0 $(MAKE) check-late
	$(MAKE) BUILD=$(BUILD)/sanitized CC=clang SANITIZE=address,undefined check-late
	TREE_STEPS=200 TREE_SEED=$$(date +%s) $(BUILD)/tests/unit/plugin-anywhere
endif
	BUILD=$(abspath $(BUILD)) tests/xenhost/check list-more $(AREA)

.PHONY: demo xenhost-shell
demo:
	scripts/need $(DEB_DEMO)
	BUILD=$(abspath $(BUILD)) tests/xenhost/demo

xenhost-shell:
	scripts/need $(DEB_DEMO)
	$(XENHOST) image trixie
	$(XENHOST) build trixie
	$(XENHOST) shell trixie
