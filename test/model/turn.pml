/*
 * Turns: one at a time (I1), whole or not at all (I2), in order (I3), each message once
 * (I4), committed by its owner alone (I8), whatever senders, callers and operators do
 * meanwhile, and wherever a session ends.
 *
 * Follows extension/claim/claim.c, read_batch.c, read_mailbox.c, commit.c, memo.c and call.c for
 * one actor. What a transaction sees is what PostgreSQL shows it: a snapshot of what is
 * committed. The state of the actor is the number of its last turn, so that any other one
 * shows. How workers learn of messages is in wakeup.pml; here they know.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef SENDS
#define SENDS 1 /* transactions of the first sender; the others have one */
#endif
#ifndef CALLERS
#define CALLERS 0 /* dgen.call */
#endif
#ifndef CANCELS
#define CANCELS 0 /* dgen.cancel of the first message */
#endif
#ifndef DELETES
#define DELETES 0 /* dgen.delete_actor */
#endif
#ifndef BATCH
#define BATCH 1 /* messages of a batch */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef HANGS
#define HANGS 0 /* turns that never end */
#endif
#ifndef SAVEPOINTS
#define SAVEPOINTS 0 /* rolled back to between claim and commit, which lets go of the lock */
#endif

#define CALL 9
#define FREE 0
#define ME (_pid + 1)
#define message(seq) (1 << (seq))
#define below(seq) ((1 << (seq)) - 1)

/* Named in assertions, so that test/model/run sees which of them failed; always 0. */
hidden byte I1_one_turn, I1_latest_state, I2_all_or_nothing, I3_order, I4_nothing_lost, I4_nothing_twice,
	I5_sender_waits_for_nobody, I8_owned_at_commit;

/* ---- the database: what is committed ---- */

byte visible;   /* messages in the mailbox: a set of seqs, as are all below */
byte committed; /* and all that have ever been there */
byte done, cancelled;
byte before[8]; /* by seq: what was committed when it was drawn */
byte state;     /* seq of the last turn, or CALL */
byte version;
byte effects; /* what turns wrote into a table of the user's */
byte calls;

byte next_seq = 1, next_xid, last_version;
byte running; /* xids */

/* ---- locks and shared memory ---- */

byte owner; /* of the lock: session + 1 */
byte floor; /* no message up to this seq is there */
byte in_turn; /* turns under way */
byte locked_rows; /* of messages */

byte deaths = DEATHS, savepoints = SAVEPOINTS, hangs = HANGS;
byte ended; /* senders */

#define oldest_running \
	(running & 1 -> 0 : (running & 2 -> 1 : (running & 4 -> 2 : (running & 8 -> 3 : next_xid))))

/* A transaction has its id before it draws a seq. */
inline draw_xid()
{
	d_step { xid = next_xid; running = running | (1 << xid); next_xid++ }
}

inline draw_seq()
{
	d_step { seq = next_seq; before[seq] = committed; next_seq++ }
}

/* ---- what workers and callers share ---- */

#define state_in_transaction (own_turns > 0 -> own_state : state)

/* The handler sees `state_read`, and leaves `number`. */
inline begin_turn()
{
	in_turn++;
	assert(I1_one_turn || in_turn == 1);
	assert(I1_latest_state || state_read == state_in_transaction)
}

inline end_turn(number)
{
	in_turn--;
	own_state = number;
	own_turns++;
	state_read = 0
}

/* The handled messages, the state, and what the handler wrote: one commit. */
inline write_turns()
{
	if
	:: own_turns > 0 ->
		state = own_state;
		effects = effects + own_turns;
#ifdef H12
		version++
#else
		last_version++;
		version = last_version
#endif
	:: else
	fi
}

/* ---- memo.c, read_batch.c, read_mailbox.c ---- */

inline first_of(set)
{
	if
	:: set & 2 -> first = 1
	:: !(set & 2) && (set & 4) -> first = 2
	:: !(set & 6) && (set & 8) -> first = 3
	:: !(set & 14) && (set & 16) -> first = 4
	:: !(set & 30) -> first = 0
	fi
}

inline last_of(set)
{
	last = (set & 16 -> 4 : (set & 8 -> 3 : (set & 4 -> 2 : (set & 2 -> 1 : 0))))
}

/* A seq that was seen is settled once whoever drew one up to it has ended for the snapshot. */
inline settle()
{
	if
#ifdef FLOOR_UNSETTLED
	:: saw != 0 -> settled = saw; saw = 0; saw_before = 0
#else
	:: saw != 0 && saw_before <= oldest_running -> settled = saw; saw = 0; saw_before = 0
#endif
	:: else
	fi
}

/* Only the first reading in a transaction: what it removes itself may come back. */
inline raise_floor()
{
	settle();
	first_of(seen);
#ifdef FLOOR_OWN_REMOVALS
	if
	:: true ->
#else
	if
	:: own_turns == 0 ->
#endif
		first = (first == 0 || settled < first -> settled : first - 1);
		floor = (first > floor -> first : floor)
	:: else
	fi;
	first = 0
}

inline see_highest()
{
	last_of(seen);
	if
	:: saw == 0 && last > settled -> saw = last; saw_before = next_xid
	:: else
	fi;
	last = 0
}

inline take_snapshot()
{
	seen = visible & ~took;
	old_state = state;
	old_version = version
}

/* ---- a worker ---- */

/* A client that keeps states sends its version, and gets the state if it is another one. */
inline read_batch()
{
	d_step {
#ifdef H1
		seen = visible & ~took;
#endif
#if !defined(H1) && !defined(H16)
		take_snapshot();
#endif
		seen = seen & ~below(floor + 1) & ~(locked_rows & ~row);
#ifndef H11
		raise_floor();
#endif
		see_highest();
		if
		:: own_turns > 0 -> state_read = own_state
		:: own_turns == 0 && cached_version != 0 && cached_version == old_version -> state_read = cached_state
		:: own_turns == 0 && !(cached_version != 0 && cached_version == old_version) -> state_read = old_state
		fi
	}
}

/* Message rows are locked before the actor, and stay so until the transaction ends. */
inline lock_row_first()
{
	atomic {
		first_of(visible & ~locked_rows);
		row = (first != 0 -> message(first) : 0);
		locked_rows = locked_rows | row;
		first = 0
	}
}

inline forget_transaction()
{
	took = 0; own_turns = 0; own_state = 0; state_read = 0;
	seen = 0; old_state = 0; old_version = 0; left = 0; row = 0
}

/* The lock manager is asked, and each row must still be there. */
#ifdef I8_UNCHECKED
#define may_commit true
#else
#ifdef MESSAGE_UNCHECKED
#define may_commit (owner == ME)
#else
#define may_commit (owner == ME && (took & ~visible) == 0)
#endif
#endif

inline commit()
{
	assert(I8_owned_at_commit || owner == ME);
	assert(I4_nothing_twice || (took & (done | cancelled)) == 0);
#ifdef H3
	last_of(took);
	visible = visible & ~below(last + 1);
	last = 0;
#endif
#ifdef CONSUMED_UP_TO
	last_of(took);
	floor = (last > floor -> last : floor);
	last = 0;
#endif
	visible = visible & ~took;
	done = done | took;
#ifdef TWO_TRANSACTIONS
	if
	:: deaths > 0 -> deaths--; own_turns = 0
	:: true
	fi;
#endif
	write_turns();
#if DELETES > 0
	if
	:: own_turns > 0 -> cached_version = version; cached_state = state
	:: else
	fi
#endif
}

active [WORKERS] proctype Worker()
{
	byte seen, took, first, last, left, row;
	byte old_state, old_version, state_read, own_state, own_turns;
	byte saw, saw_before, settled; /* of the session, as are the next */
	byte cached_version, cached_state;

end_claim:
	owner == FREE && (visible & ~below(floor + 1)) != 0;
#ifdef H11
	lock_row_first();
#endif
	d_step { take_snapshot() }; /* that of the statement which takes the lock */
	if
	:: atomic { owner == FREE -> owner = ME; left = BATCH }
	:: owner != FREE -> goto rollback
	fi;

read:
	read_batch();
	if
	:: seen == 0 -> goto end_transaction
	:: else
	fi;
	atomic {
		first_of(seen);
		assert(I3_order || (before[first] & ~done & ~took & ~cancelled) == 0);
		took = took | message(first);
		begin_turn()
	};
#ifdef H13
	if
	:: true -> begin_turn()
	:: true
	fi;
#endif
#if DEATHS > 0
	if
	:: true
	:: atomic { deaths > 0 -> deaths--; owner = FREE; in_turn-- }; goto gone
	fi;
#endif
#if HANGS > 0
	if
	:: true
	:: atomic { hangs > 0 -> hangs-- }; goto end_hung
	fi;
#endif
	atomic { end_turn(first); first = 0; left-- };
	if
	:: left > 0 -> goto read /* in the same transaction, in a new snapshot */
	:: else
	fi;
#if SAVEPOINTS > 0
	if
	:: true
	:: atomic { savepoints > 0 -> savepoints--; owner = FREE }
	fi;
#endif

end_transaction:
	atomic {
		if
		:: may_commit -> commit()
		:: else
		fi;
		if
		:: owner == ME -> owner = FREE
		:: else
		fi
	};
rollback:
	atomic {
		locked_rows = locked_rows & ~row;
		forget_transaction()
	};
	goto end_claim;
gone:
	goto end_gone;
end_hung:
	false;
end_gone:
	skip
}

/* ---- others ---- */

proctype Sender(byte sends)
{
	byte xid, seq;

	do
	:: sends > 0 ->
		sends--;
#ifdef SENDER_WAITS
		owner == FREE;
#endif
#ifdef SEQ_BEFORE_XID
		draw_seq();
		draw_xid();
#else
		draw_xid();
		draw_seq();
#endif
		if
		:: d_step {
				visible = visible | message(seq);
				committed = committed | message(seq);
				running = running & ~(1 << xid)
			}
		:: running = running & ~(1 << xid) /* ROLLBACK */
		fi
	:: sends == 0 -> break
	od;
#if HANGS > 0
	ended++
#endif
}

#if CALLERS > 0
/* dgen.call: what waits before it, and then the call, in the caller's transaction. */
active [CALLERS] proctype Caller()
{
	byte seen, first, state_read, own_state, own_turns, took;

	atomic { owner == FREE -> owner = ME };
	do
	:: d_step { seen = visible & ~took; state_read = state_in_transaction };
		if
		:: seen == 0 -> break
		:: else
		fi;
		atomic {
			first_of(seen);
			assert(I3_order || (before[first] & ~done & ~took & ~cancelled) == 0);
			took = took | message(first);
			begin_turn()
		};
		atomic { end_turn(first); first = 0 }
	od;
	atomic { state_read = state_in_transaction; begin_turn() };
	atomic { end_turn(CALL); calls++ };
	if
	:: atomic {
			visible = visible & ~took;
			done = done | took;
			write_turns();
			owner = FREE
		}
	:: atomic { calls--; owner = FREE } /* ROLLBACK */
	fi
}
#endif

#if CANCELS > 0
active proctype Cancel()
{
#ifndef CANCEL_UNOWNED
	atomic { owner == FREE -> owner = ME };
#endif
	if
	:: atomic { visible & 2 -> visible = visible & ~2; cancelled = 2 }
	:: !(visible & 2)
	fi;
#ifndef CANCEL_UNOWNED
	owner = FREE
#endif
}
#endif

#if DELETES > 0
active proctype Delete()
{
	atomic { owner == FREE -> owner = ME };
	atomic { state = 0; version = 0; owner = FREE }
}
#endif

/* ---- what must hold when nothing moves ---- */

#define turns_of(set) \
	(((set) >> 1 & 1) + ((set) >> 2 & 1) + ((set) >> 3 & 1) + ((set) >> 4 & 1))

init
{
	byte i = 1;

	atomic {
		run Sender(SENDS);
		do
		:: i < SENDERS -> run Sender(1); i++
		:: else -> break
		od;
		i = 0
	};
	timeout;
#if HANGS > 0
	assert(I5_sender_waits_for_nobody || ended == SENDERS);
#endif
	assert(I4_nothing_lost || visible == 0 || hangs < HANGS);
	assert(I4_nothing_lost || (visible | done | cancelled) == committed);
	assert(I2_all_or_nothing || effects == turns_of(done) + calls)
}
