-- Pages of people are cut from an index that holds exactly those whom a directory sees, by home and id (RFC 7644 section 3.4.2.4).
DROP INDEX account_home;
CREATE INDEX account_sight ON account (home, id)
    WHERE deleted_at IS NULL AND type = 'human' AND (self_registered = 0 OR email_validated_at IS NOT NULL);
