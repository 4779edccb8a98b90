/*
 * What a claim may find: mailboxes that are known to have messages (hints.c), and whether there may
 * be a locked part to run (locked_look.c). Both are in shared memory; the functions take its locks,
 * and none of them raises.
 */
#ifndef DGEN_WAKE_HINTS_H
#define DGEN_WAKE_HINTS_H

#include "postgres.h"

struct WorkerType;

/* ---- hints.c: mailboxes that are known to have messages ---- */

extern void dgen_hints_begin(int32 type_id); /* a claim begins with the type */

/*
 * Takes up to max of the type's hints into the session's hand, and shows where they are there.
 * Those of others who are at work only if there is nothing else, and others is true.
 */
extern int dgen_hints_take(int32 type_id, int max, bool others, int64 **mailboxes);
/* Of those taken last only the first `kept` stay in hand: the others are owned now. */
extern void dgen_hints_keep(int taken, int kept);
extern bool dgen_hints_in_hand(void);
extern void dgen_hints_put_back(void); /* all that is in hand */

extern int dgen_hints_count(int32 type_id); /* at most so many; INT_MAX if a sweep may find more */
extern bool dgen_hints_left(int32 type_id); /* are there more, or is a sweep not at its end? */

extern void dgen_hints_add(int32 type_id, int64 mailbox);
extern void dgen_hints_ask(int32 type_id); /* for a sweep of the type */
extern void dgen_hints_ask_all(void);      /* of all types of this database */

/* ---- locked_look.c: is there a locked part to be run? ---- */

/* Somebody should look; without shared memory everybody looks in any case. */
extern void dgen_locked_ask(int32 type_id);
extern void dgen_locked_ask_all(void);

/*
 * Before the look takes its snapshot. False: nobody has asked, or the worker leaves the locked parts
 * of the type to others. *asked is for dgen_locked_answer, once the look has found nothing.
 */
extern bool dgen_part_is_wanted(const struct WorkerType *type, uint32 *asked);
extern void dgen_locked_answer(int32 type_id, uint32 asked);

/* May this session run a part, or is it needed for messages? True: it is counted as running one. */
extern bool dgen_part_reserve(int32 type_id);

/* The session, which has a slot, is free for messages, and leaves parts to others: calls them. */
extern void dgen_part_call_others(void);

/* What this session runs; 0: nothing. And does a live session say that it runs that? */
extern void dgen_part_publish(int64 fence);
extern bool dgen_part_is_published(int64 fence);

/* Ends the session that runs it, with SIGTERM. */
extern void dgen_part_end_holder(int64 fence);

#endif /* DGEN_WAKE_HINTS_H */
