-- Groups, folders, and what users have besides: remarks, principals of certificates, one-time codes.
--
-- A limit of -1 is "unlimited"; NULL is unset, and inherited. In the columns of texts, unset is 'inherit' for
-- permissions, and '' for allowed_from and require, where 'any' says that nothing is asked.
CREATE TABLE groups (
    name          TEXT    NOT NULL PRIMARY KEY,
    comment       TEXT    NOT NULL,
    quota_bytes   BIGINT,
    quota_files   BIGINT,
    max_sessions  BIGINT,
    rate_up       BIGINT,               -- 0: unlimited
    rate_down     BIGINT,
    permissions   TEXT    NOT NULL,     -- names, joined by commas; or a JSON object of them by directory
    allowed_from  TEXT    NOT NULL,
    require       TEXT    NOT NULL,
    file_mode     BIGINT,
    dir_mode      BIGINT,
    file_group    TEXT
);

CREATE TABLE folders (
    name          TEXT    NOT NULL PRIMARY KEY,
    path          TEXT    NOT NULL UNIQUE, -- as users.home
    comment       TEXT    NOT NULL,
    quota_bytes   BIGINT  NOT NULL,
    quota_files   BIGINT  NOT NULL,
    file_mode     BIGINT,
    dir_mode      BIGINT,
    file_group    TEXT
);

CREATE TABLE user_folders (
    user_name   TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    folder      TEXT NOT NULL REFERENCES folders (name) ON UPDATE CASCADE,
    permissions TEXT NOT NULL,
    PRIMARY KEY (user_name, folder)
);

CREATE INDEX user_folders_by_folder ON user_folders (folder);

CREATE TABLE group_folders (
    group_name  TEXT NOT NULL REFERENCES groups (name) ON UPDATE CASCADE ON DELETE CASCADE,
    folder      TEXT NOT NULL REFERENCES folders (name) ON UPDATE CASCADE,
    permissions TEXT NOT NULL,
    PRIMARY KEY (group_name, folder)
);

CREATE INDEX group_folders_by_folder ON group_folders (folder);

ALTER TABLE users ADD COLUMN comment TEXT NOT NULL DEFAULT '';

ALTER TABLE users ADD COLUMN group_name TEXT REFERENCES groups (name) ON UPDATE CASCADE;

ALTER TABLE users ADD COLUMN password_set_at TEXT; -- RFC 3339, UTC

ALTER TABLE users ADD COLUMN principals TEXT NOT NULL DEFAULT ''; -- one a line

ALTER TABLE users ADD COLUMN totp TEXT; -- encrypted

ALTER TABLE users ADD COLUMN source TEXT NOT NULL DEFAULT 'local';

ALTER TABLE users ADD COLUMN file_mode BIGINT;

ALTER TABLE users ADD COLUMN dir_mode BIGINT;

ALTER TABLE users ADD COLUMN file_group TEXT;

CREATE INDEX users_by_group ON users (group_name);

-- Until now a missing limit was unlimited.
UPDATE users SET quota_bytes = -1 WHERE quota_bytes IS NULL;

UPDATE users SET quota_files = -1 WHERE quota_files IS NULL;

-- The last sign-in of each user, which is kept longer than the places of sign-ins.
CREATE TABLE last_sign_ins (
    user_name TEXT   NOT NULL PRIMARY KEY REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    at        BIGINT NOT NULL           -- seconds since 1970
);

INSERT INTO last_sign_ins SELECT user_name, max(at) FROM sign_ins GROUP BY user_name;

-- The last one-time code that was taken from each user: a code is taken once.
CREATE TABLE totp_steps (
    user_name TEXT   NOT NULL PRIMARY KEY REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    step      BIGINT NOT NULL           -- periods of 30 s since 1970
);

CREATE TABLE recovery_codes (
    user_name TEXT NOT NULL REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    hash      TEXT NOT NULL,
    PRIMARY KEY (user_name, hash)
);

-- Hashing a password anew changes nothing for anybody: the same password is right, and sessions go on.
DROP TRIGGER users_changed;

-- SQLite ignores OR REPLACE in a trigger that a foreign key fires, therefore ON CONFLICT.
CREATE TRIGGER users_changed AFTER UPDATE OF name, incarnation, comment, group_name, password_set_at, principals, totp, source, home,
    enabled, expires_at, quota_bytes, quota_files, max_sessions, rate_up, rate_down, permissions, allowed_from, require,
    file_mode, dir_mode, file_group ON users
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users SELECT OLD.name, number FROM users_revision WHERE true
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_users SELECT NEW.name, number FROM users_revision WHERE true
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_homes SELECT OLD.home, number FROM users_revision WHERE true
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_homes SELECT NEW.home, number FROM users_revision WHERE true
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
END;

-- A change of a group is one of all its members, and a change of a folder one of all who have it.
CREATE TRIGGER groups_changed AFTER UPDATE ON groups
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users
        SELECT users.name, number FROM users, users_revision WHERE users.group_name IN (OLD.name, NEW.name)
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_homes
        SELECT users.home, number FROM users, users_revision WHERE users.group_name IN (OLD.name, NEW.name)
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER folders_added AFTER INSERT ON folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_homes SELECT NEW.path, number FROM users_revision WHERE true
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER folders_changed AFTER UPDATE ON folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users
        SELECT user_name, number FROM user_folders, users_revision WHERE folder IN (OLD.name, NEW.name)
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_users
        SELECT users.name, number FROM group_folders
        JOIN users ON users.group_name = group_folders.group_name, users_revision WHERE folder IN (OLD.name, NEW.name)
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_homes SELECT OLD.path, number FROM users_revision WHERE true
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
    INSERT INTO changed_homes SELECT NEW.path, number FROM users_revision WHERE true
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER folders_removed AFTER DELETE ON folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_homes SELECT OLD.path, number FROM users_revision WHERE true
        ON CONFLICT (home) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER user_folders_added AFTER INSERT ON user_folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users SELECT NEW.user_name, number FROM users_revision WHERE true
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER user_folders_removed AFTER DELETE ON user_folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users SELECT OLD.user_name, number FROM users_revision WHERE true
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER group_folders_added AFTER INSERT ON group_folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users
        SELECT users.name, number FROM users, users_revision WHERE users.group_name = NEW.group_name
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
END;

CREATE TRIGGER group_folders_removed AFTER DELETE ON group_folders
BEGIN
    UPDATE users_revision SET number = number + 1;
    INSERT INTO changed_users
        SELECT users.name, number FROM users, users_revision WHERE users.group_name = OLD.group_name
        ON CONFLICT (name) DO UPDATE SET number = excluded.number;
END;
