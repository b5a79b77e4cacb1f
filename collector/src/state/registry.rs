//! Devices and their bindings to agents.
//!
//! A device is made when an agent first names it. From then on its id stays, whoever speaks to it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use kouan_protocol::{
    AgentId, BootId, Catalogue, CatalogueHash, DeviceHealth, DeviceKey, DeviceSpec, PointName, Timestamp,
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Device, DeviceId, Fleet, Health, Known, LatestReadings, Moment, Origin, Points, health_log};
use crate::alarms;
use crate::store::{During as _, StoreError};

/// The device that stands for all names of an agent beyond those that it may have, so that no alarm and no word about
/// health is lost.
const OTHERS: &str = "further-devices";

/// The fleet as a transaction sees it: what is in memory, and what the transaction changes.
pub(super) struct Working<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    fleet: &'t RwLock<Fleet>,
    changed: Staged,
    bound: HashMap<(AgentId, DeviceKey), DeviceId>,
    /// How many devices agents have that get a new one.
    counts: HashMap<AgentId, usize>,
    /// Agents that have named too many, as far as that is written down.
    named_too_many: HashSet<AgentId>,
}

/// What memory takes over once the transaction is on disk.
#[derive(Debug, Default)]
pub(super) struct Staged {
    devices: BTreeMap<DeviceId, Device>,
    catalogues: HashMap<AgentId, CatalogueHash>,
    readings: Vec<(AgentId, LatestReadings)>,
    events: Vec<(DeviceId, String, Timestamp)>,
}

impl Staged {
    pub(super) fn publish(self, fleet: &RwLock<Fleet>) {
        let mut fleet = fleet.write().unwrap_or_else(PoisonError::into_inner);
        for (_, device) in self.devices {
            fleet.put(device);
        }
        for (agent, hash) in self.catalogues {
            fleet.set_catalogue(&agent, hash);
        }
        for (agent, readings) in &self.readings {
            fleet.take(agent, readings);
        }
        for (id, kind, time) in &self.events {
            fleet.saw(id, kind, *time);
        }
        fleet.tell_changes();
    }
}

impl<'t> Working<'t> {
    pub(super) fn new(transaction: &'t Transaction<'t>, fleet: &'t RwLock<Fleet>) -> Self {
        Self {
            transaction,
            fleet,
            changed: Staged::default(),
            bound: HashMap::new(),
            counts: HashMap::new(),
            named_too_many: HashSet::new(),
        }
    }

    pub(super) fn finish(self) -> Staged {
        self.changed
    }

    /// The device that the agent calls `key`, made if it is new.
    pub(super) fn ensure(&mut self, origin: &Origin, key: &DeviceKey) -> Result<DeviceId, StoreError> {
        let pair = (origin.agent.clone(), key.clone());
        if let Some(id) = self.bound.get(&pair) {
            return Ok(id.clone());
        }
        let known = self.read(|fleet| fleet.bound(&origin.agent, key).map(|device| device.id.clone()));
        if let Some(id) = known {
            return Ok(id);
        }
        let bare = DeviceSpec {
            key: key.clone(),
            label: String::new(),
            class: String::new(),
            profile: String::new(),
            area: String::new(),
            link: String::new(),
            parent: None,
            groups: Vec::new(),
            actions: Vec::new(),
        };
        self.create(origin, Arc::new(bare), false)
    }

    /// Something happened; its device is made if it is new. The event itself is history.
    pub(super) fn saw(
        &mut self,
        origin: &Origin,
        key: &DeviceKey,
        kind: String,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let id = self.ensure(origin, key)?;
        self.changed.events.push((id, kind, time));
        Ok(())
    }

    /// The boot that the agent named in its latest hello.
    pub(super) fn current_boot(&self, agent: &AgentId) -> Result<Option<BootId>, StoreError> {
        let boot: Option<String> = self
            .transaction
            .prepare_cached("SELECT boot FROM agents WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([agent.as_str()], |row| row.get(0)).optional())
            .during("read which boot an agent is in")?;
        Ok(boot.and_then(|boot| boot.parse().ok()))
    }

    /// Takes readings; devices that are new are made.
    pub(super) fn take_readings(&mut self, origin: &Origin, readings: LatestReadings) -> Result<(), StoreError> {
        if !self.read(|fleet| fleet.knows(&origin.agent, &readings)) {
            let devices = readings.groups().iter().filter_map(|rows| Some(readings.catalogue.at(rows.group())?.0));
            for device in devices {
                self.ensure(origin, &device.key)?;
            }
        }
        self.changed.readings.push((origin.agent.clone(), readings));
        Ok(())
    }

    pub(super) fn take_health(
        &mut self,
        origin: &Origin,
        health: DeviceHealth,
        moment: &Moment,
    ) -> Result<(), StoreError> {
        let id = self.ensure(origin, &health.device)?;
        let current = self.current_boot(&origin.agent)?;
        let transaction = self.transaction;
        let Some(device) = self.device_mut(&id) else { return Ok(()) };
        let site = device.site.clone();
        // Also an older word: what is late amends what is known of the time that it speaks of.
        health_log::record(transaction, origin, (id.as_str(), &site), &health, moment)?;
        if device.health.as_ref().is_some_and(|known| !moment.follows(&known.since, current)) {
            return Ok(());
        }
        let since = Known { boot: Some(moment.boot), boot_time: moment.boot_time, time: moment.time };
        let DeviceHealth { level, reason, text, text_zh, .. } = health;
        device.health = Some(Health { level, reason, text, text_zh, time: moment.time, since });
        let Some(health) = &device.health else { return Ok(()) };
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO device_health (device, site, level, reason, text, time_ms, boot, boot_ms, text_zh)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    id.as_str(),
                    site,
                    health.level.as_str(),
                    health.reason,
                    health.text,
                    health.time.0,
                    moment.boot.to_string(),
                    i64::try_from(moment.boot_time.0).unwrap_or(i64::MAX),
                    health.text_zh
                ])
            })
            .during("keep a device's health")?;
        Ok(())
    }

    /// Whether any catalogue describes the agent's devices.
    pub(super) fn is_described(&self, agent: &AgentId) -> bool {
        self.changed.catalogues.contains_key(agent) || self.read(|fleet| fleet.catalogue(agent).is_some())
    }

    /// Describes the agent's devices by `catalogue`, if they are described by another one.
    pub(super) fn describe(
        &mut self,
        origin: &Origin,
        hash: CatalogueHash,
        catalogue: &Catalogue,
    ) -> Result<(), StoreError> {
        let staged = self.changed.catalogues.get(&origin.agent).copied();
        if staged.or_else(|| self.read(|fleet| fleet.catalogue(&origin.agent))) == Some(hash) {
            return Ok(());
        }
        let mut named = HashSet::new();
        for spec in &catalogue.devices {
            named.insert(&spec.key);
            let id = self.ensure_described(origin, spec)?;
            if self.device_mut(&id).is_some_and(|device| device.key == spec.key) {
                self.update_spec(&id, spec)?;
            }
        }
        let others: Vec<DeviceId> = self.read(|fleet| {
            let configured = fleet.of_agent(&origin.agent).filter(|device| device.configured);
            configured.filter(|device| !named.contains(&device.key)).map(|device| device.id.clone()).collect()
        });
        for id in others {
            self.transaction
                .execute("UPDATE devices SET configured = 0 WHERE id = ?1", [id.as_str()])
                .during("mark a device as no longer configured")?;
            if let Some(device) = self.device_mut(&id) {
                device.configured = false;
            }
        }
        self.transaction
            .execute("UPDATE agents SET catalogue = ?2 WHERE id = ?1", params![origin.agent.as_str(), hash.to_string()])
            .during("note an agent's catalogue")?;
        self.changed.catalogues.insert(origin.agent.clone(), hash);
        Ok(())
    }

    fn ensure_described(&mut self, origin: &Origin, spec: &DeviceSpec) -> Result<DeviceId, StoreError> {
        let pair = (origin.agent.clone(), spec.key.clone());
        let known = self.bound.get(&pair).cloned();
        let known =
            known.or_else(|| self.read(|fleet| fleet.bound(&origin.agent, &spec.key).map(|device| device.id.clone())));
        match known {
            Some(id) => Ok(id),
            None => self.create(origin, Arc::new(spec.clone()), true),
        }
    }

    fn update_spec(&mut self, id: &DeviceId, spec: &DeviceSpec) -> Result<(), StoreError> {
        let Some(device) = self.device_mut(id) else { return Ok(()) };
        if *device.spec == *spec && device.configured {
            return Ok(());
        }
        device.spec = Arc::new(spec.clone());
        device.configured = true;
        let kept: HashSet<&PointName> =
            spec.groups.iter().flat_map(|group| &group.points).map(|point| &point.name).collect();
        device.points.retain(&kept);
        device.dirty = true;
        self.transaction
            .execute("UPDATE devices SET spec = ?2, configured = 1 WHERE id = ?1", params![id.as_str(), json(spec)?])
            .during("describe a device")?;
        Ok(())
    }

    /// Makes a device, unless the agent has named too many: then it is the one that stands for all further names.
    fn create(&mut self, origin: &Origin, spec: Arc<DeviceSpec>, configured: bool) -> Result<DeviceId, StoreError> {
        let (most, known) = self.read(|fleet| (fleet.most_devices(), fleet.of_agent(&origin.agent).count()));
        let count = self.counts.get(&origin.agent).copied().unwrap_or(known);
        if count >= most && spec.key.as_str() != OTHERS {
            if self.named_too_many.insert(origin.agent.clone()) {
                let text = format!("The agent has named more than {most} devices; further ones count as {OTHERS}");
                let (condition, now) = (alarms::TOO_MANY_DEVICES, origin.received);
                alarms::raise_on_agent(self.transaction, &origin.site, &origin.agent, condition, &text, now)?;
            }
            let others = OTHERS.parse().map_err(StoreError::damaged("the name of further devices"))?;
            return self.ensure(origin, &others);
        }
        self.counts.insert(origin.agent.clone(), count + 1);
        let id = DeviceId::random();
        let (agent, key) = (origin.agent.as_str(), spec.key.as_str());
        self.transaction
            .execute(
                "INSERT INTO devices (id, site, agent, key, spec, configured, created_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![id.as_str(), origin.site, agent, key, json(&*spec)?, configured, origin.received.0],
            )
            .during("add a device")?;
        let binding = bind(self.transaction, &id, &origin.site, agent, key, origin.received)?;
        let device = Device {
            id: id.clone(),
            site: origin.site.clone(),
            agent: origin.agent.clone(),
            key: spec.key.clone(),
            binding: Some(binding),
            spec,
            configured,
            own_label: None,
            own_area: None,
            health: None,
            points: Points::default(),
            events: Vec::new(),
            dirty: false,
            change: 0,
            outline_change: 0,
        };
        self.bound.insert((device.agent.clone(), device.key.clone()), id.clone());
        self.changed.devices.insert(id.clone(), device);
        Ok(id)
    }

    /// The device as this transaction leaves it, to change it.
    pub(super) fn device_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        if !self.changed.devices.contains_key(id) {
            let device = self.read(|fleet| fleet.get(id).cloned())?;
            self.changed.devices.insert(id.clone(), device);
        }
        self.changed.devices.get_mut(id)
    }

    /// What alarms say of the device.
    pub(super) fn concerned(&self, id: &DeviceId) -> alarms::Concerned {
        let concerned = |device: &Device| alarms::Concerned {
            device: id.to_string(),
            label: device.label().to_owned(),
            class: device.spec.class.clone(),
            area: device.area().to_owned(),
        };
        let known = match self.changed.devices.get(id) {
            Some(device) => Some(concerned(device)),
            None => self.read(|fleet| fleet.get(id).map(concerned)),
        };
        known.unwrap_or_else(|| alarms::Concerned { device: id.to_string(), ..alarms::Concerned::default() })
    }

    fn read<T>(&self, read: impl FnOnce(&Fleet) -> T) -> T {
        read(&self.fleet.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::damaged("a description"))
}

/// Opens a binding. The first one of a name covers all earlier time, so that a backlog finds its device.
fn bind(
    transaction: &Transaction<'_>,
    id: &DeviceId,
    site: &str,
    agent: &str,
    key: &str,
    now: Timestamp,
) -> Result<i64, StoreError> {
    transaction
        .execute(
            "INSERT INTO bindings (device, site, agent, key, from_ms) VALUES (?1, ?2, ?3, ?4,
             CASE WHEN EXISTS (SELECT 1 FROM bindings WHERE agent = ?3 AND key = ?4) THEN ?5 ELSE 0 END)",
            params![id.as_str(), site, agent, key, now.0],
        )
        .during("bind a device")?;
    Ok(transaction.last_insert_rowid())
}

/// Why a device was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveProblem {
    /// No such device.
    #[error("there is no such device")]
    NoDevice,
    /// No such agent.
    #[error("there is no agent \"{0}\"")]
    NoAgent(AgentId),
    /// Devices do not change their site by a move.
    #[error("agent \"{agent}\" belongs to site \"{site}\", the device to \"{device_site}\"")]
    OtherSite {
        /// The agent.
        agent: AgentId,
        /// Its site.
        site: String,
        /// The device's site.
        device_site: String,
    },
}

/// Binds a device to another agent or another name, from now on. A device that had that name loses it.
/// Commands for it that were not handed out are rejected.
///
/// # Errors
/// When it cannot be written; the inner error when the move makes no sense.
pub fn move_binding(
    transaction: &Transaction<'_>,
    fleet: &RwLock<Fleet>,
    id: &DeviceId,
    agent: &AgentId,
    key: &DeviceKey,
    now: Timestamp,
) -> Result<Result<MovedDevices, MoveProblem>, StoreError> {
    let mut working = Working::new(transaction, fleet);
    let Some(site) = working.device_mut(id).map(|device| device.site.clone()) else {
        return Ok(Err(MoveProblem::NoDevice));
    };
    let agent_site: Option<String> = transaction
        .query_row("SELECT site FROM agents WHERE id = ?1", [agent.as_str()], |row| row.get(0))
        .optional()
        .during("look for an agent")?;
    match agent_site {
        None => return Ok(Err(MoveProblem::NoAgent(agent.clone()))),
        Some(other) if other != site => {
            return Ok(Err(MoveProblem::OtherSite { agent: agent.clone(), site: other, device_site: site }));
        }
        Some(_) => {}
    }
    let holder = working.read(|fleet| fleet.bound(agent, key).map(|device| device.id.clone()));
    if holder.as_ref() == Some(id) {
        return Ok(Ok(MovedDevices(working.finish())));
    }
    for unbound in holder.iter().chain([id]) {
        transaction
            .execute(
                "UPDATE bindings SET to_ms = ?2 WHERE device = ?1 AND to_ms IS NULL",
                params![unbound.as_str(), now.0],
            )
            .during("end a binding")?;
        crate::commands::reject_moved(transaction, unbound.as_str(), now)?;
        if let Some(device) = working.device_mut(unbound) {
            device.binding = None;
        }
    }
    let binding = bind(transaction, id, &site, agent.as_str(), key.as_str(), now)?;
    transaction
        .execute(
            "UPDATE devices SET agent = ?2, key = ?3 WHERE id = ?1",
            params![id.as_str(), agent.as_str(), key.as_str()],
        )
        .during("move a device")?;
    let spec = holder.and_then(|holder| working.device_mut(&holder).map(|device| Arc::clone(&device.spec)));
    if let Some(device) = working.device_mut(id) {
        device.agent = agent.clone();
        device.key = key.clone();
        device.binding = Some(binding);
    }
    if let Some(spec) = spec {
        working.update_spec(id, &spec)?;
    }
    Ok(Ok(MovedDevices(working.finish())))
}

/// Devices changed by a transaction that is not yet in memory.
#[derive(Debug)]
pub struct MovedDevices(Staged);

impl MovedDevices {
    /// Brings memory up to date; on the writer's thread, after the commit.
    pub fn publish(self, fleet: &RwLock<Fleet>) {
        self.0.publish(fleet);
    }
}

/// Gives a device a label or an area of its own; `None` leaves it, an empty text takes it back.
///
/// # Errors
/// When it cannot be written.
pub fn relabel(
    transaction: &Transaction<'_>,
    fleet: &RwLock<Fleet>,
    id: &DeviceId,
    label: Option<String>,
    area: Option<String>,
) -> Result<MovedDevices, StoreError> {
    let mut working = Working::new(transaction, fleet);
    if let Some(device) = working.device_mut(id) {
        let own = |text: String| (!text.is_empty()).then_some(text);
        if let Some(label) = label {
            device.own_label = own(label);
        }
        if let Some(area) = area {
            device.own_area = own(area);
        }
        transaction
            .execute(
                "UPDATE devices SET label = ?2, area = ?3 WHERE id = ?1",
                params![id.as_str(), device.own_label, device.own_area],
            )
            .during("label a device")?;
    }
    Ok(MovedDevices(working.finish()))
}

/// A dated binding.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BindingRow {
    /// The device.
    pub device: String,
    /// The agent.
    pub agent: String,
    /// The device's name there.
    pub key: String,
    /// Since when, in milliseconds; 0 for the first binding of that name.
    pub from_ms: i64,
    /// Until when; `null` while it lasts.
    pub to_ms: Option<i64>,
}

/// All bindings of one device, or of all devices.
///
/// # Errors
/// When they cannot be read.
pub fn bindings(conn: &Connection, device: Option<&str>) -> Result<Vec<BindingRow>, StoreError> {
    // Two statements: a condition that may be switched off would look through all of them for one device.
    let sql = match device {
        Some(_) => "SELECT device, agent, key, from_ms, to_ms FROM bindings WHERE device = ?1 ORDER BY id",
        None => "SELECT device, agent, key, from_ms, to_ms FROM bindings ORDER BY id",
    };
    read_bindings(conn, sql, rusqlite::params_from_iter(device))
}

/// All bindings of what the agent calls, or called, by that name.
///
/// # Errors
/// When they cannot be read.
pub fn bindings_of_name(conn: &Connection, agent: &str, key: &str) -> Result<Vec<BindingRow>, StoreError> {
    let sql = "SELECT device, agent, key, from_ms, to_ms FROM bindings WHERE agent = ?1 AND key = ?2 ORDER BY id";
    read_bindings(conn, sql, [agent, key])
}

fn read_bindings(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<BindingRow>, StoreError> {
    conn.prepare_cached(sql)
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(BindingRow {
                    device: row.get(0)?,
                    agent: row.get(1)?,
                    key: row.get(2)?,
                    from_ms: row.get(3)?,
                    to_ms: row.get(4)?,
                })
            };
            statement.query_map(values, read)?.collect()
        })
        .during("read bindings")
}

/// Gives devices the areas of their assets; `None` takes one back, so that the agent's word counts again.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn place(
    transaction: &Transaction<'_>,
    fleet: &RwLock<Fleet>,
    areas: BTreeMap<DeviceId, Option<String>>,
) -> Result<MovedDevices, StoreError> {
    let mut working = Working::new(transaction, fleet);
    for (id, area) in areas {
        let Some(device) = working.device_mut(&id).filter(|device| device.own_area != area) else { continue };
        device.own_area = area;
        transaction
            .prepare_cached("UPDATE devices SET area = ?2 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id.as_str(), device.own_area]))
            .during("place a device")?;
    }
    Ok(MovedDevices(working.finish()))
}
