/*
 * The state of an actor as entries.
 *
 *     what the server has ──base──> batch begins ──turn──> turn ──> ...
 *
 * Changes of a turn can be undone; changes of a batch are a diff against what the
 * server has. Only that diff travels.
 */
#ifndef DGEN_TURN_STATE_H
#define DGEN_TURN_STATE_H

#include "dgen.h"

#include "base/memory.h"

typedef struct dgen__state dgen__state;

/* A JSON object, trusted to be valid; copied, and looked into when it is first needed. */
extern int dgen__state_parse(dgen__state **state, const char *json, size_t length);
/*
 * Looks into it. The functions that need that do it themselves; after a load that
 * returned 0, NULL from get and scan cannot mean that memory was out.
 */
extern int dgen__state_load(dgen__state *state);
extern void dgen__state_free(dgen__state *state);
extern size_t dgen__state_bytes(
	const dgen__state *state); /* memory it takes, for the cache's bound */

/* What get and scan return lives until the entry changes, confirm, or the end of the turn; a name until confirm. */
extern const char *dgen__state_get(dgen__state *state, const char *entry, size_t *length);
extern int dgen__state_set(dgen__state *state, const char *entry, const char *json,
						   size_t length); /* valid JSON */
extern int dgen__state_delete(dgen__state *state, const char *entry);
/* Valid JSON, an object. If memory runs out some entries are replaced: undo the turn. */
extern int dgen__state_replace(dgen__state *state, const char *json, size_t length);
extern const char *dgen__state_scan(dgen__state *state, const char *prefix, const char **entry,
									size_t *length);
extern int dgen__state_json(dgen__state *state, dgen__buffer *json); /* the whole as an object */

/* Changes are made between begin and undo or keep. */
extern void dgen__state_begin_turn(dgen__state *state);
extern void dgen__state_undo_turn(dgen__state *state); /* as it was at begin_turn */
extern void dgen__state_keep_turn(dgen__state *state);

/*
 * The diff of the kept turns since the state was read or confirmed. False: none. Appends
 * an object of entries to set and an array of names to deleted, nothing where there is
 * nothing.
 */
extern bool dgen__state_diff(dgen__state *state, dgen__buffer *set, dgen__buffer *deleted);
extern bool dgen__state_changed(const dgen__state *state); /* is there a diff? */
extern void dgen__state_confirm(dgen__state *state); /* the server has it now; no turn is open */

#endif /* DGEN_TURN_STATE_H */
