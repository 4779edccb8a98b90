/*
 * Keys of actors, and their mailbox hash, which never changes.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "actor/key.h"
#include "base/errors.h"
#include "version/varlena.h"

/*
 * FNV-1a over the UTF-8 bytes of the key, then murmur3's finalizer, which spreads keys that differ in
 * their last bytes over the whole range. The function must never change, because its values are stored
 * and other implementations compute them (test vectors in test/sql/mailbox.sql).
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
						errhint("Use a key of 1 to %d bytes.", DGEN_MAX_KEY_BYTES)));
	if (length > DGEN_MAX_KEY_BYTES)
		ereport(ERROR,
				(errcode(DGEN_ERR_INVALID_KEY), errmsg("actor key is too long"),
				 errdetail("It has %zu bytes: \"%.32s...\"", length,
						   pnstrdup(VARDATA_ANY(key), pg_mbcliplen(VARDATA_ANY(key), length, 32))),
				 errhint("Use a key of 1 to %d bytes, for example a hash of the longer name.",
						 DGEN_MAX_KEY_BYTES)));
}
