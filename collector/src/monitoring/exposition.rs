//! Current points in the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats, 0.0.4).

use std::fmt::Write as _;

use kouan_protocol::{PointKind, Value};

use super::series::{COUNTER, Labels, MEASUREMENT, STATE, WORKING, samples_of};

/// What became of the points of a scrape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scraped {
    /// Series that are told.
    pub series: usize,
    /// Series that are not, because there are too many.
    pub left_out: usize,
    /// Points that are not told, because nothing current is known of them.
    pub stale: usize,
}

/// A scrape in the making: at most so many series of device points.
#[derive(Debug)]
pub struct Exposition {
    most: usize,
    scraped: Scraped,
    measurements: String,
    counters: String,
    states: String,
    working: String,
}

impl Exposition {
    /// An empty one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let text = String::new;
        Self {
            most,
            scraped: Scraped::default(),
            measurements: text(),
            counters: text(),
            states: text(),
            working: text(),
        }
    }

    /// Tells whether a device answers everything.
    pub fn device(&mut self, labels: &Labels, works: bool) {
        if self.has_room() {
            write_line(&mut self.working, WORKING, labels, None, f64::from(u8::from(works)));
        }
    }

    /// Tells a point's reading.
    pub fn point(&mut self, labels: &Labels, kind: PointKind, states: &[String], value: &Value) {
        for sample in samples_of(kind, states, value) {
            if !self.has_room() {
                continue;
            }
            let text = match sample.name {
                MEASUREMENT => &mut self.measurements,
                COUNTER => &mut self.counters,
                _ => &mut self.states,
            };
            write_line(text, sample.name, labels, sample.state, sample.value);
        }
    }

    /// Counts a point of which nothing current is known.
    pub fn stale(&mut self) {
        self.scraped.stale += 1;
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.scraped.series < self.most;
        *(if has_room { &mut self.scraped.series } else { &mut self.scraped.left_out }) += 1;
        has_room
    }

    /// The text, and what became of the points.
    #[must_use]
    pub fn finish(self) -> (String, Scraped) {
        let mut text = String::new();
        let families = [
            (
                MEASUREMENT,
                "gauge",
                "Measurements of devices, in the unit that the device's page shows.",
                self.measurements,
            ),
            (COUNTER, "counter", "Counters of devices.", self.counters),
            (STATE, "gauge", "States of devices: 1 for the one that holds.", self.states),
            (WORKING, "gauge", "Whether the device answers everything that it is asked.", self.working),
        ];
        for (name, kind, help, lines) in families {
            if !lines.is_empty() {
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
                text.push_str(&lines);
            }
        }
        let Scraped { series, left_out, stale } = self.scraped;
        for (name, help, value) in [
            ("kouan_points_series", "Series of devices in this answer.", series),
            (
                "kouan_points_series_left_out",
                "Series that are not in this answer because there are too many.",
                left_out,
            ),
            (
                "kouan_points_stale",
                "Points that are not in this answer because nothing current is known of them.",
                stale,
            ),
        ] {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        (text, self.scraped)
    }
}

fn write_line(text: &mut String, name: &str, labels: &Labels, state: Option<&str>, value: f64) {
    text.push_str(name);
    let mut separator = '{';
    for (label, value) in labels.pairs().chain(state.map(|state| ("state", state))) {
        let _ = write!(text, "{separator}{label}=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
        separator = ',';
    }
    let _ = writeln!(text, "}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_has_its_bounds_and_says_so() {
        let labels = Labels {
            site: "hall".to_owned(),
            area: "a \"quoted\" \\ name\n".to_owned(),
            device: "d-1".to_owned(),
            class: String::new(),
            point: "voltage".to_owned(),
        };
        let mut exposition = Exposition::new(2);
        exposition.point(&labels, PointKind::State, &["on".to_owned(), "off".to_owned()], &Value::text("off"));
        exposition.point(&labels, PointKind::Measurement, &[], &Value::Number(1.5));
        exposition.stale();
        let (text, scraped) = exposition.finish();
        assert_eq!(scraped, Scraped { series: 2, left_out: 1, stale: 1 });
        let area = r#"area="a \"quoted\" \\ name\n""#;
        let line =
            format!("kouan_point_state{{{area},device=\"d-1\",point=\"voltage\",site=\"hall\",state=\"off\"}} 1");
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(text.lines().any(|found| found == "kouan_points_series_left_out 1"), "{text}");
        assert!(!text.contains("kouan_point{"), "{text}");
    }
}
