/*
 * What a slot handles. The caller holds Database.lock, or the slot is the session's own.
 */
#ifndef DGEN_SHARED_SERVING_H
#define DGEN_SHARED_SERVING_H

#include "postgres.h"

#include "shared/slot.h"

struct WorkerSession;

/* Does a session handle messages of a type? */
typedef enum Takes
{
	TAKES_NOT,
	TAKES_PERHAPS, /* it does not name all of its types */
	TAKES_SURELY
} Takes;

/* Types in a lane for which a session was woken. */
typedef struct Covered
{
	int count;
	int32 types[2 * SLOT_TYPES];
} Covered;

/* Everything for which waiters have been called in a round; zeroed at first. */
typedef struct Cover
{
	Covered any;
	Covered parts;
	int nkinds;
	uint64 kinds[2 * SLOT_TYPES]; /* Slot.takes of those that do not name all */
} Cover;

extern Takes dgen_slot_takes(const Slot *slot, int32 type_id, Lane lane);
extern bool dgen_slots_alike(const Slot *a,
							 const Slot *b); /* same work, and neither names all types */
extern bool dgen_slot_names(const Slot *slot, int32 type_id);
extern bool dgen_slot_names_part(const Slot *slot,
								 int n); /* does it run locked parts of types[n]? */
extern void dgen_slot_set_types(Slot *slot, const struct WorkerSession *session);

/* Does the slot handle anything in the bucket (-1: any) for which no session was woken yet? Adds it to the cover. */
extern bool dgen_cover_extend(Cover *cover, const Slot *slot, int bucket);

#endif /* DGEN_SHARED_SERVING_H */
