//! Whether the log is as it was written.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{Hashed, hash};
use crate::store::{During as _, StoreError};

/// A row as somebody noted it: what came before cannot have been changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainHead {
    /// The row's number.
    pub id: i64,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
}

/// What was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChainReport {
    /// Rows that were read.
    pub rows: i64,
    /// The newest row; `null` if there is none. Whoever notes it can later have it looked for.
    pub head: Option<ChainHead>,
    /// What is wrong, in words; empty if the log is as it was written.
    pub problems: Vec<String>,
}

/// Reads the whole log and checks each hash, and that the row that somebody noted is still in it.
///
/// # Errors
/// When it cannot be read.
pub fn check_chain(conn: &Connection, noted: Option<&ChainHead>) -> Result<ChainReport, StoreError> {
    let mut report = ChainReport { rows: 0, head: None, problems: Vec::new() };
    let mut statement = conn
        .prepare(
            "SELECT id, at_ms, hash, actor_kind, actor_id, actor_name, address, action, site, target, detail
             FROM audit ORDER BY id",
        )
        .during("read the audit log")?;
    let mut rows = statement.query([]).during("read the audit log")?;
    let (mut before, mut expected) = (Vec::new(), 1);
    let mut is_found = noted.is_none();
    while let Some(row) = rows.next().during("read the audit log")? {
        let (id, at_ms): (i64, i64) = (|| Ok((row.get(0)?, row.get(1)?)))().during("read the audit log")?;
        let stored: Vec<u8> = row.get(2).during("read the audit log")?;
        let mut texts = [""; 8];
        for (at, text) in texts.iter_mut().enumerate() {
            *text = row.get_ref(at + 3).and_then(|text| Ok(text.as_str()?)).during("read the audit log")?;
        }
        if id != expected {
            report.problems.push(format!("rows {expected} to {} are missing", id - 1));
        }
        if hash(&before, &Hashed { id, at_ms, texts })[..] != stored[..] {
            report.problems.push(format!("row {id} is not as it was written, or the row before it is not"));
        }
        let head = ChainHead { id, hash: stored.iter().map(|byte| format!("{byte:02x}")).collect() };
        is_found |= noted == Some(&head);
        (before, expected) = (stored, id + 1);
        report.rows += 1;
        report.head = Some(head);
    }
    if let Some(noted) = noted.filter(|_| !is_found) {
        report.problems.push(format!("row {} with the hash {} is not in it any more", noted.id, noted.hash));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use kouan_protocol::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::audit::{Actor, ActorKind, Deed, record};
    use crate::store::{File, open_writable};

    fn log() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = open_writable(&folder.path().join("state.db"), File::State).unwrap();
        let actor =
            Actor { kind: ActorKind::User, id: "u-1".into(), name: "李雷".into(), address: "192.0.2.1".into() };
        for at in 0..5 {
            let transaction = conn.transaction().unwrap();
            let deed = Deed::new("device-renamed", format!("d-{at}")).at("hall").with(json!({ "label": "闸机" }));
            record(&transaction, &actor, &deed, Timestamp(1_795_341_600_000 + at)).unwrap();
            transaction.commit().unwrap();
        }
        (folder, conn)
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole() {
        let (_folder, conn) = log();
        let report = check_chain(&conn, None).unwrap();
        assert_eq!((report.rows, &report.problems[..]), (5, &[][..]));
        assert_eq!(check_chain(&conn, report.head.as_ref()).unwrap().problems, Vec::<String>::new());
    }

    #[test]
    fn rows_are_neither_changed_nor_deleted() {
        let (_folder, conn) = log();
        assert!(conn.execute("UPDATE audit SET target = 'x' WHERE id = 2", []).is_err());
        assert!(conn.execute("DELETE FROM audit WHERE id = 5", []).is_err());
    }

    #[test]
    fn whoever_gets_around_that_is_found_out() {
        for (tamper, word) in [
            ("UPDATE audit SET target = 'x' WHERE id = 2", "row 2 is not as it was written"),
            ("DELETE FROM audit WHERE id = 3", "rows 3 to 3 are missing"),
            ("DELETE FROM audit WHERE id = 5", "is not in it any more"),
        ] {
            let (_folder, conn) = log();
            let head = check_chain(&conn, None).unwrap().head;
            conn.execute_batch("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;").unwrap();
            conn.execute(tamper, []).unwrap();
            let problems = check_chain(&conn, head.as_ref()).unwrap().problems;
            assert!(problems.iter().any(|problem| problem.contains(word)), "{tamper}: {problems:?}");
        }
    }
}
