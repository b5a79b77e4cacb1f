-- Why a command is in its state, in Chinese too. Empty: said in one language only.
ALTER TABLE command ADD COLUMN reason_zh TEXT NOT NULL DEFAULT '';
