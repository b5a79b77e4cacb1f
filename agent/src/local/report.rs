//! What is known of devices, for people.

use kouan_protocol::{Clock, DeviceSpec};
use kouan_settings::{Bilingual, both};

use super::message::{DeviceReport, PointReport};
use crate::pipeline::Current;

/// The devices that are `wanted`, in the order of the configuration.
#[must_use]
pub fn reports(current: &Current, clock: &dyn Clock, wanted: impl Fn(&DeviceSpec) -> bool) -> Vec<DeviceReport> {
    let anchor = clock.anchor();
    let report = |device: &DeviceSpec| {
        let now = current.device(&device.key)?;
        let (health, reason, text) = match now.health {
            Some((health, _)) => (health.level.to_string(), health.reason, Bilingual::new(health.text, health.text_zh)),
            None => ("unknown".to_owned(), String::new(), both!("nothing was heard yet", "还没有收到任何数据")),
        };
        let columns = device.groups.iter().zip(&now.groups).flat_map(|(group, cells)| group.points.iter().zip(cells));
        let points = columns.filter_map(|(point, current)| {
            let current = current.as_ref()?;
            Some(PointReport {
                point: point.name.to_string(),
                value: current.cell.value.clone(),
                unit: point.unit.clone(),
                quality: current.cell.quality,
                reason: current.cell.reason,
                time: anchor.wall_at(current.boot_time),
                age_ms: anchor.boot_time.since_ms(current.boot_time),
            })
        });
        Some(DeviceReport {
            device: device.key.to_string(),
            label: device.label.clone(),
            class: device.class.clone(),
            link: device.link.clone(),
            health,
            reason,
            text: text.english,
            text_zh: text.chinese,
            points: points.collect(),
            actions: device.actions.iter().map(|action| action.name.clone()).collect(),
        })
    };
    current.catalogue().devices.iter().filter(|device| wanted(device)).filter_map(report).collect()
}
