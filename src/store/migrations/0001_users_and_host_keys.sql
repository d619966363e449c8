-- Users, their keys, and the host keys that this server has shown.
CREATE TABLE users (
    name          TEXT    NOT NULL PRIMARY KEY,
    password_hash TEXT,                 -- PHC string
    home          TEXT    NOT NULL,     -- absolute path
    enabled       INTEGER NOT NULL,     -- 0 or 1
    expires_at    TEXT,                 -- RFC 3339, UTC
    quota_bytes   BIGINT,               -- NULL: unlimited
    quota_files   BIGINT,               -- NULL: unlimited
    max_sessions  BIGINT,               -- NULL: the server's limit
    permissions   TEXT    NOT NULL,     -- names, joined by commas
    allowed_from  TEXT    NOT NULL,     -- networks, joined by commas
    require       TEXT    NOT NULL      -- factors, joined by commas
);

CREATE INDEX users_by_home ON users (home);

CREATE TABLE user_keys (
    user_name TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    line      TEXT    NOT NULL,         -- as in authorized_keys
    PRIMARY KEY (user_name, position)
);

CREATE TABLE host_keys (
    algorithm   TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL           -- SHA256:...
);
