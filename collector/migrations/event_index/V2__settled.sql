-- How many slices of the keys of a month that is over were taken out of its parts and put into one: a search then looks
-- in one place for the whole month.
CREATE TABLE settled (
    slices INTEGER NOT NULL
);
INSERT INTO settled (slices) VALUES (0);
