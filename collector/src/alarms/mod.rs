//! Alarms: conditions that hold and that somebody must care about.
//!
//! Agents judge what must also be right when the line is cut (`take`), rules of the collector judge what agents report,
//! always by live state and never by late records. Both speak of the same lives (`life`): one for each condition of
//! a device, an agent or a site, from its first raise until nobody has to care any more.

mod engine;
pub mod judge;
mod life;
mod list;
mod log;
mod own;
mod replay;
mod report;
pub mod rule;
mod settings;
mod severity;
mod summary;
mod take;
mod terms;

pub use engine::{AlarmEngine, SharedRules};
pub use life::{ActProblem, By, Deed, Step, act, write_step};
pub use list::{
    AlarmFilter, AlarmView, Assigned, Order, Place, Shelved, StepView, TextView, changed_after, count_by_device, find,
    hidden_by, list, newest_change, steps,
};
pub use log::{LogFilter, LogRow, log};
pub use own::{HISTORY_DAMAGED, OwnAlarms};
pub use replay::{Past, Replayed, replay};
pub use report::{Report, report};
pub use settings::AlarmSettings;
pub(crate) use severity::random_id;
pub use severity::{SEVERITIES, rank, severity_name};
pub use summary::{Summary, summary};
pub use take::{
    COLLECTOR_RESTORED, Concerned, DUPLICATE_IDENTITY, ON_AGENTS, TOO_MANY_CONDITIONS, TOO_MANY_DEVICES, clear_quiet,
    clear_unnamed, end_agent, raise_on_agent, take,
};
