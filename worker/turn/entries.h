/*
 * What state.c and state_read.c share: how a state lies in memory.
 *
 *     text     one copy of the JSON text that was read. Once it is loaded, names and
 *              values are pieces of it, made NUL-terminated in place.
 *
 *     sorted   entry *, by the bytes of the name; an entry without a value is a
 *              tombstone: it was deleted, and can come back by undo
 *       |
 *       v
 *     entry    name, value ──change──> changes   what the server has of it (base)
 *                                         ^      what begin_turn found (kept)
 *                                         |
 *                                      touched   by the turn
 *
 * An entry that did not change since the server had it is in neither list.
 */
#ifndef DGEN_TURN_ENTRIES_H
#define DGEN_TURN_ENTRIES_H

#include "dgen.h"

#include "turn/state.h"

typedef struct entry
{
	char *name;
	char *value;   /* NULL: deleted; a piece of the text or memory of its own */
	size_t length; /* of the value */
	uint32_t name_length;
	uint32_t change; /* number of its change, from 1; 0: none */
} entry;

typedef struct change
{
	entry *entry;
	char *base; /* NULL: the server has no such entry */
	size_t base_length;
	char *kept; /* only if touched */
	size_t kept_length;
	bool touched; /* in this turn */
} change;

struct dgen__state
{
	char *text; /* length + 1 bytes */
	size_t length;
	bool loaded; /* the text is split into entries */

	entry *read; /* those of the text; others have memory of their own */
	size_t nread;

	entry **sorted;
	size_t nsorted;
	size_t sorted_size;
	size_t ntombstones;

	change *changes;
	size_t nchanges;
	size_t changes_size;
	size_t kept_changes; /* those that begin_turn found */

	uint32_t *touched; /* numbers of changes, from 0 */
	size_t ntouched;
	size_t touched_size;

	size_t own_bytes; /* in entries and values with memory of their own */
};

#endif /* DGEN_TURN_ENTRIES_H */
