/*
 * Keys, mailboxes, and who owns an actor.
 */
#include "dgen_ext.h"
#include "actor/key.h"

#include "mb/pg_wchar.h"
#include "storage/lock.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/*
 * FNV-1a over the UTF-8 bytes of the key, then murmur3's finalizer, which spreads
 * keys that differ in their last bytes over the whole ring. The value is stored and
 * other implementations compute it: it never changes (test vectors in
 * test/sql/mailbox.sql).
 */
static uint64
hash_bytes(const unsigned char *bytes, size_t length)
{
	uint64 hash = UINT64CONST(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * UINT64CONST(0x100000001b3);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	return hash;
}

int64
dgen_mailbox_of(const text *key)
{
	char *bytes = VARDATA_ANY(key);
	int length = VARSIZE_ANY_EXHDR(key);
	char *utf8;
	int64 mailbox;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return (int64) hash_bytes((unsigned char *) bytes, length);

	utf8 = pg_server_to_any(bytes, length, PG_UTF8);
	mailbox = (int64) hash_bytes((unsigned char *) utf8, utf8 == bytes ? length : strlen(utf8));
	if (utf8 != bytes)
		pfree(utf8);
	return mailbox;
}

void
dgen_check_key(const text *key)
{
	size_t length = VARSIZE_ANY_EXHDR(key);

	if (length == 0)
		ereport(ERROR, (errcode(DGEN_ERR_INVALID_KEY), errmsg("actor key is empty"),
						errhint("A key has 1 to %d bytes.", DGEN_MAX_KEY_BYTES)));
	if (length > DGEN_MAX_KEY_BYTES)
		ereport(ERROR,
				(errcode(DGEN_ERR_INVALID_KEY), errmsg("actor key is too long"),
				 errdetail("It has %zu bytes: \"%.32s...\"", length,
						   pnstrdup(VARDATA_ANY(key), pg_mbcliplen(VARDATA_ANY(key), length, 32))),
				 errhint("A key has 1 to %d bytes; a hash of a longer name can serve as one.",
						 DGEN_MAX_KEY_BYTES)));
}

static void
set_lock_tag(LOCKTAG *tag, uint64 lock)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (lock >> 32), (uint32) lock, DGEN_LOCK_CLASS);
}

bool
dgen_try_lock(const LOCKTAG *tag)
{
	LockAcquireResult result;

	/*
	 * With the lock table full this is "not available" instead of an error: a
	 * batch gets smaller, nobody's transaction fails (I9).
	 */
	result =
		LockAcquireExtended(tag, ExclusiveLock, false, true, false, NULL DGEN_LOCK_ACQUIRE_EXTRA);
	return result != LOCKACQUIRE_NOT_AVAIL;
}

int
dgen_try_own(int32 type_id, int64 mailbox)
{
	uint64 lock = dgen_lock_key(type_id, mailbox);
	LOCKTAG tag;

	set_lock_tag(&tag, lock);
	if (!dgen_try_lock(&tag))
	{
		/*
		 * Leave the mark first, then try again: either the second try gets the
		 * lock, or its holder lets go after the mark was made and sees it.
		 */
		dgen_wakeup_missed(type_id, lock);
		if (!dgen_try_lock(&tag))
			return HELD_BY_ANOTHER;
	}
	return dgen_wakeup_owned(type_id, mailbox, lock);
}

void
dgen_own(int32 type_id, int64 mailbox)
{
	uint64 lock = dgen_lock_key(type_id, mailbox);
	LOCKTAG tag;

	set_lock_tag(&tag, lock);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	(void) dgen_wakeup_owned(type_id, mailbox, lock);
}

bool
dgen_owns(int32 type_id, int64 mailbox)
{
	LOCKTAG tag;

	set_lock_tag(&tag, dgen_lock_key(type_id, mailbox));
	return DGEN_LOCK_HELD_BY_ME(&tag, ExclusiveLock);
}
