//! Telling people and programs of alarms.
//!
//! | part | does |
//! |---|---|
//! | `plan`, `bundle` | who is told what and when, from alarms, routes and the time; pure |
//! | `follow` | follows the changes of alarms; the plan and what follows from it are one commit |
//! | `retain` | how long they stay on record |
//! | `outbox`, `send` | notifications on record, and their way out: at least once, with the same id |
//! | `deliver` | one file for each kind of channel |
//! | `template`, `wording`, `render` | what a message says, in both languages |
//! | `store`, `people`, `secrets` | channels, routes, contacts, and secrets by name |

pub mod alarm;
pub mod bundle;
pub mod channel;
mod deliver;
mod follow;
mod keep;
pub mod language;
mod name;
pub mod outbox;
pub mod people;
pub mod plan;
mod quiet;
mod reason;
mod render;
mod retain;
mod route;
pub mod secrets;
mod send;
mod settings;
mod source;
mod store;
mod template;
mod wording;
pub mod world;

pub use channel::{Channel, ChannelSettings};
pub use deliver::{Couriers, DeliverError, PrepareError};
pub use follow::{Follower, world};
pub use outbox::{NotificationFilter, NotificationRow, Waiting, waiting};
pub use people::{Contact, contact, set_contact};
pub use quiet::Quiet;
pub(crate) use retain::{forget, settled_before};
pub use route::{Match, Route, RouteSettings, RouteStep};
pub use secrets::Secrets;
pub use send::{Sender, TestResult, send_test};
pub use settings::NotifySettings;
pub(crate) use settings::read_public_url;
pub use store::{
    NotifyProblem, channel, channels, put_channel, put_route, remove_channel, remove_route, route, routes,
};
pub use template::Template;
