/** What a new rule begins with. The words are the documentation's own example. */
export const TEMPLATE = `id = "supply-air-hot"
severity = "major"
text.zh = "送风温度过高"
text.en = "Supply air is too hot"

[match]
class = "air-conditioner"

[when]
point = "temperature.supply"
above = 30.0
clear_below = 28.0
for = "5m"
clear_for = "2m"
`;
