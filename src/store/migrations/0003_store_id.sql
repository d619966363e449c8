-- Which store this is: the marker in each place where homes lie carries the same id.
CREATE TABLE store_identity (
    id                TEXT    NOT NULL, -- 32 hexadecimal digits, random
    marks_known_homes INTEGER NOT NULL  -- 1: where homes lie that were there before the id, the markers are missing
);

INSERT INTO store_identity (id, marks_known_homes)
SELECT lower(hex(randomblob(16))), EXISTS (SELECT 1 FROM users);

-- Places that have had this store's marker: where one is missing there, it is a disk that is not mounted.
CREATE TABLE storage_places (
    path TEXT NOT NULL PRIMARY KEY -- absolute path
);

-- From now on "home", in users and in home_usage, is relative where it lies beneath [storage] homes. The program
-- rewrites what is there when it opens the store, since only it knows the configuration.
