# SPDX-License-Identifier: LGPL-2.1-only
# libFuzzer targets, which clang builds whatever $(CC) is: image for files that
# are to be read, stream for contents. Their kept corpus is made of recipes.
FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 0
FUZZ_OUT     := $(BUILD)/fuzz
FUZZ_SAN     := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

FUZZ_LIB     := $(wildcard common/*.c common/json/*.c \
                           libxl-snapshot/memimage/*.c libxl-snapshot/savefile/*.c)
FUZZ_HELP    := tests/fuzz/place.c tests/fuzz/recipe.c tests/image/pool.c
FUZZ_image   := tests/fuzz/image.c tests/fuzz/mutate.c tests/image/reseal.c
FUZZ_stream  := tests/fuzz/stream.c tests/image/reference.c
FUZZ_objs     = $(patsubst %.c,$(FUZZ_OUT)/obj/%.o,$(1))
FUZZ_OBJS    := $(call FUZZ_objs,$(FUZZ_LIB) $(FUZZ_HELP) $(FUZZ_image) $(FUZZ_stream) tests/fuzz/seeds.c)
FUZZ_TARGETS := $(FUZZ_OUT)/image $(FUZZ_OUT)/stream

$(FUZZ_OBJS): private CC := $(FUZZ_CC)
$(FUZZ_OBJS): private SAN := $(FUZZ_SAN) -fsanitize=fuzzer-no-link
$(FUZZ_OBJS): private HARDEN :=
$(FUZZ_OBJS): private CFLAGS := -O1 -g
$(FUZZ_OBJS): | $(GEN)/libxl_snapshot_types.stamp $(FUZZ_OUT)/usable
$(FUZZ_OBJS): $(FUZZ_OUT)/obj/%.o: %.c
	$(call say,FUZZ-CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -c $< -o $@

$(FUZZ_OUT)/usable:
	$(Q)mkdir -p $(@D)
	$(Q)echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' | \
	    $(FUZZ_CC) -x c - -fsanitize=fuzzer,address,undefined -o $@.program || \
	    { echo "fuzzing needs clang with libFuzzer (Debian: apt install clang libclang-rt-dev)" >&2; exit 1; }
	$(Q)rm $@.program
	$(Q)touch $@

# place.c has the system's random numbers come again, and makes no threads.
FUZZ_LD = $(FUZZ_CC) $(FUZZ_SAN) $(1) -pthread $(filter %.o,$^) $(LDFLAGS) $(LIB_LIBS) \
          -Wl,--wrap=getrandom,--wrap=xls_threads_start $(POOL_WRAP) -o $@
$(FUZZ_OUT)/image: $(call FUZZ_objs,$(FUZZ_LIB) $(FUZZ_HELP) $(FUZZ_image))
	$(call say,LD,$@)
	$(Q)$(call FUZZ_LD,-fsanitize=fuzzer)
$(FUZZ_OUT)/stream: $(call FUZZ_objs,$(FUZZ_LIB) $(FUZZ_HELP) $(FUZZ_stream))
	$(call say,LD,$@)
	$(Q)$(call FUZZ_LD,-fsanitize=fuzzer)
$(FUZZ_OUT)/make-seeds: $(call FUZZ_objs,$(FUZZ_LIB) $(FUZZ_HELP) tests/fuzz/seeds.c)
	$(call say,LD,$@)
	$(Q)$(call FUZZ_LD)

FUZZ_SEEDS := $(FUZZ_OUT)/seeds/image.stamp $(FUZZ_OUT)/seeds/stream.stamp
$(FUZZ_SEEDS): $(FUZZ_OUT)/seeds/%.stamp: $(FUZZ_OUT)/make-seeds $(wildcard tests/fuzz/corpus/*/*)
	$(call say,SEEDS,tests/fuzz/corpus/$*)
	$(Q)rm -rf $(@:.stamp=) && mkdir -p $(@:.stamp=)
	$(Q)$< $(@:.stamp=) $(wildcard tests/fuzz/corpus/$*/*)
	$(Q)touch $@

.PHONY: fuzz check-fuzz
fuzz: $(FUZZ_TARGETS) $(FUZZ_SEEDS)
	tests/fuzz/run $(FUZZ_OUT) $(FUZZ_SECONDS)
check-fuzz: $(FUZZ_TARGETS) $(FUZZ_SEEDS)
	$(Q)tests/fuzz/run $(FUZZ_OUT) 55

-include $(FUZZ_OBJS:.o=.d)
