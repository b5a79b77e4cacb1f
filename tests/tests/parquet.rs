//! Parquet files of ours as DuckDB reads them.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::path::Path;
use std::process::Command;

use kouan_collector::parquet::{Field, Kind, Writer};
use serde_json::{Value, json};

const FIELDS: [Field; 7] = [
    Field { name: "time", kind: Kind::Time, optional: false },
    Field { name: "point", kind: Kind::Word, optional: false },
    Field { name: "value", kind: Kind::Number, optional: true },
    Field { name: "text", kind: Kind::Text, optional: true },
    Field { name: "quality", kind: Kind::Word, optional: false },
    Field { name: "reason", kind: Kind::Word, optional: false },
    Field { name: "late", kind: Kind::Truth, optional: false },
];
const START: i64 = 1_795_305_600_000;

struct Row {
    time: i64,
    point: String,
    value: Option<f64>,
    text: Option<String>,
    late: bool,
}

/// Runs of every length, words that repeat and that do not, nothing for long and now and then.
fn row(at: usize) -> Row {
    let text = (at % 3 == 1).then(|| format!("文 {}", "x".repeat(at % 97)));
    Row {
        time: START + at as i64 * 250,
        point: format!("point-{}", (at / (1 + at % 40)) % 300),
        value: (!at.is_multiple_of(7) && !(50_000..60_000).contains(&at)).then_some(at as f64 / 4.0 - 1_000.0),
        text,
        late: at.is_multiple_of(5) || at % 64 > 50,
    }
}

fn write(rows: usize, path: &Path) {
    let mut writer = Writer::new(&FIELDS);
    let mut file = Vec::new();
    for at in 0..rows {
        let row = row(at);
        writer
            .row(|columns| {
                let [time, point, value, text, quality, reason, late] = columns else { unreachable!() };
                time.time(row.time);
                point.word(&row.point);
                value.number(row.value);
                text.text(row.text.as_deref());
                quality.word(if row.value.is_some() { "good" } else { "bad" });
                reason.word("none");
                late.truth(row.late);
            })
            .unwrap();
        if at.is_multiple_of(1_000) {
            file.extend(writer.take());
        }
    }
    file.extend(writer.finish().unwrap());
    std::fs::write(path, file).unwrap();
}

fn summary(path: &Path, from: i64) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/parquet_reader.py");
    let python = kouan_tests::python().unwrap();
    let output = Command::new(python).args([script, "summary"]).arg(path).arg(from.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn another_reader_finds_every_value_of_files_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    for (rows, groups) in [(0, 0), (1, 1), (9, 1), (300_000, 3)] {
        let path = folder.path().join(format!("{rows}.parquet"));
        write(rows, &path);
        let from = START + 140_000 * 250;
        if rows == 0 {
            let length = std::fs::metadata(&path).unwrap().len();
            assert!(length < 1_000, "{length} bytes of nothing");
        }
        let found = summary(&path, from);
        assert_eq!(
            found["columns"],
            json!({
                "time": ["TIMESTAMP WITH TIME ZONE", "YES"], "point": ["VARCHAR", "YES"], "value": ["DOUBLE", "YES"],
                "text": ["VARCHAR", "YES"], "quality": ["VARCHAR", "YES"], "reason": ["VARCHAR", "YES"],
                "late": ["BOOLEAN", "YES"],
            })
        );
        assert_eq!(found["row_groups"], groups, "of {rows} rows");
        if rows == 0 {
            assert_eq!(found["totals"][0], 0.0);
            continue;
        }
        let all: Vec<Row> = (0..rows).map(row).collect();
        let count = |is: &dyn Fn(&Row) -> bool| all.iter().filter(|row| is(row)).count() as f64;
        let sum = |rows: &[&Row]| rows.iter().filter_map(|row| row.value).sum::<f64>();
        let points: std::collections::HashSet<&str> = all.iter().map(|row| row.point.as_str()).collect();
        let letters: usize = all.iter().filter_map(|row| row.text.as_ref()).map(|text| text.chars().count()).sum();
        let qualities: std::collections::HashSet<bool> = all.iter().map(|row| row.value.is_some()).collect();
        let wanted = json!([
            rows as f64,
            sum(&all.iter().collect::<Vec<_>>()),
            count(&|row| row.value.is_some()),
            count(&|row| row.text.is_some()),
            letters as f64,
            points.len() as f64,
            all.iter().map(|row| row.time).sum::<i64>() as f64,
            count(&|row| row.late),
            qualities.len() as f64,
            "none",
        ]);
        if rows > 9 {
            assert_eq!(found["totals"], wanted);
            let after: Vec<&Row> = all.iter().filter(|row| row.time >= from).collect();
            assert_eq!(found["after"], json!([after.len() as f64, sum(&after)]));
        } else {
            assert_eq!(found["totals"][0], wanted[0]);
            assert_eq!(found["totals"][6], wanted[6]);
        }
    }
}
