# SPDX-License-Identifier: LGPL-2.1-only
# Save files of real guests, recorded once on the emulated hosts.
STREAMS_OUT      := $(BUILD)/streams
STREAMS_trixie   := $(addprefix $(STREAMS_OUT)/,pvh-128-a.save pvh-128-b.save \
    pvh-256-a.save pvh-256-b.save pvh-128-live.save hvm-160-a.save hvm-160-b.save)
STREAMS_bookworm := $(addprefix $(STREAMS_OUT)/,pv-128-a.save pv-128-b.save)
STREAMS_RECIPE   := $(addprefix tests/xenhost/record/,record streams.py live.c)

# What an earlier run recorded stays when a later one fails; none moves there in part.
.PRECIOUS: $(STREAMS_trixie) $(STREAMS_bookworm)

.PHONY: streams
streams: $(STREAMS_trixie) $(STREAMS_bookworm)
$(STREAMS_trixie) &: $(STREAMS_RECIPE)
	scripts/need $(DEB_DEMO)
	BUILD=$(abspath $(BUILD)) tests/xenhost/record/record trixie $(abspath $(STREAMS_OUT))
$(STREAMS_bookworm) &: $(STREAMS_RECIPE)
	scripts/need $(DEB_DEMO)
	BUILD=$(abspath $(BUILD)) tests/xenhost/record/record bookworm $(abspath $(STREAMS_OUT))
