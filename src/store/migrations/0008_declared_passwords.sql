-- The password hash that a file of users last declared for each user, as the SHA-256 of its text: the same hash is
-- applied once, and a better hash of the same password, or a later password, stays.
CREATE TABLE declared_passwords (
    user_name TEXT NOT NULL PRIMARY KEY REFERENCES users (name) ON UPDATE CASCADE ON DELETE CASCADE,
    digest    TEXT NOT NULL
);
