/*
 * From the rows that a claim returned to a batch.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "remember/cache.h"
#include "server/result.h"
#include "server/sql.h"
#include "turn/state.h"
#include "work/batch.h"
#include "work/worker.h"

const char *
dgen__batch_field(const PGresult *rows, int row, int column)
{
	return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static int
find_type(const dgen_worker *worker, const char *name)
{
	for (int i = 0; i < worker->ntypes; i++)
		if (strcmp(worker->types[i].name, name) == 0)
			return i;
	return -1;
}

static dgen__actor *
add_actor(dgen__batch *batch)
{
	dgen__actor *actor;

	if (batch->nactors == batch->size)
	{
		int size = batch->size == 0 ? 64 : batch->size * 2;
		dgen__actor *actors = dgen__realloc(batch->actors, (size_t) size * sizeof(dgen__actor));

		if (actors == NULL)
			return NULL;
		batch->actors = actors;
		batch->size = size;
	}
	actor = &batch->actors[batch->nactors++];
	memset(actor, 0, sizeof(*actor));
	return actor;
}

/* What the cache has of an actor whose state was sent is out of date. */
static int
take_state(dgen_worker *worker, dgen__actor *actor)
{
	dgen__state *cached =
		actor->action ? NULL : dgen__cache_take(worker->cache, actor->type, actor->key);
	PGresult *rows = worker->batch.rows;

	if (PQgetisnull(rows, actor->row, DGEN__CLAIM_STATE))
	{
		actor->state = cached;
		return 0;
	}
	dgen__state_free(cached);
	return dgen__batch_set_state(worker, (int) (actor - worker->batch.actors),
								 PQgetvalue(rows, actor->row, DGEN__CLAIM_STATE),
								 (size_t) PQgetlength(rows, actor->row, DGEN__CLAIM_STATE));
}

static int
decode_actor(dgen_worker *worker, int row)
{
	PGresult *rows = worker->batch.rows;
	const char *type = PQgetvalue(rows, row, DGEN__CLAIM_TYPE);
	dgen__actor *actor = add_actor(&worker->batch);

	if (actor == NULL)
		return dgen__fail(&worker->error, DGEN_ENOMEM, "out of memory");
	actor->type = find_type(worker, type);
	if (actor->type < 0)
		return dgen__fail(&worker->error, DGEN_ESERVER, "the server sent an actor of type \"%s\"",
						  type);
	actor->key = PQgetvalue(rows, row, DGEN__CLAIM_KEY);
	actor->version = dgen__result_number(rows, row, DGEN__CLAIM_VERSION);
	actor->row = row;
	actor->action = strcmp(PQgetvalue(rows, row, DGEN__CLAIM_KIND), DGEN__ACTION) == 0;
	return take_state(worker, actor);
}

bool
dgen__batch_is_part(const PGresult *rows)
{
	return PQntuples(rows) == 1 &&
		   strcmp(PQgetvalue(rows, 0, DGEN__CLAIM_KIND), DGEN__KIND_LOCKED) == 0;
}

int
dgen__batch_decode(dgen_worker *worker, PGresult *rows)
{
	dgen__batch *batch = &worker->batch;
	int result = dgen__claim_check(rows, &worker->error);

	batch->rows = rows;
	if (result != 0)
		return result;
	batch->part = dgen__batch_is_part(rows);
	for (int row = 0; row < PQntuples(rows) && result == 0; row++)
	{
		if (dgen__result_number(rows, row, DGEN__CLAIM_ACTOR) != batch->nactors)
			result = decode_actor(worker, row);
		if (result == 0)
			batch->actors[batch->nactors - 1].nmessages++;
	}
	return result;
}

int
dgen__batch_missing(const dgen_worker *worker, int from)
{
	for (int i = from; i < worker->batch.nactors; i++)
		if (worker->batch.actors[i].state == NULL)
			return i;
	return -1;
}

int
dgen__batch_set_state(dgen_worker *worker, int actor, const char *json, size_t length)
{
	int code = dgen__state_parse(&worker->batch.actors[actor].state, json, length);

	return code == 0 ? 0
					 : dgen__fail(&worker->error, code, "state of actor \"%s\" is not understood",
								  worker->batch.actors[actor].key);
}
