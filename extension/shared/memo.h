/*
 * What is remembered of a mailbox, and who is suspected of taking workers along.
 */
#ifndef DGEN_SHARED_MEMO_H
#define DGEN_SHARED_MEMO_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "storage/spin.h"
#include "utils/snapshot.h"

struct Remembered;

typedef enum SuspicionLevel
{
	SUSPICION_NONE,
	SUSPICION_FEW,  /* to be handled in a batch of few messages, all of suspects */
	SUSPICION_ALONE /* to be handled in a batch of one */
} SuspicionLevel;

typedef struct Suspicion
{
	SuspicionLevel level;
	int messages; /* of the actor, which are to be handled so */
} Suspicion;

#define MEMO_BUCKETS 8192
#define MEMO_WAYS 4 /* mailboxes of a bucket of which something is remembered */

/* What is remembered of a mailbox (memo.c). Its owner writes it, and sweeps raise the floor. */
typedef struct Memo
{
	int64 mailbox;
	Oid database;
	Oid table; /* dgen.message: another one after the extension was created anew */
	int32 type_id;
	uint32 until; /* safety-net look at which the floor is forgotten */
	int64 floor;  /* no message of priority 0 up to this seq is there; 0: not known */
	Suspicion suspicion;
	ItemPointerData
		actor; /* where the last one to write it put the actor's row; invalid: not known */
} Memo;

/*
 * Mailboxes of the same hash. The one that was not used for the longest time makes room. Who
 * looks for one of them reads two lines of the processor's cache, this one and the memo's.
 */
typedef struct MemoBucket
{
	slock_t mutex;
	uint32 uses;
	uint32 used[MEMO_WAYS]; /* uses, when it was used last; 0: free */
	uint32 tags[MEMO_WAYS]; /* of hashes */
	union
	{
		Memo memo;
		char line[64];
	} places[MEMO_WAYS];
} MemoBucket;

/* The mailbox is owned. */
extern void dgen_memo_get(int32 type_id, int64 mailbox, struct Remembered *remembered);
extern void dgen_memo_set(int32 type_id, int64 mailbox, const struct Remembered *remembered);
/*
 * Without owning it, after `passed` dead rows; 0: beyond the floor that is known, which lasts as
 * long as before. Does not take the place of another mailbox.
 */
extern void dgen_memo_raise_floor(int32 type_id, int64 mailbox, int64 floor, int64 passed);
extern void dgen_memos_begin(void);  /* a claim does */
extern void dgen_memos_forget(void); /* of this database */

extern Suspicion dgen_suspicion_of(int32 type_id, int64 mailbox);
extern void dgen_set_suspicion(int32 type_id, int64 mailbox, Suspicion suspicion);

/* A seq in a row that was visible; all below it were drawn before. */
extern void dgen_saw_seq(int64 seq);
/* Whoever drew a seq up to this had ended when the snapshot was taken. 0: not known. */
extern int64 dgen_settled_seq(Snapshot snapshot);

#endif /* DGEN_SHARED_MEMO_H */
