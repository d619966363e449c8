-- Whether a user is an administrator of the server.
ALTER TABLE users ADD COLUMN is_admin INTEGER NOT NULL DEFAULT 0; -- 0 or 1

-- What belongs to users of the web page and the API. Every row names its user by name and incarnation: it goes along when
-- the user is renamed, and never serves another user who gets the name later. Times are seconds since 1970; hashes are
-- SHA-256 of what only the browser, the program or the visitor has.
CREATE TABLE browser_sessions (
    id_hash      BLOB   NOT NULL PRIMARY KEY,
    user_name    TEXT   NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation  BIGINT NOT NULL,
    factors      TEXT   NOT NULL,       -- names, joined by commas
    fingerprint  BLOB   NOT NULL,       -- of the password and the second factor at the sign-in
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    address      TEXT   NOT NULL,
    client       TEXT   NOT NULL
);

CREATE INDEX browser_sessions_by_user ON browser_sessions (user_name, last_used_at);

CREATE INDEX browser_sessions_by_expiry ON browser_sessions (expires_at);

-- The ids are never given again: a command that names one must not meet another.
CREATE TABLE tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_name    TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation  BIGINT  NOT NULL,
    hash         BLOB    NOT NULL UNIQUE,
    scope        TEXT    NOT NULL,      -- files or admin
    comment      TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    expires_at   BIGINT,                -- NULL: never
    last_used_at BIGINT                 -- NULL: not yet
);

CREATE INDEX tokens_by_user ON tokens (user_name);

-- A session that was signed in by a token ends with it, so a running server must learn of its removal.
CREATE TRIGGER tokens_removed AFTER DELETE ON tokens
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT OR REPLACE INTO changed_users SELECT OLD.user_name, number FROM users_revision;
END;

CREATE TABLE shares (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    hash            BLOB    NOT NULL UNIQUE,
    user_name       TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation     BIGINT  NOT NULL,
    title           TEXT    NOT NULL,
    path            BLOB    NOT NULL,   -- absolute, as the user sees it
    is_directory    INTEGER NOT NULL,   -- 0 or 1
    allows_download INTEGER NOT NULL,   -- 0 or 1
    allows_upload   INTEGER NOT NULL,   -- 0 or 1
    password_hash   TEXT,               -- PHC string
    expires_at      BIGINT,             -- NULL: never
    uses_left       BIGINT,             -- NULL: no limit
    bytes_left      BIGINT,             -- NULL: no limit
    created_at      BIGINT  NOT NULL,
    used            BIGINT  NOT NULL    -- how often
);

CREATE INDEX shares_by_user ON shares (user_name);

CREATE TABLE uploads (
    id          BLOB   NOT NULL PRIMARY KEY,  -- 16 bytes
    user_name   TEXT   NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation BIGINT NOT NULL,
    share       BIGINT,                 -- NULL: by the user; a share that was removed leaves its uploads to be cleaned up
    path        BLOB   NOT NULL,        -- absolute, as the user sees it
    size        BIGINT NOT NULL,
    mtime       BIGINT,
    sha256      BLOB,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);

CREATE INDEX uploads_by_user ON uploads (user_name);

CREATE INDEX uploads_by_expiry ON uploads (expires_at);
