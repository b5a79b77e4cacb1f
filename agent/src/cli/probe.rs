//! `kouan-agent probe`: one conversation, every byte with its meaning.

use anyhow::anyhow;
use kouan_drivers::link::trace::{Direction, Piece, Trace};

use super::entry::{DONE, FOUND_WRONG};
use super::standalone::Alone;
use super::words::Words;
use super::{ask, show};
use crate::config::Config;
use crate::local::{Answer, LocalClient, LocalError, ProbeReport, Question};

/// Bytes on one line of a field.
const BYTES: usize = 8;

pub(super) async fn run(config: Config, device: &str, json: bool, words: Words) -> anyhow::Result<u8> {
    let (report, how) = match LocalClient::connect(&config.socket).await {
        Ok(mut client) => {
            let answer = client.ask(&Question::Probe { device: device.to_owned() }).await?;
            let Answer::Probe(report) = answer else { return Err(ask::unexpected(answer, words)) };
            (report, words.probe_through_agent())
        }
        Err(LocalError::NotRunning { .. }) => {
            let alone = Alone::start(config, device, words)?;
            let trace = Trace::new();
            let problem = alone.read(Some(&trace)).await.err();
            let device = alone.stop().await.ok_or_else(|| anyhow!(words.nothing_heard()))?;
            let (problem, problem_zh) = problem.map(|why| (why.english, why.chinese)).unzip();
            (ProbeReport { device, pieces: trace.pieces(), problem, problem_zh }, words.probe_alone())
        }
        Err(error) => return Err(error.into()),
    };
    let code = if report.problem.is_some() { FOUND_WRONG } else { DONE };
    if json {
        show::json(&report)?;
        return Ok(code);
    }
    show::text(&format!("{}: {how}\n\n", report.device.device));
    show::text(&conversation(&report.pieces, words));
    let line = report.pieces.iter().any(|piece| piece.direction != Direction::Opened);
    match &report.problem {
        Some(problem) => {
            let problem = words.either(problem, report.problem_zh.as_deref().unwrap_or_default());
            show::text(&format!("\n{problem}\n"));
        }
        None if !line => show::text(&format!("{}\n", words.probe_no_bytes())),
        None => {}
    }
    if report.problem.is_none() {
        show::text("\n");
        show::points(&report.device, words);
    } else if !line {
        show::text(&format!("{}\n", words.probe_nothing()));
    }
    Ok(code)
}

/// The pieces as an aligned text.
fn conversation(pieces: &[Piece], words: Words) -> String {
    let mut text = String::new();
    for piece in pieces {
        let seconds = piece.at_us as f64 / 1_000_000.0;
        let direction = match piece.direction {
            Direction::Opened => "opened",
            Direction::Sent => "sent",
            Direction::Received => "received",
            Direction::Discarded => "discarded",
        };
        let direction = words.term(direction);
        if piece.direction == Direction::Opened {
            let place = piece.fields.first().map(|field| field.says.as_str()).unwrap_or_default();
            text += &format!("{seconds:>9.3} s  {direction} {place}\n");
            continue;
        }
        text += &format!("{seconds:>9.3} s  {}\n", words.bytes(direction, piece.bytes.len()));
        if piece.fields.is_empty() {
            push_bytes(&mut text, &piece.bytes, "");
        }
        for field in &piece.fields {
            let bytes = piece.bytes.get(field.at..field.at + field.length).unwrap_or_default();
            let name = words.term(&field.field);
            let says = words.term(&field.says);
            let padding = 24_usize.saturating_sub(show::width(name));
            push_bytes(&mut text, bytes, format!("{name}{:padding$}  {says}", "").trim_end());
        }
    }
    text
}

fn push_bytes(text: &mut String, bytes: &[u8], says: &str) {
    let mut says = Some(says);
    for line in bytes.chunks(BYTES) {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02X}")).collect();
        let entry = format!(
            "             {:<width$}  {}",
            hex.join(" "),
            says.take().unwrap_or_default(),
            width = BYTES * 3 - 1
        );
        text.push_str(entry.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use kouan_drivers::link::trace::Meaning;

    use super::*;
    use crate::cli::words::Language;

    #[test]
    fn a_conversation_is_aligned_in_both_languages() {
        let pieces = [
            Piece {
                at_us: 1200,
                direction: Direction::Sent,
                bytes: vec![1, 4, 0, 1, 0, 2, 0x20, 0x0B],
                fields: vec![Meaning::new(0, 1, "unit", "1"), Meaning::new(6, 2, "checksum", "right")],
            },
            Piece { at_us: 31_000, direction: Direction::Received, bytes: vec![0xFF; 10], fields: vec![] },
        ];
        let english = conversation(&pieces, Words::new(Language::English));
        assert_eq!(
            english,
            "    0.001 s  sent, 8 bytes\n\
             \x20            01                       unit                      1\n\
             \x20            20 0B                    checksum                  right\n\
             \x20   0.031 s  received, 10 bytes\n\
             \x20            FF FF FF FF FF FF FF FF\n\
             \x20            FF FF\n"
        );
        let chinese = conversation(&pieces, Words::new(Language::Chinese));
        let place = |line: &str, word: &str| show::width(line.split(word).next().unwrap());
        let lines: Vec<_> = chinese.lines().collect();
        // The last column stands in one line although Chinese letters are twice as wide.
        assert_eq!(place(lines[1], "1\u{0}").min(place(lines[2], "正确")), place(lines[2], "正确"), "{chinese}");
        assert!(lines[2].contains("校验") && lines[2].ends_with("正确"), "{chinese}");
    }
}
