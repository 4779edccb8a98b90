/*
 * What a slot takes: messages and actions of its types, and their locked parts, which it may leave
 * to others; and who is called when somebody is to come for each of them.
 *
 * types[] has each type whose messages it takes, and the negative of each whose actions. The locked
 * parts are those of the former, except where no_parts says otherwise. A slot with more types than it
 * names counts as serving all; it is only about locked parts that it may be known to lack some.
 */
#include "postgres.h"

#include "dgen_ext.h"
#include "shared.h"

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
dgen_slot_serves(const Slot *slot, int32 type_id)
{
	return type_id == ANY_TYPE || slot->all_types || place_of(slot, type_id) >= 0;
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

bool
dgen_slot_takes(const Slot *slot, int32 type_id, Lane lane)
{
	int n;

	if (lane == LANE_ANY)
		return dgen_slot_serves(slot, type_id);
	if (slot->all_types)
		return !dgen_is_of_actions(type_id);
	n = place_of(slot, type_id);
	return n >= 0 && dgen_slot_names_part(slot, n);
}

bool
dgen_slot_may_lack(const Slot *slot, Lane lane)
{
	return lane == LANE_PARTS && slot->all_types && slot->lacks_parts;
}

/* The lock of the database is held. */
void
dgen_slot_set_types(Slot *slot, const WorkerSession *session)
{
	slot->buckets = 0;
	slot->no_parts = 0;
	slot->lacks_parts = false;
	slot->all_types = session->ntypes > SLOT_TYPES;
	slot->ntypes = Min(session->ntypes, SLOT_TYPES);
	for (int i = 0; i < session->ntypes; i++)
	{
		const WorkerType *type = &session->types[i];
		bool lacks = !dgen_is_of_actions(type->type_id) && !type->runs_parts;

		slot->buckets |= UINT64CONST(1) << bucket_of(type->type_id);
		slot->lacks_parts |= lacks;
		if (i >= SLOT_TYPES)
			continue;
		slot->types[i] = type->type_id;
		if (lacks)
			slot->no_parts |= ((uint32) 1) << i;
	}
}

/* ---- a round of calls ---- */

/* False: it was there. What does not fit is added again and again: too many are called. */
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

bool
dgen_cover_extend(Cover *cover, const Slot *slot, int bucket)
{
	bool extends = slot->all_types && !cover->all;

	if (cover->all)
		return false;
	for (int i = 0; i < slot->ntypes; i++)
	{
		if (bucket >= 0 && bucket_of(slot->types[i]) != bucket)
			continue;
		extends |= add(&cover->any, slot->types[i]);
		if (dgen_slot_names_part(slot, i))
			extends |= add(&cover->parts, slot->types[i]);
	}
	cover->all = slot->all_types && !slot->lacks_parts;
	return extends;
}
