//! A made-up site for measurements: values that live as real ones do.

use kouan_protocol::{
    Anchor, BootId, BootTime, Catalogue, Cell, DeviceSpec, GroupSpec, PointKind, PointSpec, Row, Timestamp, Value,
};

/// `devices` devices with one group of `points` measurements each.
pub(crate) fn catalogue(devices: usize, points: usize) -> anyhow::Result<Catalogue> {
    let point = |at: usize| {
        Ok(PointSpec {
            name: format!("measurement.{at}").parse()?,
            kind: PointKind::Measurement,
            unit: "V".to_owned(),
            decimals: 1,
            states: Vec::new(),
        })
    };
    let device = |at: usize| {
        let points = (0..points).map(point).collect::<anyhow::Result<Vec<_>>>()?;
        let group = GroupSpec { name: "all".to_owned(), every_ms: 1000, heartbeat_ms: 300_000, points };
        Ok(DeviceSpec {
            key: format!("device-{at}").parse()?,
            label: format!("Device {at}"),
            class: "meter".to_owned(),
            profile: "bench".to_owned(),
            area: "hall".to_owned(),
            link: format!("link-{at}"),
            parent: None,
            groups: vec![group],
            actions: Vec::new(),
        })
    };
    Ok(Catalogue { devices: (0..devices).map(device).collect::<anyhow::Result<_>>()? })
}

pub(crate) fn anchor(boot_ms: u64) -> Anchor {
    let wall = Timestamp(1_795_305_600_000 + boot_ms as i64);
    Anchor { boot: BootId(0xB007), boot_time: BootTime(boot_ms), wall, trusted: true }
}

/// A repeatable stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.next().is_multiple_of(one_in)
    }
}

/// A poll: every value walks by a tenth; `changed_one_in` says how many pass the dead-band (1 for all).
pub(crate) fn row(seq: u64, boot_ms: u64, values: &mut [f64], dice: &mut Dice, changed_one_in: u64) -> Row {
    let cells = values.iter_mut().enumerate().filter_map(|(column, value)| {
        let step = (dice.next() % 5) as f64 - 2.0;
        *value = ((*value * 10.0 + step).round() / 10.0).max(0.0);
        dice.chance(changed_one_in).then(|| (column as u16, Cell::good(Value::Number(*value))))
    });
    Row { seq, boot_time: BootTime(boot_ms), cells: cells.collect() }
}
