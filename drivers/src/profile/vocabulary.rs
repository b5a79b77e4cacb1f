//! The common names of points, events and conditions of alarms, so that a rule or an inspection is written once for all models of a class.
//!
//! A point's name is a word of the list, or one with a place behind it: `door`, `door.1`, `temperature.room`,
//! `power.voltage.l1`. A name outside the list must be declared in the profile: `own = ["gate.fault.bits"]`.

use kouan_protocol::PointKind;
use kouan_settings::{Bilingual, Problems, both};

use super::about::Description;
use super::point::PointProfile;

/// One name that means the same in every profile.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// The name.
    pub name: &'static str,
    /// The kinds that such a point may be.
    pub kinds: &'static [PointKind],
    /// The units that a number may have.
    pub units: &'static [&'static str],
    /// The words that a state may have; empty for any.
    pub states: &'static [&'static str],
    /// What it says.
    pub about: &'static str,
}

const M: &[PointKind] = &[PointKind::Measurement];
const S: &[PointKind] = &[PointKind::State];
const C: &[PointKind] = &[PointKind::Counter];
const T: &[PointKind] = &[PointKind::Text];
const CM: &[PointKind] = &[PointKind::Counter, PointKind::Measurement];

const fn number(name: &'static str, units: &'static [&'static str], about: &'static str) -> Word {
    Word { name, kinds: M, units, states: &[], about }
}

const fn state(name: &'static str, states: &'static [&'static str], about: &'static str) -> Word {
    Word { name, kinds: S, units: &[], states, about }
}

const YES: &[&str] = &["no", "yes"];
const ALARM: &[&str] = &["ok", "alarm"];
const V: &[&str] = &["V"];
const A: &[&str] = &["A"];
const HZ: &[&str] = &["Hz"];
const WATT: &[&str] = &["W", "kW"];
const VA: &[&str] = &["VA", "kVA"];
const VAR: &[&str] = &["var", "kvar"];
const WH: &[&str] = &["Wh", "kWh"];
const C_: &[&str] = &["°C"];
const PERCENT: &[&str] = &["%"];

/// Every common name of a point.
pub const POINTS: &[Word] = &[
    state("alarm", ALARM, "an alarm of the device itself, with its name behind: alarm.fan"),
    state("fault", &["ok", "fault"], "something of the device is broken, with its name behind"),
    state("power.source", &["mains", "battery", "bypass", "eco", "off", "none"], "where the load's power comes from"),
    state("power.transfer-cause", &[], "why a UPS changed its source"),
    state("power.alarm", &[], "a limit of power was passed"),
    number("power.voltage", V, "voltage"),
    number("power.current", A, "current"),
    number("power.active", WATT, "active power"),
    number("power.apparent", VA, "apparent power"),
    number("power.reactive", VAR, "reactive power"),
    number("power.factor", &["1"], "power factor"),
    number("power.angle", &["°"], "phase angle"),
    number("power.frequency", HZ, "frequency"),
    number("power.demand", WATT, "demand over the meter's own interval"),
    number("power.distortion", PERCENT, "harmonic distortion"),
    Word { name: "energy.active", kinds: CM, units: WH, states: &[], about: "active energy" },
    Word { name: "energy.reactive", kinds: CM, units: &["varh", "kvarh"], states: &[], about: "reactive energy" },
    number("input.voltage", V, "what comes in"),
    number("input.current", A, "what comes in"),
    number("input.frequency", HZ, "what comes in"),
    state("input.acceptable", &["yes", "no"], "whether a UPS accepts its input"),
    number("bypass.voltage", V, "on the bypass"),
    number("bypass.frequency", HZ, "on the bypass"),
    number("output.voltage", V, "what goes out"),
    number("output.current", A, "what goes out"),
    number("output.frequency", HZ, "what goes out"),
    number("output.active", WATT, "what goes out"),
    number("output.apparent", VA, "what goes out"),
    Word { name: "output.energy", kinds: CM, units: WH, states: &[], about: "energy that went out" },
    state("output.on", YES, "whether the output has power"),
    state("output.shutdown-imminent", YES, "the output is about to be switched off"),
    state("inverter", &["ok", "alarm", "off", "on"], "the inverter of a UPS"),
    state("rectifier", &["ok", "alarm", "off", "on"], "the rectifier of a UPS"),
    number("battery.charge", PERCENT, "charge"),
    number("battery.runtime", &["s", "min"], "how long the battery lasts at this load"),
    number("battery.voltage", V, "voltage"),
    number("battery.current", A, "current"),
    number("battery.temperature", C_, "temperature"),
    number("battery.capacity", &["Ah"], "rated capacity"),
    number("battery.packs", &["1"], "how many packs there are"),
    state("battery.state", &["resting", "float", "equalising", "charging", "discharging"], "what the battery does"),
    state("battery.connected", &["yes", "no"], "whether it is there"),
    state("battery.low", YES, "nearly empty"),
    state("battery.replace", YES, "worn out"),
    state("battery.test", &[], "how a battery test stands"),
    number("load.percent", PERCENT, "load of what is allowed"),
    state("load.overload", YES, "more than is allowed"),
    number("temperature", C_, "temperature, with its place behind: room, intake, exhaust, device, supply, target"),
    number("humidity", PERCENT, "relative humidity, with its place behind"),
    state("leak", &["dry", "leak"], "water where none should be"),
    number("leak.distance", &["m"], "how far along the cable the water is"),
    number("leak.current", &["µA"], "current through the leak"),
    number("leak.cable-length", &["m"], "how long the cable is"),
    state("leak.cable", &["ok", "broken"], "whether the cable is whole"),
    state("leak.contamination", YES, "dirt on the cable"),
    state("smoke", &["normal", "smoke"], "smoke"),
    state("fire", &["normal", "alarm"], "the fire panel's contact"),
    state("door", &["closed", "open"], "a door or a lid"),
    state("lock", &["locked", "unlocked"], "a bolt"),
    state("presence", &["absent", "present"], "whether something lies there"),
    state("passage.mode", &["controlled", "free", "forbidden"], "what a gate lets through"),
    Word { name: "passage.count", kinds: C, units: &[], states: &[], about: "who passed; in or out behind it" },
    state("passage.intrusion", YES, "somebody passed who may not"),
    state("passage.occupied", YES, "somebody stands in it"),
    state("barrier", &["down", "moving", "up", "unknown"], "a boom"),
    state("barrier.up", YES, "the upper limit is reached"),
    state("barrier.down", YES, "the lower limit is reached"),
    state("loop", &["free", "occupied"], "a vehicle on the loop"),
    state("photocell", &["free", "occupied"], "something in the beam"),
    state("manual-release", YES, "somebody disengaged the drive"),
    state("button", &["released", "pressed"], "a push button"),
    state("paper", &["ok", "near", "out"], "how much paper is left"),
    state("cover", &["closed", "open"], "the cover of a machine"),
    state("printer.online", YES, "ready to print"),
    state("cutter", &["ok", "fault"], "the cutter of a printer"),
    number("printer.temperature", C_, "temperature"),
    Word { name: "tickets.count", kinds: C, units: &[], states: &[], about: "tickets issued" },
    number("tags.present", &["1"], "how many tags lie before a reader"),
    number("tags.read", &["1"], "how many tags answered in the last pass"),
    state("antenna", &["disconnected", "connected"], "an antenna of a reader"),
    number("radio.power", &["dBm"], "the power that is sent with"),
    state("screen.on", YES, "whether a display shows something"),
    number("screen.brightness", PERCENT, "brightness"),
    state("video.ok", YES, "whether pictures come"),
    number("weight", &["kg", "g", "t"], "what a scale shows"),
    state("weight.state", &["stable", "moving", "overload"], "whether a scale is at rest"),
    state("weight.kind", &["gross", "net"], "what a scale shows its weight of"),
    number("clock.offset", &["s"], "how far the device's clock is ahead"),
    state("cooling.on", YES, "an air conditioner runs"),
    state("cooling.mode", &["off", "heat", "cool", "auto", "dry", "fan", "idle"], "what it does"),
    state("cooling.fan", &[], "its fan"),
    state("compressor.on", YES, "its compressor runs"),
    state("defrost.on", YES, "it defrosts"),
    number("fan.speed", &["%", "1/min"], "a fan's speed"),
    state("relay", &["off", "on"], "an output"),
    state("relay.mode", &[], "who commands an output"),
    state("input", &["open", "closed"], "a contact"),
    state("outlet", &["off", "on"], "a socket of a power strip"),
    state("breaker", &["closed", "open"], "a circuit breaker"),
    state("buzzer", &["off", "on"], "a buzzer"),
    Word { name: "identity", kinds: T, units: &[], states: &[], about: "firmware, model, serial, name" },
];

/// Every common kind of event.
pub const EVENTS: &[(&str, &str)] = &[
    ("passage", "somebody passed a gate"),
    ("ticket-issued", "a ticket came out"),
    ("slot-opened", "a slot of a cabinet opened"),
    ("slot-closed", "a slot of a cabinet was closed"),
    ("item-returned", "something was laid into a slot"),
    ("item-taken", "something was taken out of a slot"),
    ("access-granted", "a reader let somebody in"),
    ("access-denied", "a reader turned somebody away"),
    ("door-forced", "a door opened that should not"),
    ("door-held", "a door stayed open too long"),
    ("door-opened", "a door was opened"),
    ("door-closed", "a door was shut"),
    ("duress", "somebody was forced to open"),
    ("fire-reported", "a door controller reports fire"),
    ("access-event", "something else at a door, by its number"),
    ("device-started", "a device was switched on"),
    ("records-lost", "a device overwrote records before they were fetched"),
    ("card-read", "a card was held to a reader"),
    ("keypad-used", "somebody typed at a reader; what is not told"),
    ("tag-seen", "a tag came before a reader"),
    ("tag-missing", "a tag is gone: several whole passes did not see it"),
    ("code-read", "a code was read"),
    ("button-pressed", "somebody called"),
];

/// Every common condition of an alarm. A place or a name may stand behind: `door-open-long.2`.
pub const CONDITIONS: &[(&str, &str)] = &[
    ("on-battery", "the load runs on a battery"),
    ("on-bypass", "the load runs on the bypass"),
    ("output-off", "a UPS gives no power"),
    ("power-lost", "nothing feeds the device"),
    ("battery-low", "a battery is nearly empty"),
    ("battery-charge-low", "a battery has little charge"),
    ("battery-runtime-low", "a battery does not last long any more"),
    ("battery-replace", "a battery is worn out"),
    ("battery-disconnected", "a battery is not there"),
    ("overload", "more load than is allowed"),
    ("load-high", "nearly as much load as is allowed"),
    ("voltage-low", "the voltage is too low"),
    ("voltage-high", "the voltage is too high"),
    ("temperature-high", "it is too warm"),
    ("temperature-low", "it is too cold"),
    ("humidity-high", "the air is too damp"),
    ("humidity-low", "the air is too dry"),
    ("leak", "water where none should be"),
    ("leak-cable-broken", "a leak cable is broken"),
    ("leak-cable-dirty", "a leak cable is dirty"),
    ("smoke", "smoke"),
    ("fire", "the fire panel's contact"),
    ("door-open-long", "a door has been open for long"),
    ("door-held", "a door controller says that a door is held open"),
    ("door-alarm", "a door controller reports an alarm"),
    ("slot-left-open", "a slot of a cabinet was left open"),
    ("gate-fault", "a gate is broken"),
    ("manual-release", "somebody disengaged a drive"),
    ("tamper", "a cover was taken off"),
    ("paper-low", "paper is nearly used up"),
    ("paper-out", "there is no paper"),
    ("cover-open", "the cover of a machine is open"),
    ("cutter-fault", "the cutter of a printer is stuck"),
    ("printer-offline", "a printer is off-line"),
    ("sensor-fault", "a sensor is broken"),
    ("air-conditioner-lost", "a gateway does not reach its air conditioner"),
    ("clock-fast", "a device's clock is ahead"),
    ("clock-slow", "a device's clock is behind"),
    ("device-alarm", "an alarm of the device itself, with its name behind"),
    ("fault", "something of the device is broken"),
    ("stale", "a value is not read any more"),
    ("device-unreachable", "a device is not reached"),
];

/// The word that a point's name begins with, the longest one.
#[must_use]
pub fn word(name: &str) -> Option<&'static Word> {
    let fits = |word: &&Word| {
        let rest = name.strip_prefix(word.name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && rest.matches('.').count() <= 2)
    };
    POINTS.iter().filter(fits).max_by_key(|word| word.name.len())
}

/// Reports every name that is neither in the vocabulary nor declared as the profile's own.
pub(super) fn check(profile: &Description, problems: &Problems) {
    let mut used = vec![false; profile.about.own.len()];
    let mut declared = |name: &str| {
        let mut found = false;
        for (at, pattern) in profile.about.own.iter().enumerate() {
            let fits = pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start));
            used[at] |= fits;
            found |= fits;
        }
        found
    };
    for point in &profile.points {
        let name = point.common.spec.name.as_str();
        let own = declared(name);
        if let Some(counts) = &point.common.counts
            && !is_event(&counts.kind)
            && !declared(&counts.kind)
        {
            problems.wrong(point.line, "point.counts", unknown_event(&counts.kind));
        }
        for (_, kind) in point.common.tells.iter().flat_map(|tells| &tells.changes) {
            if !is_event(kind) && !declared(kind) {
                problems.wrong(point.line, "point.changes", unknown_event(kind));
            }
        }
        match word(name) {
            _ if own => {}
            Some(word) => {
                if let Err(problem) = agrees(word, &point.common) {
                    let word = word.name;
                    let message = both!(
                        "{problem}, as every \"{word}\" is; or list the name in own",
                        "{problem}，所有“{word}”都是如此；否则请把名称写进 own"; problem
                    );
                    problems.wrong(point.line, "point", message);
                }
            }
            None => {
                let near = nearest(name);
                let message = both!(
                    "\"{name}\" is not in the vocabulary{near}; if only this model has such a thing, write \
                     own = [\"{name}\"] at the top",
                    "词汇表中没有“{name}”{near}；如果只有这个型号才有，请在开头写 own = [\"{name}\"]"; near
                );
                problems.wrong(point.line, "point.name", message);
            }
        }
    }
    let of_states = profile
        .points
        .iter()
        .filter_map(|point| Some((point.line, point.common.tells.as_ref()?.alarm.as_ref()?.condition.as_str())));
    let of_limits = profile.limits.iter().map(|limit| (limit.line, limit.condition.as_str()));
    let mut told = std::collections::BTreeSet::new();
    for (line, condition) in of_states.chain(of_limits) {
        let known = CONDITIONS.iter().any(|(known, _)| *known == condition);
        if !known && !declared(condition) && told.insert((line, condition)) {
            let message = both!(
                "condition \"{condition}\" is not in the vocabulary; if only this model has it, list it in own at the top",
                "词汇表中没有告警“{condition}”；如果只有这个型号才有，请写进开头的 own"
            );
            problems.wrong(line, "alarm.condition", message);
        }
    }
    for kind in &profile.events {
        if !is_event(kind) && !declared(kind) {
            problems.wrong(1, "event.kind", unknown_event(kind));
        }
    }
    for (pattern, used) in profile.about.own.iter().zip(used) {
        if !used {
            problems.wrong(
                1,
                "own",
                both!("\"{pattern}\" is the name of nothing here", "这里没有名为“{pattern}”的东西"),
            );
        }
    }
}

fn is_event(kind: &str) -> bool {
    EVENTS.iter().any(|(known, _)| *known == kind)
}

fn unknown_event(kind: &str) -> Bilingual {
    both!(
        "event \"{kind}\" is not in the vocabulary; if only this model has it, list it in own at the top",
        "词汇表中没有事件“{kind}”；如果只有这个型号才有，请写进开头的 own"
    )
}

fn agrees(word: &Word, point: &PointProfile) -> Result<(), Bilingual> {
    let spec = &point.spec;
    if !word.kinds.contains(&spec.kind) {
        let kinds: Vec<_> = word.kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
        let (name, may, may_zh) = (&spec.name, kinds.join(" or a "), kinds.join(" 或 "));
        return Err(Bilingual::new(format!("\"{name}\" must be a {may}"), format!("“{name}”应为 {may_zh}")));
    }
    if spec.kind == PointKind::Measurement && !word.units.contains(&spec.unit.as_str()) {
        let (name, may, may_zh) = (&spec.name, word.units.join(" or "), word.units.join(" 或 "));
        return Err(Bilingual::new(
            format!("\"{name}\" must have the unit {may}"),
            format!("“{name}”的单位应为 {may_zh}"),
        ));
    }
    let foreign = spec.states.iter().find(|state| !word.states.is_empty() && !word.states.contains(&state.as_str()));
    match foreign {
        Some(state) if spec.kind == PointKind::State => {
            let (name, may) = (&spec.name, word.states.join(", "));
            Err(both!("\"{name}\" may be {may}, not \"{state}\"", "“{name}”可以是 {may}，不能是“{state}”"))
        }
        _ => Ok(()),
    }
}

fn nearest(name: &str) -> Bilingual {
    let start = name.split('.').next().unwrap_or(name);
    let near: Vec<_> = POINTS.iter().filter(|word| word.name.split('.').any(|part| part == start)).collect();
    let near: Vec<_> = near.iter().take(4).map(|word| format!("\"{}\"", word.name)).collect();
    let near = near.join(", ");
    if near.is_empty() { Bilingual::default() } else { both!(" (near it: {near})", "（相近的：{near}）") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_may_have_a_place_behind_it() {
        for (name, expected) in [
            ("door", Some("door")),
            ("door.1", Some("door")),
            ("power.voltage.l1", Some("power.voltage")),
            ("input.3", Some("input")),
            ("input.voltage", Some("input.voltage")),
            ("doors", None),
            ("door.1.2.3", None),
        ] {
            assert_eq!(word(name).map(|word| word.name), expected, "{name}");
        }
    }

    #[test]
    fn no_word_stands_there_twice() {
        for (at, word) in POINTS.iter().enumerate() {
            assert!(POINTS[..at].iter().all(|earlier| earlier.name != word.name), "{}", word.name);
        }
    }
}
