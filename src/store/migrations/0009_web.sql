-- The browsers that have signed in, and tokens for programs: what requests over HTTP show. Neither is a change of a user's
-- record.
CREATE TABLE browser_sessions (
    id_hash      BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the cookie
    user_name    TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation  BIGINT  NOT NULL,      -- of the user's record at the sign-in
    factors      TEXT    NOT NULL,      -- names, joined by commas
    fingerprint  BLOB    NOT NULL,      -- SHA-256 of what was proven
    created_at   BIGINT  NOT NULL,      -- seconds since 1970, like all times here
    last_used_at BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL,
    address      TEXT    NOT NULL,      -- where it was used last
    client       TEXT    NOT NULL       -- what the browser says about itself
);

CREATE INDEX browser_sessions_by_user ON browser_sessions (user_name, last_used_at);

CREATE TABLE tokens (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- never used again
    hash         BLOB    NOT NULL UNIQUE, -- SHA-256 of the token
    user_name    TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation  BIGINT  NOT NULL,
    scope        TEXT    NOT NULL,
    comment      TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT,                -- NULL: never
    last_used_at BIGINT                 -- NULL: never
);

CREATE INDEX tokens_by_user ON tokens (user_name);
