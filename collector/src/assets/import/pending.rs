//! Previews that somebody may apply.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kouan_protocol::BootTime;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use super::super::sites;
use super::super::working::Working;
use super::plan::{Plan, PlannedImport, Preview};
use crate::audit::Deed;
use crate::auth::Scope;
use crate::store::StoreError;

/// How long a preview can be applied.
const LIFE_MS: u64 = 30 * 60_000;
/// Most previews that are kept.
const KEPT: usize = 8;
/// Most assets of all previews that are kept.
const KEPT_ASSETS: usize = 200_000;

/// Why a preview was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportProblem {
    /// It is too old, was applied already, or is somebody else's.
    #[error("there is no such preview any more; upload the file again")]
    None,
    /// Assets were changed meanwhile.
    #[error("assets were changed since the preview; upload the file again")]
    Changed,
}

struct Pending {
    by: String,
    made: BootTime,
    plan: Plan,
}

/// The previews of this run.
pub struct Imports {
    pending: Mutex<HashMap<String, Pending>>,
    reading: Semaphore,
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imports").finish_non_exhaustive()
    }
}

impl Default for Imports {
    fn default() -> Self {
        Self { pending: Mutex::default(), reading: Semaphore::new(1) }
    }
}

impl Imports {
    /// Leave to read a file; one is read at a time, because a large one takes much memory.
    ///
    /// # Errors
    /// When another one is being read.
    pub fn read_one(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.reading.try_acquire()
    }

    /// Keeps what a preview stands for, and names it by a token. Only who made it can apply it.
    pub fn keep(&self, by: &str, now: BootTime, preview: &mut Preview, PlannedImport(plan): PlannedImport) {
        if preview.error_count > 0 {
            return;
        }
        let mut pending = self.lock();
        pending.retain(|_, kept| now.since_ms(kept.made) < LIFE_MS);
        let size =
            |pending: &HashMap<String, Pending>| pending.values().map(|kept| kept.plan.assets.len()).sum::<usize>();
        while !pending.is_empty() && (pending.len() >= KEPT || size(&pending) + plan.assets.len() > KEPT_ASSETS) {
            let oldest = pending.iter().max_by_key(|(_, kept)| now.since_ms(kept.made)).map(|(token, _)| token.clone());
            pending.remove(&oldest.unwrap_or_default());
        }
        let token = format!("{:032x}", rand::random::<u128>());
        pending.insert(token.clone(), Pending { by: by.to_owned(), made: now, plan });
        preview.token = Some(token);
    }

    /// Takes what a token stands for: it can be applied once.
    ///
    /// # Errors
    /// When there is no such token, or it is somebody else's.
    pub fn take(&self, by: &str, now: BootTime, token: &str) -> Result<PlannedImport, ImportProblem> {
        let mut pending = self.lock();
        let found = pending.get(token).is_some_and(|kept| kept.by == by && now.since_ms(kept.made) < LIFE_MS);
        let kept = found.then(|| pending.remove(token)).flatten().ok_or(ImportProblem::None)?;
        Ok(PlannedImport(kept.plan))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlannedImport {
    /// Whether all of it is at sites of the scope.
    #[must_use]
    pub fn is_within(&self, scope: &Scope) -> bool {
        let Plan { sites, areas, assets, .. } = &self.0;
        let areas = areas.iter().map(|area| &area.site);
        let assets = assets.iter().map(|(_, asset, _)| &asset.site);
        sites.iter().chain(areas).chain(assets).all(|site| scope.covers(site))
    }
}

impl Working<'_> {
    /// Does what was previewed, all of it or nothing.
    pub(crate) fn import(&mut self, planned: PlannedImport) -> Result<Result<(), ImportProblem>, StoreError> {
        let plan = planned.0;
        if self.topology.generation() != plan.generation {
            return Ok(Err(ImportProblem::Changed));
        }
        for site in &plan.sites {
            if sites::add(self.transaction, site, self.now)? {
                self.record(&Deed::new("site-added", site.as_str()).at(site))?;
            }
        }
        for area in plan.areas {
            self.put_area(area)?;
        }
        self.free_devices(&plan.assets)?;
        for (id, asset, import_key) in plan.assets {
            self.put_asset(&id, asset, import_key.as_deref())?;
        }
        let detail = json!({ "rows": plan.rows, "added": plan.creates, "changed": plan.updates });
        self.record(&Deed::new("assets-imported", "").with(detail))?;
        Ok(Ok(()))
    }
}
