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

    /// A command for the agent still waits; its polls know that already.
    pub fn keep_waiting(&self, agent: &AgentId) {
        self.lock().waiting.insert(agent.clone());
    }

    /// Whether commands may wait for the agent; a hint.
    #[must_use]
    pub fn is_waiting(&self, agent: &AgentId) -> bool {
        self.lock().waiting.contains(agent)
    }

    /// The queue was looked at just now and held nothing for the agent.
    pub fn settle(&self, agent: &AgentId) {
        self.lock().waiting.remove(agent);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
