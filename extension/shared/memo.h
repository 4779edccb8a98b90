/*
 * What is remembered of mailboxes (memo.c): where to begin to read one, where its actor's row was,
 * and whether its messages are suspected of having ended their worker. All of it may be lost, and
 * may be wrong: who uses it checks. Without shared memory nothing is remembered. The functions take
 * the spinlock of a bucket, and do not raise, unless a comment says that one needs a transaction.
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
	SUSPICION_FEW,  /* a batch of few messages, all of suspects, handles it */
	SUSPICION_ALONE /* a batch of one message handles it */
} SuspicionLevel;

typedef struct Suspicion
{
	SuspicionLevel level;
	int messages; /* first ones of the actor for which that holds */
} Suspicion;

#define MEMO_BUCKETS 8192
#define MEMO_WAYS 4 /* mailboxes of a bucket of which something is remembered */

/* The owner of the mailbox writes it; sweeps raise the floor. */
typedef struct Memo
{
	int64 mailbox;
	Oid database;
	Oid table; /* dgen.message: another one after the extension was created anew */
	int32 type_id;
	uint32 until; /* number of the safety-net check at which the floor is forgotten */
	int64 floor;  /* no message of priority 0 up to this seq is there; 0: not known */
	Suspicion suspicion;
	ItemPointerData actor; /* where the actor's row was written last; invalid: not known */
} Memo;

/*
 * Mailboxes of the same hash. The one that was not used for the longest time makes room. To find
 * one of them takes two lines of the processor's cache, this one and the memo's.
 */
typedef struct MemoBucket
{
	slock_t mutex;          /* of all that follows */
	uint32 uses;            /* of the bucket, so far */
	uint32 used[MEMO_WAYS]; /* uses, when the place was used last; 0: free */
	uint32 tags[MEMO_WAYS]; /* other bits of the hash: most others need not be compared */
	union
	{
		Memo memo;
		char line[64];
	} places[MEMO_WAYS];
} MemoBucket;

/* ---- memos ---- */

/* The mailbox is owned. */
extern void dgen_memo_get(int32 type_id, int64 mailbox, struct Remembered *remembered);
extern void dgen_memo_set(int32 type_id, int64 mailbox, const struct Remembered *remembered);

/*
 * The mailbox need not be owned. After `passed` dead rows; 0: beyond the floor that is known, which
 * lasts as long as before. Does not take the place of another mailbox.
 */
extern void dgen_memo_raise_floor(int32 type_id, int64 mailbox, int64 floor, int64 passed);

/* A claim begins: finds out which table the memos are of. Needs a transaction. */
extern void dgen_memos_begin(void);
extern void dgen_memos_forget(void); /* those of this database */

extern Suspicion dgen_suspicion_of(int32 type_id, int64 mailbox);
extern void dgen_set_suspicion(int32 type_id, int64 mailbox, Suspicion suspicion);

/* ---- settled seqs: how far a floor may rise; need a transaction ---- */

/* A seq in a row that was visible; all lower ones were drawn before. */
extern void dgen_saw_seq(int64 seq);
/* Every transaction that drew a seq up to this one had ended when the snapshot was taken. 0: not known. */
extern int64 dgen_settled_seq(Snapshot snapshot);

#endif /* DGEN_SHARED_MEMO_H */
