# The extension, built with PGXS. `make`, `make install` and `make installcheck`
# work as for any extension and honour PG_CONFIG; `make test` and `make demo`
# need nothing installed beforehand and leave the system's PostgreSQL alone.

all:

PG_CONFIG ?= pg_config

EXTENSION  = dgen
MODULE_big = dgen
OBJS      := $(patsubst %.c,%.o,$(sort $(wildcard extension/*/*.c)))

# --- the install script, put together from its parts -------------------------

EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" dgen.control)
SQL_PARTS  := $(sort $(wildcard sql/install/*.sql))
DATA_built := sql/dgen--$(EXTVERSION).sql
DATA       := $(sort $(wildcard sql/dgen--*--*.sql))

# The directory is a prerequisite so that a removed part counts as a change.
$(DATA_built): $(SQL_PARTS) $(wildcard sql/install) dgen.control Makefile
	@mkdir -p sql
	@printf '%s\n' '\echo Use "CREATE EXTENSION dgen" to load this file. \quit' >$@.tmp
	@awk 'FNR == 1 { print "\n-- " FILENAME } { print }' $(SQL_PARTS) </dev/null >>$@.tmp
	@mv $@.tmp $@

# --- compiler flags -----------------------------------------------------------

# `make WERROR=` for a compiler that warns about something new.
WERROR ?= -Werror

# -isystem: the server's headers are not written for these warnings.
PG_CPPFLAGS = -Iextension -Iinclude -isystem $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)
PG_CFLAGS   = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wno-unused-parameter \
              -Wno-sign-compare $(WERROR) -MMD -MP

# Bitcode would need the very clang that the server was built with.
override with_llvm = no

$(OBJS): Makefile
-include $(OBJS:.o=.d)

# --- tests against an installed, running server (make installcheck) -----------

# test/sql/schedule, one name per line, decides the order when it exists; a test that it
# lacks runs last, and check-schedule calls it an error.
REGRESS_FOUND := $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
SCHEDULE      := $(shell sed -n 's/\#.*//; s/[[:space:]]//g; /./p' test/sql/schedule 2>/dev/null)
REGRESS       := $(strip $(SCHEDULE) $(filter-out $(SCHEDULE),$(REGRESS_FOUND)))
ISOLATION     := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/iso_*.spec)))
TAP_TESTS     := $(if $(wildcard test/t/*.pl),1)
PROVE_TESTS    = test/t/*.pl

REGRESS_OPTS   = --inputdir=test
ISOLATION_OPTS = --inputdir=test --outputdir=.
REGRESS_PREP   = check-schedule

EXTRA_CLEAN = $(OBJS:.o=.d) $(DATA_built).tmp results

# --- PGXS, or a word about how to get it ---------------------------------------

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
all install uninstall installcheck clean:
	@echo 'No PGXS found by "$(PG_CONFIG)": run "make setup", or name another PG_CONFIG=...' >&2; exit 1
endif

# --- libdgen, where libpq's headers are ------------------------------------------

# PGXS has targets install-lib and clean-lib of its own.
.PHONY: lib install-libdgen clean-libdgen

all: $(if $(wildcard $(shell $(PG_CONFIG) --includedir 2>/dev/null)/libpq-fe.h),lib)
clean: clean-libdgen

lib:
	@$(MAKE) --no-print-directory -C worker

install-libdgen:
	@$(MAKE) --no-print-directory -C worker install

clean-libdgen:
	@$(MAKE) --no-print-directory -C worker clean

# --- everything below needs nothing but make and the scripts -------------------

.PHONY: setup test demo bench test-versions test-sanitizers test-valgrind torture torture-faults fuzz \
        check-format format \
        check-schedule check-headers list-regress list-isolation

setup:
	@scripts/setup

test: setup
	@scripts/test

# `make demo DATA=FILE` shows it with other data.
demo: setup
	@scripts/demo

bench: setup
	@scripts/with-cluster --preload --conf max_worker_processes=32 --conf max_connections=250 bench/run

test-versions:
	@scripts/test-versions

test-sanitizers:
	@scripts/test-sanitizers

test-valgrind: setup
	@scripts/test-valgrind

# make torture SECONDS=3600 SEED=7 OPTIONS="--standby --small": docs/reliability.md
SECONDS ?= 60
torture: setup
	@test/torture/run --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(OPTIONS)

torture-faults: setup
	@test/torture/run --faults --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(OPTIONS)

# make fuzz SECONDS=600 SEED=7: test/fuzz/sql/README.md
fuzz: setup
	@scripts/with-cluster --preload --fast --conf-file test/fuzz/sql/server.conf \
	    test/fuzz/sql/fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(OPTIONS)

C_FILES = $(sort $(wildcard $(foreach d,extension extension/* include worker/* worker/cli/* worker/cli/bench/* \
            examples/* bench test/unit test/fuzz,$(d)/*.c $(d)/*.h)))
CLANG_FORMAT ?= clang-format

format:
	$(CLANG_FORMAT) -i $(C_FILES)

# Other versions want other spaces.
check-format:
	@if ! $(CLANG_FORMAT) --version 2>/dev/null | grep -q 'version 14\.'; then \
	    echo 'check-format: skipped, it takes clang-format 14 ("scripts/setup format", Debian 12)'; \
	elif [ -n '$(C_FILES)' ]; then \
	    $(CLANG_FORMAT) --dry-run -Werror $(C_FILES); \
	fi

# A public header stands alone, in C and in C++.
check-headers:
	@for h in $(wildcard include/*.h); do \
	    inc="-Iinclude -isystem $$($(PG_CONFIG) --includedir)"; \
	    $(CC) -std=c99 -fsyntax-only -Wall -Wextra -Werror $$inc -x c $$h || exit 1; \
	    if command -v $(CXX) >/dev/null; then \
	        $(CXX) -fsyntax-only -Wall -Wextra -Werror $$inc -x c++ $$h || exit 1; \
	    fi; \
	done

check-schedule:
	@$(if $(SCHEDULE),for t in $(filter-out $(SCHEDULE),$(REGRESS_FOUND)); do \
	    echo "test/sql/schedule lacks $$t" >&2; exit 1; \
	done)

list-regress:
	@echo $(REGRESS)

list-isolation:
	@echo $(ISOLATION)
