//! Who is told what, and when: from open alarms, routes and the time. Nothing here reads or writes anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kouan_protocol::Severity;
use serde::{Deserialize, Serialize};

use super::alarm::{Alarm, Life};
use super::bundle::{Bundle, Item, OutageItem, Reason};
use super::channel::ChannelKind;
use super::route::Route;
use super::world::{Destination, World};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// What is known of an alarm by a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Since when it waits for somebody.
    since_ms: Option<i64>,
    /// The step that comes next.
    step: usize,
    /// When the last step was told.
    last_ms: i64,
    /// Who was told, or will be.
    told: BTreeSet<Destination>,
}

/// An alarm and a route.
pub(super) type WatchKey = (String, String);

/// Something to tell, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// To whom.
    pub to: Destination,
    /// Of which alarms, the worst first.
    pub items: Vec<Item>,
    /// Of which outages.
    pub outages: Vec<OutageItem>,
    /// It waited for the end of quiet hours, or because there were too many messages.
    pub is_late: bool,
}

/// What has to be remembered between two looks.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) alarms: HashMap<String, Alarm>,
    pub(super) watches: BTreeMap<WatchKey, Watch>,
    pub(super) bundles: BTreeMap<Destination, Bundle>,
    /// What differs from what is on disk.
    pub(super) changed_watches: BTreeSet<WatchKey>,
    pub(super) changed_bundles: BTreeSet<Destination>,
}

impl Plan {
    /// Takes an alarm as it is now.
    pub fn take(&mut self, alarm: Alarm, world: &World, now: i64) {
        let id = alarm.id.clone();
        self.renew_bundles(&alarm);
        if alarm.is_silent(now) {
            self.withdraw(&id, |item| item.reason != Reason::Clear);
        } else if alarm.acknowledged_by.is_some() {
            self.withdraw(&id, |item| item.reason == Reason::Escalate);
        }
        let is_new_for = |route: &&Route| alarm.last_raised_ms >= route.since_ms && route.settings.is_for(&alarm);
        if alarm.state == Life::Raised {
            for route in world.routes.iter().filter(is_new_for) {
                let key = (id.clone(), route.id.clone());
                if !self.watches.contains_key(&key) {
                    self.watches.insert(key.clone(), Watch::default());
                    self.changed_watches.insert(key);
                }
            }
        }
        let keys: Vec<_> = self.watches_of(&id).map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            self.alarms.remove(&id);
            return;
        }
        self.alarms.insert(id, alarm);
        for key in keys {
            self.look(&key, world, now);
        }
    }

    /// Takes what came and went during an outage.
    pub fn take_outage(&mut self, outage: &OutageItem, world: &World, now: i64) {
        for route in world.routes.iter().filter(|route| route.settings.is_for_outages(&outage.site)) {
            let Some(step) = route.settings.steps.first() else { continue };
            let quiet = route.settings.quiet.as_ref();
            let hold = quiet.and_then(|quiet| quiet.holds(Severity::Warning, now, world.zone_of(&outage.site)));
            for to in world.destinations(step, &outage.site) {
                let bundle = self.bundles.entry(to.clone()).or_default();
                bundle.add_outage(OutageItem { route: route.id.clone(), ..outage.clone() }, hold, now);
                self.changed_bundles.insert(to);
            }
        }
    }

    /// Does what is due by time.
    pub fn tick(&mut self, world: &World, now: i64) {
        let is_due = |(key, watch): &(&WatchKey, &Watch)| match (self.alarms.get(&key.0), world.route(&key.1)) {
            (Some(alarm), Some(route)) => next_step(watch, alarm, route).is_some_and(|due| due <= now),
            _ => true,
        };
        let keys: Vec<_> = self.watches.iter().filter(is_due).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.look(&key, world, now);
        }
    }

    /// Takes what is to be told now.
    pub fn due(&mut self, world: &World, now: i64) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for (to, bundle) in &mut self.bundles {
            if bundle.next_due().is_none_or(|due| due > now) {
                continue;
            }
            self.changed_bundles.insert(to.clone());
            let Some(channel) = world.channels.get(&to.channel) else { continue };
            if let Some(user) = &to.user {
                // Who may see what can have changed since it was planned.
                let person = world.person(user);
                bundle.keep_sites(|site| person.is_some_and(|person| person.sees(site)));
            }
            let rate = (channel.wanted.kind != ChannelKind::Alertmanager).then_some(channel.wanted.rate_per_hour);
            if let Some((items, outages, is_late)) = bundle.take_due(rate, now) {
                parcels.push(Parcel { to: to.clone(), items, outages, is_late });
            }
        }
        let spent = |(to, bundle): (&Destination, &Bundle)| {
            let is_gone = !world.channels.contains_key(&to.channel);
            (is_gone || bundle.is_spent(now)).then(|| to.clone())
        };
        let spent: Vec<_> = self.bundles.iter().filter_map(spent).collect();
        for to in spent {
            self.bundles.remove(&to);
            self.changed_bundles.insert(to);
        }
        parcels
    }

    /// When there is something to do; `None` as long as nothing changes.
    #[must_use]
    pub fn next_due(&self, world: &World) -> Option<i64> {
        let steps = self
            .watches
            .iter()
            .filter_map(|((alarm, route), watch)| next_step(watch, self.alarms.get(alarm)?, world.route(route)?));
        steps.chain(self.bundles.values().filter_map(Bundle::next_due)).min()
    }

    /// Alarms that were told to a destination and still hold.
    pub fn told_at<'p>(&'p self, channel: &'p str) -> impl Iterator<Item = &'p Alarm> + 'p {
        let ids: BTreeSet<&str> = self
            .watches
            .iter()
            .filter(|(_, watch)| watch.told.iter().any(|to| to.channel == channel))
            .map(|((alarm, _), _)| alarm.as_str())
            .collect();
        ids.into_iter().filter_map(|id| self.alarms.get(id)).filter(|alarm| alarm.state == Life::Raised)
    }

    fn watches_of<'p>(&'p self, alarm: &'p str) -> impl Iterator<Item = (&'p WatchKey, &'p Watch)> + 'p {
        self.watches.range(first_key(alarm)..).take_while(move |(key, _)| key.0 == alarm)
    }

    fn renew_bundles(&mut self, alarm: &Alarm) {
        for (to, bundle) in &mut self.bundles {
            if bundle.renew(alarm) {
                self.changed_bundles.insert(to.clone());
            }
        }
    }

    /// Takes back what was not told yet. Whoever has never heard of the alarm was not told.
    fn withdraw(&mut self, alarm: &str, is_moot: impl Fn(&Item) -> bool) {
        let mut never_told = Vec::new();
        for (to, bundle) in &mut self.bundles {
            if let Some(is_news) = bundle.withdraw(alarm, &is_moot) {
                self.changed_bundles.insert(to.clone());
                never_told.extend(is_news.then(|| to.clone()));
            }
        }
        if never_told.is_empty() {
            return;
        }
        for (key, watch) in self.watches.range_mut(first_key(alarm)..).take_while(|(key, _)| key.0 == alarm) {
            for to in &never_told {
                watch.told.remove(to);
            }
            if watch.told.is_empty() {
                *watch = Watch::default();
            }
            self.changed_watches.insert(key.clone());
        }
    }

    fn look(&mut self, key: &WatchKey, world: &World, now: i64) {
        let Some(mut watch) = self.watches.get(key).cloned() else { return };
        let before = watch.clone();
        let (route, alarm) = (world.route(&key.1), self.alarms.get(&key.0).cloned());
        let (Some(route), Some(alarm)) = (route, alarm) else {
            self.forget(key);
            return;
        };
        match alarm.state {
            Life::Raised => self.fire(&mut watch, &alarm, route, world, now),
            // It comes and goes: that it comes was told, and that it went is told once it stays away.
            Life::Cleared if alarm.flapping => {}
            Life::Cleared | Life::Closed => {
                let told = std::mem::take(&mut watch.told);
                for to in told {
                    self.tell(to, Reason::Clear, (&alarm, route, watch.step.saturating_sub(1)), world, now);
                }
                self.forget(key);
                return;
            }
        }
        if watch != before {
            self.watches.insert(key.clone(), watch);
            self.changed_watches.insert(key.clone());
        }
    }

    fn forget(&mut self, key: &WatchKey) {
        self.watches.remove(key);
        self.changed_watches.insert(key.clone());
        if self.watches_of(&key.0).next().is_none() {
            self.alarms.remove(&key.0);
        }
    }

    /// Tells whom it may concern by now.
    fn fire(&mut self, watch: &mut Watch, alarm: &Alarm, route: &Route, world: &World, now: i64) {
        if !alarm.waits() {
            return;
        }
        if alarm.is_silent(now) {
            // Whoever comes next has the same time once it is not silent any more.
            watch.since_ms = None;
            return;
        }
        watch.since_ms.get_or_insert(now);
        let quiet = route.settings.quiet.as_ref();
        let quiet = quiet.and_then(|quiet| quiet.holds(alarm.severity, now, world.zone_of(&alarm.site)));
        let steps = &route.settings.steps;
        if quiet.is_none() && (watch.since_ms > Some(now) || watch.last_ms > now) {
            // It waited for the morning and became worse: what was due by now is told, and the time runs from here.
            let ago = |minutes: u32| now - i64::from(minutes) * MINUTE_MS;
            let is_overdue = watch.last_ms > now;
            watch.last_ms = watch.last_ms.min(now);
            match steps.get(watch.step) {
                Some(step) if is_overdue => watch.since_ms = Some(ago(step.after_minutes)),
                None if is_overdue => watch.last_ms = ago(route.settings.repeat_minutes.unwrap_or_default()),
                _ => watch.since_ms = Some(now),
            }
            self.release(&alarm.id, &watch.told, world, now);
        }
        while let Some(due) = next_step(watch, alarm, route).filter(|due| *due <= now) {
            let is_repeat = watch.step >= steps.len();
            let at = watch.step.min(steps.len().saturating_sub(1));
            let Some(step) = steps.get(at) else { return };
            let is_first = at == 0 && !is_repeat;
            if let Some(end) = quiet.filter(|_| !is_first) {
                // Whoever is told in the morning has the same time from then on.
                watch.since_ms = watch.since_ms.map(|since| since + (end - due));
                watch.last_ms = end;
                return;
            }
            let reason = if is_first { Reason::Raise } else { Reason::Escalate };
            for to in world.destinations(step, &alarm.site) {
                self.tell(to.clone(), reason, (alarm, route, at), world, now);
                watch.told.insert(to);
            }
            watch.step = (watch.step + 1).min(steps.len());
            watch.last_ms = now;
            if let Some(end) = quiet {
                watch.since_ms = Some(end);
            }
        }
    }

    /// What was held of an alarm is told now.
    fn release(&mut self, alarm: &str, told: &BTreeSet<Destination>, world: &World, now: i64) {
        for to in told {
            if self.bundles.get_mut(to).is_some_and(|bundle| bundle.release(alarm, is_at_once(world, to), now)) {
                self.changed_bundles.insert(to.clone());
            }
        }
    }

    fn tell(
        &mut self,
        to: Destination,
        reason: Reason,
        (alarm, route, step): (&Alarm, &Route, usize),
        world: &World,
        now: i64,
    ) {
        let quiet = route.settings.quiet.as_ref();
        let hold = quiet.and_then(|quiet| quiet.holds(alarm.severity, now, world.zone_of(&alarm.site)));
        let is_news = reason != Reason::Clear && !self.watches_of(&alarm.id).any(|(_, watch)| watch.told.contains(&to));
        let item = Item { alarm: alarm.clone(), reason, is_news, route: route.id.clone(), step };
        self.bundles.entry(to.clone()).or_default().add(item, hold, is_at_once(world, &to), now);
        self.changed_bundles.insert(to);
    }
}

/// Alertmanagers group by themselves.
fn is_at_once(world: &World, to: &Destination) -> bool {
    world.channels.get(&to.channel).is_some_and(|channel| channel.wanted.kind == ChannelKind::Alertmanager)
}

fn first_key(alarm: &str) -> WatchKey {
    (alarm.to_owned(), String::new())
}

/// When the next step of a watch is due.
fn next_step(watch: &Watch, alarm: &Alarm, route: &Route) -> Option<i64> {
    // A route can be for less than it was when it began to watch.
    if !alarm.waits() || alarm.hidden || alarm.maintenance || !route.settings.is_for(alarm) {
        return None;
    }
    let since = watch.since_ms.unwrap_or(i64::MIN / 2);
    let due = match route.settings.steps.get(watch.step) {
        Some(step) => since.saturating_add(i64::from(step.after_minutes) * MINUTE_MS),
        None => watch.last_ms + i64::from(route.settings.repeat_minutes?) * MINUTE_MS,
    };
    Some(alarm.shelved_until_ms.map_or(due, |until| due.max(until)))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
