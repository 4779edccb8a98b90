/*
 * Which states this session's client holds, so that dgen.claim need not send them again: those that
 * it received or committed, at exactly that version.
 *
 * A client discards the states that it holds when a batch is rolled back, so dgen also forgets them
 * then. The same applies when the batch is prepared, because this session does not learn how the
 * transaction ends. A client that has discarded a state for lack of memory reads it with
 * dgen.batch_state.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "actor/actor_type.h"
#include "actor/batch.h"
#include "protocol/protocol.h"

/* With more actors than this everything is forgotten, and sent again. */
#define MAX_ACTORS 200000

/*
 * The second hash has a secret seed: no client can find two keys of one type that agree in both.
 */
typedef struct HeldKey
{
	int64 mailbox;
	uint64 hash;
	int32 type_id;
	int32 unused; /* no padding in a key */
} HeldKey;

typedef struct HeldState
{
	HeldKey key;
	int64 version;
} HeldState;

static HTAB *held = NULL;
static uint64 seed;
static bool touched = false;                          /* in this transaction */
static TransactionId adoption = InvalidTransactionId; /* dgen_adopted_by, when it was given them */

void
dgen_client_forget(void)
{
	if (held != NULL)
		hash_destroy(held);
	held = NULL;
	touched = false;
}

static void
at_end(XactEvent event, void *arg)
{
	if (touched && (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE))
		dgen_client_forget();
	if (event == XACT_EVENT_COMMIT)
		touched = false;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if (touched && event == SUBXACT_EVENT_ABORT_SUB)
		dgen_client_forget();
}

static void
create(void)
{
	static bool registered = false;
	HASHCTL control = {
		.keysize = sizeof(HeldKey), .entrysize = sizeof(HeldState), .hcxt = TopMemoryContext};

	if (!registered)
	{
		RegisterXactCallback(at_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	seed = pg_prng_uint64(&pg_global_prng_state);
	held = hash_create("dgen states of the client", 1024, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static HeldKey
key_of(const BatchActor *actor)
{
	HeldKey key = {
		.mailbox = actor->mailbox,
		.hash = hash_bytes_extended((const unsigned char *) VARDATA_ANY(actor->key),
									VARSIZE_ANY_EXHDR(actor->key), seed),
		.type_id = actor->type->id,
	};

	return key;
}

/* If a backup is restored into tables that stay, versions are used again. */
static void
check_adoption(void)
{
	if (adoption != dgen_adopted_by())
		dgen_client_forget();
	adoption = dgen_adopted_by();
}

bool
dgen_client_holds(const BatchActor *actor)
{
	HeldKey key;
	HeldState *state;

	check_adoption();
	if (held == NULL || actor->version == 0)
		return false;
	touched = true;
	key = key_of(actor);
	state = hash_search(held, &key, HASH_FIND, NULL);
	return state != NULL && state->version == actor->version;
}

void
dgen_client_given(const BatchActor *actor)
{
	HeldKey key;
	HeldState *state;

	check_adoption();
	if (held != NULL && hash_get_num_entries(held) >= MAX_ACTORS)
		dgen_client_forget();
	if (held == NULL)
		create();
	touched = true;
	key = key_of(actor);
	state = hash_search(held, &key, HASH_ENTER, NULL);
	state->version = actor->version;
}
