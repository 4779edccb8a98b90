/*
 * Hints: mailboxes that are known to have messages, so that a claim can find them. Hints are in shared
 * memory. The functions acquire its locks, and none of them raises.
 */
#ifndef DGEN_WAKE_HINTS_H
#define DGEN_WAKE_HINTS_H

#include "postgres.h"

extern void dgen_hints_begin(int32 type_id); /* a claim begins with the type */

/*
 * Takes up to max of the type's hints into the session's hand, and sets *mailboxes to them. If others is
 * true and there is nothing else, also takes the hints of other sessions at work.
 */
extern int dgen_hints_take(int32 type_id, int max, bool others, int64 **mailboxes);
/* Only the first `kept` of those taken last stay in hand, because the session owns the other mailboxes now. */
extern void dgen_hints_keep(int taken, int kept);
extern bool dgen_hints_in_hand(void);
extern void dgen_hints_put_back(void); /* all that is in hand */

extern int dgen_hints_count(int32 type_id); /* INT_MAX: a sweep might find more */
extern bool dgen_hints_left(int32 type_id); /* are there more, or is a sweep unfinished? */

extern void dgen_hints_add(int32 type_id, int64 mailbox);
extern void dgen_hints_ask(int32 type_id); /* requests a sweep of the type */
extern void dgen_hints_ask_all(void);      /* sweeps of all types of this database */

#endif /* DGEN_WAKE_HINTS_H */
