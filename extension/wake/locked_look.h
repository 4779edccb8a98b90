/*
 * Is there a locked part to be run, and by whom? It is in shared memory; the functions take its locks,
 * and none of them raises.
 */
#ifndef DGEN_WAKE_LOCKED_LOOK_H
#define DGEN_WAKE_LOCKED_LOOK_H

#include "postgres.h"

struct WorkerType;

/* Requests a check; without shared memory every session checks anyway. */
extern void dgen_locked_ask(int32 type_id);
extern void dgen_locked_ask_all(void);

/*
 * Before the check takes its snapshot. False: no check is requested, or the worker leaves the locked parts
 * of the type to others. *asked is for dgen_locked_answer, once the look has found nothing.
 */
extern bool dgen_part_is_wanted(const struct WorkerType *type, uint32 *asked);
extern void dgen_locked_answer(int32 type_id, uint32 asked);

/* Can this session run a part, or is it needed for messages? True: it is counted as running one. */
extern bool dgen_part_reserve(int32 type_id);

/* The session, which has a slot, is free for messages, and leaves parts to others: calls them. */
extern void dgen_part_call_others(void);

/* What this session runs; 0: nothing. And does a live session say that it runs that? */
extern void dgen_part_publish(int64 fence);
extern bool dgen_part_is_published(int64 fence);

/* Ends the session that runs it, with SIGTERM. */
extern void dgen_part_end_holder(int64 fence);

#endif /* DGEN_WAKE_LOCKED_LOOK_H */
