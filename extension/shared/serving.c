/*
 * What a slot handles: messages and actions of its types, and their locked parts, which it can leave to
 * others; and which session is woken for each of them.
 *
 * types[] has each type whose messages the slot handles, and the negative of each type whose actions it
 * handles. It handles the locked parts of the former, except where no_parts says otherwise. A slot with
 * more types than it names might handle any other type of its buckets. It is woken for such a type only
 * if no session is known to handle the type, one slot per set of types, and it never prevents the wakeup
 * of others.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "actor/actor_type.h"
#include "actor/worker_session.h"
#include "shared/serving.h"
#include "shared/shared.h"
#include "shared/slot.h"

static int
place_of(const Slot *slot, int32 type_id)
{
	if ((slot->buckets & (UINT64CONST(1) << bucket_of(type_id))) == 0)
		return -1;
	for (int i = 0; i < slot->ntypes; i++)
		if (slot->types[i] == type_id)
			return i;
	return -1;
}

bool
dgen_slot_names(const Slot *slot, int32 type_id)
{
	return place_of(slot, type_id) >= 0;
}

bool
dgen_slot_names_part(const Slot *slot, int n)
{
	return !dgen_is_of_actions(slot->types[n]) && (slot->no_parts & (((uint32) 1) << n)) == 0;
}

static bool
has_bucket(const Slot *slot, int bucket)
{
	return (slot->buckets & (UINT64CONST(1) << bucket)) != 0;
}

Takes
dgen_slot_takes(const Slot *slot, int32 type_id, Lane lane)
{
	int n = place_of(slot, type_id);

	if (type_id == ANY_TYPE)
		return TAKES_SURELY;
	if (n >= 0)
		return lane == LANE_ANY || dgen_slot_names_part(slot, n) ? TAKES_SURELY : TAKES_NOT;
	if (!slot->all_types || !has_bucket(slot, bucket_of(type_id)))
		return TAKES_NOT;
	return lane == LANE_PARTS && dgen_is_of_actions(type_id) ? TAKES_NOT : TAKES_PERHAPS;
}

bool
dgen_slots_alike(const Slot *a, const Slot *b)
{
	return a->all_types && b->all_types && a->takes == b->takes;
}

/* The caller holds the lock of the database. */
void
dgen_slot_set_types(Slot *slot, const WorkerSession *session)
{
	slot->buckets = 0;
	slot->no_parts = 0;
	slot->takes = 0;
	slot->all_types = session->ntypes > SLOT_TYPES;
	slot->ntypes = Min(session->ntypes, SLOT_TYPES);
	for (int i = 0; i < session->ntypes; i++)
	{
		const WorkerType *type = &session->types[i];
		bool lacks = !dgen_is_of_actions(type->type_id) && !type->runs_parts;

		slot->buckets |= UINT64CONST(1) << bucket_of(type->type_id);
		slot->takes += hash_bytes_uint32_extended((uint32) type->type_id, lacks);
		if (i >= SLOT_TYPES)
			continue;
		slot->types[i] = type->type_id;
		if (lacks)
			slot->no_parts |= ((uint32) 1) << i;
	}
}

/* ---- a round of calls ---- */

/* False: the type was there already. A type that does not fit is added each time, so too many sessions are woken. */
static bool
add(Covered *covered, int32 type_id)
{
	for (int i = 0; i < covered->count; i++)
		if (covered->types[i] == type_id)
			return false;
	if (covered->count < lengthof(covered->types))
		covered->types[covered->count++] = type_id;
	return true;
}

/* The same for slots that do not name all their types. */
static bool
add_kind(Cover *cover, const Slot *slot)
{
	for (int i = 0; i < cover->nkinds; i++)
		if (cover->kinds[i] == slot->takes)
			return false;
	if (cover->nkinds < lengthof(cover->kinds))
		cover->kinds[cover->nkinds++] = slot->takes;
	return true;
}

bool
dgen_cover_extend(Cover *cover, const Slot *slot, int bucket)
{
	bool extends =
		slot->all_types && (bucket < 0 || has_bucket(slot, bucket)) && add_kind(cover, slot);

	for (int i = 0; i < slot->ntypes; i++)
	{
		if (bucket >= 0 && bucket_of(slot->types[i]) != bucket)
			continue;
		extends |= add(&cover->any, slot->types[i]);
		if (dgen_slot_names_part(slot, i))
			extends |= add(&cover->parts, slot->types[i]);
	}
	return extends;
}
