-- A shopping cart: each is an actor, ('cart', user). Prices and purchases are ordinary tables.
--
--     {"add": "apple", "count": 2}   replies with the items
--     {"remove": "apple"}            replies with the items
--     {"checkout": true}             writes a purchase, tells the mailer, replies with the sum

CREATE SCHEMA shop;
CREATE TABLE shop.product (name text PRIMARY KEY, cents integer NOT NULL);
CREATE TABLE shop.purchase (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	cart    text    NOT NULL,
	items   jsonb   NOT NULL,
	cents   integer NOT NULL
);

CREATE FUNCTION shop.add(ctx dgen.context, items jsonb, product text, count integer) RETURNS dgen.outcome
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM shop.product AS p WHERE p.name = product) THEN
		RETURN dgen.fail(format('there is no product "%s"', product), 'SHOP1');
	END IF;
	IF items = '{}' THEN
		PERFORM dgen.cast(ctx.actor_type, ctx.actor_key, '{"forget": true}', delay => '30 days');
	END IF;
	items := items || jsonb_build_object(product, COALESCE((items->>product)::integer, 0) + count);
	RETURN dgen.reply(items, jsonb_build_object('items', items));
END
$$;

CREATE FUNCTION shop.check_out(ctx dgen.context, items jsonb) RETURNS dgen.outcome
LANGUAGE plpgsql AS $$
DECLARE
	total integer := (SELECT sum(p.cents * (items->>p.name)::integer) FROM shop.product AS p WHERE items ? p.name);
BEGIN
	IF items = '{}' THEN
		RETURN dgen.fail('the cart is empty', 'SHOP2', 'Add something first.');
	END IF;
	INSERT INTO shop.purchase (cart, items, cents) VALUES (ctx.actor_key, items, total);
	PERFORM dgen.cast('mailer', ctx.actor_key, jsonb_build_object('bought', items, 'cents', total));
	RETURN dgen.destroy(reply => to_jsonb(total));
END
$$;

CREATE FUNCTION shop.handle_cart(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
LANGUAGE plpgsql AS $$
DECLARE
	items jsonb := state->'items';
BEGIN
	IF message ? 'add' THEN
		RETURN shop.add(ctx, items, message->>'add', COALESCE((message->>'count')::integer, 1));
	ELSIF message ? 'remove' THEN
		items := items - (message->>'remove');
		RETURN dgen.reply(items, jsonb_build_object('items', items));
	ELSIF message ? 'checkout' THEN
		RETURN shop.check_out(ctx, items);
	ELSIF message ? 'forget' THEN
		RETURN dgen.destroy();
	END IF;
	RAISE EXCEPTION 'a cart does not understand %', message;
END
$$;

SELECT dgen.create_actor_type('cart', 'shop.handle_cart', initial_state => '{"items": {}}');
SELECT dgen.create_actor_type('mailer'); -- a service outside of the database
