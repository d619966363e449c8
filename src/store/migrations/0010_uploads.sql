-- Uploads over HTTP that are not finished. The bytes that have arrived lie in the user's home.
CREATE TABLE uploads (
    id           BLOB    NOT NULL PRIMARY KEY, -- 16 random bytes
    user_name    TEXT    NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation  BIGINT  NOT NULL,      -- of the user's record at the creation
    share        BIGINT,                -- the number of the share that it came by; NULL: none
    path         BLOB    NOT NULL,      -- the absolute path of the file, as the user sees it
    size         BIGINT  NOT NULL,      -- in bytes
    mtime        BIGINT,                -- the time that the file gets; NULL: that of its last byte
    sha256       BLOB,                  -- of the whole file; NULL: not announced
    created_at   BIGINT  NOT NULL,      -- seconds since 1970, like all times here
    expires_at   BIGINT  NOT NULL
);

CREATE INDEX uploads_by_user ON uploads (user_name);
CREATE INDEX uploads_by_end ON uploads (expires_at);
