/*
 * Mailboxes that are known to have messages, which a claim can find. They are in shared memory; the
 * functions take its locks, and none of them raises.
 */
#ifndef DGEN_WAKE_HINTS_H
#define DGEN_WAKE_HINTS_H

#include "postgres.h"

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

extern int dgen_hints_count(int32 type_id); /* INT_MAX: a sweep might find more */
extern bool dgen_hints_left(int32 type_id); /* are there more, or is a sweep not at its end? */

extern void dgen_hints_add(int32 type_id, int64 mailbox);
extern void dgen_hints_ask(int32 type_id); /* for a sweep of the type */
extern void dgen_hints_ask_all(void);      /* of all types of this database */

#endif /* DGEN_WAKE_HINTS_H */
