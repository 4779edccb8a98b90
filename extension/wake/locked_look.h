/*
 * Is there a locked part to run, and which session can run it? The data is in shared memory. The
 * functions acquire its locks, and none of them raises.
 */
#ifndef DGEN_WAKE_LOCKED_LOOK_H
#define DGEN_WAKE_LOCKED_LOOK_H

#include "postgres.h"

struct WorkerType;

/* Requests a check; without shared memory every session checks anyway. */
extern void dgen_locked_ask(int32 type_id);
extern void dgen_locked_ask_all(void);

/*
 * Called before the check takes its snapshot. False: no check is requested, or the worker leaves the
 * locked parts of the type to others. If the check finds nothing, pass *asked to dgen_locked_answer.
 */
extern bool dgen_part_is_wanted(const struct WorkerType *type, uint32 *asked);
extern void dgen_locked_answer(int32 type_id, uint32 asked);

/* Can this session run a part, or is it needed for messages? True: it now counts as running one. */
extern bool dgen_part_reserve(int32 type_id);

/* The session has a slot, is free for messages, and leaves parts to others: wakes them. */
extern void dgen_part_call_others(void);

/* Publishes the part that this session runs (0: none); and does a live session publish that part? */
extern void dgen_part_publish(int64 fence);
extern bool dgen_part_is_published(int64 fence);

/* Ends the session that runs the part, with SIGTERM. */
extern void dgen_part_end_holder(int64 fence);

#endif /* DGEN_WAKE_LOCKED_LOOK_H */
