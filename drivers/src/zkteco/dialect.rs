//! What a profile of such a controller says besides the keys that every profile has.

use kouan_settings::{Bilingual, Problems, Section};

use super::events::KINDS;
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};
use crate::serial_line::place::{Place, read_place};
use crate::serial_line::template::{Codes, Template, check_arguments, read_codes};

/// The keys of `kind = "zkteco-c3"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct ZktecoDialect;

pub(super) type ZktecoProfile = Profile<ZktecoDialect>;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct ZktecoModel {
    pub(super) timing: TimingKeys,
}

/// Where a point stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// In the eight bytes of a status: four alarms, four doors.
    Place(Place),
    /// How far the controller's clock is ahead.
    Clock,
}

/// What is told.
#[derive(Debug, Clone)]
pub(super) struct Tell {
    pub(super) data: Template,
    pub(super) codes: Codes,
}

/// Bytes of a status.
const IMAGE: usize = 8;

impl Dialect for ZktecoDialect {
    type Model = ZktecoModel;
    type Group = ();
    type Address = Address;
    type Action = Tell;

    fn kind(&self) -> &'static str {
        "zkteco-c3"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<ZktecoModel> {
        Some(ZktecoModel { timing: TimingKeys::read(profile) })
    }

    fn read_group(&self, _: &ZktecoModel, _: &mut Section<'_>) -> Option<()> {
        Some(())
    }

    fn read_address(&self, _: &ZktecoModel, (): &(), point: &mut Section<'_>) -> Option<Address> {
        if point.bool_or("clock", false) {
            return Some(Address::Clock);
        }
        read_place(point, IMAGE).map(Address::Place)
    }

    fn shift(&self, address: &Address, steps: u32) -> Option<Address> {
        match address {
            Address::Place(place) => place.shifted(steps, IMAGE).map(Address::Place),
            Address::Clock => None,
        }
    }

    fn bit(&self, address: &Address, bit: u8) -> Option<Address> {
        match address {
            Address::Place(place) => place.bit(bit).map(Address::Place),
            Address::Clock => None,
        }
    }

    fn read_action(&self, _: &ZktecoModel, action: &mut Section<'_>) -> Option<Tell> {
        let codes = read_codes(action);
        let hint = (
            "the five bytes of the control command, such as control = \"01 {door} 01 {seconds} 00\"",
            "控制命令的五个字节，如 control = \"01 {door} 01 {seconds} 00\"",
        );
        let text = action.string_required("control", hint)?;
        let data = Template::read(&text).map_err(|error| action.wrong("control", error)).ok()?;
        Some(Tell { data, codes })
    }

    fn events(&self, _: &ZktecoModel) -> Vec<String> {
        KINDS.map(str::to_owned).to_vec()
    }

    fn check(&self, profile: &ZktecoProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("such a device speaks only when asked; give an interval", "这种设备只在询问时应答；请写明间隔"),
            );
        }
        if let Some(second) = profile.groups.get(1) {
            problems.wrong(
                second.line,
                "group",
                (
                    "the live log is one group: what one reads the other would miss",
                    "实时记录只能有一个组：一个读走的，另一个就读不到",
                ),
            );
        }
        for action in &profile.actions {
            let add = |message: Bilingual| problems.wrong(action.line, "action.control", message);
            check_arguments(&action.speak.data, &action.speak.codes, &action.spec, add);
        }
    }
}
