-- What is swept is found from what points at it: a row goes only after those that refer to it.
CREATE INDEX sign_in_parent ON sign_in (parent) WHERE parent IS NOT NULL;
CREATE INDEX authorization_code_grant ON authorization_code (app_grant);
