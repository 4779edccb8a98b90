/*
 * What is remembered of mailboxes (memo.c): where to begin to read one, where its actor's row was,
 * and whether its messages are suspected of having ended their worker. All of it can be lost, and
 * can be wrong: its users check it. Without shared memory nothing is remembered. The functions take
 * the spinlock of a bucket, and do not raise, unless a comment says that one needs a transaction.
 */
#ifndef DGEN_SHARED_MEMO_H
#define DGEN_SHARED_MEMO_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "shared/charge.h"

struct Remembered;

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

/* ---- settled seqs: how far a floor can rise; need a transaction ---- */

/* A seq in a row that was visible; all lower ones were drawn before. */
extern void dgen_saw_seq(int64 seq);
/* Every transaction that drew a seq up to this one had ended when the snapshot was taken. 0: not known. */
extern int64 dgen_settled_seq(Snapshot snapshot);

#endif /* DGEN_SHARED_MEMO_H */
