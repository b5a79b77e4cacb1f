//! Every command ran at most once, in its time, and its end is true.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Evidence;
use crate::prove::device::Act;
use crate::prove::tally::Tally;

/// From the last look at the time to the device having done it, on a busy machine.
const CARRIED_OUT_WITHIN: Duration = Duration::from_millis(300);

pub(super) fn compare(tally: &mut Tally, evidence: &Evidence<'_>) {
    let shown: BTreeMap<u64, &Value> =
        evidence.commands.iter().filter_map(|command| Some((command["arguments"]["id"].as_u64()?, command))).collect();
    let acts: Vec<_> = evidence.site.devices.iter().map(super::super::device::NumberedDevice::acts).collect();
    for asked in evidence.asked {
        let act = acts[asked.device].get(&asked.number).cloned().unwrap_or_default();
        tally.commands.asked += 1;
        tally.commands.run += u64::from(act.times > 0);
        if act.times > 1 {
            tally.commands.run_twice += 1;
            tally.broken(format!("command {} was carried out {} times", asked.number, act.times));
        }
        let Some(command) = shown.get(&u64::from(asked.number)) else {
            tally.commands.not_taken += 1;
            if asked.taken.is_some() || act.times > 0 {
                tally.broken(format!(
                    "command {} was taken or carried out, and the collector does not know it",
                    asked.number
                ));
            }
            continue;
        };
        if let (Some(taken), Some(last)) = (asked.taken, act.last) {
            let deadline = taken + asked.life + CARRIED_OUT_WITHIN;
            if last > deadline && !was_stopped(evidence, taken + asked.life, last) {
                tally.commands.late += 1;
                tally.broken(format!(
                    "command {} was carried out {:?} after its life",
                    asked.number,
                    last - taken - asked.life
                ));
            }
        }
        judge(tally, asked.number, command, &act);
    }
    let asked: Vec<_> = evidence.asked.iter().map(|asked| asked.number).collect();
    for number in acts.iter().flat_map(BTreeMap::keys).filter(|number| !asked.contains(number)) {
        tally.broken(format!("command {number} was carried out and never asked"));
    }
}

/// A program that is stopped between its last look at the time and its request cannot know.
fn was_stopped(evidence: &Evidence<'_>, from: Instant, to: Instant) -> bool {
    evidence.outages.stopped.iter().any(|outage| outage.from <= to && from <= outage.to)
}

fn judge(tally: &mut Tally, number: u32, command: &Value, act: &Act) {
    let state = command["state"].as_str().unwrap_or_default();
    let commands = &mut tally.commands;
    let count = match state {
        "succeeded" => &mut commands.succeeded,
        "failed" => &mut commands.failed,
        "expired" => &mut commands.expired,
        "rejected" => &mut commands.rejected,
        "unknown" => &mut commands.unknown,
        _ => &mut commands.open,
    };
    *count += 1;
    if command["final"] != true {
        let out = if command["handed_out"] == true { "handed out" } else { "not handed out" };
        tally.broken(format!("command {number} ({}) is still {state}, {out}", command["id"]));
    }
    let ran = act.times > 0;
    if state == "succeeded" && !ran || matches!(state, "expired" | "rejected" | "failed") && ran {
        tally.commands.untrue += 1;
        let did = if ran { "it was carried out" } else { "it was not carried out" };
        tally.broken(format!("command {number} ({}) is {state}, and {did}: {}", command["id"], command["reason"]));
    }
}
