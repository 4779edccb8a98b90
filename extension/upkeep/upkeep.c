/*
 * The work of a client's worker for all types: in dgen.wait, where it has a transaction of its own
 * that ends immediately. A claim would own the rows that it has changed until its client commits,
 * so a claim does this for its own types alone (due.c, charges.c), and does no maintenance.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/slot.h"
#include "sleep/procedure.h"
#include "upkeep/upkeep.h"
#include "wake/alarm.h"
#include "wake/announce.h"

/* There might be messages for it now: the rest is left to its next wait, or to others. */
static bool
is_called(void)
{
	return dgen_slot == NULL || dgen_generations_changed();
}

static void
run(bool (*work)(void), bool all)
{
	while (dgen_procedure_run(work) && all && !is_called())
		dgen_process_interrupts();
}

static bool
record_charges(void)
{
	dgen_record_charges(NULL);
	return false;
}

void
dgen_wait_upkeep(bool sleeps)
{
	if (dgen_alarm_due(GetCurrentTimestamp()))
		run(dgen_move_due, sleeps);
	if (dgen_has_charges())
		run(record_charges, sleeps);
	if (sleeps && dgen_maintenance_due(true))
		run(dgen_maintain, sleeps);
}
