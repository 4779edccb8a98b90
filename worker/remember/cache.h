/*
 * States between batches.
 *
 * A state is either here or in the batch that its actor is in: it is taken out when
 * the batch is claimed, and put back when its COMMIT is confirmed.
 */
#ifndef DGEN_REMEMBER_CACHE_H
#define DGEN_REMEMBER_CACHE_H

#include "dgen.h"

#include "turn/state.h"

typedef struct dgen__cache dgen__cache;

extern dgen__cache *dgen__cache_open(size_t limit_bytes); /* NULL: no memory */
extern void dgen__cache_close(dgen__cache *cache);
extern dgen__state *dgen__cache_take(dgen__cache *cache, int type,
									 const char *key); /* NULL: not here */
extern void dgen__cache_put(dgen__cache *cache, int type, const char *key,
							dgen__state *state);  /* owns the state from now on */
extern void dgen__cache_drop(dgen__cache *cache); /* all */

#endif /* DGEN_REMEMBER_CACHE_H */
