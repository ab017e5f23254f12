# SPDX-License-Identifier: LGPL-2.1-only
# Memory images: cmocka programs over what the others of these files share.
IMAGE_OUT   := $(BUILD)/tests/image
IMAGE_PROGS := $(addprefix $(IMAGE_OUT)/,places storing hostile roundtrip files corrupt memory)
IMAGE_OBJS  := $(patsubst tests/image/%.c,$(IMAGE_OUT)/%.o,$(wildcard tests/image/*.c))
IMAGE_HELP  := $(filter-out $(IMAGE_PROGS:=.o),$(IMAGE_OBJS))

# How much of it is random; the larger number is where the sanitizers watch.
IMAGE_RUN = IMAGE_STREAMS=$${IMAGE_STREAMS:-$(if $(SANITIZE),10000,500)} \
            IMAGE_CORRUPTIONS=$${IMAGE_CORRUPTIONS:-$(if $(SANITIZE),100000,10000)}

$(IMAGE_OBJS): | $(GEN)/libxl_snapshot_types.stamp
$(IMAGE_OBJS): $(IMAGE_OUT)/%.o: tests/image/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(XLS_CFLAGS) -Ilibxl-snapshot -Itests -c $< -o $@

# support.c has threads run out, and random numbers come again.
$(IMAGE_PROGS): private LDFLAGS += -Wl,--wrap=pthread_create,--wrap=getrandom
POOL_WRAP := -Wl,--wrap=xls_calloc,--wrap=xls_realloc,--wrap=free
ifneq ($(findstring address,$(SANITIZE)),)
$(IMAGE_PROGS): private LDFLAGS += $(POOL_WRAP)
endif
$(IMAGE_PROGS): %: %.o $(IMAGE_HELP) $(LIBOUT)/libxlsnapshot.a
	$(call say,LD,$@)
	$(Q)$(CC) $(SAN) -pthread $^ $(LDFLAGS) $(LIB_LIBS) -lcmocka -o $@

.PHONY: check-image
check-image: $(IMAGE_PROGS)
	$(Q)failed=; for t in $(IMAGE_PROGS); do \
	    echo "  TEST     $$t"; \
	    $(IMAGE_RUN) timeout -k 10 1200 $$t || failed="$$failed $$t"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

-include $(IMAGE_OBJS:.o=.d)
