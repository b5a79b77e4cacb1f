//! Assets: what stands where, who looks after it, what hangs on what; areas, plans and sites.

mod address;
mod agent_config;
mod areas;
mod check;
mod class;
mod column;
mod edit;
mod export;
mod graph;
mod id;
mod import;
mod labels;
mod list;
mod model;
mod plans;
mod rows;
mod sites;
mod suggest;
mod topology;
mod trouble;
mod working;

pub use agent_config::{AgentConfig, Missing, agent_config};
pub use areas::{AreaDraft, AreaEdit, AreaRow, asset_counts, with_plans};
pub use class::{CLASSES, ClassName, named};
pub use edit::AssetProblem;
pub use export::{csv_text, xlsx_file};
pub use graph::{Edge, Graph, Node, graph};
pub use id::{AreaId, AssetId};
pub use import::{
    Format, ImportProblem, Imports, PlannedImport, Preview, RowChange, RowError, SHEET_BYTES, plan_import,
};
pub use labels::{LabelSheet, label_sheet};
pub use list::{AssetFilter, Sort, list};
pub use model::{Asset, AssetRow, Document, FieldChange, Licence, Neighbour, day_of};
pub use plans::{MOST_POSITIONS, PLAN_BYTES, Plan, Position, plan, positions, positions_revision};
pub use rows::{find, load};
pub use sites::{MapPlace, SiteEdit, SiteProblem, SiteRow, check_id as check_site_id, list as sites, put as put_site};
pub use suggest::{Suggestion, suggestions};
pub use topology::{AREA_JOINT, Area, SharedTopology, Topology, is_wanted, is_within};
pub use trouble::{Trouble, Words};
pub use working::MOST_ASSETS;
pub(crate) use working::Working;
