/*
 * What is remembered of mailboxes (memo.c): where to begin to read one, where its actor's row was, and
 * whether its messages are suspected of having ended their worker. All of it can be lost or wrong, so its
 * users check it. Without shared memory nothing is remembered. The functions acquire the spinlock of a
 * bucket. Only those that need a transaction, as their comments say, can raise.
 */
#ifndef DGEN_SHARED_MEMO_H
#define DGEN_SHARED_MEMO_H

#include "postgres.h"

#include "utils/snapshot.h"

#include "shared/charge.h"

struct Remembered;

/* ---- memos ---- */

/* The caller owns the mailbox. */
extern void dgen_memo_get(int32 type_id, int64 mailbox, struct Remembered *remembered);
extern void dgen_memo_set(int32 type_id, int64 mailbox, const struct Remembered *remembered);

/*
 * The caller need not own the mailbox. It has skipped `passed` dead rows; 0: the known floor is raised,
 * and lasts as long as before. Does not replace the memo of another mailbox.
 */
extern void dgen_memo_raise_floor(int32 type_id, int64 mailbox, int64 floor, int64 passed);

/* Called when a claim begins. Finds out to which table the memos belong. Needs a transaction. */
extern void dgen_memos_begin(void);
extern void dgen_memos_forget(void); /* those of this database */

extern Suspicion dgen_suspicion_of(int32 type_id, int64 mailbox);
extern void dgen_set_suspicion(int32 type_id, int64 mailbox, Suspicion suspicion);

/* ---- settled seqs: how far a floor can rise; need a transaction ---- */

/* The session has seen a row with this seq; all lower seqs were drawn before. */
extern void dgen_saw_seq(int64 seq);
/*
 * Returns a seq such that every transaction that drew a seq up to it had ended when the snapshot was
 * taken; 0: unknown.
 */
extern int64 dgen_settled_seq(Snapshot snapshot);

#endif /* DGEN_SHARED_MEMO_H */
