/*
 * The worker.
 *
 *     RESTING ──> CONNECTING ──> ATTACHING ──> CLAIMING <──────────────┐
 *        ^                                        │ messages           │ commit
 *        └── connection lost, from anywhere       └──> (FETCHING) ──> turns ──stop──> LEAVING ──> ENDED
 */
#ifndef DGEN_WORK_WORKER_H
#define DGEN_WORK_WORKER_H

#include "dgen.h"

#include "base/error.h"
#include "remember/cache.h"
#include "remember/suspect.h"
#include "server/answers.h"
#include "server/loop.h"
#include "work/batch.h"

typedef enum dgen__phase
{
	DGEN__RESTING,    /* not connected, until deadline */
	DGEN__CONNECTING, /* until deadline */
	DGEN__ATTACHING,
	DGEN__RELEASING, /* behind a pooler: ends what a claim that found nothing has begun */
	DGEN__IDLE,      /* behind a pool: for work */
	DGEN__CLAIMING,  /* waits for the answer to a claim, which might wait for work first */
	DGEN__FETCHING,  /* waits for states that the cache no longer has */
	DGEN__BEGINNING, /* ends the transaction that has claimed a locked part, before it runs */
	DGEN__LEAVING,   /* waits for the last answers, until deadline */
	DGEN__ENDED
} dgen__phase;

/* A registered actor type; strings are copies. */
typedef struct dgen__type
{
	dgen_actor_type type;
	char *name;
	char *initial_state;
} dgen__type;

struct dgen_worker
{
	char *conninfo;
	char *name;
	dgen_worker_options options; /* with defaults filled in; its name is not used */
	dgen__type *types;
	int ntypes;

	dgen__loop loop;
	bool loop_is_open;
	dgen__phase phase;
	int result;       /* what run returns once ENDED */
	int64_t deadline; /* of the phase; DGEN__NEVER: none */
	int connect_ms;   /* maximum duration of a connection attempt */
	int attempts;     /* to connect and claim, since that worked */
	uint64_t random;
	bool ran;
	bool created_types; /* in this session */
	bool types_missing; /* the attach did nothing */
	bool pooled;        /* something between here and the server has made this session */
	char id[24];        /* that dgen.attach gave */
	dgen_child *child;  /* that watches it; NULL: none */

	unsigned process; /* that has opened it */
	bool entered;     /* in a step, whose callbacks can only stop and close it */
	bool closing;     /* to be freed when the step is left */

	PGconn *connection;
	dgen__answers answers;
	bool section_failed;
	dgen__error section_error; /* the first of the section */
	dgen__error create_error;  /* why a missing type could not be created */
	PGresult *claimed;         /* the claim's rows, until the section ends */

	dgen__batch batch;
	int64_t receipts; /* of this session so far */
	dgen__doubt doubt;
	dgen__cache *cache;
	dgen__suspects suspects;
	int failed_commits;  /* in a row */
	char changed[256];   /* the last error with DGEN__CHANGED; empty: batches commit */
	int64_t changed_at;  /* when it was logged */
	int changed_tries;   /* since batches do not commit */
	int uncached_claims; /* to come, in which all states are sent */
	int narrow_claims;   /* to come, which take few actors: the server is short of locks */
	int narrow;          /* so few */
	dgen__error error;
};

/* worker_log.c */
extern bool dgen__worker_stopping(const dgen_worker *worker);
extern void dgen__worker_log(dgen_worker *worker, dgen_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* worker.c: what the application calls; when it connects, rests and ends */
/* 0 if the application can continue with it; else the error says why not. */
extern int dgen__worker_check(dgen_worker *worker);
extern void dgen__worker_attached(dgen_worker *worker);
extern void dgen__worker_end(dgen_worker *worker, int result);
extern void dgen__worker_rest(dgen_worker *worker,
							  const dgen__error *why); /* disconnects, and connects again later */

#endif /* DGEN_WORK_WORKER_H */
