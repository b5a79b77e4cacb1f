//! The planner, on a day that a test makes up.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use kouan_protocol::Severity::{self, Critical, Major, Warning};
use serde_json::json;

use super::*;
use crate::auth::{Grants, Role, Scope, User};
use crate::notify::channel::{Channel, ChannelSettings, Settings};
use crate::notify::language::Language;
use crate::notify::people::{Contact, Person};
use crate::notify::quiet::Quiet;
use crate::notify::render;
use crate::notify::route::{Match, RouteSettings, RouteStep};

/// 2026-11-22 10:00 in Shanghai, a Sunday.
const START: i64 = 1_795_312_800_000;
const MINUTE: i64 = 60_000;

fn channel(id: &str, kind: ChannelKind, rate_per_hour: u32) -> Channel {
    let settings = match kind {
        ChannelKind::Email => json!({ "host": "mail.example", "from": "noc@example.com" }),
        ChannelKind::Alertmanager => json!({ "url": "http://am.example" }),
        _ => json!({ "url": "https://hook.example/" }),
    };
    let wanted = ChannelSettings {
        name: id.to_owned(),
        kind,
        enabled: true,
        language: Language::En,
        settings: settings.clone(),
        templates: BTreeMap::new(),
        rate_per_hour,
    };
    Channel { id: id.to_owned(), settings: Settings::read(kind, &settings).unwrap(), wanted, revision: 1 }
}

fn person(id: &str, role: Role, sites: Scope, email: Option<&str>) -> Person {
    let user = User {
        id: id.to_owned(),
        name: id.to_owned(),
        display_name: id.to_owned(),
        grants: Grants::from([(role, sites)]),
        must_change: false,
        is_external: false,
        created_ms: 0,
        disabled_ms: None,
    };
    let contact = Contact { email: email.map(str::to_owned), phone: None, language: Language::En };
    Person { user, contact }
}

fn step(after_minutes: u32, channel: &str, role: Option<Role>) -> RouteStep {
    let roles = role.map(|role| role.as_str().to_owned()).into_iter().collect();
    RouteStep { after_minutes, channels: vec![channel.to_owned()], roles, users: Vec::new() }
}

fn route(id: &str, steps: Vec<RouteStep>) -> Route {
    let settings = RouteSettings {
        name: id.to_owned(),
        enabled: true,
        matches: Match::default(),
        steps,
        quiet: None,
        repeat_minutes: None,
    };
    Route { id: id.to_owned(), settings, since_ms: 0, revision: 1 }
}

fn only(site: &str) -> Scope {
    Scope::Sites([site.to_owned()].into())
}

/// A webhook at once; operators of the site by mail after 10 minutes, engineers after 30.
fn world() -> World {
    let steps =
        vec![step(0, "hook", None), step(10, "mail", Some(Role::Operator)), step(30, "mail", Some(Role::Engineer))];
    let channels = [channel("hook", ChannelKind::Webhook, 60), channel("mail", ChannelKind::Email, 60)];
    World {
        routes: vec![route("r", steps)],
        channels: channels.into_iter().map(|channel| (channel.id.clone(), channel)).collect(),
        people: vec![
            person("olga", Role::Operator, only("hall"), Some("olga@example.com")),
            person("otto", Role::Operator, only("pier"), Some("otto@example.com")),
            person("emil", Role::Engineer, Scope::All, Some("emil@example.com")),
        ],
        places: BTreeMap::new(),
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        public_url: Some("https://kouan.example".to_owned()),
    }
}

/// A plan, and what it told.
struct Day {
    plan: Plan,
    world: World,
    now: i64,
    told: Vec<(i64, Parcel)>,
}

impl Day {
    fn new(world: World) -> Self {
        Self { plan: Plan::default(), world, now: START, told: Vec::new() }
    }

    fn take(&mut self, alarm: Alarm) {
        self.plan.take(alarm, &self.world, self.now);
        self.work();
    }

    fn work(&mut self) {
        self.plan.tick(&self.world, self.now);
        let parcels = self.plan.due(&self.world, self.now);
        self.told.extend(parcels.into_iter().map(|parcel| (self.now, parcel)));
    }

    /// Goes on for so long, and works whenever something is due.
    fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(due) = self.plan.next_due(&self.world).filter(|due| *due <= end) {
            assert!(self.told.len() < 10_000, "it never ends");
            // The program looks every half second.
            self.now = due.max(self.now + 500).min(end);
            self.work();
            if self.now == end {
                break;
            }
        }
        self.now = end;
        self.work();
    }

    /// Who was told what, and how long after the start, in seconds.
    fn said(&self) -> Vec<(i64, &str, &'static str, usize)> {
        let said = |entry| {
            let (at, parcel): &(i64, Parcel) = entry;
            let who = parcel.to.user.as_deref().unwrap_or(&parcel.to.channel);
            ((at - START) / 1_000, who, render::kind(parcel), parcel.items.len())
        };
        self.told.iter().map(said).collect()
    }
}

fn raised(id: &str, severity: Severity) -> Alarm {
    Alarm::example(id, "hall", severity, START)
}

fn acknowledged(alarm: &Alarm) -> Alarm {
    Alarm { acknowledged_by: Some("olga".to_owned()), ..alarm.clone() }
}

fn outage() -> OutageItem {
    OutageItem {
        id: 1,
        site: "hall".into(),
        agent: "hall-1".into(),
        from_ms: START - 60 * MINUTE,
        to_ms: START,
        raised: 3,
        devices: 2,
        events: 9,
        lost: 0,
        route: String::new(),
    }
}

/// The first hours of a test, until 14:00.
fn morning() -> Quiet {
    Quiet { from: "09:00".into(), to: "14:00".into(), below_severity: "critical".into(), days: Vec::new() }
}

#[test]
fn an_alarm_goes_up_step_by_step_until_somebody_acknowledges_and_its_end_is_told_to_those_who_know_it() {
    let mut day = Day::new(world());
    let alarm = raised("1", Major);
    day.take(alarm.clone());
    day.pass(29 * MINUTE);
    let expected = vec![(10, "hook", "raise", 1), (610, "olga", "escalate", 1)];
    assert_eq!(day.said(), expected, "Otto is an operator elsewhere");
    day.take(acknowledged(&alarm));
    day.pass(60 * MINUTE);
    assert_eq!(day.said(), expected, "nobody else is told");
    day.take(Alarm { acknowledged_by: Some("olga".into()), ..alarm.cleared(day.now) });
    day.pass(MINUTE);
    assert_eq!(day.said()[2..], [(5_350, "hook", "clear", 1), (5_350, "olga", "clear", 1)]);
    day.pass(24 * 60 * MINUTE);
    assert_eq!(day.said().len(), 4);
    assert!(day.plan.watches.is_empty() && day.plan.alarms.is_empty() && day.plan.bundles.is_empty());
}

#[test]
fn the_last_step_is_repeated_while_nobody_answers() {
    let mut world = world();
    world.routes[0].settings.repeat_minutes = Some(60);
    let mut day = Day::new(world);
    day.take(raised("1", Critical));
    day.pass(4 * 60 * MINUTE);
    let emil: Vec<_> = day.said().into_iter().filter(|(_, who, ..)| *who == "emil").map(|(at, ..)| at / 60).collect();
    assert_eq!(emil, [30, 90, 150, 210]);
}

#[test]
fn what_is_hidden_shelved_or_under_maintenance_is_not_told_until_it_is_not_any_more() {
    for hide in [
        (|alarm: &mut Alarm| alarm.hidden = true) as fn(&mut Alarm),
        |alarm| alarm.maintenance = true,
        |alarm| alarm.shelved_until_ms = Some(START + 3 * 60 * MINUTE),
    ] {
        let mut day = Day::new(world());
        let mut silent = raised("1", Critical);
        hide(&mut silent);
        day.take(silent);
        day.pass(2 * 60 * MINUTE);
        assert_eq!(day.said(), []);
        day.take(raised("1", Critical));
        day.pass(11 * MINUTE);
        assert_eq!(day.said(), [(7_210, "hook", "raise", 1), (7_810, "olga", "escalate", 1)]);
    }
}

#[test]
fn shelving_ends_by_time() {
    let mut day = Day::new(world());
    day.take(Alarm { shelved_until_ms: Some(START + 30 * MINUTE), ..raised("1", Major) });
    day.pass(31 * MINUTE);
    assert_eq!(day.said(), [(1_810, "hook", "raise", 1)]);
}

#[test]
fn what_its_parent_explains_within_the_first_window_is_never_told() {
    let mut day = Day::new(world());
    let children: Vec<Alarm> = (0..40).map(|at| raised(&format!("c{at}"), Major)).collect();
    children.iter().for_each(|child| day.take(child.clone()));
    day.pass(5_000);
    day.take(Alarm { hides: 40, ..raised("switch", Critical) });
    children.iter().for_each(|child| day.take(Alarm { hidden: true, ..child.clone() }));
    day.pass(5 * MINUTE);
    assert_eq!(day.said(), [(10, "hook", "raise", 1)]);
    assert_eq!(day.told[0].1.items[0].alarm.id, "switch");
    children.iter().for_each(|child| day.take(Alarm { hidden: true, ..child.cleared(START) }));
    day.pass(60 * MINUTE);
    assert!(day.told.iter().all(|(_, parcel)| parcel.items.iter().all(|item| item.alarm.id == "switch")));
}

#[test]
fn a_storm_of_1400_alarms_is_a_handful_of_messages_that_together_name_them_all() {
    let mut day = Day::new(world());
    let alarm = |at: i64| {
        let severity = if at % 10 == 0 { Critical } else { Warning };
        Alarm::example(&format!("{at:04}"), if at % 2 == 0 { "hall" } else { "pier" }, severity, START)
    };
    for at in 0..1_400 {
        day.take(alarm(at));
        // Five minutes until all are lost.
        day.pass(214);
    }
    day.pass(5 * MINUTE);
    let hook = |day: &Day| day.told.iter().filter(|(_, parcel)| parcel.to.channel == "hook").count();
    assert!(hook(&day) <= 6, "{:?}", day.said());
    let ids: BTreeSet<&str> = day
        .told
        .iter()
        .filter(|(_, parcel)| parcel.to.channel == "hook")
        .flat_map(|(_, parcel)| parcel.items.iter().map(|item| item.alarm.id.as_str()))
        .collect();
    assert_eq!(ids.len(), 1_400);
    assert_eq!(day.told[0].1.items[0].alarm.severity, Critical, "the worst comes first");
    let before = hook(&day);
    for at in 0..1_400 {
        day.take(alarm(at).cleared(day.now));
        day.pass(100);
    }
    day.pass(20 * MINUTE);
    assert!(hook(&day) - before <= 7, "{:?}", day.said());
}

#[test]
fn what_comes_and_goes_before_anybody_was_told_is_one_thing_to_tell() {
    let mut day = Day::new(world());
    let alarm = raised("1", Critical);
    day.take(alarm.clone());
    day.pass(4_000);
    day.take(alarm.cleared(day.now));
    day.pass(MINUTE);
    assert_eq!(day.said(), [(10, "hook", "raise", 1)]);
    assert_eq!(day.told[0].1.items[0].alarm.state, Life::Cleared);
}

#[test]
fn what_flaps_is_told_once_and_its_end_once_it_stays_away() {
    let mut day = Day::new(world());
    let flapping = Alarm { flapping: true, ..raised("1", Major) };
    for _ in 0..50 {
        day.take(flapping.clone());
        day.pass(5_000);
        day.take(Alarm { flapping: true, ..flapping.cleared(day.now) });
        day.pass(5_000);
    }
    assert_eq!(day.said(), [(10, "hook", "raise", 1)]);
    day.take(raised("1", Major).cleared(day.now));
    day.pass(MINUTE);
    assert_eq!(day.said()[1..], [(510, "hook", "clear", 1)]);
}

#[test]
fn in_quiet_hours_what_matters_less_waits_for_one_digest() {
    let mut world = world();
    world.routes[0].settings.quiet = Some(morning());
    let mut day = Day::new(world);
    for at in 0..30 {
        day.take(raised(&format!("{at:02}"), Major));
        day.pass(MINUTE);
    }
    day.take(raised("00", Major).cleared(day.now));
    day.take(raised("worst", Critical));
    day.pass(20 * MINUTE);
    assert_eq!(day.said(), [(1_810, "hook", "raise", 1), (2_410, "olga", "escalate", 1)], "the critical one");
    day.pass(4 * 60 * MINUTE - 50 * MINUTE);
    let digest: Vec<_> = day.said().into_iter().filter(|(.., kind, _)| *kind == "digest").collect();
    assert_eq!(digest, [(14_400, "hook", "digest", 30)], "at 14:00");
    day.pass(9 * MINUTE);
    assert!(
        !day.said().iter().any(|(at, who, ..)| *who == "olga" && *at > 14_400),
        "her ten minutes begin in the morning"
    );
    day.pass(2 * MINUTE);
    assert!(day.said().contains(&(15_010, "olga", "escalate", 29)), "{:?}", day.said());
}

#[test]
fn what_one_route_tells_now_is_not_held_back_by_another_ones_quiet_hours() {
    for is_quiet_first in [false, true] {
        let mut world = world();
        world.routes = vec![route("a", vec![step(0, "hook", None)]), route("b", vec![step(0, "hook", None)])];
        world.routes[usize::from(!is_quiet_first)].settings.quiet = Some(morning());
        let mut day = Day::new(world);
        day.take(raised("1", Major));
        day.pass(12 * 60 * MINUTE);
        assert_eq!(day.said(), [(10, "hook", "raise", 1)]);
    }
}

#[test]
fn what_becomes_worse_in_quiet_hours_is_told_at_once_and_its_steps_begin() {
    let mut world = world();
    world.routes[0].settings.quiet = Some(morning());
    let mut day = Day::new(world);
    day.take(raised("1", Major));
    day.pass(30 * MINUTE);
    assert_eq!(day.said(), []);
    day.take(raised("1", Critical));
    day.pass(31 * MINUTE);
    let expected = [(1_810, "hook", "raise", 1), (2_410, "olga", "escalate", 1), (3_610, "emil", "escalate", 1)];
    assert_eq!(day.said(), expected);
}

#[test]
fn a_step_that_quiet_hours_held_back_is_told_at_once_when_the_alarm_becomes_worse() {
    for (repeat, before) in [(None, 65), (Some(30), 110)] {
        let mut world = world();
        world.routes[0].settings.quiet = Some(morning());
        world.routes[0].settings.repeat_minutes = repeat;
        let mut day = Day::new(world);
        day.now = START - before * MINUTE;
        day.take(Alarm::example("1", "hall", Major, day.now));
        day.pass(before * MINUTE);
        let known = day.said().len();
        day.take(Alarm::example("1", "hall", Critical, START - before * MINUTE));
        day.pass(MINUTE);
        let who = if repeat.is_some() { "emil" } else { "olga" };
        assert_eq!(day.said()[known..], [(10, who, "escalate", 1)], "{:?}", day.said());
    }
}

#[test]
fn outages_wait_for_the_end_of_quiet_hours_too() {
    let mut world = world();
    world.routes[0].settings.quiet = Some(morning());
    let mut day = Day::new(world);
    day.plan.take_outage(&outage(), &day.world, day.now);
    day.plan.take_outage(&outage(), &day.world, day.now);
    day.pass(4 * 60 * MINUTE + MINUTE);
    assert_eq!(day.said(), [(14_400, "hook", "digest", 0)]);
    assert_eq!(day.told[0].1.outages.len(), 1);
}

#[test]
fn too_many_messages_gather_into_one_and_what_is_critical_has_some_more() {
    let mut world = world();
    world.channels.insert("hook".into(), channel("hook", ChannelKind::Webhook, 4));
    world.routes[0].settings.steps.truncate(1);
    let mut day = Day::new(world);
    for at in 0..20 {
        day.take(raised(&format!("{at:02}"), Warning));
        day.pass(2 * MINUTE + 1);
    }
    assert_eq!(day.said().len(), 4, "{:?}", day.said());
    day.take(raised("worst", Critical));
    day.pass(3 * MINUTE);
    assert_eq!(day.said().len(), 5);
    assert_eq!(day.told[4].1.items.len(), 17, "all that gathered comes with it: {:?}", day.said());
    assert_eq!(day.told[4].1.items[0].alarm.id, "worst");
}

#[test]
fn two_routes_to_one_place_tell_once() {
    let mut world = world();
    world.routes.push(route("second", vec![step(0, "hook", None)]));
    let mut day = Day::new(world);
    let alarm = raised("1", Major);
    day.take(alarm.clone());
    day.pass(MINUTE);
    day.take(alarm.cleared(day.now));
    day.pass(2 * MINUTE);
    assert_eq!(day.said(), [(10, "hook", "raise", 1), (61, "hook", "clear", 1)]);
}

#[test]
fn what_was_raised_before_the_route_is_not_its_business() {
    let mut world = world();
    world.routes[0].since_ms = START + 1;
    let mut day = Day::new(world);
    day.take(raised("1", Critical));
    day.pass(60 * MINUTE);
    assert_eq!(day.said(), []);
}

#[test]
fn a_narrowed_route_goes_up_no_further_and_tells_the_end_to_those_who_know_of_it() {
    let mut day = Day::new(world());
    day.take(raised("1", Critical));
    day.pass(MINUTE);
    day.world.routes[0].settings.matches.classes = vec!["camera".to_owned()];
    day.pass(60 * MINUTE);
    assert_eq!(day.said(), [(10, "hook", "raise", 1)]);
    day.take(raised("1", Critical).cleared(day.now));
    day.pass(MINUTE);
    assert_eq!(day.said()[1..], [(3_670, "hook", "clear", 1)]);
}

#[test]
fn who_may_not_see_a_site_or_has_no_address_is_not_told_of_it() {
    let mut world = world();
    let users = ["otto", "olga", "nobody"].map(str::to_owned).to_vec();
    world.people.push(person("nobody", Role::Viewer, only("hall"), None));
    world.routes[0].settings.steps = vec![RouteStep { users, ..step(0, "mail", None) }];
    let mut day = Day::new(world);
    day.take(raised("1", Critical));
    day.pass(MINUTE);
    let to: Vec<_> = day.told.iter().map(|(_, parcel)| parcel.to.user.clone().unwrap()).collect();
    assert_eq!(to, ["nobody", "olga"]);
    assert_eq!(day.world.recipient(&day.told[0].1.to), None, "it goes on record that there is no address");
    assert_eq!(day.world.recipient(&day.told[1].1.to), Some(("olga@example.com".into(), Language::En)));
}

#[test]
fn who_may_no_longer_see_a_site_is_told_nothing_more_of_it_not_even_that_an_alarm_ended() {
    let moved =
        |day: &mut Day| day.world.people[0] = person("olga", Role::Operator, only("pier"), Some("o@example.com"));
    let disabled = |day: &mut Day| day.world.people[0].user.disabled_ms = Some(START);
    let removed = |day: &mut Day| drop(day.world.people.remove(0));
    for change in [moved as fn(&mut Day), disabled, removed] {
        let mut world = world();
        world.routes[0].settings.steps = vec![step(0, "mail", Some(Role::Operator))];
        let mut day = Day::new(world);
        day.take(raised("1", Critical));
        day.pass(MINUTE);
        assert_eq!(day.said(), [(10, "olga", "raise", 1)]);
        day.take(raised("2", Critical));
        day.plan.take_outage(&outage(), &day.world, day.now);
        change(&mut day);
        day.take(raised("1", Critical).cleared(day.now));
        day.pass(60 * MINUTE);
        assert_eq!(day.said().len(), 1, "{:?}", day.said());
        assert_eq!(day.plan.next_due(&day.world), None);
    }
}

#[test]
fn an_outage_is_told_once_to_routes_about_the_whole_site() {
    let mut world = world();
    let mut cameras = route("cameras", vec![step(0, "mail", Some(Role::Operator))]);
    cameras.settings.matches.classes = vec!["camera".into()];
    world.routes.push(cameras);
    let mut day = Day::new(world);
    let outage = outage();
    day.plan.take_outage(&outage, &day.world, day.now);
    day.plan.take_outage(&outage, &day.world, day.now);
    day.pass(MINUTE);
    assert_eq!(day.said(), [(10, "hook", "digest", 0)]);
    assert_eq!(day.told[0].1.outages.len(), 1);
}

#[test]
fn messages_read_as_an_operator_would_say_it() {
    let mut day = Day::new(world());
    let place = crate::notify::world::Place {
        name_zh: "旅检大厅".into(),
        name_en: "Passenger Hall".into(),
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
    };
    day.world.places.insert("hall".into(), place);
    let alarm = Alarm { area: String::new(), label: "3号闸机\nX".into(), ..raised("1", Critical) };
    day.take(alarm.clone());
    day.pass(11 * MINUTE);
    let say = |day: &Day, at: usize, language| {
        let (now, parcel) = &day.told[at];
        render::message(parcel, "n-1", &day.world.channels[&parcel.to.channel].wanted, language, &day.world, *now)
    };
    let (subject, text) = say(&day, 0, Language::Zh);
    assert_eq!(subject, "【紧急】旅检大厅 3号闸机 X：无应答");
    assert_eq!(
        text,
        "紧急告警：无应答\n站点：旅检大厅\n设备：3号闸机 X\n开始：2026-11-22 10:00:00 +08:00\n持续：10秒\n\
         查看：https://kouan.example/alarms/1\n编号：n-1"
    );
    let (subject, _) = say(&day, 1, Language::En);
    assert_eq!(subject, "Critical, 10 min without an answer: 3号闸机 X at Passenger Hall: does not answer");
    day.take(alarm.cleared(day.now));
    day.take(Alarm::example("2", "pier", Major, day.now));
    day.take(Alarm::example("3", "pier", Warning, day.now));
    day.pass(MINUTE);
    assert_eq!(day.said()[2..], [(661, "olga", "clear", 1), (670, "hook", "raise", 3)]);
    let (subject, text) = say(&day, 3, Language::En);
    assert_eq!(subject, "Major: 2 alarms, 1 alarm ended at pier 2, Passenger Hall 1");
    assert!(text.contains("- Major: Gate 2 at pier: does not answer (2026-11-22 10:11:00 +08:00)\n"), "{text}");
    assert!(text.contains("10:00:00 +08:00, cleared)"), "{text}");
    let (subject, _) = say(&day, 3, Language::Zh);
    assert_eq!(subject, "【重要】2 条告警，1 条告警已恢复：pier 2，旅检大厅 1");
}
