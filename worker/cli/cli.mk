# The program dgen; worker/Makefile includes this.
#
# It contains the library, and exports its functions to the shared objects that it loads:
# an object linked with libdgen.so and one that is not both find them here.

bindir ?= $(prefix)/bin
mandir ?= $(prefix)/share/man

cli_objects := $(patsubst $(HERE)/cli/%.c,$(BUILD)/cli/%.o,$(sort $(wildcard $(HERE)/cli/*.c $(HERE)/cli/*/*.c $(HERE)/cli/*/*/*.c)))

all: $(BUILD)/dgen

$(BUILD)/cli/%.o: $(HERE)/cli/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(compile) -fvisibility=hidden -c -o $@ $<

$(BUILD)/dgen: $(cli_objects) $(BUILD)/libdgen.a
	$(link) -rdynamic -o $@ $(cli_objects) -Wl,--whole-archive $(BUILD)/libdgen.a \
	    -Wl,--no-whole-archive $(libpq) -ldl -lpthread

.PHONY: install-cli uninstall-cli
install: install-cli
install-cli: $(BUILD)/dgen
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1
	install -m 755 $(BUILD)/dgen $(DESTDIR)$(bindir)
	install -m 644 $(TOP)/docs/dgen.1 $(DESTDIR)$(mandir)/man1

uninstall: uninstall-cli
uninstall-cli:
	rm -f $(DESTDIR)$(bindir)/dgen $(DESTDIR)$(mandir)/man1/dgen.1

-include $(cli_objects:.o=.d)
