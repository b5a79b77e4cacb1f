//! Control lines and a serial line for simulated Modbus units.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Controlled, PseudoTerminal};
use crate::modbus::simulator::{Misbehaviour, Simulator, Table};

/// Serves Modbus RTU on a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
/// A restart closes the line and opens it again.
///
/// # Errors
/// When the pseudo-terminal cannot be made or fails.
pub async fn serve_on_pseudo_terminal(
    simulator: &Simulator,
    name: &Path,
    ready: impl FnOnce(),
    stop: CancellationToken,
) -> io::Result<()> {
    let mut ready = Some(ready);
    while !stop.is_cancelled() {
        let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
        if let Some(ready) = ready.take() {
            ready();
        }
        if let Some(ended) = stop.run_until_cancelled(simulator.serve_rtu(line)).await {
            ended?;
        }
    }
    Ok(())
}

impl Controlled for Simulator {
    fn help(&self) -> &'static str {
        "silent [UNIT] on|off\nlate [UNIT] 3s|off\nbad-checksum [UNIT] on|off\nwrong-unit [UNIT] on|off\n\
         gone [UNIT] on|off\nexception [UNIT] CODE|off\nset UNIT coils|inputs|holding|input ADDRESS VALUE\nrestart"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        match words {
            ["restart"] => {
                self.restart();
                Ok(())
            }
            ["set", unit, table, address, value] => {
                let (unit, address, value) = (number::<u8>(unit)?, number(address)?, number(value)?);
                let found = self.set(unit, read_table(table)?, address, value);
                if found { Ok(()) } else { Err(format!("there is no unit {unit}")) }
            }
            [how, word] => self.misbehave_all(&self.units(), read_misbehaviour(how, word)?),
            [how, unit, word] => self.misbehave_all(&[number(unit)?], read_misbehaviour(how, word)?),
            _ => Err("not known; say help".to_owned()),
        }
    }

    fn show(&self) -> Value {
        json!({ "units": Simulator::show(self) })
    }
}

impl Simulator {
    fn misbehave_all(&self, units: &[u8], how: Misbehaviour) -> Result<(), String> {
        match units.iter().find(|unit| !self.misbehave(**unit, how)) {
            Some(unit) => Err(format!("there is no unit {unit}")),
            None => Ok(()),
        }
    }
}

fn read_misbehaviour(how: &str, word: &str) -> Result<Misbehaviour, String> {
    if !["silent", "late", "bad-checksum", "wrong-unit", "gone", "exception"].contains(&how) {
        return Err("not known; say help".to_owned());
    }
    Ok(match (how, word) {
        (_, "off") => Misbehaviour::None,
        ("silent", "on") => Misbehaviour::Silent,
        ("bad-checksum", "on") => Misbehaviour::BadChecksum,
        ("wrong-unit", "on") => Misbehaviour::WrongUnit,
        ("gone", "on") => Misbehaviour::Gone,
        ("exception", code) => Misbehaviour::Exception(number(code)?),
        ("late", word) => Misbehaviour::Late(
            humantime::parse_duration(word)
                .map_err(|error| format!("\"{word}\" is not a length of time such as 3s: {error}"))?,
        ),
        (_, other) => return Err(format!("\"{other}\" must be on or off")),
    })
}

fn read_table(word: &str) -> Result<Table, String> {
    match word {
        "coils" => Ok(Table::Coils),
        "inputs" => Ok(Table::Inputs),
        "holding" => Ok(Table::Holding),
        "input" => Ok(Table::Input),
        other => Err(format!("\"{other}\" must be coils, inputs, holding or input")),
    }
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(word: &str) -> Result<T, String> {
    word.parse().map_err(|error| format!("\"{word}\" is not a number that fits here: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::simulator::Model;

    #[test]
    fn control_lines_reach_the_units() {
        let simulator = Simulator::new([(1, Model::XyMd02), (2, Model::WaveshareRelay8ch)]);
        let say = |line: &str| simulator.control(&line.split(' ').collect::<Vec<_>>());
        for line in ["silent on", "late 1 3s", "bad-checksum 2 on", "exception 1 2", "exception off", "restart"] {
            assert_eq!(say(line), Ok(()), "{line}");
        }
        assert_eq!(say("set 2 coils 0 1"), Ok(()));
        assert_eq!(simulator.get(2, Table::Coils, 0), Some(1));
        for line in ["silent 9 on", "silent maybe", "set 2 coils 70000 1", "set 2 drawers 0 1", "dance on", "x"] {
            assert!(say(line).is_err(), "{line}");
        }
    }
}
