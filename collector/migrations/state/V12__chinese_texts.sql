-- What an agent says of a device's health and of a command, in Chinese too. Empty: said in one language only.
ALTER TABLE device_health ADD COLUMN text_zh TEXT NOT NULL DEFAULT '';
ALTER TABLE commands ADD COLUMN reason_zh TEXT NOT NULL DEFAULT '';
ALTER TABLE command_history ADD COLUMN reason_zh TEXT NOT NULL DEFAULT '';
