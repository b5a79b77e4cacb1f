//! What goes wrong at a place that people watch: faults that come and go, each as such devices have them.

use kouan_protocol::Severity;

use super::estate::Place;
use crate::dice::Dice;

/// A fault of a class of devices, as the device itself shows it.
#[derive(Debug)]
pub(crate) struct Ill {
    classes: &'static [&'static str],
    pub(crate) condition: &'static str,
    pub(crate) severity: Severity,
    pub(crate) point: &'static str,
    /// The value that the point has meanwhile, as `PointPlay` counts.
    value: i64,
    /// Chinese and English.
    pub(crate) text: (&'static str, &'static str),
}

/// What changes at a device.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    /// It answers nothing until then.
    Silent { device: usize, until_s: u64, reason: &'static str, text: &'static str },
    /// A point stays at a value until then.
    Held { device: usize, point: &'static str, value: i64, until_s: u64 },
    /// Its agent raises or clears an alarm.
    Alarm { device: usize, ill: &'static Ill, raised: bool },
}

const CAMERAS: &[&str] = &["camera", "ptz-camera", "plate-camera", "flow-camera"];
const PRINTERS: &[&str] = &["ticket-machine", "kiosk"];
const HOSTS: &[&str] = &["server", "storage"];

static ILLS: [Ill; 16] = [
    ill(CAMERAS, "video-lost", Severity::Major, "video.ok", 1, ("视频丢失", "Video is lost")),
    ill(PRINTERS, "paper-out", Severity::Major, "paper.state", 2, ("缺纸", "Paper is out")),
    ill(PRINTERS, "paper-low", Severity::Warning, "paper.state", 1, ("纸将用完", "Paper is low")),
    ill(PRINTERS, "printer-error", Severity::Major, "printer.state", 2, ("打印机故障", "Printer fault")),
    ill(&["equipment-box"], "door-open", Severity::Warning, "door.state", 1, ("箱门打开", "Box door is open")),
    ill(&["equipment-box"], "breaker-open", Severity::Major, "breaker.state", 1, ("断路器跳闸", "Breaker is open")),
    ill(&["passport-cabinet"], "door-open", Severity::Warning, "door.state", 1, ("柜门打开", "Cabinet door is open")),
    ill(&["passenger-gate"], "gate-fault", Severity::Major, "fault", 1, ("闸机电机故障", "Gate motor fault")),
    ill(&["vehicle-barrier"], "barrier-fault", Severity::Major, "fault", 1, ("道闸电机故障", "Barrier motor fault")),
    ill(
        &["environment-sensor"],
        "temperature-high",
        Severity::Major,
        "temperature",
        346,
        ("温度过高", "Temperature is high"),
    ),
    ill(&["environment-sensor"], "leak", Severity::Critical, "leak", 1, ("漏水", "Water leak")),
    ill(
        &["power-cabinet", "rack"],
        "phase-lost",
        Severity::Critical,
        "voltage.l1",
        0,
        ("L1 相缺相", "Phase L1 is lost"),
    ),
    ill(HOSTS, "disk-failing", Severity::Major, "disk.health", 1, ("硬盘预警", "A disk is failing")),
    ill(HOSTS, "temperature-high", Severity::Warning, "temperature", 44, ("机箱温度高", "Chassis is hot")),
    ill(&["network-line"], "line-down", Severity::Critical, "line.state", 1, ("专线中断", "Line is down")),
    ill(&["application"], "service-down", Severity::Critical, "service.state", 1, ("服务停止", "Service is down")),
];

const fn ill(
    classes: &'static [&'static str],
    condition: &'static str,
    severity: Severity,
    point: &'static str,
    value: i64,
    text: (&'static str, &'static str),
) -> Ill {
    Ill { classes, condition, severity, point, value, text }
}

/// One thousand devices begin so many faults an hour.
const FAULTS_PER_THOUSAND_AND_HOUR: u64 = 240;
/// How long a fault lasts, in seconds.
const LASTS_S: (u64, u64) = (40, 280);
/// One in so many faults is a device that falls silent, whatever it is.
const SILENT_ONE_IN: u64 = 3;
/// A fault of a device that others hang on is drawn anew so often, so that it stays seldom.
const SPARED_PARENTS: usize = 2;

/// The faults of a place.
#[derive(Debug)]
pub(crate) struct Troubles {
    devices: Vec<Placed>,
    active: Vec<Active>,
    begun: bool,
}

#[derive(Debug)]
struct Placed {
    ills: Vec<&'static Ill>,
    children: Vec<usize>,
    until_s: u64,
}

#[derive(Debug)]
struct Active {
    device: usize,
    ill: &'static Ill,
    until_s: u64,
}

impl Troubles {
    pub(crate) fn new(place: &Place) -> Self {
        let keys: std::collections::HashMap<&str, usize> =
            place.devices.iter().enumerate().map(|(at, device)| (device.key.as_str(), at)).collect();
        let known = |class: &str| ILLS.iter().filter(|ill| ill.classes.contains(&class)).collect();
        let mut devices: Vec<Placed> = place
            .devices
            .iter()
            .map(|device| Placed { ills: known(device.class), children: Vec::new(), until_s: 0 })
            .collect();
        for (at, device) in place.devices.iter().enumerate() {
            if let Some(parent) = device.parent.as_deref().and_then(|parent| keys.get(parent)) {
                devices[*parent].children.push(at);
            }
        }
        Self { devices, active: Vec::new(), begun: false }
    }

    /// What happens in this second.
    pub(crate) fn second(&mut self, now_s: u64, dice: &mut Dice) -> Vec<Happening> {
        let mut happenings = Vec::new();
        self.active.retain(|active| {
            let over = now_s >= active.until_s;
            if over {
                happenings.push(Happening::Alarm { device: active.device, ill: active.ill, raised: false });
            }
            !over
        });
        let count = self.devices.len() as u64;
        // Whoever looks first finds something already.
        let at_once = if std::mem::replace(&mut self.begun, true) { 0 } else { count.div_ceil(150) };
        let by_chance = dice.next() % (3_600 * 1_000) < count * FAULTS_PER_THOUSAND_AND_HOUR;
        for _ in 0..at_once + u64::from(by_chance) {
            self.begin(now_s, dice, &mut happenings);
        }
        happenings
    }

    fn begin(&mut self, now_s: u64, dice: &mut Dice, happenings: &mut Vec<Happening>) {
        let mut draw = || (dice.next() % self.devices.len() as u64) as usize;
        let mut device = draw();
        for _ in 0..SPARED_PARENTS {
            if !self.devices[device].children.is_empty() {
                device = draw();
            }
        }
        if now_s < self.devices[device].until_s {
            return;
        }
        let until_s = now_s + LASTS_S.0 + dice.next() % (LASTS_S.1 - LASTS_S.0);
        let ills = &self.devices[device].ills;
        if ills.is_empty() || dice.chance(SILENT_ONE_IN) {
            return self.silence(device, until_s, happenings);
        }
        let ill = ills[(dice.next() % ills.len() as u64) as usize];
        self.devices[device].until_s = until_s;
        self.active.push(Active { device, ill, until_s });
        happenings.push(Happening::Held { device, point: ill.point, value: ill.value, until_s });
        happenings.push(Happening::Alarm { device, ill, raised: true });
    }

    /// A device falls silent and takes along what hangs on it, which comes back a little later.
    fn silence(&mut self, device: usize, until_s: u64, happenings: &mut Vec<Happening>) {
        let mut waiting = vec![(device, until_s, "timeout", "no answer")];
        while let Some((device, until_s, reason, text)) = waiting.pop() {
            let placed = &mut self.devices[device];
            if placed.until_s >= until_s {
                continue;
            }
            placed.until_s = until_s;
            happenings.push(Happening::Silent { device, until_s, reason, text });
            let next = placed.children.iter().map(|child| (*child, until_s + 3, "timeout", "no route to the device"));
            waiting.extend(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::classes::{Motion, class};
    use crate::fleet::estate::once;

    #[test]
    fn every_fault_holds_a_point_that_its_classes_have() {
        for ill in &ILLS {
            for name in ill.classes {
                let play = class(name).unwrap();
                let mut points = play.groups.iter().flat_map(|group| group.points);
                let point = points.find(|point| point.name == ill.point);
                let point = point.unwrap_or_else(|| panic!("{name} has no point {}", ill.point));
                if let Motion::Word { words, .. } = point.motion {
                    assert!((1..words.len() as i64).contains(&ill.value), "{name} {}", ill.point);
                }
            }
        }
    }

    #[test]
    fn a_silent_parent_takes_its_children_along_and_every_alarm_is_cleared() {
        let mut place = once().unwrap().into_iter().find(|place| place.title == "横琴大桥").unwrap();
        let parent = place.devices[0].key.clone();
        for device in &mut place.devices[1..6] {
            device.parent = Some(parent.clone());
        }
        let (mut troubles, mut dice) = (Troubles::new(&place), Dice::new(1));
        let mut happenings = Vec::new();
        troubles.silence(0, 100, &mut happenings);
        assert_eq!(happenings.len(), 6);
        let (mut raised, mut cleared) = (0, 0);
        for second in 200..20_000 {
            for happening in troubles.second(second, &mut dice) {
                if let Happening::Alarm { raised: up, .. } = happening {
                    *(if up { &mut raised } else { &mut cleared }) += 1;
                }
            }
        }
        assert!(raised > 20 && raised - cleared == troubles.active.len(), "{raised} raised, {cleared} cleared");
    }
}
