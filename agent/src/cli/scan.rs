//! `kouan-agent scan`: which ports there are, and what hangs on one.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use kouan_drivers::link::{Endpoint, LinkSettings, SerialSettings};
use kouan_drivers::modbus::session::Framing;
use kouan_drivers::profile::{ProfileStore, check};
use kouan_drivers::search::guess::{Guess, guess};
use kouan_drivers::search::identity::{Identity, identify};
use kouan_drivers::search::lines::{self, Candidates, Question};
use kouan_drivers::search::modbus::Parity;
use kouan_drivers::search::modbus::{Found, Progress, Search, SearchError, search, serial_settings};
use kouan_drivers::search::ports::{Port, holders, ports};
use kouan_protocol::{Clock, SystemClock};
use serde_json::{Value, json};

use super::add::store_of;
use super::arguments::{ParityWord, ScanArguments};
use super::entry::{DONE, FOUND_WRONG, InUse, WrongUsage, folder_error};
use super::words::Words;
use super::{scan_in_use, show};
use crate::config::Config;
use crate::config_facts::LinkPlace;
use crate::data_folder::DataFolder;
use crate::local::{self, Answer, LocalClient, LocalError};

/// How long a unit may take to answer one of a profile's questions.
const GUESS_WAIT: Duration = Duration::from_millis(400);
/// More guesses than this are not shown.
const GUESSES: usize = 4;
/// A device that answers so many addresses does not look at them.
const EVERY_UNIT: usize = 40;
/// Kinds that only ask when they are polled. Others set up what they talk to, or wait to be called.
const SEARCHABLE: [&str; 3] = ["osdp", "serial-line", "ydt1363"];
/// Addresses of boards and readers, and the speeds at which they are usually delivered.
const LINE_UNITS: RangeInclusive<u16> = 0..=15;
const LINE_SPEEDS: [u32; 3] = [9600, 19_200, 115_200];

pub(super) async fn run(path: &Path, arguments: ScanArguments, json: bool, words: Words) -> anyhow::Result<u8> {
    // A laptop that has no configuration yet can search all the same.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let config = if path.exists() { Some(Config::load(path)?) } else { None };
    let used = used_places(config.as_ref()).await?;
    let place = match (&arguments.serial, &arguments.tcp) {
        (Some(port), _) => port.display().to_string(),
        (None, Some(address)) => address.clone(),
        (None, None) => return list(used.as_deref().unwrap_or_default(), json, words),
    };
    for link in used.iter().flatten() {
        let in_use = match (&arguments.serial, &arguments.tcp) {
            (Some(port), _) => link.uses_port(port),
            (None, Some(address)) => link.uses_address(address),
            (None, None) => false,
        };
        if in_use && let (Some(config), "modbus", "modbus") = (&config, arguments.protocol.as_str(), link.kind.as_str())
        {
            let units = units_of(arguments.units.as_deref(), words)?.unwrap_or(1..=247);
            return scan_in_use::through_agent(config, link, &place, &arguments, units, json, words).await;
        }
        if in_use {
            return Err(InUse(words.scan_in_use(&place, &link.link, link.devices.join(", "))).into());
        }
    }
    // Without a running agent none may start while the port is searched.
    let _folder = match (&config, &used) {
        (Some(config), None) => Some(DataFolder::open(&config.data).map_err(|error| folder_error(error, words))?),
        _ => None,
    };
    let units = units_of(arguments.units.as_deref(), words)?;
    let store = store_of(&text);
    let mut said = Said::new(json);
    if !json {
        said.note(&words.scan_nothing_written());
    }
    let found = if arguments.protocol == "modbus" {
        modbus(&arguments, units.unwrap_or(1..=247), &store, &mut said, words).await
    } else {
        other(&arguments, units, &store, &mut said, words).await
    };
    let found = found.map_err(|error| busy(error, &arguments, words))?;
    said.end();
    let code = if found.is_empty() { FOUND_WRONG } else { DONE };
    if json {
        show::json(&json!({ "place": place, "found": found, "notes": said.notes }))?;
    } else if found.is_empty() {
        show::text(&format!("{}\n", words.scan_none(&place)));
    }
    Ok(code)
}

/// The places of the running agent's links; `None` if none runs.
async fn used_places(config: Option<&Config>) -> anyhow::Result<Option<Vec<LinkPlace>>> {
    let Some(config) = config else { return Ok(None) };
    match LocalClient::connect(&config.socket).await {
        Ok(mut client) => match client.ask(&local::Question::Status).await? {
            Answer::Status(status) => Ok(Some(status.config.places)),
            _ => Ok(Some(config.facts.places.clone())),
        },
        Err(LocalError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A port that does not open because a program has it.
fn busy(error: anyhow::Error, arguments: &ScanArguments, words: Words) -> anyhow::Error {
    let Some(port) = arguments.serial.as_deref().filter(|_| error.is::<SearchError>()) else { return error };
    let holders: Vec<_> = holders(port).iter().map(|holder| words.port_held(&holder.program, holder.pid)).collect();
    if holders.is_empty() {
        return error;
    }
    InUse(words.scan_held(port.display(), holders.join(", "))).into()
}

fn units_of(text: Option<&str>, words: Words) -> Result<Option<RangeInclusive<u8>>, WrongUsage> {
    let Some(text) = text else { return Ok(None) };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse::<u8>(), high.trim().parse::<u8>()) {
        (Ok(low), Ok(high)) if low <= high => Ok(Some(low..=high)),
        _ => Err(WrongUsage(words.scan_units_wrong(text))),
    }
}

fn list(used: &[LinkPlace], json: bool, words: Words) -> anyhow::Result<u8> {
    let ports = ports();
    let state = |port: &Port| match used.iter().find(|link| link.uses_port(&port.path)) {
        Some(link) => words.port_used_by_agent(&link.link),
        None => match holders(&port.path).first() {
            Some(holder) => words.port_held(&holder.program, holder.pid),
            None if !may_open(&port.path) => words.port_not_allowed(),
            None => words.port_free(),
        },
    };
    let code = if ports.is_empty() { FOUND_WRONG } else { DONE };
    if json {
        let list: Vec<Value> = ports.iter().map(|port| json!({ "port": port, "state": state(port) })).collect();
        show::json(&list)?;
        return Ok(code);
    }
    let Some(first) = ports.first() else {
        show::text(&format!("{}\n", words.ports_none()));
        return Ok(code);
    };
    let header = if words.is_chinese() {
        ["串口", "转换器", "状态", "稳定的名称"]
    } else {
        ["port", "adapter", "state", "stable name"]
    };
    let shown = |path: &Path| path.display().to_string();
    show::rows(
        &header,
        ports.iter().map(|port| {
            let usb = port.usb.as_ref().map(|usb| format!(" ({usb})")).unwrap_or_default();
            let stable = port.stable.as_deref().map(shown).unwrap_or_default();
            [shown(&port.path), format!("{}{usb}", port.adapter), state(port), stable]
        }),
    );
    show::text(&format!("{}\n", words.ports_next(first.stable.as_ref().unwrap_or(&first.path).display())));
    Ok(code)
}

pub(super) fn may_open(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).is_ok()
}

/// What goes to the terminal while a search runs: progress on standard error, findings on standard output.
pub(super) struct Said {
    json: bool,
    live: bool,
    pub(super) notes: Vec<String>,
}

impl Said {
    pub(super) fn new(json: bool) -> Self {
        Self { json, live: std::io::stderr().is_terminal(), notes: Vec::new() }
    }

    /// A line that the next one replaces.
    pub(super) fn progress(&self, text: &str) {
        if self.live {
            // Nobody has to see it.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}").and_then(|()| std::io::stderr().flush());
        }
    }

    /// A line that stays, beside the findings.
    pub(super) fn note(&self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    /// Part of the result.
    pub(super) fn finding(&mut self, text: &str) {
        self.end();
        if self.json {
            self.notes.push(text.to_owned());
        } else {
            show::text(&format!("{text}\n"));
        }
    }

    pub(super) fn end(&self) {
        self.progress("");
    }
}

async fn modbus(
    arguments: &ScanArguments,
    units: RangeInclusive<u8>,
    store: &ProfileStore,
    said: &mut Said,
    words: Words,
) -> anyhow::Result<Vec<Value>> {
    let parities: Vec<Parity> = arguments.parity.iter().map(|word| parity(*word)).collect();
    let (endpoints, framing) = match (&arguments.serial, &arguments.tcp) {
        (Some(port), _) => (serial_settings(&port.display().to_string(), &arguments.baud, &parities), Framing::Rtu),
        (None, Some(address)) => {
            let framing = if arguments.rtu { Framing::Rtu } else { Framing::Tcp };
            (vec![Endpoint::Tcp { address: address.clone() }], framing)
        }
        (None, None) => return Err(WrongUsage(words.scan_where()).into()),
    };
    let wanted = Search { endpoints, framing, units, wait: arguments.wait, thorough: arguments.thorough };
    let mut seen: Vec<Found> = Vec::new();
    let mut setting = String::new();
    let searched = {
        let progress = |progress: Progress| match progress {
            Progress::Setting { endpoint, number, of } => {
                setting = words.scan_setting(endpoint, number, of);
                said.progress(&setting);
            }
            Progress::Asking { unit, last, function } => {
                said.progress(&format!("{setting}: {}", words.scan_unit(unit, last, function)));
            }
            Progress::Found(found) => {
                // Somebody who waits sees it at once; it comes again with what it is.
                if said.live {
                    said.note(&words.scan_found(found.unit, found.endpoint.in_full()));
                }
                seen.push(found);
            }
            Progress::Refused { endpoint, error } => said.note(&format!("{endpoint}: {}", words.scan_refused(error))),
        };
        tokio::select! {
            searched = search(&wanted, progress) => Some(searched?),
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("listening for Ctrl-C failed")?;
                None
            }
        }
    };
    match &searched {
        None => said.note(&words.scan_interrupted()),
        Some(outcome) => {
            if outcome.echo {
                said.finding(&words.scan_echo());
            }
            if outcome.found.is_empty() {
                for (endpoint, count) in &outcome.noise {
                    said.finding(&words.scan_noise(endpoint, count));
                }
            }
        }
    }
    if arguments.tcp.is_some() && seen.len() >= EVERY_UNIT {
        said.finding(&words.scan_every_unit());
        seen.truncate(1);
    }
    let mut interrupted = searched.is_none();
    let mut found = Vec::new();
    for unit in seen {
        if unit.late {
            said.finding(&words.scan_late(unit.unit));
        }
        let (mut identity, mut guesses) = (None, Vec::new());
        if !arguments.no_guess && !interrupted {
            said.progress(&words.scan_guessing(unit.unit));
            let link = LinkSettings::new(unit.endpoint.clone());
            let guessing = async {
                let identity = identify(&unit.endpoint, framing, unit.unit, GUESS_WAIT).await;
                (identity, guess(&link, framing, unit.unit, GUESS_WAIT, store).await)
            };
            tokio::select! {
                guessed = guessing => (identity, guesses) = guessed,
                stopped = tokio::signal::ctrl_c() => {
                    stopped.context("listening for Ctrl-C failed")?;
                    interrupted = true;
                }
            }
        }
        let command = add_command(&unit.endpoint, arguments.rtu, u16::from(unit.unit), guesses.first());
        if !said.json {
            let no_guess = arguments.no_guess || interrupted;
            said.finding(&described(&unit, identity.as_ref(), &guesses, &command, no_guess, words));
        }
        let guesses: Vec<_> = guesses.into_iter().take(GUESSES).collect();
        let mut value = serde_json::to_value(&unit)?;
        value["guesses"] = serde_json::to_value(&guesses)?;
        value["identity"] = serde_json::to_value(&identity)?;
        value["add"] = Value::String(command);
        found.push(value);
    }
    Ok(found)
}

fn described(
    found: &Found,
    identity: Option<&Identity>,
    guesses: &[Guess],
    command: &str,
    no_guess: bool,
    words: Words,
) -> String {
    let mut text = format!("\n{}", words.scan_found(found.unit, found.endpoint.in_full()));
    if let Some(Identity { maker, product, revision }) = identity {
        let says: Vec<_> = [maker, product, revision].into_iter().filter(|says| !says.is_empty()).cloned().collect();
        // Writing into a text cannot fail.
        let _ = write!(text, "\n  {}", words.scan_identity(says.join(" / ")));
    }
    match guesses {
        [] if no_guess => {}
        [] => text += &format!("\n  {}", words.scan_no_profile()),
        [best, rest @ ..] => {
            let points = words.scan_points(best.fitting, best.points);
            // Writing into a text cannot fail.
            let _ = write!(text, "\n  {}; {points}", words.scan_fits(&best.profile, &best.model));
            for value in &best.values {
                let _ = write!(text, "\n    {value}");
            }
            if !rest.is_empty() {
                let names: Vec<_> = rest.iter().take(GUESSES - 1).map(|guess| guess.profile.as_str()).collect();
                let _ = write!(text, "\n  {}", words.scan_also(names.join(", ")));
            }
        }
    }
    text + &format!("\n  {}", words.scan_add(command))
}

/// What to type to have the device in the configuration.
fn add_command(endpoint: &Endpoint, rtu: bool, unit: u16, guess: Option<&Guess>) -> String {
    let profile = guess.map_or("PROFILE", |guess| guess.profile.as_str());
    format!("kouan-agent add NAME --profile {profile} --unit {unit} {}", place_options(endpoint, rtu))
}

fn place_options(endpoint: &Endpoint, rtu: bool) -> String {
    match endpoint {
        Endpoint::Serial(settings) => {
            let parity = match settings.parity {
                Parity::None => "",
                Parity::Even => " --parity even",
                Parity::Odd => " --parity odd",
            };
            format!("--serial {} --baud {}{parity}", settings.path, settings.baud)
        }
        Endpoint::Tcp { address } => format!("--tcp {address}{}", if rtu { " --rtu" } else { "" }),
    }
}

fn parity(word: ParityWord) -> Parity {
    match word {
        ParityWord::None => Parity::None,
        ParityWord::Even => Parity::Even,
        ParityWord::Odd => Parity::Odd,
    }
}

/// Profiles of other kinds ask their own questions.
async fn other(
    arguments: &ScanArguments,
    units: Option<RangeInclusive<u8>>,
    store: &ProfileStore,
    said: &mut Said,
    words: Words,
) -> anyhow::Result<Vec<Value>> {
    let profiles = profiles_of(&arguments.protocol, store, words)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().context("reading the machine's clocks failed")?);
    let speeds = if arguments.baud.is_empty() { LINE_SPEEDS.to_vec() } else { arguments.baud.clone() };
    let parities = if arguments.parity.is_empty() { vec![ParityWord::None] } else { arguments.parity.clone() };
    let mut endpoints = Vec::new();
    match (&arguments.serial, &arguments.tcp) {
        (Some(port), _) => {
            for baud in speeds {
                endpoints.extend(parities.iter().map(|word| {
                    let usual = SerialSettings::new(&port.display().to_string());
                    Endpoint::Serial(SerialSettings { baud, parity: parity(*word), ..usual })
                }));
            }
        }
        (None, Some(address)) => endpoints.push(Endpoint::Tcp { address: address.clone() }),
        (None, None) => return Err(WrongUsage(words.scan_where()).into()),
    }
    let units = units.map_or(LINE_UNITS, |units| u16::from(*units.start())..=u16::from(*units.end()));
    let mut found = Vec::new();
    let mut interrupted_here = false;
    for endpoint in &endpoints {
        // Whether it opens at all is known before anybody is asked, and by its own error.
        let opened = endpoint.open(Duration::from_secs(3)).await;
        drop(opened.map_err(SearchError::Open)?);
        let mut fits = Vec::new();
        for Searched { profile, kind, questions, .. } in &profiles {
            let setting = words.scan_line_profile(profile, endpoint.in_full());
            let question = Question {
                kind: kind.clone(),
                profile: profile.clone(),
                place: toml_place(endpoint),
                wait: arguments.wait,
            };
            let last = *units.end();
            let asked = |unit: u16| said.progress(&format!("{setting}: {unit}/{last}"));
            tokio::select! {
                answering = lines::search(&question, units.clone(), store, &clock, asked) => {
                    fits.push((profile.clone(), *questions, answering.map_err(|problem| anyhow!(problem))?));
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.context("listening for Ctrl-C failed")?;
                    said.note(&words.scan_interrupted());
                    interrupted_here = true;
                    break;
                }
            }
        }
        for unit in lines::candidates(&fits) {
            tell_candidates(&unit, endpoint, &profiles, said, &mut found, words);
        }
        if interrupted_here {
            break;
        }
        if !found.is_empty() && !arguments.thorough {
            break;
        }
    }
    Ok(found)
}

/// One unit with the likeliest profile first.
fn tell_candidates(
    unit: &Candidates,
    endpoint: &Endpoint,
    profiles: &[Searched],
    said: &mut Said,
    found: &mut Vec<Value>,
    words: Words,
) {
    let place = place_options(endpoint, false);
    let key = if unit.wants_key { " --set key_file=FILE" } else { "" };
    let command = |profile: &str| format!("kouan-agent add NAME --profile {profile} --unit {} {place}{key}", unit.unit);
    if let Some((best, _)) = unit.profiles.first().filter(|_| !said.json) {
        let model = profiles.iter().find(|searched| searched.profile == *best).map_or("", |searched| &searched.model);
        let mut lines = vec![words.scan_found(unit.unit, endpoint.in_full())];
        // Of a device that talks to nobody without a key it is known only that it is there.
        lines.push(if unit.wants_key { words.scan_wants_key() } else { words.scan_fits(best, model) });
        let others: Vec<_> = unit.profiles.iter().skip(1).map(|(profile, _)| profile.as_str()).collect();
        if !others.is_empty() {
            lines.push(words.scan_also(others.join(", ")));
        }
        lines.push(words.scan_add(command(best)));
        said.finding(&format!("\n{}", lines.join("\n  ")));
    }
    found.extend(unit.profiles.iter().map(|(profile, whole)| {
        json!({
            "endpoint": endpoint.in_full(), "unit": unit.unit, "profile": profile, "whole": whole,
            "wants_key": unit.wants_key, "add": command(profile),
        })
    }));
}

/// A profile whose questions are asked.
#[derive(Debug)]
struct Searched {
    profile: String,
    kind: String,
    model: String,
    /// How many groups it reads.
    questions: usize,
}

/// The profiles that are meant: one by its name, or all of a kind that have addresses.
fn profiles_of(protocol: &str, store: &ProfileStore, words: Words) -> anyhow::Result<Vec<Searched>> {
    let described = |name: &str| {
        let profile = check(name, store.get(name)?).ok().filter(|profile| !profile.groups.is_empty())?;
        let about = &profile.about;
        Some(Searched {
            profile: name.to_owned(),
            kind: about.kind.to_owned(),
            model: format!("{} {}", about.maker, about.model).trim().to_owned(),
            questions: profile.groups.len(),
        })
    };
    let searchable = |kind: &str| SEARCHABLE.contains(&kind);
    let all: Vec<_> = store.names().filter_map(described).filter(|found| searchable(&found.kind)).collect();
    let (meant, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|found| found.profile == protocol || found.kind == protocol);
    if meant.is_empty() {
        let mut known: Vec<_> = others.iter().map(|other| other.kind.as_str()).chain(["modbus"]).collect();
        known.sort_unstable();
        known.dedup();
        return Err(WrongUsage(words.scan_protocol_unknown(protocol, known.join(", "))).into());
    }
    Ok(meant)
}

fn toml_place(endpoint: &Endpoint) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    match endpoint {
        Endpoint::Serial(settings) => {
            let parity = match settings.parity {
                Parity::None => "none",
                Parity::Even => "even",
                Parity::Odd => "odd",
            };
            format!("serial = {}\nbaud = {}\nparity = \"{parity}\"", quoted(&settings.path), settings.baud)
        }
        Endpoint::Tcp { address } => format!("tcp = {}", quoted(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::Language;

    #[test]
    fn units_are_one_number_or_a_range() {
        let words = Words::new(Language::English);
        assert_eq!(units_of(Some("7"), words).unwrap(), Some(7..=7));
        assert_eq!(units_of(Some("1-32"), words).unwrap(), Some(1..=32));
        for wrong in ["", "9-1", "1-300", "x"] {
            assert!(units_of(Some(wrong), words).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_or_a_profile_can_be_searched_for() {
        let (store, words) = (ProfileStore::built_in(), Words::new(Language::English));
        assert_eq!(profiles_of("kerong-cu16", &store, words).unwrap().len(), 1);
        assert!(profiles_of("serial-line", &store, words).unwrap().len() > 3);
        let said = profiles_of("telepathy", &store, words).unwrap_err().to_string();
        assert!(said.contains("ydt1363") && !said.contains("mqtt"), "{said}");
    }
}
