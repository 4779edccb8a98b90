-- The bank's own tables. An actor of the type "account" is the only one that changes
-- its row, so rows are never waited for.
CREATE SCHEMA bank;

CREATE TABLE bank.account (
	name    text PRIMARY KEY,
	balance bigint NOT NULL DEFAULT 0 CHECK (balance >= 0)
);

-- The sum of an account's entries is its balance.
CREATE TABLE bank.entry (
	id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	account  text NOT NULL REFERENCES bank.account,
	amount   bigint NOT NULL,
	transfer bigint NOT NULL            -- id of the message that began it
);
