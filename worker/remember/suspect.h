/*
 * Actors whose turns spoil the commit of a batch.
 *
 *     commit of a batch failed ──> its actors are suspects: one at a time, alone
 *         alone, it commits ──> not the cause, forgotten
 *         alone, it fails ──> guilty: the failed attempt is recorded; alone until it commits
 */
#ifndef DGEN_REMEMBER_SUSPECT_H
#define DGEN_REMEMBER_SUSPECT_H

#include "dgen.h"

#include "base/error.h"

typedef struct dgen__suspect
{
	int type;
	char *key;
	bool guilty;
	int64_t message; /* whose failed attempt must be recorded with error; 0: none */
	int attempt;     /* that failed; once it is another one, the server has recorded it itself */
	bool final;      /* and it is the last one */
	int tries;       /* failed commits that might have had another cause */
	dgen__error error;
} dgen__suspect;

typedef struct dgen__suspects
{
	dgen__suspect *list;
	int count;
	int size;
	int guilty;
	int patience; /* batches to come until those not found guilty are forgotten */
} dgen__suspects;

extern void dgen__suspects_free(dgen__suspects *suspects);
extern dgen__suspect *dgen__suspects_add(dgen__suspects *suspects, int type,
										 const char *key); /* NULL: no memory */
extern dgen__suspect *dgen__suspects_find(dgen__suspects *suspects, int type, const char *key);
extern void dgen__suspects_remove(dgen__suspects *suspects, dgen__suspect *suspect);
extern void dgen__suspects_convict(dgen__suspects *suspects, dgen__suspect *suspect,
								   int64_t message, const dgen__error *error);
extern void dgen__suspects_forget(dgen__suspects *suspects); /* those not found guilty */
extern bool dgen__suspects_searching(
	const dgen__suspects *suspects); /* is there one not found guilty? */

#endif /* DGEN_REMEMBER_SUSPECT_H */
