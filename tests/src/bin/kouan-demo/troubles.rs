//! Faults of the simulated checkpoint that come and go, so that every page of the console has something to show.

use kouan_tests::Checkpoint;

/// What happens at whose simulator: the line that begins it and the line that ends it.
struct Trouble {
    at: At,
    begin: &'static str,
    end: &'static str,
}

#[derive(Clone, Copy)]
enum At {
    Ups,
    Cabinet,
    Gate,
    Kiosk,
}

/// One after the other, each for a while, with two of them at the same time.
const TROUBLES: [Trouble; 7] = [
    // Registers 0 and 1 are the status of APC's map MPAO-98KJ7F: bit 2 says that it runs on its battery.
    Trouble { at: At::Ups, begin: "set 1 holding 1 4", end: "set 1 holding 1 2" },
    Trouble { at: At::Kiosk, begin: "set paper out", end: "set paper ok" },
    Trouble { at: At::Cabinet, begin: "silent 3 on", end: "silent 3 off" },
    Trouble { at: At::Gate, begin: "set fault 1", end: "set fault 0" },
    Trouble { at: At::Cabinet, begin: "set 1 input 1 412", end: "set 1 input 1 236" },
    Trouble { at: At::Kiosk, begin: "silent on", end: "silent off" },
    Trouble { at: At::Ups, begin: "gone on", end: "gone off" },
];

/// How many rounds of a second lie between two beginnings.
const EVERY: u64 = 20;
/// How many rounds a trouble lasts.
const LASTS: u64 = 35;

/// Lets happen what is due in this second.
pub(super) async fn happen(site: &mut Checkpoint, second: u64) -> anyhow::Result<()> {
    let of = |second: u64| &TROUBLES[(second / EVERY) as usize % TROUBLES.len()];
    if second % EVERY == 5 {
        control(site, of(second).at, of(second).begin).await?;
    }
    if second >= LASTS && (second - LASTS) % EVERY == 5 {
        control(site, of(second - LASTS).at, of(second - LASTS).end).await?;
    }
    Ok(())
}

async fn control(site: &mut Checkpoint, at: At, line: &str) -> anyhow::Result<()> {
    let simulator = match at {
        At::Ups => &mut site.ups,
        At::Cabinet => &mut site.cabinet,
        At::Gate => &mut site.gate,
        At::Kiosk => &mut site.kiosk,
    };
    simulator.control(line).await.map(drop)
}
