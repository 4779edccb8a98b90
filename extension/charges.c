/*
 * Charges: a worker whose turn took it along could not record the attempt itself. The next claim for the
 * type does, or somebody in a transaction that ends at once.
 *
 * A charge is taken out of shared memory before its attempt is recorded, and put back when that is rolled
 * back: else a session that claims and rolls back would have a message tried for ever that ends each of
 * its workers. Only one that could not be recorded, because of an error, is given up: the types that
 * it is among have to go on.
 *
 *     ready ──taken──> recorded ──commit──> gone
 *       ^                 └──────abort──┐
 *       └───────────────────────────────┘
 */
#include "dgen_ext.h"
#include "shared.h"

#include "access/xact.h"

#define AT_ONCE 8 /* charges that one claim records */

typedef struct TakenCharge
{
	Charge charge;
	SubTransactionId subid;
	bool
		recording; /* or it has been put back already: not to be put back when the transaction is undone */
} TakenCharge;

static TakenCharge taken[MAX_CHARGES];
static int ntaken = 0;
static bool postponed = false; /* the one that is recorded now */

/* Of the subtransactions from subid on. Never raises. */
static void
put_back(SubTransactionId subid)
{
	int kept = 0;

	for (int i = 0; i < ntaken; i++)
		if (taken[i].subid < subid)
			taken[kept++] = taken[i];
		else if (!taken[i].recording)
			dgen_charge(&taken[i].charge);
	ntaken = kept;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		put_back(TopSubTransactionId);
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		ntaken = 0;
}

/* Ids of its own subtransactions are higher. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
					  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		put_back(subid);
}

void
dgen_charges_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

void
dgen_postpone_charge(const Charge *charge)
{
	dgen_charge(charge);
	postponed = true;
}

void
dgen_record_charges(const WorkerSession *session)
{
	Charge charges[AT_ONCE];
	int first = ntaken;
	int count;

	if (!dgen_any_charges())
		return;
	count = dgen_take_charges(session, charges, Min(AT_ONCE, MAX_CHARGES - ntaken));
	for (int i = 0; i < count; i++)
		taken[ntaken++] = (TakenCharge){charges[i], GetCurrentSubTransactionId(), false};
	for (int i = 0; i < count; i++)
	{
		postponed = false;
		taken[first + i].recording = true;
		dgen_record_charge(&charges[i]);
		taken[first + i].recording = postponed;
	}
}
