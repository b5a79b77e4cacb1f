-- Each new device asks whether its name was ever bound: without this, all bindings are looked through each time.
CREATE INDEX bindings_name ON bindings (agent, key);
