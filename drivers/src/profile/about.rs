//! What people should know about a device model, whatever protocol it speaks.

use kouan_protocol::ActionSpec;
use kouan_settings::{Section, both};

use super::limits::Limit;
use super::point::{GroupProfile, PointProfile};
use super::point_keys::Notes;

/// How far the facts of a profile are proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The maker's document, a mature open driver, or several sources that agree.
    Solid,
    /// One credible source.
    Medium,
    /// A weak source, or documents that disagree.
    Uncertain,
}

impl Evidence {
    /// The word in profiles.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Medium => "medium",
            Self::Uncertain => "uncertain",
        }
    }
}

/// The top of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The protocol.
    pub kind: &'static str,
    /// What such a device is for.
    pub class: String,
    /// Who makes it.
    pub maker: String,
    /// Which models.
    pub model: String,
    /// How far the facts are proved.
    pub evidence: Evidence,
    /// Where the facts come from.
    pub source: String,
    /// What nobody is sure of.
    pub doubts: Vec<String>,
    /// Names of points and events outside the common vocabulary; a `*` at the end stands for any rest.
    pub own: Vec<String>,
}

impl About {
    /// Reads the keys that stand at the top of every profile.
    pub(super) fn read(kind: &'static str, root: &mut Section<'_>) -> Option<Self> {
        root.require("kind", both!("the protocol, such as kind = \"{kind}\"", "协议，如 kind = \"{kind}\""));
        root.choice("kind", &[(kind, ())]);
        let class = root.string_required(
            "class",
            ("what the device is for, such as class = \"ups\"", "设备的类别，如 class = \"ups\""),
        );
        root.require(
            "evidence",
            (
                "how far the facts are proved: \"solid\", \"medium\" or \"uncertain\"",
                "资料的可靠程度：\"solid\"、\"medium\" 或 \"uncertain\"",
            ),
        );
        let levels = [Evidence::Solid, Evidence::Medium, Evidence::Uncertain].map(|level| (level.as_str(), level));
        let evidence = root.choice("evidence", &levels);
        let source = root.string_required("source", ("where the facts come from", "资料的来源"));
        let about = Self {
            kind,
            class: class.unwrap_or_default(),
            maker: root.string("maker").unwrap_or_default(),
            model: root.string("model").unwrap_or_default(),
            evidence: evidence.unwrap_or(Evidence::Uncertain),
            source: source.unwrap_or_default(),
            doubts: root.strings("doubts"),
            own: root.strings("own"),
        };
        (!about.class.is_empty()).then_some(about)
    }
}

/// A profile without its protocol: for people and lists.
#[derive(Debug, Clone)]
pub struct Description {
    /// The profile's name.
    pub name: String,
    /// The top of the profile.
    pub about: About,
    /// What is read together.
    pub groups: Vec<GroupProfile>,
    /// Every point.
    pub points: Vec<DescribedPoint>,
    /// What it can be told to do.
    pub actions: Vec<ActionSpec>,
    /// Kinds of events that it reports by itself.
    pub events: Vec<String>,
    /// Conditions that somebody must care about.
    pub limits: Vec<Limit>,
}

/// A point without its place in the protocol.
#[derive(Debug, Clone)]
pub struct DescribedPoint {
    /// Line in the profile.
    pub line: usize,
    /// The group that it is read with.
    pub group: String,
    /// What becomes of its raw value.
    pub common: PointProfile,
    /// What else is known about it.
    pub notes: Notes,
}
