-- Providers whose people get an account at their first sign-in, and the links by which that happened (R-069).
ALTER TABLE identity_provider ADD COLUMN jit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identity_provider ADD COLUMN jit_role TEXT NOT NULL DEFAULT '';
ALTER TABLE link ADD COLUMN made_account INTEGER NOT NULL DEFAULT 0;
