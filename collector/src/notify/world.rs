//! What the planner needs to know beside alarms.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::channel::Channel;
use super::language::Language;
use super::people::Person;
use super::route::{Route, RouteStep};
use crate::auth::Role;

/// Where a message goes: to a channel's own recipients, or by a channel to one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// The channel.
    pub channel: String,
    /// The person.
    pub user: Option<String>,
}

/// A site as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name in Chinese; empty if it has none.
    pub name_zh: String,
    /// Its name in English; empty if it has none.
    pub name_en: String,
    /// Its time.
    pub zone: TimeZone,
}

/// Routes, channels, people and sites as they are now.
#[derive(Debug, Clone)]
pub struct World {
    /// The routes that are switched on.
    pub routes: Vec<Route>,
    /// All channels.
    pub channels: BTreeMap<String, Channel>,
    /// All users.
    pub people: Vec<Person>,
    /// Sites that have a name or a zone of their own.
    pub places: BTreeMap<String, Place>,
    /// The time of all other sites.
    pub zone: TimeZone,
    /// Where people reach the console, without a '/' at the end.
    pub public_url: Option<String>,
}

impl World {
    /// The route of that id, if it is switched on.
    #[must_use]
    pub fn route(&self, id: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.id == id)
    }

    /// The time at a site.
    #[must_use]
    pub fn zone_of(&self, site: &str) -> &TimeZone {
        self.places.get(site).map_or(&self.zone, |place| &place.zone)
    }

    /// What a site is called.
    #[must_use]
    pub fn name_of(&self, site: &str, language: Language) -> String {
        // What is of no site is of the collector itself.
        if site.is_empty() {
            return if language == Language::Zh { "全部站点" } else { "all sites" }.to_owned();
        }
        let place = self.places.get(site);
        let name = place.map_or("", |place| match language {
            Language::Zh => &place.name_zh,
            Language::En => &place.name_en,
        });
        let other = place.map_or("", |place| match language {
            Language::Zh => &place.name_en,
            Language::En => &place.name_zh,
        });
        [name, other, site].into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    }

    /// The person of that id.
    #[must_use]
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.user.id == id)
    }

    /// Where something is told at a step.
    #[must_use]
    pub fn destinations(&self, step: &RouteStep, site: &str) -> BTreeSet<Destination> {
        let channels: Vec<&Channel> = step
            .channels
            .iter()
            .filter_map(|id| self.channels.get(id))
            .filter(|channel| channel.wanted.enabled)
            .collect();
        let mut found = BTreeSet::new();
        for channel in &channels {
            if !channel.wanted.kind.is_personal() || !channel.settings.recipients().is_empty() {
                found.insert(Destination { channel: channel.id.clone(), user: None });
            }
        }
        let roles: Vec<Role> = step.roles.iter().filter_map(|role| Role::from_name(role)).collect();
        let is_meant = |person: &&Person| {
            let by_role = roles.iter().any(|role| person.is(*role, site));
            person.sees(site) && (by_role || step.users.contains(&person.user.id))
        };
        let personal: Vec<&&Channel> = channels.iter().filter(|channel| channel.wanted.kind.is_personal()).collect();
        for person in self.people.iter().filter(is_meant) {
            let to =
                |channel: &Channel| Destination { channel: channel.id.clone(), user: Some(person.user.id.clone()) };
            let reached: Vec<Destination> = personal
                .iter()
                .filter(|channel| address(person, channel).is_some())
                .map(|channel| to(channel))
                .collect();
            if reached.is_empty() {
                // It goes on record that this person could not be told.
                found.extend(personal.first().map(|channel| to(channel)));
            }
            found.extend(reached);
        }
        found
    }

    /// Who gets a message, and in which language; `None` if nobody can be reached there.
    #[must_use]
    pub fn recipient(&self, to: &Destination) -> Option<(String, Language)> {
        let channel = self.channels.get(&to.channel)?;
        let Some(user) = &to.user else {
            let recipients = channel.settings.recipients();
            let name = if recipients.is_empty() { channel.wanted.name.clone() } else { recipients.join(", ") };
            return Some((name, channel.wanted.language));
        };
        let person = self.person(user)?;
        let language = person.contact.language;
        address(person, channel).map(|address| (address.to_owned(), language))
    }

    /// The address of an alarm's page.
    #[must_use]
    pub fn link(&self, alarm: Option<&Alarm>) -> String {
        let Some(base) = &self.public_url else { return String::new() };
        match alarm {
            Some(alarm) => format!("{base}/alarms/{}", alarm.id),
            None => format!("{base}/alarms"),
        }
    }
}

fn address<'p>(person: &'p Person, channel: &Channel) -> Option<&'p str> {
    match channel.wanted.kind {
        super::channel::ChannelKind::Email => person.contact.email.as_deref(),
        super::channel::ChannelKind::Sms => person.contact.phone.as_deref(),
        _ => None,
    }
}
