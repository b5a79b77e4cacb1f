//! Waking the polls that wait for commands.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::AgentId;
use rusqlite::Connection;
use tokio::sync::Notify;

use crate::store::{During as _, StoreError};

/// One bell for each agent; it carries no data, the queue is in the store.
#[derive(Debug, Default)]
pub struct Bells(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bells: HashMap<AgentId, Arc<Notify>>,
    waiting: HashSet<AgentId>,
}

impl Bells {
    /// Bells with the agents for which commands wait.
    #[must_use]
    pub fn new(waiting: HashSet<AgentId>) -> Self {
        Self(Mutex::new(Inner { bells: HashMap::new(), waiting }))
    }

    /// The agent's bell, to wait for.
    pub fn listen(&self, agent: &AgentId) -> Arc<Notify> {
        Arc::clone(self.lock().bells.entry(agent.clone()).or_default())
    }

    /// A command was queued for the agent.
    pub fn ring(&self, agent: &AgentId) {
        let mut inner = self.lock();
        inner.waiting.insert(agent.clone());
        if let Some(bell) = inner.bells.get(agent) {
            bell.notify_waiters();
        }
    }

    /// Lets polls of the agent look again, although nothing was queued.
    pub fn disturb(&self, agent: &AgentId) {
        if let Some(bell) = self.lock().bells.get(agent) {
            bell.notify_waiters();
        }
    }

    /// Whether commands may wait for the agent; a hint.
    #[must_use]
    pub fn is_waiting(&self, agent: &AgentId) -> bool {
        self.lock().waiting.contains(agent)
    }

    /// The queue is about to be looked at for the agent. Unless it is said to be [`Looking::settled`] afterwards,
    /// other polls of the agent look again: whoever looks may be gone before there is an answer.
    pub fn look<'b>(&'b self, agent: &'b AgentId) -> Looking<'b> {
        self.lock().waiting.remove(agent);
        Looking { bells: self, agent, settled: false, stays: false }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at the queue of an agent.
#[derive(Debug)]
pub struct Looking<'b> {
    bells: &'b Bells,
    agent: &'b AgentId,
    settled: bool,
    stays: bool,
}

impl Looking<'_> {
    /// The queue was looked at and holds nothing that must be asked for again.
    pub fn settled(mut self) {
        self.settled = true;
    }

    /// Something may have to be asked for again, and this poll will do so.
    pub fn stays(mut self) {
        self.stays = true;
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        match (self.settled, self.stays) {
            (true, _) => {}
            (false, true) => drop(self.bells.lock().waiting.insert(self.agent.clone())),
            // A poll beside this one found that somebody was looking already, and waits.
            (false, false) => self.bells.ring(self.agent),
        }
    }
}

/// The agents for which commands are queued.
///
/// # Errors
/// When they cannot be read.
pub fn waiting_agents(conn: &Connection) -> Result<HashSet<AgentId>, StoreError> {
    let agents: Vec<String> = conn
        .prepare("SELECT DISTINCT agent FROM commands WHERE state IN ('queued', 'held') AND state = 'queued'")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("look for waiting commands")?;
    agents.into_iter().map(|agent| agent.parse().map_err(StoreError::damaged("an agent's name"))).collect()
}
