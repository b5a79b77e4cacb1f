/** What a new rule begins with: every part that most rules have. */
export const TEMPLATE = `id = "server-room-hot"
severity = "major"
name = { zh = "机房温度高", en = "Server room hot" }
text = { zh = "{device} {point} {value} {unit}", en = "{device}: {point} at {value} {unit}" }
raise_after = "5m"
clear_after = "5m"

[match]
classes = ["environment-sensor"]

[when]
point = "temperature.room"
above = 28
clear = 26
`;
