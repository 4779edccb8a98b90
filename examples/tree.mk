# For an example in dgen's source tree: the library is that of the tree, once it is built.
LIBRARY := $(wildcard ../../worker/build/libdgen.a)
ifneq ($(LIBRARY),)
PG_CONFIG ?= pg_config
DGEN = -I../../include -I$(shell $(PG_CONFIG) --includedir) $(LIBRARY) \
       -L$(shell $(PG_CONFIG) --libdir) -lpq -pthread
endif
